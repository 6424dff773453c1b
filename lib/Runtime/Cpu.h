//===- Cpu.h - what this host can execute -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "lib/Artifact/Model.h"
#include "lib/Runtime/Status.h"

namespace bitwright::runtime {

/// Highest level that processor and operating system support. False when not even AVX2 + FMA + F16C is there. The
/// answer comes from cpuid and XCR0, never from a processor's name.
bool hostIsa(artifact::Isa &isa);

/// Level to use: `wanted` (an option), else the environment's BITWRIGHT_ISA, else the host's best. A level that is
/// unknown or that the host lacks is an error which says so.
Status chooseIsa(const char *wanted, artifact::Isa &isa);

/// Asks the kernel for permission to use AMX tiles, once per process. True when granted.
bool enableAmx();

} // namespace bitwright::runtime
