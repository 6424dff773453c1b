# Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
"""Calling the compiler, which is a program of its own: `quant-compile`."""
import contextlib
import os
import pathlib
import shutil
import subprocess
import tempfile
from typing import Iterable, Mapping, Optional, Sequence, Union

import numpy as np

from .metric import Metric, served

Path = Union[str, os.PathLike]
Dim = Union[int, str, tuple[int, int]]


class CompileError(RuntimeError):
    """`quant-compile` refused the model or the request; the text is what it said."""


def find_compiler() -> str:
    """Path of `quant-compile`: in the environment's BITWRIGHT_BIN (a folder), beside this package, or on PATH."""
    places = []
    folder = os.environ.get("BITWRIGHT_BIN")
    if folder:
        places.append(pathlib.Path(folder) / "quant-compile")
    places.append(pathlib.Path(__file__).resolve().parent / "bin" / "quant-compile")
    for place in places:
        if os.access(place, os.X_OK) and place.is_file():
            return str(place)
    found = shutil.which("quant-compile")
    if found:
        return found
    raise FileNotFoundError(
        "quant-compile was not found: looked for " + ", ".join(map(str, places)) + " and on PATH. Build it "
        "(cmake --preset release && cmake --build --preset release) and set BITWRIGHT_BIN to the folder that it is in")


def _dims(dims: Mapping[str, Dim]) -> list[str]:
    arguments = []
    for name, value in dims.items():
        text = f"{value[0]}..{value[1]}" if isinstance(value, tuple) else str(value)
        arguments += ["--dim", f"{name}={text}"]
    return arguments


def compile(model: Path, out: Path, *, calibration: Union[None, Path, Mapping[str, np.ndarray]] = None,
            recipe: Optional[Path] = None, dims: Optional[Mapping[str, Dim]] = None,
            targets: Union[None, str, Iterable[str]] = None, budget: Union[None, str, Iterable[str]] = None,
            require: Optional[str] = None, threads: Optional[int] = None, report: Optional[Path] = None,
            json: Optional[Path] = None, metric: Optional[Metric] = None, extra: Sequence[str] = ()) -> pathlib.Path:
    """Compiles `model` (an ONNX file) to the `.bwm` file `out` and returns its path.

    calibration: an `.npz` file, a folder of them, or a dict of arrays by input name, samples along the first dimension.
    recipe: "float", "w8a8" or a YAML file. dims: {"W": (32, 1280), "x:3": 320}. targets: "cpu". budget: "size<=12MB".
    metric: with a budget, the loss that is minimised, smaller is better: called for every trial with the outputs of all
    samples and those of the float model, each a list of {output name: array}. What it raises ends the compilation.
    extra: further options of quant-compile as they are. Raises `CompileError` with the compiler's message.
    """
    command = [find_compiler(), os.fspath(model), "-o", os.fspath(out), *_dims(dims or {})]
    for option, value in (("--recipe", recipe), ("--require", require), ("--threads", threads), ("--report", report),
                          ("--json", json)):
        if value is not None:
            command += [option, os.fspath(value) if isinstance(value, os.PathLike) else str(value)]
    for option, values in (("--target", targets), ("--budget", budget)):
        if values is not None:
            command += [option, values if isinstance(values, str) else ",".join(values)]
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="bitwright-"))
        server = None
        if metric is not None:
            answering, server = stack.enter_context(served(metric))
            # The command holds a temporary path: kept sensitivities are told apart by the function's name.
            name = getattr(metric, "__qualname__", type(metric).__qualname__)
            command += ["--metric", answering, "--metric-name", name]
        if isinstance(calibration, Mapping):
            samples = os.path.join(folder, "calibration.npz")
            np.savez(samples, **calibration)
            calibration = samples
        if calibration is not None:
            command += ["--calibration", os.fspath(calibration)]
        done = subprocess.run([*command, *extra], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True)
    if done.returncode != 0:
        text = done.stderr.strip() or f"quant-compile ended with status {done.returncode}"
        raise CompileError(text) from (server.failure if server else None)
    return pathlib.Path(out)
