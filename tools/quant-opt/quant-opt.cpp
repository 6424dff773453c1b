//===- quant-opt.cpp - runs passes on IR -----------------------------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "mlir/Tools/Plugins/PassPlugin.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "passes/Pipelines/Pipelines.h"
#include "llvm/Support/CommandLine.h"

/// Loads each --load-pass-plugin=FILE before the command line is parsed, so that the plugin's passes are options of
/// their own
/// (--bound-relu) and not only names in --pass-pipeline, and so that a file that cannot be loaded is an error.
static bool loadPlugins(int argc, char **argv) {
  for (int i = 1; i < argc; ++i) {
    llvm::StringRef argument = llvm::StringRef(argv[i]).ltrim('-'), path;
    if (argv[i][0] != '-' || !argument.consume_front("load-pass-plugin"))
      continue;
    if (argument.consume_front("="))
      path = argument;
    else if (argument.empty() && i + 1 < argc)
      path = argv[++i];
    else
      continue;
    auto plugin = mlir::PassPlugin::load(path.str());
    if (!plugin) {
      llvm::errs() << "quant-opt: error: cannot load the pass plugin '" << path
                   << "': " << llvm::toString(plugin.takeError()) << "\n";
      return false;
    }
    plugin->registerPassRegistryCallbacks();
  }
  return true;
}

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  bitwright::registerAllDialects(registry);
  bitwright::registerAllPassesAndPipelines();
  if (!loadPlugins(argc, argv))
    return 1;
  llvm::cl::AddExtraVersionPrinter([](llvm::raw_ostream &out) { out << "Bitwright " BITWRIGHT_VERSION "\n"; });
  return mlir::asMainReturnCode(mlir::MlirOptMain(argc, argv, "Bitwright pass driver\n", registry));
}
