// RUN: quant-opt %s --load-pass-plugin=%plugin --bound-relu=max=4 | FileCheck %s
// RUN: quant-opt %s --load-pass-plugin=%plugin --pass-pipeline='builtin.module(func.func(fold-identities,bound-relu))' | FileCheck %s --check-prefix=DEFAULT
// RUN: not quant-opt %s --load-pass-plugin=%plugin --bound-relu=max=0 2>&1 | FileCheck %s --check-prefix=BAD
// RUN: not quant-opt %s --bound-relu 2>&1 | FileCheck %s --check-prefix=ABSENT
// RUN: not quant-opt %s --load-pass-plugin=nowhere.so 2>&1 | FileCheck %s --check-prefix=NOWHERE

// CHECK-LABEL: func.func @main
// CHECK: qnn.clip %{{.*}} {max = 4.000000e+00 : f32, min = 0.000000e+00 : f32, name = "a"}
// CHECK-NOT: qnn.relu
// DEFAULT: qnn.clip %{{.*}} {max = 6.000000e+00 : f32
// BAD: error: expected a positive `max`, found 0
// ABSENT: Unknown command line argument '--bound-relu'
// NOWHERE: quant-opt: error: cannot load the pass plugin 'nowhere.so': Could not load library 'nowhere.so'
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = qnn.relu %x {name = "a"} : (tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}
