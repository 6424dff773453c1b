/*===- runtime.h - C API of the Bitwright runtime ------------------*- C -*-===*\
|*
|* Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
|*
|*===----------------------------------------------------------------------===*|
|*
|* Loads `.bwm` files and runs them. Plain C11, no dependency.
|*
|*   bw_model *model;
|*   bw_session *session;
|*   if (bw_model_load_file("model.bwm", 0, &model) != BW_OK ||
|*       bw_session_create(model, NULL, &session) != BW_OK)
|*     die(bw_last_error());
|*   bw_tensor in = {.name = "x", .dtype = BW_F32, .rank = 4, .dims = {1, 3, 48, 320}, .data = x, .bytes = sizeof(x)};
|*   bw_tensor out = {.name = "y", .dtype = BW_F32, .data = y, .bytes = sizeof(y)};
|*   if (bw_run(session, 0, &in, 1, &out, 1) != BW_OK)
|*     die(bw_last_error());
|*
|* Errors. Every call that can fail returns a status; the text of the last failure on this thread is bw_last_error().
|* Out parameters are untouched on failure, except that output buffers of bw_run are unspecified after BW_INTERNAL.
|*
|* Lifetimes. Strings and arrays that a model hands out live as long as the model. A session keeps what it needs of its
|* model: the model may be destroyed first. bw_model_load_memory copies; bw_model_load_file maps the file, which must
not
|* be changed in place while the model lives (renaming or deleting it is fine).
|*
|* Threads. A model may be used by any number of threads at once. A session may be used by one thread at a time: a
second
|* concurrent run is refused with BW_INVALID_ARGUMENT. Results do not depend on the number of threads.
|*
\*===----------------------------------------------------------------------===*/
#ifndef BITWRIGHT_C_RUNTIME_H
#define BITWRIGHT_C_RUNTIME_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define BW_API __attribute__((visibility("default")))
#else
#define BW_API
#endif

#define BW_MAX_RANK 16

typedef enum bw_status {
  BW_OK = 0,
  BW_INVALID_ARGUMENT = 1, /* a name, shape, type, size or index that the model does not have; null where not allowed */
  BW_IO_ERROR = 2,         /* the file cannot be opened, read or mapped */
  BW_INVALID_FILE = 3,     /* not a .bwm file, truncated, corrupt, or of another version */
  BW_UNSUPPORTED = 4,      /* this host lacks what the file or the request needs */
  BW_OUT_OF_MEMORY = 5,
  BW_CHECK_FAILED = 6, /* the self-check ran and found other numbers */
  BW_INTERNAL = 7      /* a defect of the runtime; please report it */
} bw_status;

typedef enum bw_dtype {
  BW_F32 = 0,
  BW_F16 = 1,
  BW_BF16 = 2,
  BW_S8 = 3,
  BW_U8 = 4,
  BW_S16 = 5,
  BW_S32 = 6,
  BW_S64 = 7,
  BW_BOOL = 8,
  BW_S4 = 9,
  BW_U4 = 10,
  BW_F64 = 11,
  BW_DTYPE_FORCE_32_BIT = 0x7fffffff /* no type: makes every int a value that the library can look at and refuse */
} bw_dtype;

typedef struct bw_model bw_model;
typedef struct bw_session bw_session;

/* Text of the last failure on this thread; "" when there was none. Valid until the next call on this thread. */
BW_API const char *bw_last_error(void);
/* "0.1.0" */
BW_API const char *bw_version(void);
/* "f32", "s8", ... or "?" for a number that is no dtype. */
BW_API const char *bw_dtype_name(bw_dtype dtype);
/* Bits of one element, 0 for a number that is no dtype. */
BW_API unsigned bw_dtype_bits(bw_dtype dtype);

/*--- Models ------------------------------------------------------------------*/

enum {
  BW_LOAD_VERIFY_ALL = 1, /* hash weights, texts and all code too; without it: header and the code that will run */
  BW_LOAD_NO_CODE = 2     /* for looking only: no code is ever mapped, bw_session_create is refused */
};

