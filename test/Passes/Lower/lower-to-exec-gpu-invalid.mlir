// RUN: quant-opt %s --lower-to-exec --split-input-file --verify-diagnostics

func.func @main(%x: tensor<4x8xf32> {qnn.name = "x"}) -> (tensor<4x8xf32> {qnn.name = "y"}) {
  // expected-error @below {{GPU table: expected a kernel.gemm or kernel.rows @r in the module}}
  %0 = kernel.fused (%a = %x) {kind = #kernel.template<loops>, name = "y", gpu_kernel = @r, gpu_m = affine_map<() -> (4)>, gpu_bindings = {operands = [0]}} : (tensor<4x8xf32>) -> tensor<4x8xf32> {
    %1 = qnn.neg %a : (tensor<4x8xf32>) -> tensor<4x8xf32>
    kernel.yield %1 : tensor<4x8xf32>
  }
  return %0 : tensor<4x8xf32>
}

// -----

func.func @main(%x: tensor<4x8xf32> {qnn.name = "x"}) -> (tensor<4x8xf32> {qnn.name = "y"}) {
  // expected-error @below {{GPU table: expected what lower-kernels-to-nvvm writes, found {symbol = "r"}}}
  %0 = kernel.fused (%a = %x) {kind = #kernel.template<loops>, name = "y", gpu_kernel = @r, gpu_m = affine_map<() -> (4)>, gpu_bindings = {operands = [0]}} : (tensor<4x8xf32>) -> tensor<4x8xf32> {
    %1 = qnn.neg %a : (tensor<4x8xf32>) -> tensor<4x8xf32>
    kernel.yield %1 : tensor<4x8xf32>
  }
  return %0 : tensor<4x8xf32>
}
kernel.rows @r n 8 operands [#kernel.operand<element, f32>] results [f32] attributes {gpu_launches = [{symbol = "r"}]} {
^bb0(%x: f32):
  %0 = arith.negf %x : f32
  kernel.emit %0 : f32
}

// -----

// The binding names an operand that is not constant where a constant is needed, or nothing.
func.func @main(%x: tensor<4x8xf32> {qnn.name = "x"}) -> (tensor<4x8xf32> {qnn.name = "y"}) {
  // expected-error @below {{GPU table: expected constant contents of a scale, bias, multiplier or table}}
  %0 = kernel.fused (%a = %x) {kind = #kernel.template<loops>, name = "y", gpu_kernel = @r, gpu_m = affine_map<() -> (4)>, gpu_bindings = {operands = ["gone"]}} : (tensor<4x8xf32>) -> tensor<4x8xf32> {
    %1 = qnn.neg %a : (tensor<4x8xf32>) -> tensor<4x8xf32>
    kernel.yield %1 : tensor<4x8xf32>
  }
  return %0 : tensor<4x8xf32>
}
kernel.rows @r n 8 operands [#kernel.operand<element, f32>] results [f32] attributes {gpu_launches = [{symbol = "r", arch = "sm_80", m_lo = 1 : i64, m_hi = 0 : i64, threads = 32 : i64,
    shared = 0 : i64, cluster = 1 : i64, grid = affine_map<(d0) -> (d0, 1)>, parameters = [{role = "operand", index = 0 : i64, form = "pointer"}]}]} {
^bb0(%x: f32):
  %0 = arith.negf %x : f32
  kernel.emit %0 : f32
}

// -----

// A packing for elements of another size.
func.func @main(%x: tensor<4x16xf16> {qnn.name = "x"}) -> (tensor<4x16xf32> {qnn.name = "y"}) {
  %w = qnn.constant {value = dense<2> : tensor<16x16xi4>} : tensor<16x16xi4>
  %s = qnn.constant {value = dense<0.5> : tensor<16x1xf32>} : tensor<16x1xf32>
  // expected-error @below {{GPU table: the kernel packs elements of 16 bits, the constant has 32}}
  %0 = kernel.fused (%a = %x, %c = %w, %d = %s) {kind = #kernel.template<gemm>, name = "y", gpu_kernel = @g, gpu_m = affine_map<() -> (4)>, gpu_bindings = {lhs = 0 : i64, rhs = [1], group_scale = [2], operands = []}}
      : (tensor<4x16xf16>, tensor<16x16xi4>, tensor<16x1xf32>) -> tensor<4x16xf32> {
    %1 = qnn.cast %a : (tensor<4x16xf16>) -> tensor<4x16xf32>
    %2 = qnn.dequantize %c, %d {scheme = #qnn.scheme<s4, group 16 along 1>} : (tensor<16x16xi4>, tensor<16x1xf32>) -> tensor<16x16xf32>
    %3 = qnn.linear %1, %2 : (tensor<4x16xf32>, tensor<16x16xf32>) -> tensor<4x16xf32>
    kernel.yield %3 : tensor<4x16xf32>
  }
  return %0 : tensor<4x16xf32>
}
kernel.rows @g n 16 operands [#kernel.operand<element, f32>] results [f32] attributes {gpu_launches = [{symbol = "g", arch = "sm_80", m_lo = 1 : i64, m_hi = 0 : i64, threads = 32 : i64,
    shared = 0 : i64, cluster = 1 : i64, grid = affine_map<(d0) -> (d0, 1)>, parameters = [{role = "group_scale", index = 0 : i64, form = "pointer", packing = {rows = 16 : i64, columns = 1 : i64,
    bits = 16 : i64, bias = 0 : i64, fill = 0 : i64, order = "blocked", pitch = 0 : i64, row_basis = array<i64: 1>, column_basis = array<i64>}}]}]} {
^bb0(%x: f32):
  kernel.emit %x : f32
}
