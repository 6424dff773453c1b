// Every operation of the dialect through the pretty form, the generic form and bytecode: the text stays the same.
// RUN: quant-opt %s -o %t.pretty
// RUN: quant-opt %t.pretty | diff %t.pretty -
// RUN: quant-opt %s --mlir-print-op-generic | quant-opt | diff %t.pretty -
// RUN: quant-opt %s --emit-bytecode | quant-opt | diff %t.pretty -
// RUN: FileCheck %s < %t.pretty

// CHECK-LABEL: func.func @products
func.func @products(%x: tensor<1x4x8x8xi8>, %w: tensor<2x4x1x1xi8>, %b: tensor<2xi32>, %t: tensor<4x2x1x1xi8>, %l: tensor<3x8xi16>, %bl: tensor<3xi32>, %q: tensor<3x8xi4>) {
  // CHECK: dyadic.conv %{{.*}}, %{{.*}}, %{{.*}} {dilations = array<i64: 1, 1>, groups = 1 : i64, input_zero_point = -128 : i32, pads = array<i64: 0, 0, 0, 0>, strides = array<i64: 1, 1>} : (tensor<1x4x8x8xi8>, tensor<2x4x1x1xi8>, tensor<2xi32>) -> tensor<1x2x8x8xi32>
  %0 = dyadic.conv %x, %w, %b {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, groups = 1 : i64, input_zero_point = -128 : i32} : (tensor<1x4x8x8xi8>, tensor<2x4x1x1xi8>, tensor<2xi32>) -> tensor<1x2x8x8xi32>
  // CHECK: dyadic.conv_transpose
  %1 = dyadic.conv_transpose %x, %t {strides = array<i64: 2, 2>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, output_padding = array<i64: 1, 1>, groups = 1 : i64, input_zero_point = 0 : i32} : (tensor<1x4x8x8xi8>, tensor<4x2x1x1xi8>) -> tensor<1x2x16x16xi32>
  // CHECK: dyadic.linear
  %2 = dyadic.linear %x, %l, %bl {input_zero_point = 0 : i32} : (tensor<1x4x8x8xi8>, tensor<3x8xi16>, tensor<3xi32>) -> tensor<1x4x8x3xi32>
  // CHECK: dyadic.linear %{{.*}} : (tensor<1x4x8x8xi8>, tensor<3x8xi4>)
  %3 = dyadic.linear %x, %q {input_zero_point = 0 : i32} : (tensor<1x4x8x8xi8>, tensor<3x8xi4>) -> tensor<1x4x8x3xi32>
  // CHECK: dyadic.matmul
  %4 = dyadic.matmul %x, %x {lhs_zero_point = 1 : i32, rhs_zero_point = 2 : i32} : (tensor<1x4x8x8xi8>, tensor<1x4x8x8xi8>) -> tensor<1x4x8x8xi32>
  return
}

