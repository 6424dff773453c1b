// Every operation of the dialect through the pretty form, the generic form and bytecode: the text stays the same.
// RUN: quant-opt %s -o %t.pretty
// RUN: quant-opt %t.pretty | diff %t.pretty -
// RUN: quant-opt %s --mlir-print-op-generic | quant-opt | diff %t.pretty -
// RUN: quant-opt %s --emit-bytecode | quant-opt | diff %t.pretty -
// RUN: FileCheck %s < %t.pretty

// CHECK: #[[$DIMS:.*]] = affine_map<()[s0, s1] -> (s0, 3, s1)>
// CHECK-LABEL: func.func @symbols
// CHECK-SAME: qnn.dims = #[[$DIMS]]
// CHECK-SAME: qnn.symbols = [#qnn.symbol<"N", 1, 8, 1>, #qnn.symbol<"W", 32, 1280, 8>]
// CHECK: qnn.reshape %{{.*}} {name = "r", shape = #[[$DIMS]]} : (tensor<?x?x3xf32>) -> tensor<?x3x?xf32>
func.func @symbols(%x: tensor<?x?x3xf32> {qnn.name = "x", qnn.dims = affine_map<()[s0, s1] -> (s0, s1, 3)>}, %y: tensor<?x3x?xf32> {qnn.dims = affine_map<()[s0, s1] -> (s0, 3, s1)>}) -> (tensor<?x3x?xf32> {qnn.name = "out"}) attributes {qnn.symbols = [#qnn.symbol<"N", 1, 8, 1>, #qnn.symbol<"W", 32, 1280, 8>]} {
  %0 = qnn.reshape %x {name = "r", shape = affine_map<()[s0, s1] -> (s0, 3, s1)>} : (tensor<?x?x3xf32>) -> tensor<?x3x?xf32>
  return %0 : tensor<?x3x?xf32>
}

// CHECK-LABEL: func.func @products
// CHECK: qnn.constant {name = "c", value = dense<1.000000e+00> : tensor<2xf32>} : tensor<2xf32>
// CHECK: qnn.weight "encoder.0.query" {name = "w"} : tensor<2x3x1x1xf32>
// CHECK: qnn.conv %{{.*}}, %{{.*}} {dilations = array<i64: 1, 1>, groups = 1 : i64, name = "conv", pads = array<i64: 0, 0, 0, 0>, strides = array<i64: 1, 1>} : (tensor<1x3x4x4xf32>, tensor<2x3x1x1xf32>) -> tensor<1x2x4x4xf32>
// CHECK: qnn.conv %{{.*}}, %{{.*}}, %{{.*}} {
// CHECK: qnn.conv_transpose
// CHECK: qnn.linear
// CHECK: qnn.linear
// CHECK: qnn.matmul
func.func @products(%x: tensor<1x3x4x4xf32>, %t: tensor<3x2x1x1xf32>, %m: tensor<5x2x4xf32>, %l: tensor<6x4xf32>, %k: tensor<4x6xf32>, %b: tensor<6xf32>) {
  %c = qnn.constant {name = "c", value = dense<1.0> : tensor<2xf32>} : tensor<2xf32>
  %w = qnn.weight "encoder.0.query" {name = "w"} : tensor<2x3x1x1xf32>
  %0 = qnn.conv %x, %w {name = "conv", strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (tensor<1x3x4x4xf32>, tensor<2x3x1x1xf32>) -> tensor<1x2x4x4xf32>
  %1 = qnn.conv %x, %w, %c {strides = array<i64: 2, 1>, pads = array<i64: 1, 0, 1, 0>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (tensor<1x3x4x4xf32>, tensor<2x3x1x1xf32>, tensor<2xf32>) -> tensor<1x2x3x4xf32>
  %2 = qnn.conv_transpose %x, %t, %c {strides = array<i64: 2, 2>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, output_padding = array<i64: 0, 1>, groups = 1 : i64} : (tensor<1x3x4x4xf32>, tensor<3x2x1x1xf32>, tensor<2xf32>) -> tensor<1x2x7x8xf32>
  %3 = qnn.linear %m, %l : (tensor<5x2x4xf32>, tensor<6x4xf32>) -> tensor<5x2x6xf32>
  %4 = qnn.linear %m, %l, %b : (tensor<5x2x4xf32>, tensor<6x4xf32>, tensor<6xf32>) -> tensor<5x2x6xf32>
  %5 = qnn.matmul %m, %k : (tensor<5x2x4xf32>, tensor<4x6xf32>) -> tensor<5x2x6xf32>
  return
}

// CHECK-LABEL: func.func @elementwise
func.func @elementwise(%x: tensor<2x4xf32>, %y: tensor<4xf32>, %i: tensor<2x4xi64>, %p: tensor<2x4xi1>) {
  // CHECK: qnn.add %{{.*}}, %{{.*}} : (tensor<2x4xf32>, tensor<4xf32>) -> tensor<2x4xf32>
  %0 = qnn.add %x, %y : (tensor<2x4xf32>, tensor<4xf32>) -> tensor<2x4xf32>
  // CHECK: qnn.sub
  %1 = qnn.sub %x, %y : (tensor<2x4xf32>, tensor<4xf32>) -> tensor<2x4xf32>
  // CHECK: qnn.mul
  %2 = qnn.mul %x, %y : (tensor<2x4xf32>, tensor<4xf32>) -> tensor<2x4xf32>
  // CHECK: qnn.div
  %3 = qnn.div %i, %i : (tensor<2x4xi64>, tensor<2x4xi64>) -> tensor<2x4xi64>
  // CHECK: qnn.pow
  %4 = qnn.pow %x, %i : (tensor<2x4xf32>, tensor<2x4xi64>) -> tensor<2x4xf32>
  // CHECK: qnn.min
  %5 = qnn.min %x, %y : (tensor<2x4xf32>, tensor<4xf32>) -> tensor<2x4xf32>
  // CHECK: qnn.max
  %6 = qnn.max %x, %y : (tensor<2x4xf32>, tensor<4xf32>) -> tensor<2x4xf32>
  // CHECK: qnn.and
  %7 = qnn.and %p, %p : (tensor<2x4xi1>, tensor<2x4xi1>) -> tensor<2x4xi1>
  // CHECK: qnn.or
  %8 = qnn.or %p, %p : (tensor<2x4xi1>, tensor<2x4xi1>) -> tensor<2x4xi1>
  // CHECK: qnn.equal
  %9 = qnn.equal %x, %y : (tensor<2x4xf32>, tensor<4xf32>) -> tensor<2x4xi1>
  // CHECK: qnn.greater
  %10 = qnn.greater %x, %y : (tensor<2x4xf32>, tensor<4xf32>) -> tensor<2x4xi1>
  // CHECK: qnn.less
  %11 = qnn.less %x, %y : (tensor<2x4xf32>, tensor<4xf32>) -> tensor<2x4xi1>
  // CHECK: qnn.not
  %12 = qnn.not %p : (tensor<2x4xi1>) -> tensor<2x4xi1>
  // CHECK: qnn.where
  %13 = qnn.where %p, %x, %y : (tensor<2x4xi1>, tensor<2x4xf32>, tensor<4xf32>) -> tensor<2x4xf32>
  // CHECK: qnn.prelu
  %14 = qnn.prelu %x, %y : (tensor<2x4xf32>, tensor<4xf32>) -> tensor<2x4xf32>
  // CHECK: qnn.cast
  %15 = qnn.cast %x : (tensor<2x4xf32>) -> tensor<2x4xui8>
  return
}

// CHECK-LABEL: func.func @unary
func.func @unary(%x: tensor<4xf16>) {
  // CHECK: qnn.abs
  %0 = qnn.abs %x : (tensor<4xf16>) -> tensor<4xf16>
  // CHECK: qnn.neg
  %1 = qnn.neg %x : (tensor<4xf16>) -> tensor<4xf16>
  // CHECK: qnn.reciprocal
  %2 = qnn.reciprocal %x : (tensor<4xf16>) -> tensor<4xf16>
  // CHECK: qnn.sqrt
  %3 = qnn.sqrt %x : (tensor<4xf16>) -> tensor<4xf16>
  // CHECK: qnn.exp
  %4 = qnn.exp %x : (tensor<4xf16>) -> tensor<4xf16>
  // CHECK: qnn.log
  %5 = qnn.log %x : (tensor<4xf16>) -> tensor<4xf16>
  // CHECK: qnn.erf
  %6 = qnn.erf %x : (tensor<4xf16>) -> tensor<4xf16>
  // CHECK: qnn.tanh
  %7 = qnn.tanh %x : (tensor<4xf16>) -> tensor<4xf16>
  // CHECK: qnn.sigmoid
  %8 = qnn.sigmoid %x : (tensor<4xf16>) -> tensor<4xf16>
  // CHECK: qnn.softplus
  %9 = qnn.softplus %x : (tensor<4xf16>) -> tensor<4xf16>
  // CHECK: qnn.silu
  %10 = qnn.silu %x : (tensor<4xf16>) -> tensor<4xf16>
  // CHECK: qnn.hard_swish
  %11 = qnn.hard_swish %x : (tensor<4xf16>) -> tensor<4xf16>
  // CHECK: qnn.relu
  %12 = qnn.relu %x : (tensor<4xf16>) -> tensor<4xf16>
  // CHECK: qnn.floor
  %13 = qnn.floor %x : (tensor<4xf16>) -> tensor<4xf16>
  // CHECK: qnn.leaky_relu %{{.*}} {alpha = 5.000000e-01 : f32}
  %14 = qnn.leaky_relu %x {alpha = 0.5 : f32} : (tensor<4xf16>) -> tensor<4xf16>
  // CHECK: qnn.elu
  %15 = qnn.elu %x {alpha = 1.0 : f32} : (tensor<4xf16>) -> tensor<4xf16>
  // CHECK: qnn.hard_sigmoid
  %16 = qnn.hard_sigmoid %x {alpha = 0.2 : f32, beta = 0.5 : f32} : (tensor<4xf16>) -> tensor<4xf16>
  // CHECK: qnn.gelu %{{[^ ]*}} :
  %17 = qnn.gelu %x {approximate = false} : (tensor<4xf16>) -> tensor<4xf16>
  // CHECK: qnn.gelu %{{[^ ]*}} {approximate = true} :
  %18 = qnn.gelu %x {approximate = true} : (tensor<4xf16>) -> tensor<4xf16>
  // CHECK: qnn.clip
  %19 = qnn.clip %x {min = 0.0 : f32, max = 6.0 : f32} : (tensor<4xf16>) -> tensor<4xf16>
  return
}

// CHECK-LABEL: func.func @reductions
func.func @reductions(%x: tensor<2x4x6xf32>, %p: tensor<4xf32>, %s: tensor<6xf32>) {
  // CHECK: qnn.reduce_mean %{{.*}} {axes = array<i64: 1, 2>, keepdims = true} : (tensor<2x4x6xf32>) -> tensor<2x1x1xf32>
  %0 = qnn.reduce_mean %x {axes = array<i64: 1, 2>, keepdims = true} : (tensor<2x4x6xf32>) -> tensor<2x1x1xf32>
  // CHECK: qnn.reduce_sum
  %1 = qnn.reduce_sum %x {axes = array<i64: 1>, keepdims = false} : (tensor<2x4x6xf32>) -> tensor<2x6xf32>
  // CHECK: qnn.reduce_max
  %2 = qnn.reduce_max %x {axes = array<i64: 1>, keepdims = false} : (tensor<2x4x6xf32>) -> tensor<2x6xf32>
  // CHECK: qnn.reduce_min
  %3 = qnn.reduce_min %x {axes = array<i64: 1>, keepdims = false} : (tensor<2x4x6xf32>) -> tensor<2x6xf32>
  // CHECK: qnn.reduce_l2
  %4 = qnn.reduce_l2 %x {axes = array<i64: 1>, keepdims = false} : (tensor<2x4x6xf32>) -> tensor<2x6xf32>
  // CHECK: qnn.argmax
  %5 = qnn.argmax %x {axis = 2 : i64, keepdims = true} : (tensor<2x4x6xf32>) -> tensor<2x4x1xi64>
  // CHECK: qnn.softmax
  %6 = qnn.softmax %x {axis = 2 : i64} : (tensor<2x4x6xf32>) -> tensor<2x4x6xf32>
  // CHECK: qnn.log_softmax
  %7 = qnn.log_softmax %x {axis = 1 : i64} : (tensor<2x4x6xf32>) -> tensor<2x4x6xf32>
  // CHECK: qnn.layer_norm %{{.*}} scale %{{.*}} : tensor<6xf32> bias %{{.*}} : tensor<6xf32> {axis = 2 : i64, epsilon = 1.000000e+00 : f32} : (tensor<2x4x6xf32>) -> tensor<2x4x6xf32>
  %8 = qnn.layer_norm %x scale %s : tensor<6xf32> bias %s : tensor<6xf32> {axis = 2 : i64, epsilon = 1.0 : f32} : (tensor<2x4x6xf32>) -> tensor<2x4x6xf32>
  // CHECK: qnn.layer_norm %{{[^ ]*}} bias
  %9 = qnn.layer_norm %x bias %s : tensor<6xf32> {axis = 2 : i64, epsilon = 1.0 : f32} : (tensor<2x4x6xf32>) -> tensor<2x4x6xf32>
  // CHECK: qnn.layer_norm %{{[^ ]*}} {axis
  %10 = qnn.layer_norm %x {axis = 2 : i64, epsilon = 1.0 : f32} : (tensor<2x4x6xf32>) -> tensor<2x4x6xf32>
  // CHECK: qnn.batch_norm
  %11 = qnn.batch_norm %x, %p, %p, %p, %p {epsilon = 1.0 : f32} : (tensor<2x4x6xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<2x4x6xf32>
  // CHECK: qnn.group_norm
  %12 = qnn.group_norm %x, %p, %p {groups = 2 : i64, epsilon = 1.0 : f32} : (tensor<2x4x6xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<2x4x6xf32>
  // (6 + 1 - 2) floordiv 2 + 1 = 3
  // CHECK: qnn.max_pool
  %13 = qnn.max_pool %x {kernel = array<i64: 2>, strides = array<i64: 2>, pads = array<i64: 0, 1>, dilations = array<i64: 1>} : (tensor<2x4x6xf32>) -> tensor<2x4x3xf32>
  // (6 - 3) / 2 rounded up, + 1 = 3
  // CHECK: qnn.avg_pool %{{.*}} {ceil_mode = true, count_include_pad = true
  %14 = qnn.avg_pool %x {kernel = array<i64: 3>, strides = array<i64: 2>, pads = array<i64: 0, 0>, dilations = array<i64: 1>, ceil_mode = true, count_include_pad = true} : (tensor<2x4x6xf32>) -> tensor<2x4x3xf32>
  return
}

// CHECK-LABEL: func.func @movement
func.func @movement(%x: tensor<2x4xi8>, %i: tensor<3x1xi32>, %s: tensor<1x4x2x2xf32>) {
  // CHECK: qnn.concat
  %0 = qnn.concat %x, %x, %x {axis = 1 : i64} : (tensor<2x4xi8>, tensor<2x4xi8>, tensor<2x4xi8>) -> tensor<2x12xi8>
  // CHECK: qnn.slice
  %1 = qnn.slice %x {starts = affine_map<() -> (1, 3)>, shape = affine_map<() -> (1, 2)>, steps = array<i64: 1, -2>} : (tensor<2x4xi8>) -> tensor<1x2xi8>
  // CHECK: qnn.gather
  %2 = qnn.gather %x, %i {axis = 1 : i64} : (tensor<2x4xi8>, tensor<3x1xi32>) -> tensor<2x3x1xi8>
  // CHECK: qnn.transpose
  %3 = qnn.transpose %x {perm = array<i64: 1, 0>} : (tensor<2x4xi8>) -> tensor<4x2xi8>
  // CHECK: qnn.broadcast
  %4 = qnn.broadcast %x {shape = affine_map<() -> (3, 1, 4)>} : (tensor<2x4xi8>) -> tensor<3x2x4xi8>
  // CHECK: qnn.tile
  %5 = qnn.tile %x {repeats = array<i64: 2, 3>} : (tensor<2x4xi8>) -> tensor<4x12xi8>
  // CHECK: qnn.pad %{{.*}} {high = array<i64: 0, -1>, low = array<i64: 0, 3>, mode = #qnn.pad_mode<reflect>}
  %6 = qnn.pad %x {low = array<i64: 0, 3>, high = array<i64: 0, -1>, mode = #qnn.pad_mode<reflect>} : (tensor<2x4xi8>) -> tensor<2x6xi8>
  // CHECK: qnn.pad %{{.*}} mode = #qnn.pad_mode<constant>, value = -1.000000e+00 : f64}
  %7 = qnn.pad %x {low = array<i64: 0, 3>, high = array<i64: 0, -1>, mode = #qnn.pad_mode<constant>, value = -1.0 : f64} : (tensor<2x4xi8>) -> tensor<2x6xi8>
  // CHECK: qnn.pad %{{.*}} mode = #qnn.pad_mode<edge>
  %8 = qnn.pad %x {low = array<i64: 0, 0>, high = array<i64: 0, 1>, mode = #qnn.pad_mode<edge>} : (tensor<2x4xi8>) -> tensor<2x5xi8>
  // CHECK: qnn.pad %{{.*}} mode = #qnn.pad_mode<wrap>
  %9 = qnn.pad %x {low = array<i64: 0, 0>, high = array<i64: 0, 1>, mode = #qnn.pad_mode<wrap>} : (tensor<2x4xi8>) -> tensor<2x5xi8>
  // CHECK: qnn.resize %{{.*}} {coordinates = #qnn.resize_coordinates<half_pixel>, {{.*}}mode = #qnn.resize_mode<cubic>, {{.*}}scales = array<f32: 1.000000e+00, 1.000000e+00, 1.500000e+00, 2.000000e+00>
  %10 = qnn.resize %s {shape = affine_map<() -> (1, 4, 3, 4)>, scales = array<f32: 1.0, 1.0, 1.5, 2.0>, mode = #qnn.resize_mode<cubic>, coordinates = #qnn.resize_coordinates<half_pixel>, nearest = #qnn.nearest_mode<round_prefer_floor>, exclude_outside = true} : (tensor<1x4x2x2xf32>) -> tensor<1x4x3x4xf32>
  // CHECK: qnn.depth_to_space
  %11 = qnn.depth_to_space %s {block = 2 : i64, column_row = true} : (tensor<1x4x2x2xf32>) -> tensor<1x1x4x4xf32>
  // CHECK: qnn.space_to_depth
  %12 = qnn.space_to_depth %s {block = 2 : i64} : (tensor<1x4x2x2xf32>) -> tensor<1x16x1x1xf32>
  return
}

// CHECK-LABEL: func.func @quantization
func.func @quantization(%x: tensor<2x4xf32>, %s: tensor<f32>, %z: tensor<i8>, %a: tensor<4xf32>, %q: tensor<2x4xi4>, %g: tensor<2x2xf32>, %acc: tensor<2x4xi32>) {
  // CHECK: qnn.quantize %{{.*}} {scheme = #qnn.scheme<s8, tensor>} : (tensor<2x4xf32>, tensor<f32>, tensor<i8>) -> tensor<2x4xi8>
  %0 = qnn.quantize %x, %s, %z {scheme = #qnn.scheme<s8, tensor>} : (tensor<2x4xf32>, tensor<f32>, tensor<i8>) -> tensor<2x4xi8>
  // CHECK: qnn.quantize %{{.*}} {scheme = #qnn.scheme<u8, axis 1>}
  %1 = qnn.quantize %x, %a {scheme = #qnn.scheme<u8, axis 1>} : (tensor<2x4xf32>, tensor<4xf32>) -> tensor<2x4xui8>
  // CHECK: qnn.dequantize %{{.*}} {scheme = #qnn.scheme<s4, group 2 along 1>}
  %2 = qnn.dequantize %q, %g {scheme = #qnn.scheme<s4, group 2 along 1>} : (tensor<2x4xi4>, tensor<2x2xf32>) -> tensor<2x4xf32>
  // CHECK: qnn.dequantize %{{.*}} {scheme = #qnn.scheme<s4, two_level 2 along 1>}
  %3 = qnn.dequantize %q, %g {scheme = #qnn.scheme<s4, two_level 2 along 1>} : (tensor<2x4xi4>, tensor<2x2xf32>) -> tensor<2x4xf32>
  // CHECK: #qnn.scheme<s32, row_column>
  %4 = qnn.dequantize %acc, %a {scheme = #qnn.scheme<s32, row_column>} : (tensor<2x4xi32>, tensor<4xf32>) -> tensor<2x4xf32>
  // CHECK: #qnn.scheme<s8, per_token>
  %5 = qnn.quantize %x, %a {scheme = #qnn.scheme<s8, per_token>} : (tensor<2x4xf32>, tensor<4xf32>) -> tensor<2x4xi8>
  return
}

// CHECK-LABEL: func.func @idioms
// CHECK: qnn.squeeze_excite %{{.*}} {gate = "sigmoid"}
func.func @idioms(%x: tensor<1x4x4xf32>, %a: tensor<2x4xf32>, %b: tensor<2xf32>, %c: tensor<4x2xf32>, %d: tensor<4xf32>) {
  %0 = qnn.squeeze_excite %x, %a, %b, %c, %d {gate = "sigmoid"} : (tensor<1x4x4xf32>, tensor<2x4xf32>, tensor<2xf32>, tensor<4x2xf32>, tensor<4xf32>) -> tensor<1x4x4xf32>
  return
}