BW_API bw_status bw_model_load_file(const char *path, uint32_t flags, bw_model **model);
/* The bytes are copied and may be freed after the call. */
BW_API bw_status bw_model_load_memory(const void *bytes, size_t size, uint32_t flags, bw_model **model);
BW_API void bw_model_destroy(bw_model *model); /* null is fine */

/* A dimension that the caller chooses through the shapes of the inputs: lo <= value <= hi, a multiple of divisor. */
typedef struct bw_symbol_info {
  const char *name;
  int64_t lo, hi, divisor;
} bw_symbol_info;

typedef struct bw_tensor_info {
  const char *name;
  bw_dtype dtype;
  int32_t rank;
  const char *dims[BW_MAX_RANK]; /* as text: "3", "W", "floordiv(W, 4)" */
  int64_t dim_lo[BW_MAX_RANK];   /* smallest and largest value over the ranges of the symbols */
  int64_t dim_hi[BW_MAX_RANK];
  int32_t quantized; /* 1: real = scale * (code - zero_point) */
  int32_t axis;      /* dimension of the scales, -1: one scale */
  size_t scale_count;
  const float *scales;
  size_t zero_point_count; /* 1 or scale_count */
  const int32_t *zero_points;
} bw_tensor_info;

BW_API size_t bw_model_symbol_count(const bw_model *model);
BW_API bw_status bw_model_symbol(const bw_model *model, size_t index, bw_symbol_info *info);
BW_API size_t bw_model_entry_count(const bw_model *model);
/* Null for an index out of range. */
BW_API const char *bw_model_entry_name(const bw_model *model, size_t entry);
/* 0 for an entry out of range. */
BW_API size_t bw_model_input_count(const bw_model *model, size_t entry);
BW_API size_t bw_model_output_count(const bw_model *model, size_t entry);
BW_API bw_status bw_model_input(const bw_model *model, size_t entry, size_t index, bw_tensor_info *info);
BW_API bw_status bw_model_output(const bw_model *model, size_t entry, size_t index, bw_tensor_info *info);

typedef struct bw_model_stats {
  uint64_t arena_bytes;
  uint64_t weight_bytes;         /* as the file holds them: codes of 2 and 3 bits are expanded to 4 in memory */
  uint64_t code_bytes[3];        /* avx2, avx512vnni, amx; 0: none */
  uint64_t gpu_code_bytes[2][2]; /* [sm_80, sm_90a][cubin, PTX]; 0: none */
  size_t gpu_launch_count;       /* launches that have GPU code */
  size_t gpu_kernel_count;
  size_t launch_count; /* of all entry points */
  size_t kernel_count;
  int32_t has_self_check;
} bw_model_stats;
BW_API bw_status bw_model_get_stats(const bw_model *model, bw_model_stats *stats);

BW_API size_t bw_model_property_count(const bw_model *model);
/* Provenance: tool version, recipe, digest of the calibration data, ... */
BW_API bw_status bw_model_property(const bw_model *model, size_t index, const char **key, const char **value);

/*--- Sessions ----------------------------------------------------------------*/

typedef struct bw_session_options {
  uint32_t threads;      /* 0: as 1. The calling thread is one of them. */
  const char *isa;       /* "avx2", "avx512vnni", "amx"; null: the environment's BITWRIGHT_ISA, else the host's best */
  int32_t profile;       /* 1: every run adds up the time of each launch (on a GPU: launch by launch, device time) */
  const char *device;    /* "cpu" (or null), "cuda", "cuda:N" */
  int32_t device_timing; /* 1: on a GPU, measure what bw_session_device_ms tells */
} bw_session_options;

/* Allocates the arena and the scratch memory, maps the code for the chosen level, starts the threads. null options: one
   thread, best level, CPU.
   On a GPU: opens the driver (libcuda.so.1, or what the environment's BITWRIGHT_CUDA_LIBRARY names) and the device's
   primary context, loads the code for the device, packs and uploads the weights (once for a model and device: sessions
   share them, the last one frees them), allocates the arena there. BW_UNSUPPORTED says what is missing: no driver, one
   that is too old, no code for the device, or a launch without GPU code and why. The environment's
   BITWRIGHT_CUDA_TIMEOUT (milliseconds) turns a run that does not end into BW_INTERNAL; the session is lost then. */
