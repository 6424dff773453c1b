// RUN: not quant-opt %s --bind-dimensions="dims=H=32" 2>&1 | FileCheck %s --check-prefix=UNKNOWN
// RUN: not quant-opt %s --bind-dimensions="dims=W=2000" 2>&1 | FileCheck %s --check-prefix=OUTSIDE
// RUN: not quant-opt %s --bind-dimensions="dims=W=8..64" 2>&1 | FileCheck %s --check-prefix=BELOW
// RUN: not quant-opt %s --bind-dimensions="dims=W=100" 2>&1 | FileCheck %s --check-prefix=DIVISOR
// RUN: not quant-opt %s --bind-dimensions="dims=W=64..32" 2>&1 | FileCheck %s --check-prefix=VALUE
// RUN: not quant-opt %s --bind-dimensions="dims=x:1=4" 2>&1 | FileCheck %s --check-prefix=FIXED
// RUN: not quant-opt %s --bind-dimensions="dims=x:7=4" 2>&1 | FileCheck %s --check-prefix=AXIS

// UNKNOWN: error: unknown dimension 'H': the model has N (1..8), W (32..1280/8)
// OUTSIDE: error: dimension 'W': expected a value within the declared range 32..1280/8, found 2000..2000
// BELOW: error: dimension 'W': expected a value within the declared range 32..1280/8, found 8..64
// DIVISOR: error: dimension 'W': expected a multiple of 8, found 100..100
// VALUE: error: expected NAME=VALUE, NAME=LOW..HIGH or NAME=LOW..HIGH/DIVISOR with 1 <= LOW <= HIGH, found 'W=64..32'
// FIXED: error: dimension 'x:1': expected one symbol of the model there, found 3
// AXIS: error: dimension 'x:7': input 'x' has 3 dimensions
func.func @main(%x: tensor<?x3x?xf32> {qnn.name = "x", qnn.dims = affine_map<()[s0, s1] -> (s0, 3, s1)>}) -> tensor<?x3x?xf32> attributes {qnn.symbols = [#qnn.symbol<"N", 1, 8, 1>, #qnn.symbol<"W", 32, 1280, 8>]} {
  return %x : tensor<?x3x?xf32>
}
