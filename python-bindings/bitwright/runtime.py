# Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
"""Loading and running `.bwm` files."""
import os
import re
import threading
from typing import Any, NamedTuple, Optional, Union

import numpy as np

from . import _runtime
from .device import NAMES, NUMPY, DeviceArray, is_on_gpu, place_of, stream_handle

_NUMPY, _NAMES = NUMPY, NAMES


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

    On a GPU, arrays may be NumPy's (copied there and back) or lie on the device: anything with DLPack or
    `__cuda_array_interface__` (torch, cupy, `DeviceArray`), used in place. If an input does, the results are
    `DeviceArray`s, and the call only enqueues its work on `stream`.
    """

    def __init__(self, path: Union[str, os.PathLike, bytes], device: str = "cpu", threads: int = 1, *,
                 isa: Optional[str] = None, entry: Optional[str] = None, verify: bool = False, profile: bool = False):
        if threads < 1:
            raise ValueError(f"{threads} threads asked for, expected at least 1")
        self._model = _runtime.Model(path if isinstance(path, bytes) else os.fspath(path), verify)
        names = self._model.entries()
        if entry is not None and entry not in names:
            raise ValueError(f"the model has no entry point '{entry}'; it has {', '.join(map(repr, names))}")
        self._entry = 0 if entry is None else names.index(entry)
        self._session = _runtime.Session(self._model, threads, isa, profile, device)
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

    @property
    def device(self) -> str:
        """"cpu" or "cuda:N"."""
        return self._session.device

    @property
    def device_name(self) -> str:
        """Name of the GPU, "" on a CPU."""
        return self._session.device_name

    def __call__(self, **arrays: Any) -> dict[str, Any]:
        return self.run(arrays)

    def _host_input(self, name: str, value: Any) -> tuple[str, np.ndarray]:
        wanted = next((t.dtype for t in self.inputs if t.name == name), None)
        array = np.ascontiguousarray(value) if np.ndim(value) else np.asarray(value)
        dtype = _NAMES.get(array.dtype)
        if wanted == "bf16" and array.dtype.itemsize == 2 and array.dtype.kind in "uV":
            dtype, array = "bf16", array.view(np.uint16)
        if dtype is None:
            raise ValueError(f"input '{name}': element type {array.dtype} is not one that models have"
                             + (f", expected {wanted}" if wanted else ""))
        return dtype, array.view(np.uint8) if dtype == "bool" else array

    def _device_number(self) -> int:
        if self.device == "cpu":
            raise ValueError("the model is on the CPU: load it with device='cuda' for arrays on a GPU and streams")
        return int(self.device.split(":")[1])

    def to_device(self, array: np.ndarray, name: Optional[str] = None) -> DeviceArray:
        """A copy on the model's GPU. name: of the input that it is for, which tells bfloat16 from uint16."""
        self._device_number()
        dtype, array = self._host_input(name or "", array) if name else (_NAMES.get(np.asarray(array).dtype),
                                                                         np.ascontiguousarray(array))
        if dtype is None:
            raise ValueError(f"element type {array.dtype} is not one that models have")
        result = DeviceArray(self._session, dtype, array.shape, self._device_number())
        result._memory.write(array.view(np.uint8) if array.dtype == np.bool_ else array)
        return result

    def _run_on_gpu(self, arrays: dict[str, Any], out: dict[str, Any], stream: Any) -> dict[str, Any]:
        number, handle, keep = self._device_number(), stream_handle(stream), []

        def placed(name: str, value: Any):
            if is_on_gpu(value):
                place = place_of(name, value, handle)
                keep.append(place.keep)
                dtype = place.dtype
                if dtype == "u16" and any(t.name == name and t.dtype == "bf16" for t in self.inputs + self.outputs):
                    dtype = "bf16"
                if dtype not in NUMPY:
                    raise ValueError(f"array '{name}' has an element type that models do not have")
                return name, dtype, place.address, list(place.shape), place.bytes, place.device
            dtype, array = self._host_input(name, value)
            keep.append(array)
            return name, dtype, array.ctypes.data, list(array.shape), array.nbytes, -1

        given = [placed(name, value) for name, value in arrays.items()]
        with self._lock:
            shapes = self._session.placed_shapes(self._entry, given, len(self.outputs))
            results, places = {}, []
            for tensor, shape in zip(self.outputs, shapes):
                target = out.get(tensor.name)
                if target is None:
                    target = DeviceArray(self._session, tensor.dtype, tuple(shape), number, handle)
                elif not is_on_gpu(target):
                    raise ValueError(f"out '{tensor.name}' is not an array on the GPU")
                results[tensor.name] = target
                place = placed(tensor.name, target)
                if place[3] != list(shape):
                    raise ValueError(f"out '{tensor.name}' has shape {place[3]}, expected {list(shape)}")
                places.append(place)
            self._session.run_on_stream(self._entry, given, places, handle)
        return results

    def run(self, arrays: dict[str, Any], *, out: Optional[dict[str, Any]] = None, stream: Any = None) -> dict[str, Any]:
        """The call for names that are no Python identifiers, and on a GPU with more control. Element types are not
        converted: a wrong one is an error.

        out: arrays on the GPU for outputs by name. stream: of torch, cupy, or its number; the work is enqueued there
        (default: the legacy default stream, torch's and cupy's own default).
        """
        unknown = set(out or ()) - {t.name for t in self.outputs}
        if unknown:
            raise ValueError(f"the model has no output '{sorted(unknown)[0]}'; it has "
                             + ", ".join(repr(t.name) for t in self.outputs))
        if out or stream is not None or any(map(is_on_gpu, arrays.values())):
            return self._run_on_gpu(arrays, out or {}, stream)
        given = []
        for name, value in arrays.items():
            given.append((name, *self._host_input(name, value)))
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
        return f"<bitwright.Model ({text(self.inputs)}) -> ({text(self.outputs)}) on " + (
            f"{self.isa}, {self.threads} threads>" if self.device == "cpu" else f"{self.device} ({self.device_name})>")


def load(path: Union[str, os.PathLike, bytes], device: str = "cpu", threads: int = 1, *, isa: Optional[str] = None,
         entry: Optional[str] = None, verify: bool = False, profile: bool = False) -> Model:
    """Loads a `.bwm` file, or its bytes.

    device: "cpu", "cuda" or "cuda:N". isa: an instruction set level below the best of this machine. entry: an entry point
    other than the first. verify: hash the whole file. profile: time each launch. Raises OSError when the file cannot be read,
    `Error` when it is damaged or this machine cannot run it, ValueError for wrong arguments.
    """
    return Model(path, device, threads, isa=isa, entry=entry, verify=verify, profile=profile)
