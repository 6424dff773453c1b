# Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
"""What the integration tests share: the tools, small models, and the sample models compiled once per session."""

import os
import pathlib
import subprocess
import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))
from samples import classifier, fetch, text_lines  # noqa: E402

BUILD = pathlib.Path(os.environ.get("BITWRIGHT_BUILD", ROOT / "build" / "release"))
RECOGNISER_DIMS = ["--dim", "DynamicDimension.0=1..8", "--dim", "DynamicDimension.1=32..1280"]
CLASSIFIER_DIMS = ["--dim", "x:0=1..8", "--dim", "x:2=48", "--dim", "x:3=192"]


def tool(name, *arguments, timeout=900, env=None):
    """Runs a built tool; the result has returncode, stdout, stderr."""
    return subprocess.run([str(BUILD / "bin" / name), *map(str, arguments)], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=timeout, env={**os.environ, **(env or {})})


def compile_model(model, out, *arguments, **options):
    """quant-compile that has to succeed; returns `out`."""
    done = tool("quant-compile", model, "-o", out, *arguments, **options)
    assert done.returncode == 0, f"quant-compile ended with {done.returncode}: {done.stderr[-2000:]}"
    return out


def run_model(artifact, folder, *options, env=None, **inputs):
    """quant-run that has to succeed; returns {output name: array}."""
    source, result = pathlib.Path(folder) / "in.npz", pathlib.Path(folder) / "out.npz"
    result.unlink(missing_ok=True)
    np.savez(source, **inputs)
    done = tool("quant-run", artifact, "--inputs", source, "--outputs", result, *options, env=env)
    assert done.returncode == 0, f"quant-run ended with {done.returncode}: {done.stderr[-2000:]}"
    with np.load(result) as file:
        return {name: file[name] for name in file.files}


def single(outputs):
    assert len(outputs) == 1, f"one output expected, found {sorted(outputs)}"
    return next(iter(outputs.values()))


def refused(done, *words, status=1):
    """The tool ended with `status` and named every one of `words` on stderr, without crashing."""
    assert done.returncode == status, f"expected exit status {status}, found {done.returncode}: {done.stderr[-2000:]}"
    missing = [word for word in words if word.lower() not in done.stderr.lower()]
    assert not missing, f"the message does not name {missing}: {done.stderr[-2000:]}"


def save_model(path, nodes, inputs, outputs, initializers, opset=17, ir_version=8):
    """An ONNX file of nodes; inputs/outputs: (name, shape) in float32; initializers: {name: array}. Not checked by onnx."""
    values = [[helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in group]
              for group in (inputs, outputs)]
    graph = helper.make_graph(nodes, "g", *values, [numpy_helper.from_array(array, name) for name, array in initializers.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = ir_version
    onnx.save(model, str(path))
    return path


def small_network(path, weights=None, batch="N", **options):
    """Conv 3->8 (node `first`, weights `w_first`), Relu, GlobalAveragePool, Flatten, Gemm 8->4: [N, 3, 8, 8] -> [N, 4]."""
    rng = np.random.default_rng(7)
    values = {"w_first": rng.normal(size=(8, 3, 3, 3)), "b_first": rng.normal(size=8),
              "w_last": rng.normal(size=(4, 8)), "b_last": rng.normal(size=4)}
    values = {name: np.asarray(array, np.float32) for name, array in {**values, **(weights or {})}.items()}
    nodes = [
        helper.make_node("Conv", ["x", "w_first", "b_first"], ["c"], name="first", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"], name="relu"),
        helper.make_node("GlobalAveragePool", ["r"], ["p"], name="pool"),
        helper.make_node("Flatten", ["p"], ["f"], name="flatten"),
        helper.make_node("Gemm", ["f", "w_last", "b_last"], ["y"], name="last", transB=1),
    ]
    return save_model(path, nodes, [("x", [batch, 3, 8, 8])], [("y", [batch, 4])], values, **options)


@pytest.fixture(scope="session")
def work(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="session")
def small(work):
    """The small network as ONNX, with batch `N`."""
    return small_network(work / "small.onnx")


@pytest.fixture(scope="session")
def small_calibration(work):
    path = work / "small.npz"
    np.savez(path, x=np.random.default_rng(3).normal(size=(16, 3, 8, 8)).astype(np.float32))
    return path


@pytest.fixture(scope="session")
def small_float(small, work):
    return compile_model(small, work / "small_float.bwm", "--recipe", "float", "--dim", "N=1..4")


@pytest.fixture(scope="session")
def small_int8(small, small_calibration, work):
    return compile_model(small, work / "small_int8.bwm", "--recipe", "w8a8", "--calibration", small_calibration, "--dim", "N=1..4")


@pytest.fixture(scope="session")
def recogniser_calibration(work):
    path = work / "recogniser.npz"
    np.savez(path, x=text_lines.lines("calibration", text_lines.CALIBRATION_COUNT)[1])
    return path


@pytest.fixture(scope="session")
def recogniser_float(work):
    return compile_model(fetch.path_of("recogniser"), work / "recogniser_float.bwm", "--recipe", "float", *RECOGNISER_DIMS)


@pytest.fixture(scope="session")
def recogniser_int8(work, recogniser_calibration):
    """The recogniser in W8A8 with symbolic batch and width."""
    return compile_model(fetch.path_of("recogniser"), work / "recogniser_int8.bwm", "--recipe", "w8a8", "--calibration",
                         recogniser_calibration, *RECOGNISER_DIMS)


@pytest.fixture(scope="session")
def classifier_float(work):
    return compile_model(fetch.path_of("classifier"), work / "classifier_float.bwm", "--recipe", "float", *CLASSIFIER_DIMS)


@pytest.fixture(scope="session")
def classifier_int8(work):
    calibration = work / "classifier.npz"
    np.savez(calibration, x=classifier.lines("calibration", text_lines.CALIBRATION_COUNT)[1])
    return compile_model(fetch.path_of("classifier"), work / "classifier_int8.bwm", "--recipe", "w8a8", "--calibration",
                         calibration, *CLASSIFIER_DIMS)
