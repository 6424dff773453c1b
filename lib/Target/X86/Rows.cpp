#include "lib/Target/X86/KernelBuilder.h"
mlir::LogicalResult bitwright::x86::emitRows(KernelBuilder &k) { return emitLoops(k); }
