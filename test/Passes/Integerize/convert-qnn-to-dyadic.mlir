// RUN: quant-opt %s --split-input-file --mlir-print-local-scope --pass-pipeline='builtin.module(func.func(convert-qnn-to-dyadic))' | FileCheck %s
// RUN: quant-opt %s --split-input-file --pass-pipeline='builtin.module(func.func(convert-qnn-to-dyadic))' --remarks-filter=integerize --remark-format=emitRemark 2>&1 | FileCheck %s --check-prefix=REMARK

// All scales are powers of two, so every multiplier is 2^30 = 1073741824 (m = 0.5) and the shift says the rest: M = 2^-k is 2^30 * 2^-(30+k).

// A product with its relu. s_x * s_w = 0.5 * [0.25, 0.5] = [0.125, 0.25]; bias [1, -2] is [8, -8] there; M = [0.125, 0.25] / 0.5 = [2^-2, 2^-1]: shifts 32, 31.
// relu: low = the zero point -128.
// CHECK-LABEL: func.func @product
// CHECK: %[[BIAS:.*]] = qnn.constant {name = "first/bias", value = dense<[8, -8]> : tensor<2xi32>}
// CHECK: %[[ACC:.*]] = dyadic.linear %arg0, %{{.*}}, %[[BIAS]] {input_zero_point = 3 : i32, name = "first/accumulate"}
// CHECK: %[[Y:.*]] = dyadic.rescale %[[ACC]] {axis = 1 : i64, clamp = array<i32: -128, 127>, multiplier = array<i32: 1073741824, 1073741824>, multiplier_bits = 31 : i64, name = "relu/quantize", {{.*}}rounding = #dyadic.rounding<half_up>, shift = array<i8: 32, 31>, zero_point = -128 : i32}
// CHECK: return %[[Y]]
// REMARK: first{{.*}}codes in, codes out
func.func @product(%x: tensor<1x2xi8> {qnn.name = "x"}) -> tensor<1x2xi8> {
  %s = qnn.constant {name = "s", value = dense<0.5> : tensor<f32>} : tensor<f32>
  %z = qnn.constant {name = "z", value = dense<3> : tensor<i8>} : tensor<i8>
  %zy = qnn.constant {name = "zy", value = dense<-128> : tensor<i8>} : tensor<i8>
  %ws = qnn.constant {name = "ws", value = dense<[0.25, 0.5]> : tensor<2xf32>} : tensor<2xf32>
  %wc = qnn.constant {name = "wc", value = dense<[[1, 2], [3, 4]]> : tensor<2x2xi8>} : tensor<2x2xi8>
  %b = qnn.constant {name = "b", value = dense<[1.0, -2.0]> : tensor<2xf32>} : tensor<2xf32>
  %0 = qnn.dequantize %x, %s, %z {name = "x/dequantize", scheme = #qnn.scheme<s8, tensor>} : (tensor<1x2xi8>, tensor<f32>, tensor<i8>) -> tensor<1x2xf32>
  %w = qnn.dequantize %wc, %ws {name = "w", scheme = #qnn.scheme<s8, axis 0>} : (tensor<2x2xi8>, tensor<2xf32>) -> tensor<2x2xf32>
  %1 = qnn.linear %0, %w, %b {name = "first"} : (tensor<1x2xf32>, tensor<2x2xf32>, tensor<2xf32>) -> tensor<1x2xf32>
  %2 = qnn.relu %1 {name = "relu"} : (tensor<1x2xf32>) -> tensor<1x2xf32>
  %3 = qnn.quantize %2, %s, %zy {name = "relu/quantize", scheme = #qnn.scheme<s8, tensor>} : (tensor<1x2xf32>, tensor<f32>, tensor<i8>) -> tensor<1x2xi8>
  return %3 : tensor<1x2xi8>
}

// -----

// A product that is read in float: the exact accumulator, one scale a channel.
// CHECK-LABEL: func.func @product_to_float
// CHECK: %[[ACC:.*]] = dyadic.linear
// CHECK: %[[S:.*]] = qnn.constant {{.*}}dense<[1.250000e-01, 2.500000e-01]> : tensor<2xf32>
// CHECK: %[[Y:.*]] = qnn.dequantize %[[ACC]], %[[S]] {name = "first", scheme = #qnn.scheme<s32, axis 1>}
// CHECK: qnn.softmax %[[Y]]
// REMARK: softmax{{.*}}stays float: softmax has no integer form
func.func @product_to_float(%x: tensor<1x2xi8> {qnn.name = "x"}) -> tensor<1x2xf32> {
  %s = qnn.constant {name = "s", value = dense<0.5> : tensor<f32>} : tensor<f32>
  %ws = qnn.constant {name = "ws", value = dense<[0.25, 0.5]> : tensor<2xf32>} : tensor<2xf32>
  %wc = qnn.constant {name = "wc", value = dense<[[1, 2], [3, 4]]> : tensor<2x2xi8>} : tensor<2x2xi8>
  %0 = qnn.dequantize %x, %s {name = "x/dequantize", scheme = #qnn.scheme<s8, tensor>} : (tensor<1x2xi8>, tensor<f32>) -> tensor<1x2xf32>
  %w = qnn.dequantize %wc, %ws {name = "w", scheme = #qnn.scheme<s8, axis 0>} : (tensor<2x2xi8>, tensor<2xf32>) -> tensor<2x2xf32>
  %1 = qnn.linear %0, %w {name = "first"} : (tensor<1x2xf32>, tensor<2x2xf32>) -> tensor<1x2xf32>
  %2 = qnn.softmax %1 {name = "softmax", axis = 1 : i64} : (tensor<1x2xf32>) -> tensor<1x2xf32>
  return %2 : tensor<1x2xf32>
}

// -----

// Convolutions keep their attributes; an s16 depthwise weight is legal.
// CHECK-LABEL: func.func @convolution
// CHECK: dyadic.conv %arg0, {{.*}} {dilations = array<i64: 1, 1>, groups = 2 : i64, input_zero_point = 0 : i32, name = "conv/accumulate", pads = array<i64: 1, 1, 1, 1>, strides = array<i64: 2, 2>} : (tensor<1x2x4x4xi8>, tensor<2x1x3x3xi16>) -> tensor<1x2x2x2xi32>
// CHECK: dyadic.rescale {{.*}}axis = 1
// A grouped transposed convolution has one scale for the channels of equal index in their groups: 2 scales, 4 channels.
// CHECK: dyadic.conv_transpose
// CHECK-SAME: groups = 2
// CHECK: dyadic.rescale {{.*}}shift = array<i8: 31, 32, 31, 32>
func.func @convolution(%x: tensor<1x2x4x4xi8> {qnn.name = "x"}) -> tensor<1x4x4x4xi8> {
  %s = qnn.constant {name = "s", value = dense<0.5> : tensor<f32>} : tensor<f32>
  %ws = qnn.constant {name = "ws", value = dense<[0.5, 0.25]> : tensor<2xf32>} : tensor<2xf32>
  %wc = qnn.constant {name = "wc", value = dense<300> : tensor<2x1x3x3xi16>} : tensor<2x1x3x3xi16>
  %vc = qnn.constant {name = "vc", value = dense<3> : tensor<2x2x2x2xi8>} : tensor<2x2x2x2xi8>
  %0 = qnn.dequantize %x, %s {name = "x/dequantize", scheme = #qnn.scheme<s8, tensor>} : (tensor<1x2x4x4xi8>, tensor<f32>) -> tensor<1x2x4x4xf32>
  %w = qnn.dequantize %wc, %ws {name = "w", scheme = #qnn.scheme<s16, axis 0>} : (tensor<2x1x3x3xi16>, tensor<2xf32>) -> tensor<2x1x3x3xf32>
  %1 = qnn.conv %0, %w {name = "conv", strides = array<i64: 2, 2>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, groups = 2 : i64} : (tensor<1x2x4x4xf32>, tensor<2x1x3x3xf32>) -> tensor<1x2x2x2xf32>
  %2 = qnn.quantize %1, %s {name = "conv/quantize", scheme = #qnn.scheme<s8, tensor>} : (tensor<1x2x2x2xf32>, tensor<f32>) -> tensor<1x2x2x2xi8>
  %3 = qnn.dequantize %2, %s {name = "conv/dequantize", scheme = #qnn.scheme<s8, tensor>} : (tensor<1x2x2x2xi8>, tensor<f32>) -> tensor<1x2x2x2xf32>
  %v = qnn.dequantize %vc, %ws {name = "v", scheme = #qnn.scheme<s8, axis 1>} : (tensor<2x2x2x2xi8>, tensor<2xf32>) -> tensor<2x2x2x2xf32>
  %4 = qnn.conv_transpose %3, %v {name = "up", strides = array<i64: 2, 2>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, output_padding = array<i64: 0, 0>, groups = 2 : i64} : (tensor<1x2x2x2xf32>, tensor<2x2x2x2xf32>) -> tensor<1x4x4x4xf32>
  %5 = qnn.quantize %4, %s {name = "up/quantize", scheme = #qnn.scheme<s8, tensor>} : (tensor<1x4x4x4xf32>, tensor<f32>) -> tensor<1x4x4x4xi8>
  return %5 : tensor<1x4x4x4xi8>
}

// -----

// E1: M = [0.5, 0.25] / 1 = [2^-1, 2^-2]: shifts 31 and 32; the common shift is 31, the second multiplier 2^29. Subtraction negates it.
// clip to [-3, 6] on the grid of scale 1, zero point 1: codes -2 and 7. E3: M = 0.5 * 0.25 / 1 = 2^-3: shift 33.
// CHECK-LABEL: func.func @elementwise
// CHECK: dyadic.add %arg0, %arg1 {clamp = array<i32: -2, 7>, lhs_multiplier = 1073741824 : i32, lhs_zero_point = 0 : i32, name = "clip/quantize", qnn.grid = {scale = 1.000000e+00 : f32, zero_point = 1 : i32}, {{.*}}rhs_multiplier = 536870912 : i32, rhs_zero_point = 2 : i32, rounding = #dyadic.rounding<half_up>, shift = 31 : i8, zero_point = 1 : i32}
// CHECK: dyadic.add %arg0, %arg1
// CHECK-SAME: rhs_multiplier = -536870912 : i32
// CHECK: dyadic.mul %arg0, %arg1 {clamp = array<i32: -128, 127>, lhs_zero_point = 0 : i32, multiplier = 1073741824 : i32, multiplier_bits = 31 : i64, name = "mul/quantize", qnn.grid = {scale = 1.000000e+00 : f32, zero_point = 1 : i32}, rhs_zero_point = 2 : i32, rounding = #dyadic.rounding<half_up>, shift = 33 : i8, zero_point = 1 : i32}
func.func @elementwise(%x: tensor<4xi8> {qnn.name = "x"}, %y: tensor<4xi8> {qnn.name = "y"}) -> (tensor<4xi8>, tensor<4xi8>, tensor<4xi8>) {
  %s = qnn.constant {name = "s", value = dense<0.5> : tensor<f32>} : tensor<f32>
  %t = qnn.constant {name = "t", value = dense<0.25> : tensor<f32>} : tensor<f32>
  %u = qnn.constant {name = "u", value = dense<1.0> : tensor<f32>} : tensor<f32>
  %z = qnn.constant {name = "z", value = dense<2> : tensor<i8>} : tensor<i8>
  %one = qnn.constant {name = "one", value = dense<1> : tensor<i8>} : tensor<i8>
  %0 = qnn.dequantize %x, %s {name = "x/dequantize", scheme = #qnn.scheme<s8, tensor>} : (tensor<4xi8>, tensor<f32>) -> tensor<4xf32>
  %1 = qnn.dequantize %y, %t, %z {name = "y/dequantize", scheme = #qnn.scheme<s8, tensor>} : (tensor<4xi8>, tensor<f32>, tensor<i8>) -> tensor<4xf32>
  %2 = qnn.add %0, %1 {name = "add"} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %3 = qnn.clip %2 {name = "clip", min = -3.0 : f32, max = 6.0 : f32} : (tensor<4xf32>) -> tensor<4xf32>
  %4 = qnn.quantize %3, %u, %one {name = "clip/quantize", scheme = #qnn.scheme<s8, tensor>} : (tensor<4xf32>, tensor<f32>, tensor<i8>) -> tensor<4xi8>
  %5 = qnn.sub %0, %1 {name = "sub"} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %6 = qnn.quantize %5, %u, %one {name = "sub/quantize", scheme = #qnn.scheme<s8, tensor>} : (tensor<4xf32>, tensor<f32>, tensor<i8>) -> tensor<4xi8>
  %7 = qnn.mul %0, %1 {name = "mul"} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %8 = qnn.quantize %7, %u, %one {name = "mul/quantize", scheme = #qnn.scheme<s8, tensor>} : (tensor<4xf32>, tensor<f32>, tensor<i8>) -> tensor<4xi8>
  return %4, %6, %8 : tensor<4xi8>, tensor<4xi8>, tensor<4xi8>
}

// -----

// E6: |x| then - 1 on the grid of scale 1 is one table: code -128 gives 127, code -2 gives 1, code 0 gives -1, code 3 gives 2.
// CHECK-LABEL: func.func @table
// CHECK: %[[T:.*]] = dyadic.lookup %arg0 {name = "minus/quantize", {{.*}}table = array<i8: 127, 126,
// CHECK-SAME: 1, 0, -1, 0, 1, 2,
// CHECK: return %[[T]]
// REMARK: magnitude{{.*}}part of 'minus'
// REMARK: minus{{.*}}a table of 256 entries
func.func @table(%x: tensor<4xi8> {qnn.name = "x"}) -> tensor<4xi8> {
  %u = qnn.constant {name = "u", value = dense<1.0> : tensor<f32>} : tensor<f32>
  %c = qnn.constant {name = "c", value = dense<1.0> : tensor<1xf32>} : tensor<1xf32>
  %0 = qnn.dequantize %x, %u {name = "x/dequantize", scheme = #qnn.scheme<s8, tensor>} : (tensor<4xi8>, tensor<f32>) -> tensor<4xf32>
  %1 = qnn.abs %0 {name = "magnitude"} : (tensor<4xf32>) -> tensor<4xf32>
  %2 = qnn.sub %1, %c {name = "minus"} : (tensor<4xf32>, tensor<1xf32>) -> tensor<4xf32>
  %3 = qnn.quantize %2, %u {name = "minus/quantize", scheme = #qnn.scheme<s8, tensor>} : (tensor<4xf32>, tensor<f32>) -> tensor<4xi8>
  return %3 : tensor<4xi8>
}

// -----

// E4. Mean over 4 x W with W in 8..16: the count is 4 * W at run time. The sum needs no count: M = 0.5 / 0.25 = 2 = 2^30 * 2^-29.
// The pool has a multiplier for each number of averaged elements: 2, 1, 2/3, 1/2 for n = 1..4: shifts 29, 30, 31, 31.
// CHECK-LABEL: func.func @average
// CHECK: %[[SUM:.*]] = dyadic.reduce_sum %arg0 {axes = array<i64: 2, 3>, input_zero_point = 3 : i32, keepdims = true, name = "mean/accumulate"}
// CHECK: dyadic.rescale_mean %[[SUM]] {clamp = array<i32: -128, 127>, count = {{.*}}s0 * 4{{.*}}, name = "mean/quantize", {{.*}}rounding = #dyadic.rounding<half_up>, scale = 2.000000e+00 : f64, zero_point = 0 : i32}
// CHECK: dyadic.rescale {{.*}}multiplier = array<i32: 1073741824>{{.*}}name = "sum/quantize"{{.*}}shift = array<i8: 29>
// CHECK: dyadic.avg_pool {{.*}}multiplier = array<i32: 1073741824, 1073741824, 1431655765, 1073741824>{{.*}}shift = array<i8: 29, 30, 31, 31>
func.func @average(%x: tensor<1x1x4x?xi8> {qnn.name = "x", qnn.dims = affine_map<()[s0] -> (1, 1, 4, s0)>}) -> (tensor<1x1x1x1xi8>, tensor<1x1x4x1xi8>, tensor<1x1x2x?xi8>)
    attributes {qnn.symbols = [#qnn.symbol<"W", 8, 16, 1>]} {
  %s = qnn.constant {name = "s", value = dense<0.5> : tensor<f32>} : tensor<f32>
  %t = qnn.constant {name = "t", value = dense<0.25> : tensor<f32>} : tensor<f32>
  %z = qnn.constant {name = "z", value = dense<3> : tensor<i8>} : tensor<i8>
  %0 = qnn.dequantize %x, %s, %z {name = "x/dequantize", scheme = #qnn.scheme<s8, tensor>} : (tensor<1x1x4x?xi8>, tensor<f32>, tensor<i8>) -> tensor<1x1x4x?xf32>
  %1 = qnn.reduce_mean %0 {name = "mean", axes = array<i64: 2, 3>, keepdims = true} : (tensor<1x1x4x?xf32>) -> tensor<1x1x1x1xf32>
  %2 = qnn.quantize %1, %t {name = "mean/quantize", scheme = #qnn.scheme<s8, tensor>} : (tensor<1x1x1x1xf32>, tensor<f32>) -> tensor<1x1x1x1xi8>
  %3 = qnn.reduce_sum %0 {name = "sum", axes = array<i64: 3>, keepdims = true} : (tensor<1x1x4x?xf32>) -> tensor<1x1x4x1xf32>
  %4 = qnn.quantize %3, %t {name = "sum/quantize", scheme = #qnn.scheme<s8, tensor>} : (tensor<1x1x4x1xf32>, tensor<f32>) -> tensor<1x1x4x1xi8>
  %5 = qnn.avg_pool %0 {name = "pool", kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<1x1x4x?xf32>) -> tensor<1x1x2x?xf32>
  %6 = qnn.quantize %5, %t {name = "pool/quantize", scheme = #qnn.scheme<s8, tensor>} : (tensor<1x1x2x?xf32>, tensor<f32>) -> tensor<1x1x2x?xi8>
  return %2, %4, %6 : tensor<1x1x1x1xi8>, tensor<1x1x4x1xi8>, tensor<1x1x2x?xi8>
}

// -----

// E5: data movement acts on the codes. Padding with 2.0 is the code 2.0/0.5 + 3 = 7. Concat brings the branch of another grid over: 0.25/0.5 = 2^-1.
// CHECK-LABEL: func.func @movement
// CHECK: qnn.transpose %arg0 {{.*}} : (tensor<2x4xi8>) -> tensor<4x2xi8>
// CHECK: qnn.pad %arg0 {{.*}}value = 7.000000e+00
// CHECK: %[[B:.*]] = dyadic.rescale %arg1 {{.*}}name = "join/branch1"{{.*}}shift = array<i8: 31>{{.*}}zero_point = 3
// CHECK: qnn.concat %arg0, %[[B]] {{.*}} : (tensor<2x4xi8>, tensor<2x4xi8>) -> tensor<4x4xi8>
func.func @movement(%x: tensor<2x4xi8> {qnn.name = "x"}, %y: tensor<2x4xi8> {qnn.name = "y"}) -> (tensor<4x2xi8>, tensor<2x6xi8>, tensor<4x4xi8>) {
  %s = qnn.constant {name = "s", value = dense<0.5> : tensor<f32>} : tensor<f32>
  %t = qnn.constant {name = "t", value = dense<0.25> : tensor<f32>} : tensor<f32>
  %z = qnn.constant {name = "z", value = dense<3> : tensor<i8>} : tensor<i8>
  %0 = qnn.dequantize %x, %s, %z {name = "x/dequantize", scheme = #qnn.scheme<s8, tensor>} : (tensor<2x4xi8>, tensor<f32>, tensor<i8>) -> tensor<2x4xf32>
  %1 = qnn.dequantize %y, %t {name = "y/dequantize", scheme = #qnn.scheme<s8, tensor>} : (tensor<2x4xi8>, tensor<f32>) -> tensor<2x4xf32>
  %2 = qnn.transpose %0 {name = "turn", perm = array<i64: 1, 0>} : (tensor<2x4xf32>) -> tensor<4x2xf32>
  %3 = qnn.quantize %2, %s, %z {name = "turn/quantize", scheme = #qnn.scheme<s8, tensor>} : (tensor<4x2xf32>, tensor<f32>, tensor<i8>) -> tensor<4x2xi8>
  %4 = qnn.pad %0 {name = "pad", low = array<i64: 0, 1>, high = array<i64: 0, 1>, mode = #qnn.pad_mode<constant>, value = 2.0 : f64} : (tensor<2x4xf32>) -> tensor<2x6xf32>
  %5 = qnn.quantize %4, %s, %z {name = "pad/quantize", scheme = #qnn.scheme<s8, tensor>} : (tensor<2x6xf32>, tensor<f32>, tensor<i8>) -> tensor<2x6xi8>
  %6 = qnn.concat %0, %1 {name = "join", axis = 0 : i64} : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<4x4xf32>
  %7 = qnn.quantize %6, %s, %z {name = "join/quantize", scheme = #qnn.scheme<s8, tensor>} : (tensor<4x4xf32>, tensor<f32>, tensor<i8>) -> tensor<4x4xi8>
  return %3, %5, %7 : tensor<4x2xi8>, tensor<2x6xi8>, tensor<4x4xi8>
}

// -----

// R12a: u8 codes become s8; at the border they are shifted by 128. M = 0.5 * 0.5 / 0.25 = 1: 2^30 * 2^-30.
// CHECK-LABEL: func.func @unsigned
// CHECK: %[[WIDE:.*]] = qnn.cast %arg0 {{.*}} : (tensor<2x2xui8>) -> tensor<2x2xi16>
// CHECK: %[[SHIFTED:.*]] = qnn.sub %[[WIDE]]
// CHECK: %[[X:.*]] = qnn.cast %[[SHIFTED]] {{.*}} -> tensor<2x2xi8>
// CHECK: %[[ACC:.*]] = dyadic.matmul %[[X]], %[[X]] {lhs_zero_point = -28 : i32, name = "product/accumulate", rhs_zero_point = -28 : i32}
// CHECK: %[[Y:.*]] = dyadic.rescale %[[ACC]] {{.*}}shift = array<i8: 30>, zero_point = -128
// CHECK: qnn.cast %[[Y]] {{.*}} -> tensor<2x2xi16>
// CHECK: qnn.add
// CHECK: qnn.cast {{.*}} -> tensor<2x2xui8>
func.func @unsigned(%x: tensor<2x2xui8> {qnn.name = "x"}) -> tensor<2x2xui8> {
  %s = qnn.constant {name = "s", value = dense<0.5> : tensor<f32>} : tensor<f32>
  %t = qnn.constant {name = "t", value = dense<0.25> : tensor<f32>} : tensor<f32>
  %z = qnn.constant {name = "z", value = dense<100> : tensor<ui8>} : tensor<ui8>
  %0 = qnn.dequantize %x, %s, %z {name = "x/dequantize", scheme = #qnn.scheme<u8, tensor>} : (tensor<2x2xui8>, tensor<f32>, tensor<ui8>) -> tensor<2x2xf32>
  %1 = qnn.matmul %0, %0 {name = "product"} : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
  %2 = qnn.quantize %1, %t {name = "product/quantize", scheme = #qnn.scheme<u8, tensor>} : (tensor<2x2xf32>, tensor<f32>) -> tensor<2x2xui8>
  return %2 : tensor<2x2xui8>
}

// -----

// What cannot be an integer operation stays float, with the first reason.
// CHECK-LABEL: func.func @reasons
// CHECK-NOT: dyadic
// CHECK: return
// REMARK: large{{.*}}stays float: the bias {{.*}} of channel 0 does not fit 32 bits
// REMARK: wrong{{.*}}stays float: its weight has a zero point: expected symmetric codes
// REMARK: l2{{.*}}stays float: reduce_l2 has no integer form
func.func @reasons(%x: tensor<1x2xi8> {qnn.name = "x"}) -> (tensor<1x1xi8>, tensor<1x1xi8>, tensor<1x1xi8>) {
  %s = qnn.constant {name = "s", value = dense<0.5> : tensor<f32>} : tensor<f32>
  %z = qnn.constant {name = "z", value = dense<1> : tensor<1xi8>} : tensor<1xi8>
  %ws = qnn.constant {name = "ws", value = dense<[0.5]> : tensor<1xf32>} : tensor<1xf32>
  %wc = qnn.constant {name = "wc", value = dense<[[1, 2]]> : tensor<1x2xi8>} : tensor<1x2xi8>
  %b = qnn.constant {name = "b", value = dense<[1.0e10]> : tensor<1xf32>} : tensor<1xf32>
  %0 = qnn.dequantize %x, %s {name = "x/dequantize", scheme = #qnn.scheme<s8, tensor>} : (tensor<1x2xi8>, tensor<f32>) -> tensor<1x2xf32>
  %w = qnn.dequantize %wc, %ws {name = "w", scheme = #qnn.scheme<s8, axis 0>} : (tensor<1x2xi8>, tensor<1xf32>) -> tensor<1x2xf32>
  %v = qnn.dequantize %wc, %ws, %z {name = "v", scheme = #qnn.scheme<s8, axis 0>} : (tensor<1x2xi8>, tensor<1xf32>, tensor<1xi8>) -> tensor<1x2xf32>
  %1 = qnn.linear %0, %w, %b {name = "large"} : (tensor<1x2xf32>, tensor<1x2xf32>, tensor<1xf32>) -> tensor<1x1xf32>
  %2 = qnn.quantize %1, %s {name = "large/quantize", scheme = #qnn.scheme<s8, tensor>} : (tensor<1x1xf32>, tensor<f32>) -> tensor<1x1xi8>
  %3 = qnn.linear %0, %v {name = "wrong"} : (tensor<1x2xf32>, tensor<1x2xf32>) -> tensor<1x1xf32>
  %4 = qnn.quantize %3, %s {name = "wrong/quantize", scheme = #qnn.scheme<s8, tensor>} : (tensor<1x1xf32>, tensor<f32>) -> tensor<1x1xi8>
  %5 = qnn.reduce_l2 %0 {name = "l2", axes = array<i64: 1>, keepdims = true} : (tensor<1x2xf32>) -> tensor<1x1xf32>
  %6 = qnn.quantize %5, %s {name = "l2/quantize", scheme = #qnn.scheme<s8, tensor>} : (tensor<1x1xf32>, tensor<f32>) -> tensor<1x1xi8>
  return %2, %4, %6 : tensor<1x1xi8>, tensor<1x1xi8>, tensor<1x1xi8>
}
