// RUN: quant-opt %s --verify-diagnostics --pass-pipeline='builtin.module(func.func(convert-qnn-to-dyadic{multiplier-bits=20}))'

// expected-error@below {{expected multiplier-bits of 15, 23 or 31, found 20}}
func.func @bits(%x: tensor<1x2xi8> {qnn.name = "x"}) -> tensor<1x2xi8> {
  return %x : tensor<1x2xi8>
}
