//===- Html.cpp - the page made from a report's data ----------------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/Report/Html.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

using namespace bitwright;

namespace {
constexpr llvm::StringLiteral page =
#include "page.inc"
    ;

/// Inside an element of the page.
std::string escapeText(llvm::StringRef text) {
  std::string result;
  for (char c : text) {
    if (c == '<')
      result += "&lt;";
    else if (c == '>')
      result += "&gt;";
    else if (c == '&')
      result += "&amp;";
    else if (c == '"')
      result += "&quot;";
    else
      result += c;
  }
  return result;
}

/// Inside a script element, where `</script` and `<!--` would end the data: JSON may write these characters as escapes,
/// and outside of its strings they do not occur.
std::string escapeJson(llvm::StringRef json) {
  std::string result;
  result.reserve(json.size());
  for (char c : json) {
    if (c == '<')
      result += "\\u003c";
    else if (c == '>')
      result += "\\u003e";
    else if (c == '&')
      result += "\\u0026";
    else
      result += c;
  }
  return result;
}

llvm::Error writeAtomically(llvm::StringRef path, llvm::StringRef text) {
  return llvm::writeToOutput(path, [&](llvm::raw_ostream &stream) {
    stream << text;
    return llvm::Error::success();
  });
}
} // namespace

std::string report::toHtml(const llvm::json::Value &twin) {
  std::string title = "report";
  if (const llvm::json::Object *object = twin.getAsObject())
    if (auto model = object->getString("model"))
      title = model->str();
  std::string json;
  llvm::raw_string_ostream(json) << twin;
  std::string result;
  llvm::StringRef rest = page;
  // One pass over the page: what is put in is never searched.
  while (true) {
    auto [before, after] = rest.split("@@");
    result += before;
    if (before.size() == rest.size())
      return result;
    if (after.consume_front("TITLE@@"))
      result += escapeText(title);
    else if (after.consume_front("DATA@@"))
      result += escapeJson(json);
    else
      result += "@@";
    rest = after;
  }
}

llvm::Error report::checkTwin(const llvm::json::Value &twin, llvm::StringRef where) {
  const llvm::json::Object *object = twin.getAsObject();
  auto version = object ? object->getInteger("version") : std::nullopt;
  if (!version || *version != 1 || object->getString("kind") != llvm::StringRef("quantization report"))
    return llvm::createStringError(where +
                                   ": expected a report that quant-compile --report wrote beside its page "
                                   "(\"kind\": \"quantization report\", \"version\": 1), found " +
                                   (version ? "another kind or version" : "something else"));
  return llvm::Error::success();
}

std::string report::twinPath(llvm::StringRef htmlPath) {
  llvm::SmallString<128> path(htmlPath);
  llvm::sys::path::replace_extension(path, "json");
  return path.str().str();
}

llvm::Error report::writeReport(llvm::StringRef htmlPath, const llvm::json::Value &twin) {
  llvm::StringRef extension = llvm::sys::path::extension(htmlPath);
  if (extension != ".html" && extension != ".htm")
    return llvm::createStringError("expected a file that ends in .html (its data go beside it, as .json), found '" +
                                   htmlPath + "'");
  std::string json;
  llvm::raw_string_ostream(json) << llvm::formatv("{0:1}\n", twin);
  if (llvm::Error error = writeAtomically(twinPath(htmlPath), json))
    return error;
  return writeAtomically(htmlPath, toHtml(twin));
}
