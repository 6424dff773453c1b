# Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
"""What is compiled for NVIDIA GPUs, on a machine without one.

Shipped schedules: no kernel spills or draws a warning of ptxas, no main loop holds a barrier or fence of the whole GPU.
The feed-forward block in every scheme: few launches, code for both architectures, and every kernel of the file gives the
interpreter's results in the emulator, with the launch tables, packings and tensor maps that the file carries.
"""

import json
import pathlib
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from onnx import helper

from conftest import BUILD, compile_model, refused, run_model, save_model, tool
from samples import feed_forward

TARGETS = "cpu,sm_80,sm_90a"
ROW, COLUMN = "#kernel.operand<row, f32>", "#kernel.operand<column, f32>"
SEGMENTS = {
    "w8a8": "lhs = i8, rhs = i8, k = {k}, grouping = none, place = none",
    "w4a8": "lhs = i8, rhs = i4, k = {k}, group = 128, grouping = scale, scale = f32, place = partial_sums",
    "w4a8_two_level": "lhs = i8, rhs = i4, k = {k}, group = 128, grouping = two_level, place = before_mma",
    "w4a16": "lhs = f16, rhs = i4, k = {k}, group = 128, grouping = scale, scale = f16, place = before_mma",
    "w4a16_zero": "lhs = f16, rhs = i4, k = {k}, group = 128, grouping = scale_zero_point, scale = f16, place = before_mma",
    "w8a16": "lhs = f16, rhs = i8, k = {k}, grouping = none, place = epilogue",
    "f16": "lhs = f16, rhs = f16, k = {k}, grouping = none, place = none",
}
EPILOGUES = {
    # Scale a row and a column, bias, f16 out: what the benchmarks time.
    "i32": f"""operands [{ROW}, {COLUMN}, {COLUMN}] results [f16] {{
^bb0(%acc: i32, %row: f32, %column: f32, %bias: f32):
  %float = arith.sitofp %acc : i32 to f32
  %scaled = arith.mulf %float, %row : f32
  %y = math.fma %scaled, %column, %bias : f32
  %out = arith.truncf %y : f32 to f16
  kernel.emit %out : f16
}}
""",
    "f32": f"""operands [{ROW}, {COLUMN}] results [f16] {{
^bb0(%acc: f32, %row: f32, %bias: f32):
  %y = math.fma %acc, %row, %bias : f32
  %out = arith.truncf %y : f32 to f16
  kernel.emit %out : f16
}}
"""}
ROWS = f"""kernel.rows @quantize n 4096 operands [#kernel.operand<element, f16>] results [i8] quantize {{
^bb0(%x: f16):
  %0 = arith.extf %x : f16 to f32
  kernel.emit %0 : f32
}}
kernel.rows @static n 4096 operands [#kernel.operand<element, f32>, {COLUMN}] results [i8] {{
^bb0(%x: f32, %scale: f32):
  %0 = arith.divf %x, %scale : f32
  %1 = math.roundeven %0 : f32
  %low = arith.constant -128.0 : f32
  %high = arith.constant 127.0 : f32
  %2 = arith.cmpf uno, %1, %1 : f32
  %zero = arith.constant 0.0 : f32
  %3 = arith.select %2, %zero, %1 : f32
  %4 = arith.cmpf olt, %3, %low : f32
  %5 = arith.select %4, %low, %3 : f32
  %6 = arith.cmpf ogt, %5, %high : f32
  %7 = arith.select %6, %high, %5 : f32
  %8 = arith.fptosi %7 : f32 to i32
  %9 = arith.trunci %8 : i32 to i8
  kernel.emit %9 : i8
}}
"""
LAYERS = [(4096, 4096), (1024, 4096)]


def kernels(scheme):
    """The kernels of a scheme as MLIR."""
    if scheme == "rows":
        return ROWS
    epilogue = EPILOGUES["i32" if scheme in ("w8a8", "w4a8_two_level") else "f32"]
    return "".join(f"kernel.gemm @{scheme}_{n}x{k} n {n} segments [#kernel.segment<{SEGMENTS[scheme].format(k=k)}>] {epilogue}" for n, k in LAYERS)


