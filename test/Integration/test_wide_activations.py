# Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
"""16-bit activations from recipe to code: a network with every kind of operation that has a 16-bit form, compiled code
against the interpreter bit for bit, and the error against ONNX Runtime's float."""

import re

import numpy as np
import pytest
from onnx import helper

from conftest import compile_model, refused, run_model, save_model, single, tool

RECIPES = {
    "all8": "activations: {observer: minmax}\nweights: {format: s16}\n",
    # 8-bit weights beside 16-bit activations: the weights' error remains.
    "all16": "activations: {format: s16}\nweights: {clip: absmax}\noverrides:\n  - match: dw\n    weights: {format: s16}\n",
    # Neighbours of unlike widths: additions, a concat and products that turn one into the other.
    "mixed": "activations: {observer: minmax}\noverrides:\n"
             "  - {match: '{first_relu,sum,deconv}', activations: {format: s16}}\n",
}


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """x [N, 3, 16, W]: stem, depthwise, residual, gate, transposed convolution, concat, pools, nearest resize, linear."""
    folder = tmp_path_factory.mktemp("wide")
    rng = np.random.default_rng(11)
    normal = lambda *shape: (rng.normal(size=shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)  # noqa: E731
    values = {"w0": 2 * normal(24, 3, 3, 3), "b0": normal(24), "wd": normal(24, 1, 5, 5), "bd": normal(24),
              "w1": 2 * normal(24, 24, 1, 1), "wt": normal(24, 8, 2, 2), "w2": normal(20, 32, 3, 3), "b2": normal(20),
              "wg": normal(20, 20, 1, 1), "half": np.float32([0.5, 0.5]).repeat(10).reshape(1, 20, 1, 1) + 0.25 * normal(1, 20, 1, 1),
              "scales": np.float32([1, 1, 2, 2]), "w3": normal(10, 20), "b3": normal(10), "zero": np.float32(0), "six": np.float32(6)}
    node = helper.make_node
    nodes = [
        node("Conv", ["x", "w0", "b0"], ["c0"], name="first", pads=[1, 1, 1, 1], strides=[2, 2]),
        node("Relu", ["c0"], ["r0"], name="first_relu"),
        node("Conv", ["r0", "wd", "bd"], ["cd"], name="dw", group=24, pads=[2, 2, 2, 2]),
        node("Clip", ["cd", "zero", "six"], ["rd"], name="dw_clip"),
        node("Conv", ["rd", "w1"], ["c1"], name="project"),
        node("Add", ["c1", "r0"], ["a"], name="sum"),
        node("ConvTranspose", ["a", "wt"], ["t"], name="deconv", strides=[2, 2]),
        node("Resize", ["a", "", "scales"], ["u"], name="up", mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor"),
        node("Concat", ["u", "t"], ["j"], name="join", axis=1),
        node("Conv", ["j", "w2", "b2"], ["c2"], name="wide", pads=[1, 1, 1, 1]),
        node("MaxPool", ["c2"], ["m"], name="max", kernel_shape=[2, 2], strides=[2, 2]),
        node("Conv", ["m", "wg"], ["g"], name="gate"),
        node("Mul", ["g", "half"], ["h"], name="halved"),
        node("Mul", ["m", "h"], ["p"], name="gated"),
        node("AveragePool", ["p"], ["v"], name="average", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
        node("GlobalAveragePool", ["v"], ["q"], name="mean"),
        node("Flatten", ["q"], ["f"], name="flatten"),
        node("Gemm", ["f", "w3", "b3"], ["y"], name="last", transB=1),
    ]
    save_model(folder / "wide.onnx", nodes, [("x", ["N", 3, 16, "W"])], [("y", ["N", 10])], values)
    np.savez(folder / "calibration.npz", x=rng.normal(size=(64, 3, 16, 16)).astype(np.float32))
    for name, text in RECIPES.items():
        (folder / f"{name}.yaml").write_text(f"name: {name}\n{text}")
    return folder


def options(folder, recipe):
    return ["--recipe", folder / f"{recipe}.yaml", "--calibration", folder / "calibration.npz", "--dim", "N=1..4", "--dim", "W=8..48"]


@pytest.fixture(scope="module")
def artifacts(network):
    return {recipe: compile_model(network / "wide.onnx", network / f"{recipe}.bwm", *options(network, recipe)) for recipe in RECIPES}


def test_error_is_that_of_the_formats(network, artifacts, tmp_path):
    """16-bit weights leave the error of 8-bit activations and the other way round. A range of 2 * 3.5 sigma in 255 steps has an
    error of (7 / 255)^2 / 12 = 6.3e-5 of the variance (42 dB), and so has each of about ten activations on the way: 32 dB at least.
    8-bit weights of +-3 sigma: (6 / 254)^2 / 12 = 4.6e-5, for six layers 35 dB. What 16-bit activations add lies 48 dB under the
    8-bit ones: nothing, so that ten errors become six, each smaller: 3 dB less."""
    import onnxruntime
    x = np.random.default_rng(12).normal(size=(4, 3, 16, 16)).astype(np.float32)
    expected = onnxruntime.InferenceSession(network / "wide.onnx", providers=["CPUExecutionProvider"]).run(None, {"x": x})[0]
    found = {}
    for recipe, artifact in artifacts.items():
        ours = single(run_model(artifact, tmp_path, x=x))
        found[recipe] = 10 * np.log10(np.sum(expected ** 2) / np.sum((ours - expected) ** 2))
    print(found)
    assert found["all8"] >= 32 and found["all16"] >= 35 and found["mixed"] >= 30
    assert found["all16"] >= found["all8"] + 3


@pytest.mark.parametrize("recipe", RECIPES)
def test_compiled_code_equals_the_interpreter(network, artifacts, tmp_path, recipe):
    """Every stored tensor, on every level of the host, with one and two threads (quant-differential), and the file's own probe."""
    model = tmp_path / "model.mlir"
    compile_model(network / "wide.onnx", model, *options(network, recipe), "--compile-to=integerize")
    text = model.read_text()
    assert recipe == "all8" or "xi16>" in text
    x = np.random.default_rng(13).normal(size=(2, 3, 16, 21)).astype(np.float32) * 3
    np.savez(tmp_path / "in.npz", x=x)
    done = tool("quant-differential", "--model", model, "--inputs", tmp_path / "in.npz")
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(re.search(r"(\d+) passed, 0 failed", done.stdout)[1]) >= 40
    assert tool("quant-run", artifacts[recipe], "--self-check").returncode == 0


def test_all_but_the_ends_is_integer(network, tmp_path):
    """No operation of the 16-bit network computes in float between its first quantize and its last sum."""
    model = tmp_path / "model.mlir"
    compile_model(network / "wide.onnx", model, *options(network, "all16"), "--compile-to=integerize")
    operations = re.findall(r"= (qnn|dyadic)\.(\w+) %.*\(tensor<\S*xf32>", model.read_text())
    assert [name for _, name in operations] == ["quantize"], operations


def test_weights_of_four_bits_have_no_kernel(network, tmp_path):
    recipe = tmp_path / "r.yaml"
    recipe.write_text("name: r\nactivations: {format: s16}\noverrides:\n  - match: wide\n    weights: {format: s4}\n")
    done = tool("quant-compile", network / "wide.onnx", "-o", tmp_path / "o.bwm", "--recipe", recipe, *options(network, "all16")[2:])
    refused(done, "'wide': no kernel multiplies s4 weights and s16 activations (input 'join')", "choose weights.format: s8")
