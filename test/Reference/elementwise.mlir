// RUN: quant-interpret %s | FileCheck %s

// Elementwise operations: F1 and F2 on floats, wrapping on integers.

// CHECK: @arithmetic#0 f32[2,2] = 11 22 13 24
// CHECK-NEXT: @arithmetic#1 f32[2,2] = -9 -18 -7 -16
// CHECK-NEXT: @arithmetic#2 f32[2,2] = 10 40 30 80
// CHECK-NEXT: @arithmetic#3 f32[2,2] = 0.100000001 0.100000001 0.300000012 0.200000003
func.func @arithmetic() -> (tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>) {
  %a = qnn.constant {value = dense<[[1.0, 2.0], [3.0, 4.0]]> : tensor<2x2xf32>} : tensor<2x2xf32>
  %b = qnn.constant {value = dense<[10.0, 20.0]> : tensor<2xf32>} : tensor<2xf32>
  %0 = qnn.add %a, %b : (tensor<2x2xf32>, tensor<2xf32>) -> tensor<2x2xf32>
  %1 = qnn.sub %a, %b : (tensor<2x2xf32>, tensor<2xf32>) -> tensor<2x2xf32>
  %2 = qnn.mul %a, %b : (tensor<2x2xf32>, tensor<2xf32>) -> tensor<2x2xf32>
  %3 = qnn.div %a, %b : (tensor<2x2xf32>, tensor<2xf32>) -> tensor<2x2xf32>
  return %0, %1, %2, %3 : tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>
}

// A column against a row: 2x1 + 1x3 -> 2x3.
// CHECK: @broadcast_both#0 s32[2,3] = 11 12 13 21 22 23
func.func @broadcast_both() -> tensor<2x3xi32> {
  %a = qnn.constant {value = dense<[[10], [20]]> : tensor<2x1xi32>} : tensor<2x1xi32>
  %b = qnn.constant {value = dense<[[1, 2, 3]]> : tensor<1x3xi32>} : tensor<1x3xi32>
  %0 = qnn.add %a, %b : (tensor<2x1xi32>, tensor<1x3xi32>) -> tensor<2x3xi32>
  return %0 : tensor<2x3xi32>
}

// i8 wraps: 100 + 100 = 200 = -56; -7 / 2 truncates to -3; division by 0 gives 0 and does not trap.
// CHECK: @integers#0 s8[3] = -56 -5 7
// CHECK-NEXT: @integers#1 s8[3] = 1 -3 0
// CHECK-NEXT: @integers#2 s8[3] = 16 49 1
func.func @integers() -> (tensor<3xi8>, tensor<3xi8>, tensor<3xi8>) {
  %a = qnn.constant {value = dense<[100, -7, 7]> : tensor<3xi8>} : tensor<3xi8>
  %b = qnn.constant {value = dense<[100, 2, 0]> : tensor<3xi8>} : tensor<3xi8>
  %two = qnn.constant {value = dense<[2, 2, 0]> : tensor<3xi8>} : tensor<3xi8>
  %0 = qnn.add %a, %b : (tensor<3xi8>, tensor<3xi8>) -> tensor<3xi8>
  %1 = qnn.div %a, %b : (tensor<3xi8>, tensor<3xi8>) -> tensor<3xi8>
  // 100^2 = 10000 = 39 * 256 + 16
  %2 = qnn.pow %a, %two : (tensor<3xi8>, tensor<3xi8>) -> tensor<3xi8>
  return %0, %1, %2 : tensor<3xi8>, tensor<3xi8>, tensor<3xi8>
}

// NaN (0x7FC00000) comes out of min and max from either side; relu and clip pass it on.
// CHECK: @nan#0 f32[2] = nan nan
// CHECK-NEXT: @nan#1 f32[2] = nan nan
// CHECK-NEXT: @nan#2 f32[2] = nan 1
// CHECK-NEXT: @nan#3 f32[2] = nan 0.5
func.func @nan() -> (tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) {
  %a = qnn.constant {value = dense<[0x7FC00000, 1.0]> : tensor<2xf32>} : tensor<2xf32>
  %b = qnn.constant {value = dense<[2.0, 0x7FC00000]> : tensor<2xf32>} : tensor<2xf32>
  %0 = qnn.min %a, %b : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
  %1 = qnn.max %a, %b : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
  %2 = qnn.relu %a : (tensor<2xf32>) -> tensor<2xf32>
  %3 = qnn.clip %a {min = -0.5 : f32, max = 0.5 : f32} : (tensor<2xf32>) -> tensor<2xf32>
  return %0, %1, %2, %3 : tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>
}

