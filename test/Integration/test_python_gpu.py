# Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
"""The Python package on a GPU, against the make-believe driver of the runtime's unit tests: arrays in place, streams."""
import subprocess

import numpy as np
import pytest

from conftest import BUILD
from test_python_api import bitwright, installed  # noqa: F401  (fixtures)


@pytest.fixture(scope="module")
def gpu_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("gpu") / "gpu.bwm"
    done = subprocess.run([str(BUILD / "bin" / "bitwright_write_gpu_model"), str(path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return path


@pytest.fixture
def model(bitwright, gpu_file, monkeypatch):  # noqa: F811
    monkeypatch.setenv("BITWRIGHT_CUDA_LIBRARY", str(BUILD / "lib" / "libbitwright_mock_cuda.so"))
    return bitwright.load(gpu_file, device="cuda:0")


X = np.random.default_rng(3).integers(-1000, 1000, size=(2, 3, 8)).astype(np.int32)
Y = 2 * X[:, :, ::-1] + 10 * np.arange(1, 4, dtype=np.int32)[None, :, None]


class ForeignArray:
    """What another library would hand over: nothing but the CUDA array interface."""

    def __init__(self, array, **changes):
        self.owner = array
        self.__cuda_array_interface__ = {**array.__cuda_array_interface__, **changes}


def test_host_arrays_are_copied(model, bitwright):  # noqa: F811
    assert model.device == "cuda:0" and model.device_name == "Mock 90" and bitwright.cuda_device_count() == 1
    for _ in range(3):
        outputs = model(x=X)
        np.testing.assert_array_equal(outputs["y"], Y)
        assert outputs["total"][0] == Y.sum()
    assert "cuda:0 (Mock 90)" in repr(model)
    assert model.self_check() == 6  # three tensors at N = 1 and N = 3


def test_device_arrays_in_place(model, bitwright):  # noqa: F811
    x = model.to_device(X)
    np.testing.assert_array_equal(x.numpy(), X)
    outputs = model(x=x)
    assert isinstance(outputs["y"], bitwright.DeviceArray) and outputs["y"].shape == (2, 3, 8)
    np.testing.assert_array_equal(outputs["y"].numpy(), Y)
    assert outputs["total"].numpy()[0] == Y.sum()
    # Through the array interface alone, in and out.
    target = model.to_device(np.zeros((2, 3, 8), np.int32))
    given = ForeignArray(target)
    result = model.run({"x": ForeignArray(x)}, out={"y": given})
    assert result["y"] is given
    np.testing.assert_array_equal(target.numpy(), Y)
    assert given.__cuda_array_interface__["typestr"] == "<i4" and given.__cuda_array_interface__["data"] == (target.address, False)


def test_results_outlive_the_model(model):
    y = model(x=model.to_device(X))["y"]
    del model
    np.testing.assert_array_equal(y.numpy(), Y)


def test_dlpack_shares_memory(model, bitwright):  # noqa: F811
    y = model(x=model.to_device(X))["y"]
    assert y.__dlpack_device__() == (2, 0)
    pack = bitwright._runtime.Dlpack(y.__dlpack__(stream=1))
    assert pack.address == y.address and pack.shape == [2, 3, 8] and pack.dtype == (0, 32, 1) and pack.device == (2, 0)
    address = y.address
    del y
    assert pack.address == address  # the capsule keeps the memory


def test_streams(model):
    class Stream:
        cuda_stream = 0

    x = model.to_device(X)
    for stream in (None, 0, 1, 2, Stream()):
        np.testing.assert_array_equal(model.run({"x": x}, stream=stream)["y"].numpy(), Y)
    # Host arrays and a stream: copied, and waited for.
    np.testing.assert_array_equal(model.run({"x": X}, stream=2)["y"].numpy(), Y)
    assert model.run({"x": x}, stream=2)["y"].__cuda_array_interface__["stream"] == 2
    for wrong in ("main", -1, True):
        with pytest.raises(ValueError, match="neither a number nor a stream"):
            model.run({"x": x}, stream=wrong)


def test_refusals(model, bitwright, gpu_file, monkeypatch):  # noqa: F811
    x = model.to_device(X)
    with pytest.raises(ValueError, match=r"array 'x' is not contiguous: shape \[2, 3, 8\], strides \[48, 16, 2\] elements"):
        model(x=ForeignArray(x, strides=(192, 64, 8)))
    with pytest.raises(ValueError, match="element type"):
        model(x=ForeignArray(x, typestr="<u4"))
    with pytest.raises(ValueError, match="expected s32"):
        model(x=ForeignArray(x, typestr="<f4"))
    with pytest.raises(ValueError, match="is not a multiple of 16"):
        model(x=ForeignArray(x, data=(x.address + 4, False)))
    with pytest.raises(ValueError, match="stream 7, the call runs on stream 9"):
        model.run({"x": ForeignArray(x, stream=7)}, stream=9)
    with pytest.raises(ValueError, match="the model has no output 'z'"):
        model.run({"x": x}, out={"z": x})
    with pytest.raises(ValueError, match="out 'y' is not an array on the GPU"):
        model.run({"x": x}, out={"y": np.zeros((2, 3, 8), np.int32)})
    with pytest.raises(ValueError, match=r"out 'y' has shape \[1, 3, 4\], expected \[2, 3, 8\]"):
        model.run({"x": x}, out={"y": model.to_device(np.zeros((1, 3, 4), np.int32))})
    with pytest.raises(TypeError, match=r"is on a GPU: a.numpy\(\) copies it"):
        np.asarray(x)
    cpu = bitwright.load(gpu_file)
    with pytest.raises(ValueError, match="the model is on the CPU"):
        cpu(x=x)
    with pytest.raises(ValueError, match="the model is on the CPU"):
        cpu.run({"x": X}, stream=1)
    with pytest.raises(ValueError, match="device 'tpu' is unknown"):
        bitwright.load(gpu_file, device="tpu")
    with pytest.raises(ValueError, match="device 4 asked for"):
        bitwright.load(gpu_file, device="cuda:4")
    monkeypatch.setenv("BITWRIGHT_CUDA_LIBRARY", "libno-such-driver.so.1")
    with pytest.raises(bitwright.Error, match="install the NVIDIA driver"):
        bitwright.load(gpu_file, device="cuda")
