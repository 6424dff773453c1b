#!/usr/bin/env python3
"""Writes the kernels that bench/gpu times, as kernel.gemm operations for quant-tune: signatures.py [--layers NxK,..] [--schemes ..] > kernels.mlir"""
import argparse

# Output features x input features of Llama-3-8B (o, qkv, gate + up, down) and a square one.
LAYERS = "4096x4096,6144x4096,28672x4096,4096x14336,8192x8192"

SEGMENTS = {
    "w8a8": "lhs = i8, rhs = i8, k = {k}, grouping = none, place = none",
    "w4a8": "lhs = i8, rhs = i4, k = {k}, group = 128, grouping = scale, scale = f16, place = partial_sums",
    "w4a8_two_level": "lhs = i8, rhs = i4, k = {k}, group = 128, grouping = two_level, place = before_mma",
    "w4a16": "lhs = f16, rhs = i4, k = {k}, group = 128, grouping = scale, scale = f16, place = partial_sums",
    "w4a16_prefill": "lhs = f16, rhs = i4, k = {k}, group = 128, grouping = scale, scale = f16, place = before_mma",
    "f16": "lhs = f16, rhs = f16, k = {k}, grouping = none, place = none",
}
ROW, COLUMN = "#kernel.operand<row, f32>", "#kernel.operand<column, f32>"

SCALE_BIAS = """^bb0(%acc: i32, %row: f32, %column: f32, %bias: f32):
  %float = arith.sitofp %acc : i32 to f32
  %scaled = arith.mulf %float, %row : f32
  %y = math.fma %scaled, %column, %bias : f32
"""
TO_F16 = "  %out = arith.truncf %y : f32 to f16\n  kernel.emit %out : f16\n"
# The form that select-kernels writes for qnn.quantize: NaN is code 0.
TO_S8 = """  %rounded = math.roundeven %y : f32
  %nan = arith.cmpf uno, %rounded, %rounded : f32
  %zero = arith.constant 0.0 : f32
  %number = arith.select %nan, %zero, %rounded : f32
  %low = arith.constant -128.0 : f32
  %high = arith.constant 127.0 : f32
  %a = arith.maximumf %number, %low : f32
  %b = arith.minimumf %a, %high : f32
  %wide = arith.fptosi %b : f32 to i32
  %out = arith.trunci %wide : i32 to i8
  kernel.emit %out : i8
"""
ROW_SCALE = """^bb0(%acc: f32, %row: f32):
  %y = arith.mulf %acc, %row : f32
"""
PLAIN = "^bb0(%y: f32):\n"
UNSCALED = "^bb0(%acc: i32):\n  %out = arith.trunci %acc : i32 to i8\n  kernel.emit %out : i8\n"

# name -> segment, operands, result, region
SCHEMES = {
    "w8a8": ("w8a8", [ROW, COLUMN, COLUMN], "f16", SCALE_BIAS + TO_F16),
    "w8a8_s8": ("w8a8", [ROW, COLUMN, COLUMN], "i8", SCALE_BIAS + TO_S8),
    "w8a8_unscaled": ("w8a8", [], "i8", UNSCALED),
    "w4a8": ("w4a8", [ROW], "f16", ROW_SCALE + TO_F16),
    "w4a8_two_level": ("w4a8_two_level", [ROW, COLUMN, COLUMN], "f16", SCALE_BIAS + TO_F16),
    "w4a16": ("w4a16", [], "f16", PLAIN + TO_F16),
    "w4a16_prefill": ("w4a16_prefill", [], "f16", PLAIN + TO_F16),
    "f16": ("f16", [], "f16", PLAIN + TO_F16),
}


def operation(scheme, n, k, schedules=""):
    segment, operands, result, region = SCHEMES[scheme]
    return (f"kernel.gemm @{scheme}_{n}x{k} n {n} segments [#kernel.segment<{SEGMENTS[segment].format(k=k)}>] operands [{', '.join(operands)}] "
            f"results [{result}] {schedules} attributes {{tag = \"{scheme}\"}} {{\n{region}}}\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layers", default=LAYERS)
    parser.add_argument("--schemes", default="w8a8,w8a8_s8,w8a8_unscaled,w4a8,w4a8_two_level,w4a16")
    arguments = parser.parse_args()
    for scheme in arguments.schemes.split(","):
        for layer in arguments.layers.split(","):
            print(operation(scheme, *map(int, layer.split("x"))))
