// RUN: quant-opt %s --fold-batch-norm --split-input-file | FileCheck %s

// scale / sqrt(variance + 0) = [2/2, 6/3] = [1, 2]; shift = bias - mean * that = [1 - 3, 1 - 2*2] = [-2, -3].
// Weights 1, 10 become 1, 20; biases 5, 7 become 5 - 2 = 3 and 7*2 - 3 = 11.
// CHECK-LABEL: func.func @conv
// CHECK-DAG: %[[W:.*]] = qnn.constant {{.*}}dense<{{\[\[\[\[}}1.000000e+00]]], {{\[\[\[}}2.000000e+01]]]]>
// CHECK-DAG: %[[B:.*]] = qnn.constant {{.*}}dense<[3.000000e+00, 1.100000e+01]>
// CHECK: %[[Y:.*]] = qnn.conv %{{.*}}, %[[W]], %[[B]] {{.*}}name = "conv"
// CHECK-NOT: qnn.batch_norm
// CHECK: return %[[Y]]
func.func @conv(%x: tensor<1x1x4x4xf32>) -> tensor<1x2x4x4xf32> {
  %w = qnn.constant {value = dense<[[[[1.0]]], [[[10.0]]]]> : tensor<2x1x1x1xf32>} : tensor<2x1x1x1xf32>
  %b = qnn.constant {value = dense<[5.0, 7.0]> : tensor<2xf32>} : tensor<2xf32>
  %scale = qnn.constant {value = dense<[2.0, 6.0]> : tensor<2xf32>} : tensor<2xf32>
  %bias = qnn.constant {value = dense<1.0> : tensor<2xf32>} : tensor<2xf32>
  %mean = qnn.constant {value = dense<[3.0, 2.0]> : tensor<2xf32>} : tensor<2xf32>
  %variance = qnn.constant {value = dense<[4.0, 9.0]> : tensor<2xf32>} : tensor<2xf32>
  %0 = qnn.conv %x, %w, %b {name = "conv", strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (tensor<1x1x4x4xf32>, tensor<2x1x1x1xf32>, tensor<2xf32>) -> tensor<1x2x4x4xf32>
  %1 = qnn.batch_norm %0, %scale, %bias, %mean, %variance {name = "bn", epsilon = 0.0 : f32} : (tensor<1x2x4x4xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<1x2x4x4xf32>
  return %1 : tensor<1x2x4x4xf32>
}

// -----

// Two groups with one output channel each: the row c of the weight belongs to output channel c; [1, 2] scale the rows.
// CHECK-LABEL: func.func @transposed_groups
// CHECK-DAG: %[[W:.*]] = qnn.constant {{.*}}dense<{{\[\[\[\[}}5.000000e+00]]], {{\[\[\[}}1.400000e+01]]]]>
// CHECK-DAG: %[[B:.*]] = qnn.constant {name = "up/bias", {{.*}}dense<[-2.000000e+00, -3.000000e+00]>
// CHECK: qnn.conv_transpose %{{.*}}, %[[W]], %[[B]]
// CHECK-NOT: qnn.batch_norm
func.func @transposed_groups(%x: tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32> {
  %w = qnn.constant {value = dense<[[[[5.0]]], [[[7.0]]]]> : tensor<2x1x1x1xf32>} : tensor<2x1x1x1xf32>
  %scale = qnn.constant {value = dense<[2.0, 6.0]> : tensor<2xf32>} : tensor<2xf32>
  %bias = qnn.constant {value = dense<1.0> : tensor<2xf32>} : tensor<2xf32>
  %mean = qnn.constant {value = dense<[3.0, 2.0]> : tensor<2xf32>} : tensor<2xf32>
  %variance = qnn.constant {value = dense<[4.0, 9.0]> : tensor<2xf32>} : tensor<2xf32>
  %0 = qnn.conv_transpose %x, %w {name = "up", strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, output_padding = array<i64: 0, 0>, groups = 2 : i64} : (tensor<1x2x4x4xf32>, tensor<2x1x1x1xf32>) -> tensor<1x2x4x4xf32>
  %1 = qnn.batch_norm %0, %scale, %bias, %mean, %variance {name = "bn", epsilon = 0.0 : f32} : (tensor<1x2x4x4xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<1x2x4x4xf32>
  return %1 : tensor<1x2x4x4xf32>
}

// -----

// Nothing before it: a product and a sum a channel.
// CHECK-LABEL: func.func @alone
// CHECK-SAME: (%[[X:.*]]: tensor<1x2x4xf32>)
// CHECK-DAG: %[[S:.*]] = qnn.constant {name = "bn/scale", {{.*}}dense<{{\[\[\[}}1.000000e+00], [2.000000e+00]]]>
// CHECK-DAG: %[[T:.*]] = qnn.constant {name = "bn/shift", {{.*}}dense<{{\[\[\[}}-2.000000e+00], [-3.000000e+00]]]>
// CHECK: %[[P:.*]] = qnn.mul %[[X]], %[[S]] {name = "bn/scaled"}
// CHECK: qnn.add %[[P]], %[[T]] {name = "bn"}
func.func @alone(%x: tensor<1x2x4xf32>) -> tensor<1x2x4xf32> {
  %scale = qnn.constant {value = dense<[2.0, 6.0]> : tensor<2xf32>} : tensor<2xf32>
  %bias = qnn.constant {value = dense<1.0> : tensor<2xf32>} : tensor<2xf32>
  %mean = qnn.constant {value = dense<[3.0, 2.0]> : tensor<2xf32>} : tensor<2xf32>
  %variance = qnn.constant {value = dense<[4.0, 9.0]> : tensor<2xf32>} : tensor<2xf32>
  %1 = qnn.batch_norm %x, %scale, %bias, %mean, %variance {name = "bn", epsilon = 0.0 : f32} : (tensor<1x2x4xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<1x2x4xf32>
  return %1 : tensor<1x2x4xf32>
}

// -----

// The convolution has another user: its weight stays as it is.
// CHECK-LABEL: func.func @shared
// CHECK: %[[C:.*]] = qnn.conv
// CHECK: %[[P:.*]] = qnn.mul %[[C]],
// CHECK: %[[A:.*]] = qnn.add %[[P]],
// CHECK: return %[[C]], %[[A]]
func.func @shared(%x: tensor<1x1x4xf32>) -> (tensor<1x1x4xf32>, tensor<1x1x4xf32>) {
  %w = qnn.constant {value = dense<1.0> : tensor<1x1x1xf32>} : tensor<1x1x1xf32>
  %p = qnn.constant {value = dense<2.0> : tensor<1xf32>} : tensor<1xf32>
  %0 = qnn.conv %x, %w {name = "conv", strides = array<i64: 1>, pads = array<i64: 0, 0>, dilations = array<i64: 1>, groups = 1 : i64} : (tensor<1x1x4xf32>, tensor<1x1x1xf32>) -> tensor<1x1x4xf32>
  %1 = qnn.batch_norm %0, %p, %p, %p, %p {name = "bn", epsilon = 0.0 : f32} : (tensor<1x1x4xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<1x1x4xf32>
  return %0, %1 : tensor<1x1x4xf32>, tensor<1x1x4xf32>
}

// -----

// variance + epsilon = -1 has no root; parameters that are not constants are unknown here.
// CHECK-LABEL: func.func @left_alone
// CHECK: qnn.batch_norm
// CHECK: qnn.batch_norm
func.func @left_alone(%x: tensor<1x1x4xf32>, %p: tensor<1xf32>) -> tensor<1x1x4xf32> {
  %one = qnn.constant {value = dense<1.0> : tensor<1xf32>} : tensor<1xf32>
  %negative = qnn.constant {value = dense<-1.0> : tensor<1xf32>} : tensor<1xf32>
  %0 = qnn.batch_norm %x, %one, %one, %one, %negative {name = "a", epsilon = 0.0 : f32} : (tensor<1x1x4xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<1x1x4xf32>
  %1 = qnn.batch_norm %0, %p, %one, %one, %one {name = "b", epsilon = 0.0 : f32} : (tensor<1x1x4xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<1x1x4xf32>
  return %1 : tensor<1x1x4xf32>
}