@pytest.fixture(scope="module")
def ptxas():
    """ptxas, from the toolkit or from the test requirement nvidia-cuda-nvcc: without it this suite fails."""
    places = [shutil.which("ptxas"), *map(str, pathlib.Path(sys.prefix).glob("lib/python*/site-packages/nvidia/cu*/bin/ptxas"))]
    found = next((place for place in places if place), None)
    assert found, "ptxas was not found: pip install nvidia-cuda-nvcc==13.0.88"
    return found


def loops(function):
    """The instructions of each loop of a PTX function: from a label to a later branch back to it."""
    lines = function.splitlines()
    labels = {match[1]: i for i, line in enumerate(lines) if (match := re.match(r"\s*(\$\w+):", line))}
    for i, line in enumerate(lines):
        match = re.search(r"\bbra(?:\.uni)?\s+(\$\w+);", line)
        if match and labels.get(match[1], i + 1) <= i:
            yield "\n".join(lines[labels[match[1]]:i + 1])


def main_loops(ptx):
    """(kernel, loop) of the innermost loops that multiply."""
    for part in re.split(r"(?=\.visible \.entry )", ptx)[1:]:
        name = re.match(r"\.visible \.entry (\w+)", part)[1]
        multiplying = [loop for loop in loops(part) if re.search(r"\b(wgmma\.mma_async|mma\.sync)", loop)]
        for loop in multiplying:
            if not any(other != loop and other in loop for other in multiplying):
                yield name, loop


FORBIDDEN = re.compile(r"membar|fence\.(?!proxy\.async|mbarrier_init)\S*\.?(?:gpu|sys)|\.release\.cluster|barrier\.cluster\.arrive(?!\.relaxed)")
counted = {}


@pytest.mark.parametrize("arch", ["sm_80", "sm_90a"])
@pytest.mark.parametrize("scheme", [*SEGMENTS, "rows"])
def test_shipped_schedules(scheme, arch, ptxas, tmp_path):
    source, scheduled = tmp_path / "kernels.mlir", tmp_path / "scheduled.mlir"
    source.write_text(kernels(scheme))
    done = tool("quant-opt", source, f"--schedule-kernels=targets={arch}", "-o", scheduled)
    assert done.returncode == 0, done.stderr
    text = scheduled.read_text()
    chosen = re.findall(r"schedules \[(.*?)\](?: attributes|\s*\{)", text)
    assert len(chosen) == text.count("kernel.gemm @") + text.count("kernel.rows @"), "a kernel has no schedule"
    # The shipped schedules serve every M; without alternatives each has to pass ptxas itself.
    for schedules in chosen:
        ranges = [(int((re.search(r"m_lo = (\d+)", s) or [0, 1])[1]), int((re.search(r"m_hi = (\d+)", s) or [0, 0])[1]))
                  for s in re.findall(r"#kernel\.schedule<.*?>", schedules)]
        assert ranges[0][0] == 1 and ranges[-1][1] == 0, ranges
        assert all(a[1] + 1 == b[0] for a, b in zip(ranges, ranges[1:])), ranges
    scheduled.write_text(re.sub(r"schedule_alternatives = \[.*?\]\]", "tested", text))
    done = tool("quant-opt", scheduled, "--lower-kernels-to-nvvm=strict", "-o", tmp_path / "compiled.mlir")
    assert done.returncode == 0, done.stderr
    ptx = tool("emit-kernels", scheduled, "--emit=ptx")
    assert ptx.returncode == 0, ptx.stderr
    names = set(re.findall(r"\.visible \.entry (\w+)", ptx.stdout))
    counted[scheme, arch] = len(names)
    seen = set()
    for name, loop in main_loops(ptx.stdout):
        seen.add(name)
        assert not FORBIDDEN.search(loop), f"{name}: {FORBIDDEN.search(loop)[0]} in its main loop"
    assert scheme == "rows" or seen, "no main loop was found"
    disassembler = shutil.which("nvdisasm")
    if disassembler and scheme != "rows":
        for i, part in enumerate(re.split(r"(?=^//\n// Generated by LLVM)", ptx.stdout, flags=re.M)[1:]):
            code, cubin = tmp_path / f"{i}.ptx", tmp_path / f"{i}.cubin"
            code.write_text(part)
            subprocess.run([ptxas, "-arch", arch, code, "-o", cubin], check=True, timeout=300)
            sass = subprocess.run([disassembler, cubin], check=True, capture_output=True, text=True, timeout=300).stdout
            assert "MEMBAR" not in sass, names


