func.func @main(%x: tensor<2x6xf32> {qnn.name = "x"}, %y: tensor<6xf32> {qnn.name = "y"}) -> (tensor<2x6xf32> {qnn.name = "z"}) {
  %0 = qnn.add %x, %y {name = "sum"} : (tensor<2x6xf32>, tensor<6xf32>) -> tensor<2x6xf32>
  return %0 : tensor<2x6xf32>
}
