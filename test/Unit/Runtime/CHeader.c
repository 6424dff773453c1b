/*===- CHeader.c - the C API compiles and links as C ---------------*- C -*-===*\
|*
|* Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
|*
\*===----------------------------------------------------------------------===*/
#include "bitwright-c/runtime.h"

/* The example of the header, in short. Returns the status of the load. */
int loadFromC(const void *bytes, size_t size, int *inputs) {
  bw_model *model = NULL;
  bw_status status = bw_model_load_memory(bytes, size, BW_LOAD_NO_CODE, &model);
  if (status == BW_OK) {
    bw_tensor in = {.name = "x", .dtype = BW_S32, .rank = 3, .dims = {1, 3, 4}};
    *inputs = (int)bw_model_input_count(model, 0) + in.rank - 3;
  }
  bw_model_destroy(model);
  return (int)status;
}