// CHECK: @logic#0 bool[3] = 0 0 1
// CHECK-NEXT: @logic#1 bool[3] = 1 0 0
// CHECK-NEXT: @logic#2 bool[3] = 0 1 0
// CHECK-NEXT: @logic#3 bool[3] = 1 0 1
// CHECK-NEXT: @logic#4 bool[3] = 0 0 0
// CHECK-NEXT: @logic#5 bool[3] = 0 1 0
// CHECK-NEXT: @logic#6 f32[3] = 2 5 3
func.func @logic() -> (tensor<3xi1>, tensor<3xi1>, tensor<3xi1>, tensor<3xi1>, tensor<3xi1>, tensor<3xi1>, tensor<3xf32>) {
  %a = qnn.constant {value = dense<[1.0, 5.0, 3.0]> : tensor<3xf32>} : tensor<3xf32>
  %b = qnn.constant {value = dense<[2.0, 4.0, 3.0]> : tensor<3xf32>} : tensor<3xf32>
  %eq = qnn.equal %a, %b : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xi1>
  %lt = qnn.less %a, %b : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xi1>
  %gt = qnn.greater %a, %b : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xi1>
  %or = qnn.or %eq, %lt : (tensor<3xi1>, tensor<3xi1>) -> tensor<3xi1>
  %and = qnn.and %or, %gt : (tensor<3xi1>, tensor<3xi1>) -> tensor<3xi1>
  %not = qnn.not %or : (tensor<3xi1>) -> tensor<3xi1>
  %where = qnn.where %or, %b, %a : (tensor<3xi1>, tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
  return %eq, %lt, %gt, %or, %and, %not, %where
    : tensor<3xi1>, tensor<3xi1>, tensor<3xi1>, tensor<3xi1>, tensor<3xi1>, tensor<3xi1>, tensor<3xf32>
}

// Float to i8: toward zero, saturating, NaN gives 0. i32 to i8 wraps: 300 - 256 = 44. To bool: not zero.
// CHECK: @casts#0 s8[5] = -2 1 127 -128 0
// CHECK-NEXT: @casts#1 s8[2] = 44 -1
// CHECK-NEXT: @casts#2 bool[5] = 1 1 1 1 1
// CHECK-NEXT: @casts#3 f32[2] = 300 -1
// CHECK-NEXT: @casts#4 f16[5] = -2.69921875 1.5 inf -inf nan
func.func @casts() -> (tensor<5xi8>, tensor<2xi8>, tensor<5xi1>, tensor<2xf32>, tensor<5xf16>) {
  %x = qnn.constant {value = dense<[-2.7, 1.5, 3.0e+05, -3.0e+05, 0x7FC00000]> : tensor<5xf32>} : tensor<5xf32>
  %i = qnn.constant {value = dense<[300, -1]> : tensor<2xi32>} : tensor<2xi32>
  %0 = qnn.cast %x : (tensor<5xf32>) -> tensor<5xi8>
  %1 = qnn.cast %i : (tensor<2xi32>) -> tensor<2xi8>
  %2 = qnn.cast %x : (tensor<5xf32>) -> tensor<5xi1>
  %3 = qnn.cast %i : (tensor<2xi32>) -> tensor<2xf32>
  // -2.7 between the halves -2.701171875 and -2.69921875 (step 2^-9): the nearer one
  %4 = qnn.cast %x : (tensor<5xf32>) -> tensor<5xf16>
  return %0, %1, %2, %3, %4 : tensor<5xi8>, tensor<2xi8>, tensor<5xi1>, tensor<2xf32>, tensor<5xf16>
}

// Values of which float32 shows seven digits: e = 2.718281828, ln 2 = 0.693147181, erf 1 = 0.842700793, tanh 1 = 0.761594156,
// 1/(1+e^-1) = 0.731058579, ln(1+e) = 1.313261688. The functions are within two units of the last place (6e-8 relative).
// CHECK: @functions#0 f32[2] = 1 2.71828{{[0-9]*}}
// CHECK-NEXT: @functions#1 f32[2] = -inf 0
// CHECK-NEXT: @functions#2 f32[2] = 0 0.842700{{[0-9]*}}
// CHECK-NEXT: @functions#3 f32[2] = 0 0.761594{{[0-9]*}}
// CHECK-NEXT: @functions#4 f32[2] = 0.5 0.731058{{[0-9]*}}
// CHECK-NEXT: @functions#5 f32[2] = 0.693147{{[0-9]*}} 1.313261{{[0-9]*}}
// CHECK-NEXT: @functions#6 f32[2] = 0 0.731058{{[0-9]*}}
// x min(max(x/6 + 1/2, 0), 1) at 1: 4/6
// CHECK-NEXT: @functions#7 f32[2] = 0 0.66666{{[0-9]*}}
// x/2 (1 + erf(x / sqrt 2)) at 1: 0.841344746; tanh form: 0.841191991
// CHECK-NEXT: @functions#8 f32[2] = 0 0.841344{{[0-9]*}}
// CHECK-NEXT: @functions#9 f32[2] = 0 0.84119{{[0-9]*}}
func.func @functions() -> (tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>,
                           tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) {
  %x = qnn.constant {value = dense<[0.0, 1.0]> : tensor<2xf32>} : tensor<2xf32>
  %0 = qnn.exp %x : (tensor<2xf32>) -> tensor<2xf32>
  %1 = qnn.log %x : (tensor<2xf32>) -> tensor<2xf32>
  %2 = qnn.erf %x : (tensor<2xf32>) -> tensor<2xf32>
  %3 = qnn.tanh %x : (tensor<2xf32>) -> tensor<2xf32>
  %4 = qnn.sigmoid %x : (tensor<2xf32>) -> tensor<2xf32>
  %5 = qnn.softplus %x : (tensor<2xf32>) -> tensor<2xf32>
  %6 = qnn.silu %x : (tensor<2xf32>) -> tensor<2xf32>
  %7 = qnn.hard_swish %x : (tensor<2xf32>) -> tensor<2xf32>
  %8 = qnn.gelu %x : (tensor<2xf32>) -> tensor<2xf32>
  %9 = qnn.gelu %x {approximate = true} : (tensor<2xf32>) -> tensor<2xf32>
  return %0, %1, %2, %3, %4, %5, %6, %7, %8, %9 : tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>,
    tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>
}

// CHECK: @unary#0 f32[2] = 4 2.25
// CHECK-NEXT: @unary#1 f32[2] = 4 -2.25
// CHECK-NEXT: @unary#2 f32[2] = 2 1.5
// CHECK-NEXT: @unary#3 f32[2] = 0.25 0.444444448
// CHECK-NEXT: @unary#4 f32[2] = -4 2
// CHECK-NEXT: @unary#5 f32[2] = 0 2.25
// -4 * 0.25; elu: 2 (e^-4 - 1) = -1.963368721
// CHECK-NEXT: @unary#6 f32[2] = -1 2.25
// CHECK-NEXT: @unary#7 f32[2] = -1.963368{{[0-9]*}} 2.25
// 0.125 x + 0.5: 0 and 0.78125
// CHECK-NEXT: @unary#8 f32[2] = 0 0.78125
// CHECK-NEXT: @unary#9 f32[2] = -2 2.25
// CHECK-NEXT: @unary#10 f32[2] = -40 2.25
// 2.25^3 = 11.390625
// CHECK-NEXT: @unary#11 f32[2] = -64 11.390625
func.func @unary() -> (tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>,
                       tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) {
  %x = qnn.constant {value = dense<[-4.0, 2.25]> : tensor<2xf32>} : tensor<2xf32>
  %slope = qnn.constant {value = dense<10.0> : tensor<1xf32>} : tensor<1xf32>
  %three = qnn.constant {value = dense<3.0> : tensor<f32>} : tensor<f32>
  %0 = qnn.abs %x : (tensor<2xf32>) -> tensor<2xf32>
  %1 = qnn.neg %x : (tensor<2xf32>) -> tensor<2xf32>
  %2 = qnn.sqrt %0 : (tensor<2xf32>) -> tensor<2xf32>
  %3 = qnn.reciprocal %0 : (tensor<2xf32>) -> tensor<2xf32>
  %4 = qnn.floor %x : (tensor<2xf32>) -> tensor<2xf32>
  %5 = qnn.relu %x : (tensor<2xf32>) -> tensor<2xf32>
  %6 = qnn.leaky_relu %x {alpha = 0.25 : f32} : (tensor<2xf32>) -> tensor<2xf32>
  %7 = qnn.elu %x {alpha = 2.0 : f32} : (tensor<2xf32>) -> tensor<2xf32>
  %8 = qnn.hard_sigmoid %x {alpha = 0.125 : f32, beta = 0.5 : f32} : (tensor<2xf32>) -> tensor<2xf32>
  %9 = qnn.clip %x {min = -2.0 : f32, max = 3.0 : f32} : (tensor<2xf32>) -> tensor<2xf32>
  %10 = qnn.prelu %x, %slope : (tensor<2xf32>, tensor<1xf32>) -> tensor<2xf32>
  %11 = qnn.pow %x, %three : (tensor<2xf32>, tensor<f32>) -> tensor<2xf32>
  return %0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11 : tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>,
    tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>
}
