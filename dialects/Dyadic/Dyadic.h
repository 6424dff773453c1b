//===- Dyadic.h - integer-only operations with exact meaning ---------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_DIALECTS_DYADIC_DYADIC_H
#define BITWRIGHT_DIALECTS_DYADIC_DYADIC_H

#include "dialects/Qnn/Qnn.h"

#include "dialects/Dyadic/DyadicEnums.h.inc"

#include "dialects/Dyadic/DyadicDialect.h.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/Dyadic/DyadicAttributes.h.inc"

#define GET_OP_CLASSES
#include "dialects/Dyadic/DyadicOps.h.inc"

#endif
