// RUN: quant-opt %s --bind-dimensions=dims=N=2 --verify-diagnostics

func.func @main(%x: tensor<?xf32> {qnn.name = "x", qnn.dims = affine_map<()[s0] -> (s0)>}) -> tensor<?xf32> attributes {qnn.symbols = [#qnn.symbol<"N", 1, 8, 1>]} {
  // expected-error@+1 {{has a region, whose types this pass does not know: expected dimensions to be bound before fuse}}
  %0 = kernel.fused (%a = %x) : (tensor<?xf32>) -> tensor<?xf32> {
    %1 = qnn.relu %a {name = "r"} : (tensor<?xf32>) -> tensor<?xf32>
    kernel.yield %1 : tensor<?xf32>
  }
  return %0 : tensor<?xf32>
}
