# Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
"""The Python package as `pip install .` makes it: load, run, compile."""
import ast
import importlib
import pathlib
import subprocess
import sys
import threading

import numpy as np
import pytest

from conftest import BUILD, run_model, single

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    """Folder with the installed package. Dependencies and build tools are those of this environment."""
    target = tmp_path_factory.mktemp("site")
    done = subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--no-build-isolation", "--no-deps",
                           "--disable-pip-version-check", "--target", str(target), str(ROOT)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return target


@pytest.fixture(scope="session")
def bitwright(installed):
    sys.path.insert(0, str(installed))
    try:
        yield importlib.import_module("bitwright")
    finally:
        sys.path.remove(str(installed))


@pytest.fixture
def compiler(monkeypatch):
    monkeypatch.setenv("BITWRIGHT_BIN", str(BUILD / "bin"))


def values(n=2):
    return np.random.default_rng(11).normal(size=(n, 3, 8, 8)).astype(np.float32)


def test_package_is_typed_and_has_the_runner(installed, bitwright):
    package = installed / "bitwright"
    assert (package / "py.typed").exists()
    stub = {node.name for node in ast.parse((package / "_runtime.pyi").read_text()).body if hasattr(node, "name")}
    extension = importlib.import_module("bitwright._runtime")
    assert stub == {name for name in dir(extension) if not name.startswith("_")}
    done = subprocess.run([str(package / "bin" / "quant-run"), "--version"], capture_output=True, text=True)
    assert done.returncode == 0 and bitwright.__version__ in done.stdout


def test_same_results_as_the_command_line(bitwright, small_int8, tmp_path):
    x = values()
    model = bitwright.load(small_int8)
    outputs = model(x=x)
    assert list(outputs) == ["y"] and outputs["y"].dtype == np.float32 and outputs["y"].shape == (2, 4)
    assert np.array_equal(outputs["y"], single(run_model(small_int8, tmp_path, x=x)))
    assert np.array_equal(model.run({"x": x})["y"], outputs["y"])
    assert np.array_equal(bitwright.load(str(small_int8), device="cpu", threads=2)(x=x)["y"], outputs["y"])
    assert np.array_equal(bitwright.load(small_int8, isa="avx2")(x=x)["y"], outputs["y"])
    assert np.array_equal(bitwright.load(small_int8.read_bytes(), verify=True)(x=x)["y"], outputs["y"])


def test_arrays_need_not_be_contiguous(bitwright, small_int8):
    model, x = bitwright.load(small_int8), values()
    strided = np.zeros((2, 3, 8, 16), np.float32)
    strided[..., ::2] = x
    assert np.array_equal(model(x=strided[..., ::2])["y"], model(x=x)["y"])
    assert np.array_equal(model(x=np.asfortranarray(x))["y"], model(x=x)["y"])


def test_descriptions(bitwright, small_int8):
    model = bitwright.load(small_int8)
    assert [(t.name, t.dtype, t.shape[1:]) for t in model.inputs] == [("x", "f32", (3, 8, 8))]
    assert [(t.name, t.dtype) for t in model.outputs] == [("y", "f32")]
    batch = model.inputs[0].shape[0]
    assert isinstance(batch, str) and model.dims[batch] == (1, 4, 1)
    assert model.isa == bitwright.host_isa() and model.threads == 1 and "x: f32" in repr(model)
    assert model.properties


def test_self_check_and_profile(bitwright, small_int8):
    assert bitwright.load(small_int8).self_check() > 0
    model = bitwright.load(small_int8, profile=True)
    model(x=values())
    times = model.profile()
    assert times and all(t.calls == 1 and t.seconds >= 0 and t.launch for t in times)
    assert bitwright.load(small_int8).profile() == []


def test_calls_from_several_threads(bitwright, small_int8):
    model = bitwright.load(small_int8)
    inputs = [values(n) * n for n in (1, 2, 3, 4)]
    expected = [model(x=x)["y"] for x in inputs]
    failures = []

    def work(x, y):
        for _ in range(50):
            if not np.array_equal(model(x=x)["y"], y):
                failures.append(x.shape)

    threads = [threading.Thread(target=work, args=pair) for pair in zip(inputs, expected)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


@pytest.mark.parametrize("arrays, words", [
    ({"x": values().astype(np.float64)}, ["x", "f64", "f32"]), ({"x": values().astype(np.complex64)}, ["x", "complex64"]),
    ({"x": values()[:, :2]}, ["x", "2", "3"]), ({"z": values()}, ["z", "x"]), ({}, ["x"]), ({"x": values(5)}, ["5", "1..4"]),
], ids=["dtype", "complex", "channels", "name", "missing", "batch"])
def test_wrong_arrays_are_value_errors(bitwright, small_int8, arrays, words):
    with pytest.raises(ValueError) as failure:
        bitwright.load(small_int8).run(arrays)
    assert all(word in str(failure.value) for word in words), failure.value


def test_load_errors(bitwright, small_int8, tmp_path):
    with pytest.raises(OSError, match="none.bwm"):
        bitwright.load(tmp_path / "none.bwm")
    with pytest.raises(bitwright.Error, match="truncated"):
        bitwright.load(small_int8.read_bytes()[:-1])
    with pytest.raises(bitwright.Error, match="no driver|no GPU code|no NVIDIA GPU"):
        bitwright.load(small_int8, device="cuda:0")
    with pytest.raises(ValueError, match="sse9"):
        bitwright.load(small_int8, isa="sse9")
    with pytest.raises(ValueError, match="no entry point 'other'"):
        bitwright.load(small_int8, entry="other")
    with pytest.raises(ValueError, match="0 threads"):
        bitwright.load(small_int8, threads=0)


def test_compile(bitwright, compiler, small, small_calibration, small_int8, tmp_path):
    for i, calibration in enumerate([small_calibration, dict(np.load(small_calibration))]):
        out = bitwright.compile(small, tmp_path / f"m{i}.bwm", calibration=calibration, recipe="w8a8", dims={"N": (1, 4)},
                                targets=["cpu"])
        assert out == tmp_path / f"m{i}.bwm"
        x = values()
        assert np.array_equal(bitwright.load(out)(x=x)["y"], bitwright.load(small_int8)(x=x)["y"])


def test_compile_error_has_the_compilers_message(bitwright, compiler, tmp_path):
    with pytest.raises(bitwright.CompileError, match="none.onnx"):
        bitwright.compile(tmp_path / "none.onnx", tmp_path / "m.bwm", recipe="float")
    assert not (tmp_path / "m.bwm").exists()


def test_missing_compiler(bitwright, monkeypatch, tmp_path):
    monkeypatch.setenv("BITWRIGHT_BIN", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="quant-compile was not found.*BITWRIGHT_BIN"):
        bitwright.compile("m.onnx", tmp_path / "m.bwm")
