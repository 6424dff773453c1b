//===- Html.h - the page made from a report's data --------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_LIB_REPORT_HTML_H
#define BITWRIGHT_LIB_REPORT_HTML_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/JSON.h"

#include <string>

namespace bitwright::report {

/// The page of a twin (Record.h, `toJson`): one file that loads nothing else. Its style and script are
/// lib/Report/page.html, the data stand in it as JSON.
std::string toHtml(const llvm::json::Value &twin);

/// Fails unless `twin` is a report of a version that the page can show; `where` names it in the message.
llvm::Error checkTwin(const llvm::json::Value &twin, llvm::StringRef where);

/// `report.html` -> `report.json`.
std::string twinPath(llvm::StringRef htmlPath);

/// Writes the page, and the twin beside it, each under a temporary name first. Errors: a path that does not end in
/// .html or .htm, files that cannot be written.
llvm::Error writeReport(llvm::StringRef htmlPath, const llvm::json::Value &twin);

} // namespace bitwright::report

#endif
