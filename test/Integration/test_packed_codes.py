# Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
"""Weights of 2 and 3 bits: the file holds as many bits of each code as its format has, the plan predicts the bytes, and what is
loaded computes what the interpreter computes."""

import json
import re

import numpy as np
import onnx
import pytest

from conftest import compile_model, run_model, save_model, single, tool
from onnx import helper
from samples import feed_forward

WIDTH, HIDDEN = 128, 240  # columns in 16 and 30 steps of eight: no group of 16 or 80 is left over
PANELS = 2 * WIDTH * HIDDEN // 2  # bytes of both weights in nibbles; both have whole panels of 16 rows
GRANULARITIES = {"axis": "axis", "group": "group 16", "two_level": "two_level 16"}


@pytest.fixture(scope="module")
def block(tmp_path_factory):
    folder = tmp_path_factory.mktemp("packed_codes")
    onnx.save(feed_forward.build(WIDTH, HIDDEN, seed=3), folder / "block.onnx")
    np.savez(folder / "calibration.npz", x=feed_forward.calibration(WIDTH, 3))
    return folder


def options(block, folder, bits, granularity):
    recipe = folder / f"s{bits}.yaml"
    scales = "" if granularity == "axis" else "activations: {scales: per_token}\n"
    recipe.write_text(f"name: s{bits}\nweights: {{format: s{bits}, granularity: {GRANULARITIES[granularity]}}}\n{scales}")
    calibration = ["--calibration", block / "calibration.npz"] if granularity == "axis" else []
    return ["--recipe", recipe, "--dim", "M=1..64", *calibration]


def packed_lines(artifact):
    """[(bits, bytes in the file, bytes in memory)] and the bytes of all weights, as quant-dump shows them."""
    done = tool("quant-dump", artifact)
    assert done.returncode == 0, done.stderr
    lines = re.findall(r"^  w\d+: codes of (\d) bits, (\d+) bytes, expanded to (\d+) when it is loaded$", done.stdout, re.M)
    return [tuple(map(int, line)) for line in lines], int(re.search(r"^weights: \d+, (\d+) bytes$", done.stdout, re.M)[1])


