// RUN: quant-opt %s --fuse-regions --assign-layouts --lower-to-exec --split-input-file | FileCheck %s
// RUN: quant-opt %s --fuse-regions --assign-layouts --lower-to-exec=keep-bodies --split-input-file | FileCheck %s --check-prefix=BODY
// RUN: quant-opt %s --fuse-regions --assign-layouts --lower-to-exec=isa=avx2 --split-input-file | FileCheck %s --check-prefix=AVX2

// Two equal regions share one kernel; the intermediate value has an arena place, the result is written into the caller's buffer.
// x is N x 6 with N in 1..4, so the value between takes at most 4 * 6 * 4 = 96 bytes, rounded up to 128.
// CHECK-LABEL: exec.program @main symbols [#qnn.symbol<"N", 1, 4, 1>] arena 128
// CHECK: exec.tensor "x" f32 dims {{.*}} order [0, 1]
// CHECK: exec.tensor "y" f32
// CHECK: exec.tensor "first" f32
// CHECK: exec.code "avx2" source "exec/code/avx2"
// CHECK: exec.code "avx512vnni"
// CHECK: exec.kernel "k0" {avx2 = {{[0-9]+}} : i64, avx512vnni = {{[0-9]+}} : i64}
// CHECK-NOT: exec.kernel
// CHECK: exec.interface ["x"] -> ["y"]
// CHECK: exec.launch "first" kernel "k0" [#exec.buffer<input 0 "x">, #exec.buffer<arena 0 "first">] stores [1]
// CHECK: exec.launch "second" kernel "k0" [#exec.buffer<arena 0 "first">, #exec.buffer<output 0 "y">] stores [1]
// BODY: exec.launch "first"
// BODY: ^bb0(%[[X:.*]]: tensor<?x6xf32>):
// BODY-NEXT: qnn.exp %[[X]]
// AVX2: exec.code "avx2"
// AVX2-NOT: avx512
func.func @main(%x: tensor<?x6xf32> {qnn.name = "x", qnn.dims = affine_map<()[s0] -> (s0, 6)>}) -> (tensor<?x6xf32> {qnn.name = "y"})
    attributes {qnn.symbols = [#qnn.symbol<"N", 1, 4, 1>]} {
  %0 = qnn.exp %x {name = "first", qnn.observe} : (tensor<?x6xf32>) -> tensor<?x6xf32>
  %1 = qnn.exp %0 {name = "second"} : (tensor<?x6xf32>) -> tensor<?x6xf32>
  return %1 : tensor<?x6xf32>
}

// -----

// Values that do not live at the same time share memory: b starts where a was once a has been read for the last time (launch c reads b only).
// Each takes 64 * 4 = 256 bytes and is followed by 64 bytes that may be read: a at 0, b at 320, c at 0 again.
// CHECK-LABEL: exec.program @main symbols [] arena 576
// CHECK: exec.launch "a" {{.*}}#exec.buffer<arena 0 "a">
// CHECK: exec.launch "b" {{.*}}#exec.buffer<arena 0 "a">, #exec.buffer<arena 320 "b">
// CHECK: exec.launch "c" {{.*}}#exec.buffer<arena 320 "b">, #exec.buffer<arena 0 "c">
func.func @main(%x: tensor<64xf32> {qnn.name = "x"}) -> (tensor<64xf32> {qnn.name = "y"}) {
  %0 = qnn.exp %x {name = "a", qnn.observe} : (tensor<64xf32>) -> tensor<64xf32>
  %1 = qnn.sqrt %0 {name = "b", qnn.observe} : (tensor<64xf32>) -> tensor<64xf32>
  %2 = qnn.exp %1 {name = "c", qnn.observe} : (tensor<64xf32>) -> tensor<64xf32>
  %3 = qnn.sqrt %2 {name = "d"} : (tensor<64xf32>) -> tensor<64xf32>
  return %3 : tensor<64xf32>
}