// CHECK-LABEL: func.func @rounding
func.func @rounding(%acc: tensor<2x4xi32>, %x: tensor<2x4xi8>, %s: tensor<4xi8>) {
  // CHECK: dyadic.rescale %{{.*}} {clamp = array<i32: -128, 127>, multiplier = array<i32: 1431655765>, multiplier_bits = 31 : i64, rounding = #dyadic.rounding<half_up>, shift = array<i8: 38>, zero_point = 3 : i32} : (tensor<2x4xi32>) -> tensor<2x4xi8>
  %0 = dyadic.rescale %acc {multiplier = array<i32: 1431655765>, shift = array<i8: 38>, multiplier_bits = 31 : i64, rounding = #dyadic.rounding<half_up>, zero_point = 3 : i32, clamp = array<i32: -128, 127>} : (tensor<2x4xi32>) -> tensor<2x4xi8>
  // A dead channel (0), and a multiplier that R3 had to leave small at shift 62.
  // CHECK: axis = 1 : i64, {{.*}}multiplier = array<i32: 0, 5, 16384, 32767>, multiplier_bits = 15 : i64, rounding = #dyadic.rounding<half_away>
  %1 = dyadic.rescale %acc {multiplier = array<i32: 0, 5, 16384, 32767>, shift = array<i8: 2, 62, 20, 20>, multiplier_bits = 15 : i64, rounding = #dyadic.rounding<half_away>, zero_point = 0 : i32, clamp = array<i32: 0, 127>, axis = 1 : i64} : (tensor<2x4xi32>) -> tensor<2x4xi16>
  // CHECK: input_zero_point = 7 : i32, {{.*}}rounding = #dyadic.rounding<half_even>
  %2 = dyadic.rescale %x {multiplier = array<i32: 8388607>, shift = array<i8: 22>, multiplier_bits = 23 : i64, rounding = #dyadic.rounding<half_even>, input_zero_point = 7 : i32, zero_point = 0 : i32, clamp = array<i32: -128, 127>} : (tensor<2x4xi8>) -> tensor<2x4xi8>
  // CHECK: dyadic.add %{{.*}} rounding = #dyadic.rounding<floor>
  %3 = dyadic.add %x, %s {lhs_zero_point = 0 : i32, rhs_zero_point = 1 : i32, lhs_multiplier = 3 : i32, rhs_multiplier = -4 : i32, shift = 1 : i8, rounding = #dyadic.rounding<floor>, zero_point = 0 : i32, clamp = array<i32: -128, 127>} : (tensor<2x4xi8>, tensor<4xi8>) -> tensor<2x4xi8>
  // CHECK: dyadic.mul %{{.*}} rounding = #dyadic.rounding<trunc>
  %4 = dyadic.mul %x, %s {lhs_zero_point = 0 : i32, rhs_zero_point = 1 : i32, multiplier = 1073741824 : i32, shift = 31 : i8, multiplier_bits = 31 : i64, rounding = #dyadic.rounding<trunc>, zero_point = 0 : i32, clamp = array<i32: -128, 127>} : (tensor<2x4xi8>, tensor<4xi8>) -> tensor<2x4xi8>
  // CHECK: rounding = #dyadic.rounding<tflite_double>
  %5 = dyadic.rescale %acc {multiplier = array<i32: 1431655765>, shift = array<i8: 38>, multiplier_bits = 31 : i64, rounding = #dyadic.rounding<tflite_double>, zero_point = 3 : i32, clamp = array<i32: -128, 127>} : (tensor<2x4xi32>) -> tensor<2x4xi8>
  // CHECK: rounding = #dyadic.rounding<tosa_double>
  %6 = dyadic.rescale %acc {multiplier = array<i32: 1431655765>, shift = array<i8: 38>, multiplier_bits = 31 : i64, rounding = #dyadic.rounding<tosa_double>, zero_point = 3 : i32, clamp = array<i32: -128, 127>} : (tensor<2x4xi32>) -> tensor<2x4xi8>
  return
}

// CHECK-LABEL: func.func @reductions
func.func @reductions(%x: tensor<1x2x4x4xi8>, %d: tensor<?xi32> {qnn.dims = affine_map<()[s0] -> (s0)>}) attributes {qnn.symbols = [#qnn.symbol<"W", 1, 8, 1>]} {
  // CHECK: dyadic.reduce_sum
  %0 = dyadic.reduce_sum %x {axes = array<i64: 2, 3>, keepdims = false, input_zero_point = -3 : i32} : (tensor<1x2x4x4xi8>) -> tensor<1x2xi32>
  // CHECK: dyadic.rescale_mean %{{.*}} {clamp = array<i32: -128, 127>, count = #{{.*}}, rounding = #dyadic.rounding<half_up>, scale = 2.500000e-01 : f64, zero_point = 0 : i32}
  %1 = dyadic.rescale_mean %d {count = affine_map<()[s0] -> (s0 * 4)>, scale = 0.25 : f64, rounding = #dyadic.rounding<half_up>, zero_point = 0 : i32, clamp = array<i32: -128, 127>} : (tensor<?xi32>) -> tensor<?xi8>
  // CHECK: dyadic.avg_pool
  %2 = dyadic.avg_pool %x {kernel = array<i64: 1, 2>, strides = array<i64: 1, 2>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, input_zero_point = 0 : i32, multiplier = array<i32: 1073741824, 1073741824>, shift = array<i8: 30, 31>, rounding = #dyadic.rounding<half_up>, zero_point = 0 : i32, clamp = array<i32: -128, 127>} : (tensor<1x2x4x4xi8>) -> tensor<1x2x4x2xi8>
  return
}

// The table of y = -1 - x in the order of the codes -128 .. 127.
// CHECK-LABEL: func.func @lookup
// CHECK: dyadic.lookup %{{.*}} {table = array<i8: 127, 126, {{.*}}, -127, -128>} : (tensor<4xi8>) -> tensor<4xi8>
func.func @lookup(%x: tensor<4xi8>) {
  %0 = dyadic.lookup %x {table = array<i8: 127, 126, 125, 124, 123, 122, 121, 120, 119, 118, 117, 116, 115, 114, 113, 112, 111, 110, 109, 108, 107, 106, 105, 104, 103, 102, 101, 100, 99, 98, 97, 96, 95, 94, 93, 92, 91, 90, 89, 88, 87, 86, 85, 84, 83, 82, 81, 80, 79, 78, 77, 76, 75, 74, 73, 72, 71, 70, 69, 68, 67, 66, 65, 64, 63, 62, 61, 60, 59, 58, 57, 56, 55, 54, 53, 52, 51, 50, 49, 48, 47, 46, 45, 44, 43, 42, 41, 40, 39, 38, 37, 36, 35, 34, 33, 32, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0, -1, -2, -3, -4, -5, -6, -7, -8, -9, -10, -11, -12, -13, -14, -15, -16, -17, -18, -19, -20, -21, -22, -23, -24, -25, -26, -27, -28, -29, -30, -31, -32, -33, -34, -35, -36, -37, -38, -39, -40, -41, -42, -43, -44, -45, -46, -47, -48, -49, -50, -51, -52, -53, -54, -55, -56, -57, -58, -59, -60, -61, -62, -63, -64, -65, -66, -67, -68, -69, -70, -71, -72, -73, -74, -75, -76, -77, -78, -79, -80, -81, -82, -83, -84, -85, -86, -87, -88, -89, -90, -91, -92, -93, -94, -95, -96, -97, -98, -99, -100, -101, -102, -103, -104, -105, -106, -107, -108, -109, -110, -111, -112, -113, -114, -115, -116, -117, -118, -119, -120, -121, -122, -123, -124, -125, -126, -127, -128>} : (tensor<4xi8>) -> tensor<4xi8>
  return
}
