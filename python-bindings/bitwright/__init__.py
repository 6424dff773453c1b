# Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
"""Compiles float networks to quantized binaries and runs them.

    import bitwright
    bitwright.compile("model.onnx", "model.bwm", recipe="w8a8", calibration="samples.npz")
    outputs = bitwright.load("model.bwm")(x=array)
"""
from ._runtime import Error
from ._runtime import host_isa, version
from .compiler import CompileError, compile
from .runtime import LaunchTime, Model, Range, Tensor, load

__version__ = version()
__all__ = ["CompileError", "Error", "LaunchTime", "Model", "Range", "Tensor", "compile", "host_isa", "load"]
