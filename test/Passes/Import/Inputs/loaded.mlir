module attributes {qnn.weight_files = ["w.safetensors"]} {
  func.func @main() -> tensor<1xf32> {
    %0 = qnn.weight "a" {name = "a"} : tensor<72xf32>
    %1 = qnn.reduce_sum %0 {name = "sum", axes = array<i64: 0>, keepdims = true} : (tensor<72xf32>) -> tensor<1xf32>
    return %1 : tensor<1xf32>
  }
}
