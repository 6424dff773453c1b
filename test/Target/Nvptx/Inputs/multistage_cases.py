#!/usr/bin/env python3
# Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
"""multistage_cases.py SEED COUNT: random kernel.gemm operations with a multistage schedule each, on standard output.

Every scheme of the template in turn; N, K, groups, tiles, stages, operands and results at random, tails more often than not.
"""

import random
import sys


def segment(lhs, rhs, k, group=0, grouping="none", scale=None, place="none"):
    fields = [f"lhs = {lhs}", f"rhs = {rhs}", f"k = {k}"] + [f"group = {group}"] * bool(group) + [f"grouping = {grouping}"]
    fields += [f"scale = {scale}"] * bool(scale) + [f"place = {place}"]
    return f"#kernel.segment<{', '.join(fields)}>"


def scheme(rng, kind):
    """Segments, accumulator type, bits of the left operand, group (0: any tile fits)."""
    half, scale = rng.choice(["f16", "bf16"]), rng.choice(["f16", "bf16", "f32"])
    codes, unpacked = rng.choice(["i4", "i8"]), rng.choice(["before_mma", "epilogue"])
    grouping = rng.choice(["scale", "scale_zero_point"])
    group = rng.choice([32, 64, 96, 128, 160, 192, 256, 320])
    wide = rng.choice([64, 128, 192, 512])
    many = rng.randint(1, 3)
    k8, k16, k4 = 16 * rng.randint(1, 30), 8 * rng.randint(1, 40), 32 * rng.randint(1, 20)
    exact = [segment("i4", "i4", k4), segment("i8", "i8", k8), segment("i8", "i4", k8, place="before_mma"),
             segment("i8", "i4", 128, 64, "two_level", place="before_mma")]
    floats = [segment(half, half, k16), segment(half, "i4", 128, 64, "scale", half, "before_mma"),
              segment(half, "i8", k16, place="before_mma"), segment("i8", "i4", 128, 64, "scale", "f16", "partial_sums")]
    rng.shuffle(exact)
    rng.shuffle(floats)
    return {
        "s8": lambda: (segment("i8", "i8", k8), "i32", 8, 0),
        "half": lambda: (segment(half, half, k16), "f32", 16, 0),
        "codes": lambda: (segment("i8", "i4", k8, place=unpacked), "i32", 8, 0),
        "two_level": lambda: (segment("i8", "i4", group * many, group, "two_level", place="before_mma"), "i32", 8, group),
        "groups": lambda: (segment("i8", codes, group * many, group, grouping, scale, "partial_sums"), "f32", 8, group),
        "nibble_groups": lambda: (segment("i4", "i4", wide * many, wide, grouping, scale, "partial_sums"), "f32", 4, wide),
        "weight_only": lambda: (segment(half, codes, k16, place=unpacked), "f32", 16, 0),
        "weight_only_groups": lambda: (segment(half, codes, group * many, group, grouping, half, "before_mma"), "f32", 16, group),
        "weight_only_sums": lambda: (segment(half, codes, group * many, group, grouping, scale, "partial_sums"), "f32", 16, group),
        "nibbles": lambda: (segment("i4", "i4", k4), "i32", 4, 0),
        "exact_segments": lambda: (", ".join(exact[:many + 1]), "i32", 0, 0),
        "float_segments": lambda: (", ".join(floats[:many + 1]), "f32", 0, 0),
    }


KINDS = ["s8", "half", "codes", "two_level", "groups", "nibble_groups", "weight_only", "weight_only_groups", "weight_only_sums",
         "nibbles", "exact_segments", "float_segments"]


def quantized(value, low, high):
    return f"""  %rounded = math.roundeven {value} : f32
  %low = arith.constant {low}.0 : f32
  %high = arith.constant {high}.0 : f32
  %above = arith.maximumf %rounded, %low : f32
  %inside = arith.minimumf %above, %high : f32
"""


