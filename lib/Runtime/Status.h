//===- Status.h - outcome of a runtime call -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "bitwright-c/runtime.h"

#include <string>

namespace bitwright::runtime {

/// A status code with the text that explains it. Success carries no text and allocates nothing.
struct Status {
  bw_status code = BW_OK;
  std::string text;
  bool ok() const { return code == BW_OK; }
};

inline Status failure(bw_status code, std::string text) { return {code, std::move(text)}; }

} // namespace bitwright::runtime
