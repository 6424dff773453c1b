// What a GPU kernel cannot do keeps the first predicate that failed, on the region and as a remark.
// RUN: quant-opt %s --select-kernels=targets=sm_90a --split-input-file --remarks-filter=gpu --remark-policy=all 2> %t.remarks | FileCheck %s
// RUN: FileCheck %s --check-prefix=REMARK --input-file=%t.remarks
// RUN: not quant-opt %s --select-kernels=targets=sm_75 --split-input-file 2>&1 | FileCheck %s --check-prefix=TARGET
// TARGET: error: option targets: expected sm_80 or sm_90a, found 'sm_75'

// REMARK: [Missed] no-kernel{{.*}}Op=y, Remark="no GPU kernel: expected a left operand of i8, i4, f16 or bf16, found f32 (recipe key float: f16 or bf16)"
// CHECK: gpu_reason = "expected a left operand of i8, i4, f16 or bf16, found f32 (recipe key float: f16 or bf16)"
func.func @main(%x: tensor<4x64xf32> {qnn.name = "x"}) -> (tensor<4x8xf32> {qnn.name = "y"}) {
  %w = qnn.constant {value = dense<1.0> : tensor<8x64xf32>} : tensor<8x64xf32>
  %0 = kernel.fused (%a = %x, %c = %w) {kind = #kernel.template<gemm>, name = "y"} : (tensor<4x64xf32>, tensor<8x64xf32>) -> tensor<4x8xf32> {
    %1 = qnn.linear %a, %c : (tensor<4x64xf32>, tensor<8x64xf32>) -> tensor<4x8xf32>
    kernel.yield %1 : tensor<4x8xf32>
  }
  return %0 : tensor<4x8xf32>
}

// -----

// K does not divide into groups that a kernel has.
// CHECK: gpu_reason = "expected groups of a multiple of 32 that divides K = 96, found 48"
func.func @main(%x: tensor<4x96xi8> {qnn.name = "x"}) -> (tensor<4x8xi32> {qnn.name = "y"}) {
  %w = qnn.constant {value = dense<1> : tensor<8x96xi4>} : tensor<8x96xi4>
  %s = qnn.constant {value = dense<2> : tensor<8x2xi8>} : tensor<8x2xi8>
  %m = qnn.constant {value = dense<-3> : tensor<8x2xi16>} : tensor<8x2xi16>
  %0 = kernel.fused (%a = %x, %c = %w, %d = %s, %e = %m) {kind = #kernel.template<gemm>, name = "y"} : (tensor<4x96xi8>, tensor<8x96xi4>, tensor<8x2xi8>, tensor<8x2xi16>) -> tensor<4x8xi32> {
    %1 = dyadic.linear_two_level %a, %c, %d, %e {group = 48 : i64, input_zero_point = 0 : i32} : (tensor<4x96xi8>, tensor<8x96xi4>, tensor<8x2xi8>, tensor<8x2xi16>) -> tensor<4x8xi32>
    kernel.yield %1 : tensor<4x8xi32>
  }
  return %0 : tensor<4x8xi32>
}

// -----

// CHECK: gpu_reason = "'qnn.softmax' has no GPU code inside a region: expected elementwise operations"
func.func @main(%x: tensor<4x8xf32> {qnn.name = "x"}) -> (tensor<4x8xf32> {qnn.name = "y"}) {
  %0 = kernel.fused (%a = %x) {kind = #kernel.template<rows>, name = "y"} : (tensor<4x8xf32>) -> tensor<4x8xf32> {
    %1 = qnn.softmax %a {axis = 1 : i64} : (tensor<4x8xf32>) -> tensor<4x8xf32>
    kernel.yield %1 : tensor<4x8xf32>
  }
  return %0 : tensor<4x8xf32>
}

// -----

