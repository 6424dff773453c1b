// The regions of a feed-forward block in each form of a product (passes/Fuse/README.md).
// RUN: quant-opt %s --pass-pipeline='builtin.module(func.func(assign-schemes{recipe=w8a8-per-token}))' | quant-opt --stage-quantize --stage-integerize --stage-fuse | FileCheck %s --check-prefixes=ALL,DYNAMIC,W8A8
// RUN: quant-opt %s --pass-pipeline='builtin.module(func.func(assign-schemes{recipe=w4a8}))' | quant-opt --stage-quantize --stage-integerize --stage-fuse | FileCheck %s --check-prefixes=ALL,DYNAMIC,TWOLEVEL
// RUN: quant-opt %s --pass-pipeline='builtin.module(func.func(assign-schemes{recipe=w4a8-groups}))' | quant-opt --stage-quantize --stage-integerize --stage-fuse | FileCheck %s --check-prefixes=ALL,DYNAMIC,GROUPS
// RUN: quant-opt %s --pass-pipeline='builtin.module(func.func(assign-schemes{recipe=w4a16}))' | quant-opt --stage-quantize --stage-integerize --stage-fuse | FileCheck %s --check-prefixes=ALL,HALF,W4A16
// RUN: quant-opt %s --pass-pipeline='builtin.module(func.func(assign-schemes{recipe=w8a16}))' | quant-opt --stage-quantize --stage-integerize --stage-fuse | FileCheck %s --check-prefixes=ALL,HALF,W8A16

// ALL-LABEL: func.func @main

// DYNAMIC: %[[QX:.*]]:2 = kernel.fused (%[[A:.*]] = %arg0) {kind = #kernel.template<rows>
// DYNAMIC-NEXT: qnn.quantize_dynamic %[[A]] {name = "x/quantize", scheme = #qnn.scheme<s8, per_token>} : (tensor<?x128xf32>) -> (tensor<?x128xi8>, tensor<?x1xf32>)
// DYNAMIC-NEXT: kernel.yield

// W8A8: kernel.fused (%[[Q:.*]] = %[[QX]]#0, %[[W:.*]] = %{{.*}}, %[[S:.*]] = %[[QX]]#1, %[[SW:.*]] = %{{.*}}, %[[B:.*]] = %{{.*}}) {kind = #kernel.template<gemm>, name = "gelu"
// W8A8-NEXT: %[[ACC:.*]] = dyadic.linear %[[Q]], %[[W]] {input_zero_point = 0 : i32, name = "up/accumulate"} : (tensor<?x128xi8>, tensor<256x128xi8>) -> tensor<?x256xi32>
// W8A8-NEXT: %[[F:.*]] = qnn.dequantize_accumulator %[[ACC]], %[[S]], %[[SW]]
// TWOLEVEL: kernel.fused (%[[Q:.*]] = %[[QX]]#0, %[[W:.*]] = %{{.*}}, %[[G:.*]] = %{{.*}}, %[[O:.*]] = %{{.*}}, %[[S:.*]] = %[[QX]]#1, %[[SW:.*]] = %{{.*}}, %[[B:.*]] = %{{.*}}) {kind = #kernel.template<gemm>, name = "gelu"
// TWOLEVEL-NEXT: %[[ACC:.*]] = dyadic.linear_two_level %[[Q]], %[[W]], %[[G]], %[[O]] {group = 128 : i64, input_zero_point = 0 : i32, name = "up/accumulate"} : (tensor<?x128xi8>, tensor<256x128xi4>, tensor<256x1xi8>, tensor<256x1xi16>) -> tensor<?x256xi32>
// TWOLEVEL-NEXT: %[[F:.*]] = qnn.dequantize_accumulator %[[ACC]], %[[S]], %[[SW]]
// GROUPS: kernel.fused (%[[Q:.*]] = %[[QX]]#0, %[[W:.*]] = %{{.*}}, %[[G:.*]] = %{{.*}}, %[[S:.*]] = %[[QX]]#1, %[[B:.*]] = %{{.*}}) {kind = #kernel.template<gemm>, name = "gelu"
// GROUPS-NEXT: %[[P:.*]] = dyadic.linear_groups %[[Q]], %[[W]] {group = 128 : i64, input_zero_point = 0 : i32, name = "up/accumulate"} : (tensor<?x128xi8>, tensor<256x128xi4>) -> tensor<?x256x1xi32>
// GROUPS-NEXT: %[[C:.*]] = qnn.combine_groups %[[P]], %[[G]]
// GROUPS-NEXT: %[[F:.*]] = qnn.mul %[[C]], %[[S]]
// DYNAMIC-NEXT: %[[Y:.*]] = qnn.add %[[F]], %[[B]]
// DYNAMIC-NEXT: qnn.gelu %[[Y]]
// DYNAMIC-NEXT: kernel.yield

