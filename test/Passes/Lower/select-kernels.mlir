// RUN: quant-opt %s --select-kernels=targets=sm_80,sm_90a --split-input-file --remarks-filter=gpu --remark-policy=all 2> %t.remarks | FileCheck %s
// RUN: FileCheck %s --check-prefix=REMARK --input-file=%t.remarks
// Without targets nothing happens.
// RUN: quant-opt %s --select-kernels --split-input-file | FileCheck %s --check-prefix=NONE
// NONE-NOT: gpu_

// Lane 3. The zero point 3 goes into the bias: row 0 of the weights sums to 64 * 1, so 10 - 3 * 64 = -182; row 1 to 128, 20 - 384 = -364; ...
// Shifts below 33 or above differ: per-channel shifts are a column, equal ones a number (next test).
// CHECK-LABEL: func.func @main
// CHECK: kernel.fused {{.*}}gpu_bindings = {lhs = 0 : i64, operands = ["gpu/up/bias", "gpu/up/multiplier", "gpu/up/shift", "gpu/up/table"], rhs = [1]}, gpu_kernel = @gemm_i8_i8_2x64, gpu_m = #{{.*}}
// CHECK: kernel.gemm @gemm_i8_i8_2x64 n 2 segments [#kernel.segment<lhs = i8, rhs = i8, k = 64, grouping = none, place = none>]
// CHECK-SAME: operands [#kernel.operand<column, i32>, #kernel.operand<column, i32>, #kernel.operand<column, i32>, #kernel.operand<table, i8>] results [i8]
// CHECK-NEXT: ^bb0(%[[ACC:.*]]: i32, %[[B:.*]]: i32, %[[MUL:.*]]: i32, %[[SHIFT:.*]]: i32, %[[TABLE:.*]]: vector<256xi8>):
// CHECK-NEXT: %[[SUM:.*]] = arith.addi %[[ACC]], %[[B]]
// CHECK: arith.muli
// CHECK: arith.shrsi {{.*}} : i64
// CHECK: arith.shrsi {{.*}} : i32
// CHECK: arith.maxsi
// CHECK: arith.minsi
// CHECK: %{{.*}} = kernel.lookup %[[TABLE]][
// CHECK-NEXT: kernel.emit {{.*}} : i8
// REMARK: [Passed] kernel{{.*}}Op=up, Remark="GPU kernel @gemm_i8_i8_2x64"
func.func @main(%x: tensor<?x3x64xi8> {qnn.name = "x", qnn.dims = affine_map<()[s0] -> (s0, 3, 64)>}) -> (tensor<?x3x2xi8> {qnn.name = "y"})
    attributes {qnn.symbols = [#qnn.symbol<"M", 1, 8, 1>]} {
  %w = qnn.constant {value = dense<1> : tensor<2x64xi8>} : tensor<2x64xi8>
  %b = qnn.constant {value = dense<[10, 20]> : tensor<2xi32>} : tensor<2xi32>
  %0 = kernel.fused (%a = %x, %c = %w, %d = %b) {kind = #kernel.template<gemm>, name = "up"} : (tensor<?x3x64xi8>, tensor<2x64xi8>, tensor<2xi32>) -> tensor<?x3x2xi8> {
    %1 = dyadic.linear %a, %c, %d {input_zero_point = 3 : i32} : (tensor<?x3x64xi8>, tensor<2x64xi8>, tensor<2xi32>) -> tensor<?x3x2xi32>
    %2 = dyadic.rescale %1 {axis = 2 : i64, multiplier = array<i32: 1500000000, 1600000000>, shift = array<i8: 38, 39>, multiplier_bits = 31 : i64, rounding = #dyadic.rounding<half_up>, zero_point = 5 : i32, clamp = array<i32: -128, 127>} : (tensor<?x3x2xi32>) -> tensor<?x3x2xi8>
    %3 = dyadic.lookup %2 {table = array<i8: 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>} : (tensor<?x3x2xi8>) -> tensor<?x3x2xi8>
    kernel.yield %3 : tensor<?x3x2xi8>
  }
  return %0 : tensor<?x3x2xi8>
}

// -----

// Lane 2: the quantizer is a kernel.rows, equal products (but for their constants) share one kernel.gemm. M is the product of the leading dimensions.
// CHECK: #[[$M:.*]] = affine_map<()[s0] -> (s0 * 3)>
// CHECK-LABEL: func.func @main
// CHECK: kernel.fused {{.*}}gpu_bindings = {operands = [0]}, gpu_kernel = @quantize_rows_32, gpu_m = #[[$M]]
// CHECK: kernel.fused {{.*}}gpu_bindings = {lhs = 0 : i64, operands = [2, 3], rhs = [1]}, gpu_kernel = @gemm_i8_i8_16x32, gpu_m = #[[$M]]
// CHECK: kernel.fused {{.*}}gpu_bindings = {lhs = 0 : i64, operands = [2, 3], rhs = [1]}, gpu_kernel = @gemm_i8_i8_16x32, gpu_m = #[[$M]]
// CHECK: kernel.rows @quantize_rows_32 n 32 operands [#kernel.operand<element, f32>] results [i8] quantize
// CHECK-NEXT: ^bb0(%[[X:.*]]: f32):
// CHECK-NEXT: kernel.emit %[[X]] : f32
// CHECK: kernel.gemm @gemm_i8_i8_16x32 n 16 {{.*}} operands [#kernel.operand<row, f32>, #kernel.operand<column, f32>] results [f32]
// CHECK-NEXT: ^bb0(%[[ACC:.*]]: i32, %[[ROW:.*]]: f32, %[[COLUMN:.*]]: f32):
// CHECK-NEXT: %[[F:.*]] = arith.sitofp %[[ACC]] : i32 to f32
// CHECK-NEXT: %[[A:.*]] = arith.mulf %[[F]], %[[ROW]]
// CHECK-NEXT: %[[B:.*]] = arith.mulf %[[A]], %[[COLUMN]]
// CHECK-NEXT: kernel.emit %[[B]] : f32
// CHECK-NOT: kernel.gemm
func.func @main(%x: tensor<?x3x32xf32> {qnn.name = "x", qnn.dims = affine_map<()[s0] -> (s0, 3, 32)>}) -> (tensor<?x3x16xf32> {qnn.name = "y"}, tensor<?x3x16xf32> {qnn.name = "z"})
    attributes {qnn.symbols = [#qnn.symbol<"M", 1, 8, 1>]} {
  %w = qnn.constant {value = dense<1> : tensor<16x32xi8>} : tensor<16x32xi8>
  %v = qnn.constant {value = dense<2> : tensor<16x32xi8>} : tensor<16x32xi8>
  %s = qnn.constant {value = dense<0.5> : tensor<16xf32>} : tensor<16xf32>
  %q:2 = kernel.fused (%a = %x) {kind = #kernel.template<rows>, name = "q"} : (tensor<?x3x32xf32>) -> (tensor<?x3x32xi8>, tensor<?x3x1xf32>) {
    %1:2 = qnn.quantize_dynamic %a {scheme = #qnn.scheme<s8, per_token>} : (tensor<?x3x32xf32>) -> (tensor<?x3x32xi8>, tensor<?x3x1xf32>)
    kernel.yield %1#0, %1#1 : tensor<?x3x32xi8>, tensor<?x3x1xf32>
  }
  %0 = kernel.fused (%a = %q#0, %c = %w, %d = %q#1, %e = %s) {kind = #kernel.template<gemm>, name = "y"} : (tensor<?x3x32xi8>, tensor<16x32xi8>, tensor<?x3x1xf32>, tensor<16xf32>) -> tensor<?x3x16xf32> {
    %1 = dyadic.linear %a, %c {input_zero_point = 0 : i32} : (tensor<?x3x32xi8>, tensor<16x32xi8>) -> tensor<?x3x16xi32>
    %2 = qnn.dequantize_accumulator %1, %d, %e : (tensor<?x3x16xi32>, tensor<?x3x1xf32>, tensor<16xf32>) -> tensor<?x3x16xf32>
    kernel.yield %2 : tensor<?x3x16xf32>
  }
  %1 = kernel.fused (%a = %q#0, %c = %v, %d = %q#1, %e = %s) {kind = #kernel.template<gemm>, name = "z"} : (tensor<?x3x32xi8>, tensor<16x32xi8>, tensor<?x3x1xf32>, tensor<16xf32>) -> tensor<?x3x16xf32> {
    %1 = dyadic.linear %a, %c {input_zero_point = 0 : i32} : (tensor<?x3x32xi8>, tensor<16x32xi8>) -> tensor<?x3x16xi32>
    %2 = qnn.dequantize_accumulator %1, %d, %e : (tensor<?x3x16xi32>, tensor<?x3x1xf32>, tensor<16xf32>) -> tensor<?x3x16xf32>
    kernel.yield %2 : tensor<?x3x16xf32>
  }
  return %0, %1 : tensor<?x3x16xf32>, tensor<?x3x16xf32>
}

// -----

// Lane 1: f16 in memory is multiplied as it is; the dequantize is a segment, its scales in the precision of the product. The result is rounded once, by the cast.
// CHECK-LABEL: func.func @main
// CHECK: kernel.fused {{.*}}gpu_bindings = {group_scale = ["gpu/y/group_scale"], lhs = 0 : i64, operands = [3], rhs = [1]}
// CHECK: kernel.gemm @gemm_f16_i4_8x64 n 8 segments [#kernel.segment<lhs = f16, rhs = i4, k = 64, group = 32, grouping = scale, scale = f16, place = before_mma>]
// CHECK-SAME: operands [#kernel.operand<column, f32>] results [f16]
// CHECK-NEXT: ^bb0(%[[ACC:.*]]: f32, %[[BIAS:.*]]: f32):
// CHECK-NEXT: %[[SUM:.*]] = arith.addf %[[ACC]], %[[BIAS]] : f32
// CHECK-NEXT: %{{.*}} = arith.truncf %[[SUM]] : f32 to f16
func.func @main(%x: tensor<4x64xf16> {qnn.name = "x"}) -> (tensor<4x8xf16> {qnn.name = "y"}) {
  %w = qnn.constant {value = dense<1> : tensor<8x64xi4>} : tensor<8x64xi4>
  %s = qnn.constant {value = dense<0.3> : tensor<8x2xf32>} : tensor<8x2xf32>
  %b = qnn.constant {value = dense<0.5> : tensor<8xf32>} : tensor<8xf32>
  %0 = kernel.fused (%a = %x, %c = %w, %d = %s, %e = %b) {kind = #kernel.template<gemm>, name = "y"} : (tensor<4x64xf16>, tensor<8x64xi4>, tensor<8x2xf32>, tensor<8xf32>) -> tensor<4x8xf16> {
    %1 = qnn.cast %a : (tensor<4x64xf16>) -> tensor<4x64xf32>
    %2 = qnn.dequantize %c, %d {scheme = #qnn.scheme<s4, group 32 along 1>} : (tensor<8x64xi4>, tensor<8x2xf32>) -> tensor<8x64xf32>
    %3 = qnn.linear %1, %2, %e : (tensor<4x64xf32>, tensor<8x64xf32>, tensor<8xf32>) -> tensor<4x8xf32>
    %4 = qnn.cast %3 : (tensor<4x8xf32>) -> tensor<4x8xf16>
    kernel.yield %4 : tensor<4x8xf16>
  }
  return %0 : tensor<4x8xf16>
}

// -----

// Two-level groups: codes are unsigned, the row sums that the zero point needs are those of the 8-bit weights: 15 * 2 - 3 = 27 each, 64 of them, times -7.
// CHECK-LABEL: func.func @main
// CHECK: gpu_bindings = {group_scale = [2], group_zero_point = [3], lhs = 0 : i64, operands = ["gpu/y/bias"], rhs = [1]}
// CHECK: #kernel.segment<lhs = i8, rhs = i4, k = 64, group = 32, grouping = two_level, place = before_mma>
// Float group scales: partial sums.
// CHECK-LABEL: func.func @main
// CHECK: #kernel.segment<lhs = i8, rhs = i4, k = 64, group = 32, grouping = scale_zero_point, scale = f32, place = partial_sums>
// CHECK: ^bb0(%{{.*}}: f32):
func.func @main(%x: tensor<4x64xi8> {qnn.name = "x"}) -> (tensor<4x8xi32> {qnn.name = "y"}) {
  %w = qnn.constant {value = dense<-1> : tensor<8x64xi4>} : tensor<8x64xi4>
  %s = qnn.constant {value = dense<2> : tensor<8x2xi8>} : tensor<8x2xi8>
  %m = qnn.constant {value = dense<-3> : tensor<8x2xi16>} : tensor<8x2xi16>
  %0 = kernel.fused (%a = %x, %c = %w, %d = %s, %e = %m) {kind = #kernel.template<gemm>, name = "y"} : (tensor<4x64xi8>, tensor<8x64xi4>, tensor<8x2xi8>, tensor<8x2xi16>) -> tensor<4x8xi32> {
    %1 = dyadic.linear_two_level %a, %c, %d, %e {group = 32 : i64, input_zero_point = 7 : i32} : (tensor<4x64xi8>, tensor<8x64xi4>, tensor<8x2xi8>, tensor<8x2xi16>) -> tensor<4x8xi32>
    kernel.yield %1 : tensor<4x8xi32>
  }
  return %0 : tensor<4x8xi32>
}

// -----

func.func @main(%x: tensor<4x64xi8> {qnn.name = "x"}) -> (tensor<4x8xf32> {qnn.name = "y"}) {
  %w = qnn.constant {value = dense<-1> : tensor<8x64xi4>} : tensor<8x64xi4>
  %s = qnn.constant {value = dense<0.5> : tensor<8x2xf32>} : tensor<8x2xf32>
  %z = qnn.constant {value = dense<-3> : tensor<8x2xi8>} : tensor<8x2xi8>
  %0 = kernel.fused (%a = %x, %c = %w, %d = %s, %e = %z) {kind = #kernel.template<gemm>, name = "y"} : (tensor<4x64xi8>, tensor<8x64xi4>, tensor<8x2xf32>, tensor<8x2xi8>) -> tensor<4x8xf32> {
    %1 = dyadic.linear_groups %a, %c, %e {group = 32 : i64, input_zero_point = 0 : i32} : (tensor<4x64xi8>, tensor<8x64xi4>, tensor<8x2xi8>) -> tensor<4x8x2xi32>
    %2 = qnn.combine_groups %1, %d : (tensor<4x8x2xi32>, tensor<8x2xf32>) -> tensor<4x8xf32>
    kernel.yield %2 : tensor<4x8xf32>
  }
  return %0 : tensor<4x8xf32>
}
