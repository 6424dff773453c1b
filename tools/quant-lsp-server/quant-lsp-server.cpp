//===- quant-lsp-server.cpp - language server for .mlir files --------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// For an editor's MLIR extension: diagnostics of our verifiers while one types, hover and jumps for our operations. In
// VS Code set `mlir.server_path` to this program.
//
//===----------------------------------------------------------------------===//

#include "mlir/Support/LLVM.h"
#include "mlir/Tools/mlir-lsp-server/MlirLspServerMain.h"
#include "passes/Pipelines/Pipelines.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  bitwright::registerAllDialects(registry);
  return mlir::failed(mlir::MlirLspServerMain(argc, argv, registry));
}
