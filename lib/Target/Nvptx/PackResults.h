//===- PackResults.h - emitted elements as words to store -------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_LIB_TARGET_NVPTX_PACKRESULTS_H
#define BITWRIGHT_LIB_TARGET_NVPTX_PACKRESULTS_H

#include "lib/Target/Nvptx/KernelWriter.h"

namespace bitwright::nvptx {

/// Neighbouring elements of one result (8, 16 or 32 bits each, first in the low bits) as i32 words; the number of
/// elements fills whole words. Conversions that ended the epilogue (truncf to a half type; a clamp to [-128, 127] and a
/// conversion to i8) become the packing instructions that do the same for two elements at once.
Values packResults(KernelWriter &w, ValueRange elements);

/// Stores neighbouring elements (a power of two of them, aligned to their size, at most 16 bytes a store).
void storeResults(KernelWriter &w, ValueRange elements, Value pointer);

/// Loads `count` (a power of two) neighbouring elements of `type`, aligned to their size, as scalars.
Values loadElements(KernelWriter &w, Value pointer, Type type, unsigned count);

} // namespace bitwright::nvptx

#endif