BW_API bw_status bw_session_create(bw_model *model, const bw_session_options *options, bw_session **session);
BW_API void bw_session_destroy(bw_session *session); /* null is fine */
BW_API const char *bw_session_isa(const bw_session *session);
BW_API uint32_t bw_session_threads(const bw_session *session);
/* "cpu" or "cuda:N". */
BW_API const char *bw_session_device(const bw_session *session);
/* Name of the GPU, "" on a CPU. */
BW_API const char *bw_session_device_name(const bw_session *session);
/* Device time of the kernels of the last run that was waited for, in milliseconds, without copies of host tensors. 0
   without `device_timing` or on a CPU. */
BW_API double bw_session_device_ms(const bw_session *session);
/* GPUs that the driver shows. BW_UNSUPPORTED: no usable driver. */
BW_API bw_status bw_cuda_device_count(size_t *count);
/* The best level of this host: "avx2", "avx512vnni", "amx", or "none". */
BW_API const char *bw_host_isa(void);

typedef enum bw_device_kind {
  BW_DEVICE_HOST = 0,
  BW_DEVICE_CUDA = 1,
  BW_DEVICE_FORCE_32_BIT = 0x7fffffff /* no device; see bw_dtype */
} bw_device_kind;

/* One input or output. Memory is dense row-major and belongs to the caller. On the host any alignment will do. A
   session on a GPU takes host tensors (they are copied) and tensors on its own device, which are used in place: `data`
   is then a device address, a multiple of 16. */
typedef struct bw_tensor {
  const char *name; /* null: the position in the array counts */
  bw_dtype dtype;
  int32_t rank; /* inputs: given. outputs: written by the call */
  int64_t dims[BW_MAX_RANK];
  void *data;            /* never written for inputs */
  size_t bytes;          /* inputs: exactly the size of the value. outputs: at least that */
  bw_device_kind device; /* where data lies; zero is the host */
  int32_t device_index;  /* N of cuda:N */
} bw_tensor;

/* Fills dtype, rank, dims and bytes (needed) of `outputs`, whose names are set or null, for inputs of these shapes.
   `data` of the inputs is not looked at and their `bytes` may be 0. Runs nothing. */
BW_API bw_status bw_output_shapes(bw_session *session, size_t entry, const bw_tensor *inputs, size_t input_count,
                                  bw_tensor *outputs, size_t output_count);

/* Runs an entry point. All inputs and all outputs must be given; inputs and outputs must not overlap. Allocates nothing
   when the same shapes were run before. */
BW_API bw_status bw_run(bw_session *session, size_t entry, const bw_tensor *inputs, size_t input_count,
                        bw_tensor *outputs, size_t output_count);

/* bw_run on a stream of the caller's (a CUstream or cudaStream_t of the session's device; null is the legacy default
   stream). With all inputs and outputs on the device it only enqueues: the outputs are there, and memory may be reused,
   once the stream has passed; the stream may also be recording a graph. With any tensor on the host it waits. Runs of
   one session are kept in order whatever streams they use. BW_INVALID_ARGUMENT on a CPU session. */
BW_API bw_status bw_run_on_stream(bw_session *session, size_t entry, const bw_tensor *inputs, size_t input_count,
                                  bw_tensor *outputs, size_t output_count, void *stream);

/* Waits until everything that the session has enqueued is done. Nothing to do on a CPU. */
BW_API bw_status bw_session_synchronize(bw_session *session);