@pytest.mark.parametrize("granularity", GRANULARITIES)
def test_bits_in_the_file(block, tmp_path, granularity):
    """Beside the codes the three files hold the same arrays: sizes differ by the codes' bits and nothing else."""
    bytes_of, version = {}, {}
    for bits in (2, 3, 4):
        artifact = compile_model(block / "block.onnx", tmp_path / f"{bits}.bwm", *options(block, tmp_path, bits, granularity),
                                 "--json", tmp_path / "summary.json")
        lines, bytes_of[bits] = packed_lines(artifact)
        panel = PANELS // 2
        assert lines == ([(bits, panel * bits // 4, panel)] * 2 if bits < 4 else [])
        assert json.loads((tmp_path / "summary.json").read_text())["weight_bytes"] == bytes_of[bits]
        assert f"weights: {bytes_of[bits]} bytes" in tool("quant-run", "--info", artifact).stdout
        version[bits] = artifact.read_bytes()[8]
    assert bytes_of[4] - bytes_of[3] == PANELS // 4 and bytes_of[4] - bytes_of[2] == PANELS // 2
    assert version == {2: 3, 3: 3, 4: 2}


@pytest.mark.parametrize("bits", (2, 3))
@pytest.mark.parametrize("granularity", GRANULARITIES)
def test_equals_the_interpreter(block, tmp_path, granularity, bits):
    """Through the file, on each instruction set level of this machine."""
    arguments = options(block, tmp_path, bits, granularity)
    model = compile_model(block / "block.onnx", tmp_path / "block.mlir", *arguments, "--compile-to=integerize")
    np.savez(tmp_path / "x.npz", x=feed_forward.activations(19, WIDTH, 4))
    done = tool("quant-differential", "--model", model, "--inputs", tmp_path / "x.npz")
    assert done.returncode == 0, done.stderr[-1000:]
    artifact = compile_model(block / "block.onnx", tmp_path / "block.bwm", *arguments)
    done = tool("quant-run", "--self-check", artifact)
    assert done.returncode == 0, done.stdout + done.stderr
    assert run_model(artifact, tmp_path, x=feed_forward.activations(3, WIDTH, 4)).keys() == {"y"}


def convolutions(path):
    """Three products: 3 -> 20 channels of 3 x 3 (27 columns, 20 rows: neither fills its panels), two groups of 10 -> 12, 24 -> 5."""
    rng = np.random.default_rng(1)
    values = {"w1": rng.normal(size=(20, 3, 3, 3)), "w2": rng.normal(size=(24, 10, 1, 1)), "w3": rng.normal(size=(5, 24, 1, 1))}
    nodes = [helper.make_node("Conv", ["x", "w1"], ["a"], name="first", pads=[1, 1, 1, 1]), helper.make_node("Relu", ["a"], ["b"]),
             helper.make_node("Conv", ["b", "w2"], ["c"], name="second", group=2), helper.make_node("Relu", ["c"], ["d"]),
             helper.make_node("Conv", ["d", "w3"], ["y"], name="third")]
    return save_model(path, nodes, [("x", ["N", 3, 9, 7])], [("y", ["N", 5, 9, 7])],
                      {name: array.astype(np.float32) for name, array in values.items()})


@pytest.mark.parametrize("bits", (2, 3))
def test_convolutions(tmp_path, bits):
    model = convolutions(tmp_path / "convolutions.onnx")
    (tmp_path / "recipe.yaml").write_text(f"name: narrow\nweights: {{format: s{bits}}}\n")
    x = np.random.default_rng(2).normal(size=(4, 3, 9, 7)).astype(np.float32)
    np.savez(tmp_path / "x.npz", x=x)
    arguments = ["--recipe", tmp_path / "recipe.yaml", "--calibration", tmp_path / "x.npz", "--dim", "N=1..4"]
    artifact = compile_model(model, tmp_path / "model.bwm", *arguments)
    # Panels of 16 rows and steps of 8 columns: 2 x 4, 2 groups of 1 x 2, 1 x 3 blocks of 64 bytes.
    assert packed_lines(artifact)[0] == [(bits, 16 * bits * blocks, 64 * blocks) for blocks in (8, 4, 3)]
    assert tool("quant-run", "--self-check", artifact).returncode == 0
    assert single(run_model(artifact, tmp_path, x=x)).shape == (4, 5, 9, 7)
    integers = compile_model(model, tmp_path / "model.mlir", *arguments, "--compile-to=integerize")
    done = tool("quant-differential", "--model", integers, "--inputs", tmp_path / "x.npz")
    assert done.returncode == 0, done.stderr[-1000:]


@pytest.mark.parametrize("bits", (2, 3, 4))
def test_plan_predicts_the_bytes(block, tmp_path, bits):
    """w4a16: what stands beside the codes is predicted exactly, so the sum is."""
    onnx.save(feed_forward.build(128, 256, seed=3), tmp_path / "block.onnx")
    np.savez(tmp_path / "calibration.npz", x=feed_forward.calibration(128, 3))
    artifact = compile_model(tmp_path / "block.onnx", tmp_path / "block.bwm", "--recipe", "w4a16", "--dim", "M=1..64", "--calibration",
                             tmp_path / "calibration.npz", "--choices", f"s{bits},s8", "--budget", "size <= 0 %",
                             "--plan-out", tmp_path / "plan.json")
    plan = json.loads((tmp_path / "plan.json").read_text())
    assert {group["weight"] for group in plan["groups"] if group["name"].startswith("ffn.")} == {f"s{bits}"}
    assert plan["totals"]["bytes"] == packed_lines(artifact)[1]


def test_damage_is_noticed(block, tmp_path):
    artifact = compile_model(block / "block.onnx", tmp_path / "block.bwm", *options(block, tmp_path, 3, "group"))
    content = artifact.read_bytes()
    at = len(content) // 2
    (tmp_path / "damaged.bwm").write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1:])
    done = tool("quant-run", "--verify", "--info", tmp_path / "damaged.bwm")
    assert done.returncode == 1 and "corrupt" in done.stderr, done.stderr