def epilogue(rng, kind, accumulator, n):
    """Operands (name, kind, type), result types, body."""
    integer = accumulator == "i32"
    real = "  %f = arith.sitofp %acc : i32 to f32\n" if integer else "  %zero = arith.constant 0.0 : f32\n  %f = arith.addf %acc, %zero : f32\n"
    byte = quantized("%g", -128, 127) + "  %q = arith.fptosi %inside : f32 to i8\n"
    if kind == "nibbles" and n % 2 or kind == "clamp" and not integer:
        kind = "bytes"
    if kind == "accumulator":
        return [], [accumulator], f"  kernel.emit %acc : {accumulator}\n"
    if kind == "scales":
        half = rng.choice(["f16", "bf16"])
        return ([("r", "row", "f32"), ("c", "column", "f32"), ("b", "column", "f32")], [half],
                real + f"  %g = arith.mulf %f, %r : f32\n  %h = math.fma %g, %c, %b : f32\n  %t = arith.truncf %h : f32 to {half}\n"
                f"  kernel.emit %t : {half}\n")
    if kind == "bytes":
        return ([("c", "column", "f32"), ("s", "scalar", "f32")], ["i8"],
                real + "  %h = arith.mulf %f, %c : f32\n  %g = arith.mulf %h, %s : f32\n" + byte + "  kernel.emit %q : i8\n")
    if kind == "clamp":
        return ([("c", "column", "i32")], ["i8"], f"""  %x = arith.addi %acc, %c : i32
  %five = arith.constant 5 : i32
  %y = arith.shrsi %x, %five : i32
  %low = arith.constant {rng.choice([-128, 0, -100])} : i32
  %high = arith.constant 127 : i32
  %a = arith.maxsi %y, %low : i32
  %b = arith.minsi %a, %high : i32
  %t = arith.trunci %b : i32 to i8
  kernel.emit %t : i8
""")
    if kind == "element":
        half = rng.choice(["f16", "bf16"])
        return ([("e", "element", half), ("c", "column", "f16")], ["f32"],
                real + f"  %x = arith.extf %e : {half} to f32\n  %d = arith.extf %c : f16 to f32\n  %y = math.fma %f, %d, %x : f32\n"
                "  kernel.emit %y : f32\n")
    if kind == "table":
        return ([("t", "table", "i8"), ("c", "column", "f32")], ["i8"],
                real + "  %g = arith.mulf %f, %c : f32\n" + byte + """  %w = arith.extsi %q : i8 to i32
  %half = arith.constant 128 : i32
  %index = arith.addi %w, %half : i32
  %y = kernel.lookup %t[%index] : vector<256xi8> -> i8
  kernel.emit %y : i8
""")
    if kind == "two_results":
        return ([("r", "row", "f32"), ("e", "element", "i8")], ["i8", "f16"],
                real + "  %h = arith.mulf %f, %r : f32\n  %x = arith.sitofp %e : i8 to f32\n  %g = arith.addf %h, %x : f32\n" + byte +
                "  %t = arith.truncf %g : f32 to f16\n  kernel.emit %q, %t : i8, f16\n")
    return ([("c", "column", "f32")], ["i4"],
            real + "  %g = arith.mulf %f, %c : f32\n" + quantized("%g", -8, 7) +
            "  %w = arith.fptosi %inside : f32 to i32\n  %q = arith.trunci %w : i32 to i4\n  kernel.emit %q : i4\n")


WARPS_K = ["s8", "half", "codes", "two_level", "weight_only", "weight_only_groups", "nibbles"]
EPILOGUES = ["accumulator", "scales", "bytes", "clamp", "element", "table", "two_results", "nibbles"]
TILES = [(16, 32, 1, 1), (16, 64, 1, 2), (16, 128, 1, 4), (32, 64, 1, 2), (32, 64, 2, 1), (48, 96, 3, 1), (64, 64, 2, 2),
         (64, 128, 2, 4), (128, 64, 2, 2), (128, 128, 2, 4)]


def main():
    rng = random.Random(int(sys.argv[1]))
    for number in range(int(sys.argv[2])):
        kind = KINDS[number % len(KINDS)]
        segments, accumulator, bits, group = scheme(rng, kind)[kind]()
        n = rng.choice([1, 2, 6, 8, 17, 24, 31, 32, 33, 40, 54, 63, 64, 65, 72, 96, 100, 129, 160, 200])
        operands, results, body = epilogue(rng, rng.choice(EPILOGUES), accumulator, n)
        tile_m, tile_n, warps_m, warps_n = rng.choice(TILES)
        tile_k = 0
        if bits and rng.random() < 0.9:
            fitting = [k for k in (256 // bits, 512 // bits, 1024 // bits)
                       if (not group or group % k == 0 or k % group == 0) and (k % 32 == 0 or "half" in kind)]
            tile_k = rng.choice(fitting)
        # Warps along K where the tile has the steps for it.
        steps = tile_k * bits // 256 // (2 if kind.startswith("weight_only") else 1)
        one_group = not group or group % tile_k == 0 if tile_k else False
        warps_k = rng.choice([k for k in (1, 2, 4) if steps % k == 0 and k * warps_m * warps_n <= 8]) if one_group and kind in WARPS_K and steps else 1
        arch, stages, raster = rng.choice(["sm_80", "sm_90a"]), rng.randint(2, 4), rng.choice([0, 0, 1, 2, 3])
        stages = min(stages, 90000 // ((tile_m + tile_n) * 128))
        fields = [f'arch = "{arch}"', "kind = multistage", f"tile_m = {tile_m}", f"tile_n = {tile_n}"]
        fields += [f"tile_k = {tile_k}"] * bool(tile_k) + [f"stages = {stages}", f"warps_m = {warps_m}", f"warps_n = {warps_n}"]
        fields += [f"warps_k = {warps_k}"] * (warps_k > 1)
        fields += [f"raster = {raster}"] * bool(raster) + ["pdl = true"] * (arch == "sm_90a" and rng.random() < 0.3)
        listed = ", ".join(f"#kernel.operand<{where}, {type}>" for _, where, type in operands)
        arguments = "".join(f", %{name}: {f'vector<256x{type}>' if where == 'table' else type}" for name, where, type in operands)
        print(f"kernel.gemm @{kind}_{number} n {n} segments [{segments}] operands [{listed}] results [{', '.join(results)}]\n"
              f"  schedules [#kernel.schedule<{', '.join(fields)}>] {{\n^bb0(%acc: {accumulator}{arguments}):\n{body}}}\n")


if __name__ == "__main__":
    main()