// DYNAMIC: kernel.fused {{.*}}kind = #kernel.template<rows>
// DYNAMIC-NEXT: qnn.quantize_dynamic
// DYNAMIC: kernel.fused {{.*}}kind = #kernel.template<gemm>, name = "residual"
// DYNAMIC: qnn.add
// DYNAMIC-NEXT: qnn.add
// DYNAMIC-NEXT: kernel.yield
// DYNAMIC-NOT: kernel.fused

// HALF: kernel.fused (%[[X:.*]] = %arg0) {kind = #kernel.template<loops>, name = "x/store"
// HALF-NEXT: qnn.cast %[[X]] {{.*}} -> tensor<?x128xf16>
// HALF-NEXT: kernel.yield
// HALF: kernel.fused (%[[X:.*]] = %{{.*}}, %[[W:.*]] = %{{.*}}, %[[S:.*]] = %{{.*}}, %[[B:.*]] = %{{.*}}) {kind = #kernel.template<gemm>, name = "gelu/store"
// HALF-NEXT: %[[L:.*]] = qnn.cast %[[X]] {{.*}} : (tensor<?x128xf16>) -> tensor<?x128xf32>
// W4A16-NEXT: %[[D:.*]] = qnn.dequantize %[[W]], %[[S]] {name = "up.weight/dequantize", scheme = #qnn.scheme<s4, group 128 along 1>} : (tensor<256x128xi4>, tensor<256x1xf32>) -> tensor<256x128xf32>
// W8A16-NEXT: %[[D:.*]] = qnn.dequantize %[[W]], %[[S]] {name = "up.weight/dequantize", scheme = #qnn.scheme<s8, axis 0>} : (tensor<256x128xi8>, tensor<256xf32>) -> tensor<256x128xf32>
// HALF-NEXT: %[[Y:.*]] = qnn.linear %[[L]], %[[D]], %[[B]]
// HALF-NEXT: %[[G:.*]] = qnn.gelu %[[Y]]
// HALF-NEXT: %[[N:.*]] = qnn.cast %[[G]] {{.*}} -> tensor<?x256xf16>
// HALF-NEXT: kernel.yield %[[N]]
// HALF: kernel.fused ({{.*}} = %arg0) {kind = #kernel.template<gemm>, name = "residual"
// HALF-NEXT: qnn.cast
// HALF-NEXT: qnn.dequantize
// HALF-NEXT: qnn.linear
// HALF-NEXT: qnn.add
// HALF-NEXT: kernel.yield
// HALF-NOT: kernel.fused

func.func @main(%x: tensor<?x128xf32> {qnn.name = "x", qnn.dims = affine_map<()[s0] -> (s0, 128)>}) -> (tensor<?x128xf32> {qnn.name = "y"})
    attributes {qnn.symbols = [#qnn.symbol<"M", 1, 64, 1>]} {
  %w1 = qnn.constant {name = "up.weight", value = dense<0.25> : tensor<256x128xf32>} : tensor<256x128xf32>
  %b1 = qnn.constant {name = "up.bias", value = dense<0.5> : tensor<256xf32>} : tensor<256xf32>
  %w2 = qnn.constant {name = "down.weight", value = dense<-0.25> : tensor<128x256xf32>} : tensor<128x256xf32>
  %b2 = qnn.constant {name = "down.bias", value = dense<0.5> : tensor<128xf32>} : tensor<128xf32>
  %0 = qnn.linear %x, %w1, %b1 {name = "up"} : (tensor<?x128xf32>, tensor<256x128xf32>, tensor<256xf32>) -> tensor<?x256xf32>
  %1 = qnn.gelu %0 {name = "gelu"} : (tensor<?x256xf32>) -> tensor<?x256xf32>
  %2 = qnn.linear %1, %w2, %b2 {name = "down"} : (tensor<?x256xf32>, tensor<128x256xf32>, tensor<128xf32>) -> tensor<?x128xf32>
  %3 = qnn.add %x, %2 {name = "residual"} : (tensor<?x128xf32>, tensor<?x128xf32>) -> tensor<?x128xf32>
  return %3 : tensor<?x128xf32>
}