def test_enough_kernels():
    """Every template of both architectures was among them."""
    assert len(counted) == 2 * (len(SEGMENTS) + 1), "test_shipped_schedules did not run for every scheme"
    assert sum(counted.values()) >= 20, counted


def test_main_loop_check_can_fail():
    ptx = """.visible .entry k(
)
{
$L1:
 wgmma.mma_async.sync x;
 %s
 bra $L1;
}"""
    for bad in ("membar.gl;", "fence.acq_rel.gpu;", "mbarrier.arrive.release.cluster.shared::cluster.b64 _, [x];", "barrier.cluster.arrive.aligned;"):
        assert [FORBIDDEN.search(loop) for _, loop in main_loops(ptx % bad)][0], bad
    for good in ("fence.proxy.async.shared::cta;", "mbarrier.arrive.shared.b64 _, [x];"):
        assert not [FORBIDDEN.search(loop) for _, loop in main_loops(ptx % good)][0], good


# ---- The whole chain ---------------------------------------------------------------------------------------------------

# Launches: quantize (or narrow to f16), product, [quantize], product.
SCHEMES = {"w8a8": 3, "w8a8-per-token": 4, "w4a8": 4, "w4a8-groups": 4, "w4a16": 3, "w8a16": 3}


@pytest.fixture(scope="module")
def block(tmp_path_factory):
    """The feed-forward block, small: 128 wide, 256 hidden."""
    folder = tmp_path_factory.mktemp("feed-forward")
    import onnx
    onnx.save(feed_forward.build(128, 256), folder / "block.onnx")
    np.savez(folder / "calibration.npz", x=feed_forward.calibration(128, 0))
    return folder


def options(block, scheme):
    return ["--recipe", scheme, "--calibration", block / "calibration.npz", "--dim", "M=1..300"]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_feed_forward_block(scheme, block, ptxas, tmp_path):
    file, summary = tmp_path / "block.bwm", tmp_path / "summary.json"
    done = tool("quant-compile", block / "block.onnx", "-o", file, *options(block, scheme), "--target", TARGETS, "--require", "no-fallback", "--json", summary)
    assert done.returncode == 0, done.stderr
    assert not done.stderr, done.stderr
    assert json.loads(summary.read_text())["launches"] <= SCHEMES[scheme]
    dump = tool("quant-dump", file).stdout
    for code in ("sm_80 cubin", "sm_80 ptx", "sm_90a cubin"):
        assert f"  {code}:" in dump
    assert tool("quant-run", file, "--self-check").returncode == 0
    # The CPU reads the same weights: with GPU code the file has no second copy of them.
    weights = json.loads(summary.read_text())["weight_bytes"]
    alone = tmp_path / "cpu.json"
    compile_model(block / "block.onnx", tmp_path / "cpu.bwm", *options(block, scheme), "--json", alone)
    assert weights <= json.loads(alone.read_text())["weight_bytes"] + 16 * (128 + 256) + 256


@pytest.mark.parametrize("scheme", SCHEMES)
def test_kernels_of_the_file(scheme, block, tmp_path):
    """Every row of every launch table, in the emulator, at sizes that fill tiles and that do not."""
    fused = tmp_path / "fused.mlir"
    compile_model(block / "block.onnx", fused, *options(block, scheme), "--compile-to=fuse")
    done = tool("gpu-chain", fused, "--m", "1,7,16,33,100,257")
    assert done.returncode == 0, done.stdout + done.stderr
    passed, failed = map(int, re.search(r"(\d+) passed, (\d+) failed", done.stdout).groups())
    assert failed == 0 and passed == 6 * 2 * SCHEMES[scheme], done.stdout