/* Device memory of a session's device, a multiple of 256; outlives the session. */
typedef struct bw_device_memory bw_device_memory;
BW_API bw_status bw_device_memory_create(bw_session *session, size_t bytes, bw_device_memory **memory);
BW_API void *bw_device_memory_data(const bw_device_memory *memory);
/* Copies between host and device and waits. BW_INVALID_ARGUMENT: more bytes than the memory has. */
BW_API bw_status bw_device_memory_write(bw_device_memory *memory, const void *from, size_t bytes);
BW_API bw_status bw_device_memory_read(const bw_device_memory *memory, void *to, size_t bytes);
/* Waits for what uses the memory. null is fine. */
BW_API void bw_device_memory_destroy(bw_device_memory *memory);

/* What a launch stored, in logical row-major order; valid during the callback. */
typedef struct bw_captured {
  const char *name;   /* of the tensor */
  const char *launch; /* name of the launch that stored it */
  size_t launch_index;
  size_t buffer_index;
  bw_dtype dtype;
  int32_t rank;
  const int64_t *dims;
  const void *data;
  size_t bytes;
} bw_captured;

/* Called on the calling thread; a return value other than 0 ends the run with BW_OK after this launch. */
typedef int (*bw_capture_callback)(const bw_captured *value, void *user);

/* bw_run for debugging: calls back with every tensor that each launch stores, right after the launch (the arena reuses
   memory, so there is no later). */
BW_API bw_status bw_run_capture(bw_session *session, size_t entry, const bw_tensor *inputs, size_t input_count,
                                bw_tensor *outputs, size_t output_count, bw_capture_callback callback, void *user);

/* What a launch stored, as it lies in memory (any order of the dimensions, padding included), before anything reads it.
   The callback may change the data in place: that is how roundings are tried out without compiling again. A return value
   other than 0 ends the run with BW_OK after this launch. */
typedef int (*bw_edit_callback)(const char *tensor, const char *launch, bw_dtype dtype, void *data, size_t bytes,
                                void *user);

/* bw_run with a callback for every tensor that each launch stores. For sessions on a CPU. */
BW_API bw_status bw_run_edit(bw_session *session, size_t entry, const bw_tensor *inputs, size_t input_count,
                             bw_tensor *outputs, size_t output_count, bw_edit_callback callback, void *user);

/* Constants of a model, as its kernels read them. */
BW_API size_t bw_model_weight_count(const bw_model *model);
/* BW_INVALID_ARGUMENT: no such weight. BW_UNSUPPORTED: the data of a packed weight in a model loaded with
   BW_LOAD_NO_CODE. */
BW_API bw_status bw_model_weight(const bw_model *model, size_t index, const char **layout, const void **data,
                                 size_t *bytes);
/* Replaces the bytes of a weight (of the same number) in a model that bw_model_load_memory made; sessions that exist use
   the new ones from their next run on. Nothing may run meanwhile. BW_UNSUPPORTED: a model from a file, which is mapped
   for reading only. */
BW_API bw_status bw_model_replace_weight(bw_model *model, size_t index, const void *data, size_t bytes);

typedef struct bw_profile_entry {
  const char *launch;
  const char *kernel; /* on a GPU the one that ran last, "" before the first run */
  const char *note;
  uint64_t calls;
  uint64_t nanoseconds; /* in total */
} bw_profile_entry;
/* Number of launches of the entry point; 0 when the session does not profile. */
BW_API size_t bw_session_profile_count(const bw_session *session, size_t entry);
BW_API bw_status bw_session_profile(const bw_session *session, size_t entry, size_t index, bw_profile_entry *info);
BW_API void bw_session_profile_reset(bw_session *session);

/* Runs the probe that the file holds and compares the checksum of every stored integer tensor. BW_CHECK_FAILED names
   the first tensor that differs; BW_INVALID_ARGUMENT: the file has no self-check. `compared` (may be null): how many
   checksums were compared. On a GPU the probe runs launch by launch beside the CPU, each launch on the CPU's inputs:
   integers must have the file's checksum, floats be within the bound of docs/FileFormat.md; `compared` counts both. */
BW_API bw_status bw_self_check(bw_session *session, size_t *compared);

#ifdef __cplusplus
}
#endif
#endif /* BITWRIGHT_C_RUNTIME_H */
