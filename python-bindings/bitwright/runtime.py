# Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
"""Loading and running `.bwm` files."""
import os
import re
import threading
from typing import NamedTuple, Optional, Union

import numpy as np

from . import _runtime

# bfloat16 has no NumPy type of its own: its bits travel as uint16.
_NUMPY = {"f32": np.float32, "f16": np.float16, "bf16": np.uint16, "f64": np.float64, "s8": np.int8, "u8": np.uint8,
          "s16": np.int16, "s32": np.int32, "s64": np.int64, "bool": np.bool_}
_NAMES = {np.dtype(t): name for name, t in _NUMPY.items() if name != "bf16"}


class Tensor(NamedTuple):
    """An input or output. Dimensions are numbers, or text over the names in `Model.dims` (`"W"`, `"floordiv(W, 4)"`).
    With `scales`, real = scale * (code - zero_point), per tensor or along `axis`."""
    name: str
    dtype: str
    shape: tuple[Union[int, str], ...]
    scales: Optional[tuple[float, ...]]
    zero_points: Optional[tuple[int, ...]]
    axis: Optional[int]


class Range(NamedTuple):
    """Values that a dimension may have: lo..hi, multiples of `divisor`."""
    lo: int
    hi: int
    divisor: int


class LaunchTime(NamedTuple):
    launch: str
    kernel: str
    note: str
    calls: int
    seconds: float


def _tensor(raw) -> Tensor:
    name, dtype, dims, _, _, scales, zero_points, axis = raw
    shape = tuple(int(d) if re.fullmatch(r"-?\d+", d) else d for d in dims)
    return Tensor(name, dtype, shape, tuple(scales) if scales is not None else None,
                  tuple(zero_points) if zero_points is not None else None, None if axis < 0 else axis)


class Model:
    """A loaded model: call it with arrays by input name, get a dict of arrays by output name.

    Calls may come from any thread; they run one after the other. `load` makes these.
    """

    def __init__(self, path: Union[str, os.PathLike, bytes], device: str = "cpu", threads: int = 1, *,
                 isa: Optional[str] = None, entry: Optional[str] = None, verify: bool = False, profile: bool = False):
        if device != "cpu":
            raise ValueError(f"device '{device}' is not available: this build runs on 'cpu' only")
        if threads < 1:
            raise ValueError(f"{threads} threads asked for, expected at least 1")
        self._model = _runtime.Model(path if isinstance(path, bytes) else os.fspath(path), verify)
        names = self._model.entries()
        if entry is not None and entry not in names:
            raise ValueError(f"the model has no entry point '{entry}'; it has {', '.join(map(repr, names))}")
        self._entry = 0 if entry is None else names.index(entry)
        self._session = _runtime.Session(self._model, threads, isa, profile)
        self._lock = threading.Lock()
        self.inputs: tuple[Tensor, ...] = tuple(map(_tensor, self._model.tensors(self._entry, True)))
        self.outputs: tuple[Tensor, ...] = tuple(map(_tensor, self._model.tensors(self._entry, False)))
        self.dims: dict[str, Range] = {name: Range(lo, hi, divisor) for name, lo, hi, divisor in self._model.symbols()}
        self.properties: dict[str, str] = self._model.properties()

    @property
    def isa(self) -> str:
        """Instruction set level that runs: "avx2", "avx512vnni" or "amx"."""
        return self._session.isa

    @property
    def threads(self) -> int:
        return self._session.threads

    def __call__(self, **arrays: np.ndarray) -> dict[str, np.ndarray]:
        return self.run(arrays)

    def run(self, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The call for names that are no Python identifiers. Element types are not converted: a wrong one is an error."""
        types = {t.name: t.dtype for t in self.inputs}
        given = []
        for name, value in arrays.items():
            array = np.ascontiguousarray(value) if np.ndim(value) else np.asarray(value)
            dtype = _NAMES.get(array.dtype)
            if types.get(name) == "bf16" and array.dtype.itemsize == 2 and array.dtype.kind in "uV":
                dtype, array = "bf16", array.view(np.uint16)
            if dtype is None:
                raise ValueError(f"input '{name}': element type {array.dtype} is not one that models have"
                                 + (f", expected {types[name]}" if name in types else ""))
            given.append((name, dtype, array.view(np.uint8) if dtype == "bool" else array))
        with self._lock:
            shapes = self._session.output_shapes(self._entry, given, len(self.outputs))
            results = {t.name: np.empty(shape, _NUMPY[t.dtype]) for t, shape in zip(self.outputs, shapes)}
            self._session.run(self._entry, given, [
                (t.name, t.dtype, results[t.name].view(np.uint8) if t.dtype == "bool" else results[t.name])
                for t in self.outputs])
        return results

    def self_check(self) -> int:
        """Runs the probe in the file and compares every stored integer tensor; returns how many. Raises `Error` on a difference."""
        with self._lock:
            return self._session.self_check()

    def profile(self) -> list[LaunchTime]:
        """Time of each launch over all calls so far; empty without `profile=True`."""
        with self._lock:
            return [LaunchTime(launch, kernel, note, calls, nanoseconds * 1e-9)
                    for launch, kernel, note, calls, nanoseconds in self._session.profile(self._entry)]

    def __repr__(self) -> str:
        text = lambda tensors: ", ".join(f"{t.name}: {t.dtype}{list(t.shape)}" for t in tensors)  # noqa: E731
        return f"<bitwright.Model ({text(self.inputs)}) -> ({text(self.outputs)}) on {self.isa}, {self.threads} threads>"


def load(path: Union[str, os.PathLike, bytes], device: str = "cpu", threads: int = 1, *, isa: Optional[str] = None,
         entry: Optional[str] = None, verify: bool = False, profile: bool = False) -> Model:
    """Loads a `.bwm` file, or its bytes.

    isa: an instruction set level below the best of this machine. entry: an entry point other than the first.
    verify: hash the whole file. profile: time each launch. Raises OSError when the file cannot be read, `Error` when it is
    damaged or this machine cannot run it, ValueError for wrong arguments.
    """
    return Model(path, device, threads, isa=isa, entry=entry, verify=verify, profile=profile)