# ---- Bad input -----------------------------------------------------------------------------------------------------------

def test_unknown_target(block, tmp_path):
    refused(tool("quant-compile", block / "block.onnx", "-o", tmp_path / "x.bwm", "--target", "cpu,sm_75"),
            "--target: expected cpu, sm_80 or sm_90a, found 'sm_75'")


def test_schedules_without_gpu(block, tmp_path):
    refused(tool("quant-compile", block / "block.onnx", "-o", tmp_path / "x.bwm", "--schedules", "t.json"),
            "--schedules needs a GPU among --target (sm_80, sm_90a)", status=2)


def test_missing_table(block, tmp_path):
    refused(tool("quant-compile", block / "block.onnx", "-o", tmp_path / "x.bwm", *options(block, "w8a8"), "--target", "sm_80", "--schedules", tmp_path / "none.json"),
            "cannot read the table of schedules", "none.json")


def softmax(path):
    """A linear layer that a GPU can run, and a softmax that it cannot."""
    weight = np.random.default_rng(0).normal(size=(128, 64)).astype(np.float32)
    save_model(path, [helper.make_node("MatMul", ["x", "w"], ["h"], "layer"), helper.make_node("Softmax", ["h"], ["y"], "probabilities")],
               [("x", ["M", 128])], [("y", ["M", 64])], {"w": weight})
    return path


def test_launch_without_gpu_code(tmp_path):
    model, file = softmax(tmp_path / "model.onnx"), tmp_path / "model.bwm"
    np.savez(tmp_path / "c.npz", x=np.random.default_rng(1).normal(size=(4, 16, 128)).astype(np.float32))
    common = [model, "-o", file, "--recipe", "w8a8", "--calibration", tmp_path / "c.npz", "--dim", "M=1..16", "--target", TARGETS]
    refused(tool("quant-compile", *common, "--require", "no-fallback"), "--require no-fallback: these launches have no GPU code", "probabilities (sm_80, sm_90a): 'qnn.softmax' has no GPU code")
    done = tool("quant-compile", *common)
    assert done.returncode == 0 and "warning: 1 of 3 launches have no GPU code, so the model runs on the CPU only" in done.stderr, done.stderr
    run_model(file, tmp_path, x=np.zeros((3, 128), np.float32))


def test_k_that_no_template_has(tmp_path):
    """K = 100 is no multiple of what the tensor cores take at once."""
    weight = np.random.default_rng(0).normal(size=(100, 64)).astype(np.float32)
    model = tmp_path / "model.onnx"
    save_model(model, [helper.make_node("MatMul", ["x", "w"], ["y"], "layer")], [("x", ["M", 100])], [("y", ["M", 64])], {"w": weight})
    done = tool("quant-compile", model, "-o", tmp_path / "x.bwm", "--recipe", "w8a8-per-token", "--dim", "M=1..16", "--target", TARGETS, "--require", "no-fallback")
    refused(done, "layer", "expected K to be a multiple of", "found 100")


def test_without_ptxas(block, tmp_path):
    file = tmp_path / "block.bwm"
    done = tool("quant-compile", block / "block.onnx", "-o", file, *options(block, "w8a8"), "--target", TARGETS, env={"BITWRIGHT_PTXAS": ""})
    assert done.returncode == 0, done.stderr
    assert "warning: ptxas was not found: the file carries PTX only" in done.stderr
    dump = tool("quant-dump", file).stdout
    assert "sm_80 ptx" in dump and "sm_90a ptx" in dump and "cubin" not in dump


def test_require_int4(block, tmp_path):
    refused(tool("quant-compile", block / "block.onnx", "-o", tmp_path / "x.bwm", *options(block, "w8a8"), "--require", "int4"),
            "--require int4", "ffn.up", "weights of i8")
    compile_model(block / "block.onnx", tmp_path / "x.bwm", *options(block, "w4a8"), "--require", "int4")