// CHECK: gpu_reason = "'qnn.conv' has no GPU kernel: expected a linear layer or elementwise operations"
func.func @main(%x: tensor<1x4x8x8xf32> {qnn.name = "x"}) -> (tensor<1x4x8x8xf32> {qnn.name = "y"}) {
  %w = qnn.constant {value = dense<1.0> : tensor<4x4x1x1xf32>} : tensor<4x4x1x1xf32>
  %0 = kernel.fused (%a = %x, %c = %w) {kind = #kernel.template<gemm>, name = "y"} : (tensor<1x4x8x8xf32>, tensor<4x4x1x1xf32>) -> tensor<1x4x8x8xf32> {
    %1 = qnn.conv %a, %c {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (tensor<1x4x8x8xf32>, tensor<4x4x1x1xf32>) -> tensor<1x4x8x8xf32>
    kernel.yield %1 : tensor<1x4x8x8xf32>
  }
  return %0 : tensor<1x4x8x8xf32>
}

// -----

// CHECK: gpu_reason = "expected a static last dimension"
func.func @main(%x: tensor<4x?xf32> {qnn.name = "x", qnn.dims = affine_map<()[s0] -> (4, s0)>}) -> (tensor<4x?xf32> {qnn.name = "y"}) attributes {qnn.symbols = [#qnn.symbol<"N", 1, 8, 1>]} {
  %0 = kernel.fused (%a = %x) {kind = #kernel.template<loops>, name = "y"} : (tensor<4x?xf32>) -> tensor<4x?xf32> {
    %1 = qnn.exp %a : (tensor<4x?xf32>) -> tensor<4x?xf32>
    kernel.yield %1 : tensor<4x?xf32>
  }
  return %0 : tensor<4x?xf32>
}

// -----

// CHECK: gpu_reason = "operand 0 is not row-major"
func.func @main(%x: tensor<4x8xf32> {qnn.name = "x"}) -> (tensor<4x8xf32> {qnn.name = "y"}) {
  %0 = kernel.fused (%a = %x) {kind = #kernel.template<loops>, name = "y", operand_layouts = [array<i64: 1, 0>]} : (tensor<4x8xf32>) -> tensor<4x8xf32> {
    %1 = qnn.exp %a : (tensor<4x8xf32>) -> tensor<4x8xf32>
    kernel.yield %1 : tensor<4x8xf32>
  }
  return %0 : tensor<4x8xf32>
}

// -----

// CHECK: gpu_reason = "an operand broadcasts along some of the leading dimensions only: expected one value for the tensor, a row, a column or an element"
func.func @main(%x: tensor<4x3x8xf32> {qnn.name = "x"}, %z: tensor<4x1x8xf32> {qnn.name = "z"}) -> (tensor<4x3x8xf32> {qnn.name = "y"}) {
  %0 = kernel.fused (%a = %x, %b = %z) {kind = #kernel.template<loops>, name = "y"} : (tensor<4x3x8xf32>, tensor<4x1x8xf32>) -> tensor<4x3x8xf32> {
    %1 = qnn.add %a, %b : (tensor<4x3x8xf32>, tensor<4x1x8xf32>) -> tensor<4x3x8xf32>
    kernel.yield %1 : tensor<4x3x8xf32>
  }
  return %0 : tensor<4x3x8xf32>
}

// -----

// CHECK: gpu_reason = "an operand of element type i64 has no GPU code: expected f32, f16, bf16 or integers of 8, 16 or 32 bits"
func.func @main(%x: tensor<4x8xi64> {qnn.name = "x"}) -> (tensor<4x8xf32> {qnn.name = "y"}) {
  %0 = kernel.fused (%a = %x) {kind = #kernel.template<loops>, name = "y"} : (tensor<4x8xi64>) -> tensor<4x8xf32> {
    %1 = qnn.cast %a : (tensor<4x8xi64>) -> tensor<4x8xf32>
    kernel.yield %1 : tensor<4x8xf32>
  }
  return %0 : tensor<4x8xf32>
}

// -----

// CHECK: gpu_reason = "a group scale of {{.*}} is out of the normal range of f16"
func.func @main(%x: tensor<4x64xf16> {qnn.name = "x"}) -> (tensor<4x8xf32> {qnn.name = "y"}) {
  %w = qnn.constant {value = dense<1> : tensor<8x64xi4>} : tensor<8x64xi4>
  %s = qnn.constant {value = dense<1.0e-6> : tensor<8x2xf32>} : tensor<8x2xf32>
  %0 = kernel.fused (%a = %x, %c = %w, %d = %s) {kind = #kernel.template<gemm>, name = "y"} : (tensor<4x64xf16>, tensor<8x64xi4>, tensor<8x2xf32>) -> tensor<4x8xf32> {
    %1 = qnn.cast %a : (tensor<4x64xf16>) -> tensor<4x64xf32>
    %2 = qnn.dequantize %c, %d {scheme = #qnn.scheme<s4, group 32 along 1>} : (tensor<8x64xi4>, tensor<8x2xf32>) -> tensor<8x64xf32>
    %3 = qnn.linear %1, %2 : (tensor<4x64xf32>, tensor<8x64xf32>) -> tensor<4x8xf32>
    kernel.yield %3 : tensor<4x8xf32>
  }
  return %0 : tensor<4x8xf32>
}

// -----

// CHECK: gpu_reason = "a zero point of 121 is not exact beside bf16 activations: expected at most 120"
func.func @main(%x: tensor<4x64xbf16> {qnn.name = "x"}) -> (tensor<4x8xf32> {qnn.name = "y"}) {
  %w = qnn.constant {value = dense<1> : tensor<8x64xi4>} : tensor<8x64xi4>
  %s = qnn.constant {value = dense<0.5> : tensor<8x2xf32>} : tensor<8x2xf32>
  %z = qnn.constant {value = dense<121> : tensor<8x2xi8>} : tensor<8x2xi8>
  %0 = kernel.fused (%a = %x, %c = %w, %d = %s, %e = %z) {kind = #kernel.template<gemm>, name = "y"} : (tensor<4x64xbf16>, tensor<8x64xi4>, tensor<8x2xf32>, tensor<8x2xi8>) -> tensor<4x8xf32> {
    %1 = qnn.cast %a : (tensor<4x64xbf16>) -> tensor<4x64xf32>
    %2 = qnn.dequantize %c, %d, %e {scheme = #qnn.scheme<s4, group 32 along 1>} : (tensor<8x64xi4>, tensor<8x2xf32>, tensor<8x2xi8>) -> tensor<8x64xf32>
    %3 = qnn.linear %1, %2 : (tensor<4x64xf32>, tensor<8x64xf32>) -> tensor<4x8xf32>
    kernel.yield %3 : tensor<4x8xf32>
  }
  return %0 : tensor<4x8xf32>
}
