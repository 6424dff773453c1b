# Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
"""Compiles float networks to quantized binaries and runs them.

    import bitwright
    bitwright.compile("model.onnx", "model.bwm", recipe="w8a8", calibration="samples.npz")
    outputs = bitwright.load("model.bwm")(x=array)
    outputs = bitwright.load("model.bwm", device="cuda:0")(x=tensor)  # of torch or cupy, on the GPU, without a copy
"""
from ._runtime import Error
from ._runtime import cuda_device_count, host_isa, version
from .compiler import CompileError, compile
from .device import DeviceArray
from .runtime import LaunchTime, Model, Range, Tensor, load

__version__ = version()
__all__ = ["CompileError", "DeviceArray", "Error", "LaunchTime", "Model", "Range", "Tensor", "compile", "cuda_device_count",
           "host_isa", "load"]
