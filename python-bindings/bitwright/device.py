# Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
"""Arrays in the memory of a GPU: ours, and other libraries' through DLPack or `__cuda_array_interface__`."""
from typing import Any, NamedTuple, Optional

import numpy as np

from . import _runtime

# bfloat16 has no NumPy type of its own: its bits travel as uint16.
NUMPY = {"f32": np.float32, "f16": np.float16, "bf16": np.uint16, "f64": np.float64, "s8": np.int8, "u8": np.uint8,
         "s16": np.int16, "s32": np.int32, "s64": np.int64, "bool": np.bool_}
NAMES = {np.dtype(t): name for name, t in NUMPY.items() if name != "bf16"}
# uint16 stands for bfloat16 where a model wants that.
_ALL_NAMES = NAMES | {np.dtype(np.uint16): "u16"}

# DLPack's type codes and device types.
_DLPACK = {"f32": (2, 32), "f16": (2, 16), "bf16": (4, 16), "f64": (2, 64), "s8": (0, 8), "u8": (1, 8), "s16": (0, 16),
           "s32": (0, 32), "s64": (0, 64), "bool": (6, 8)}
_DLPACK_NAMES = {code: name for name, code in _DLPACK.items()} | {(1, 16): "u16"}
_DLPACK_CUDA = 2

LEGACY_STREAM = 1


class Place(NamedTuple):
    """Where an array lies; `keep` holds it alive."""
    dtype: Optional[str]
    address: int
    shape: tuple[int, ...]
    bytes: int
    device: int
    keep: Any


class DeviceArray:
    """An array on a GPU: the result of a call with arrays on the GPU, or made by `Model.to_device`. Goes to torch
    (`torch.from_dlpack(a)`) and cupy (`cupy.asarray(a)`) without a copy, to NumPy with one (`a.numpy()`)."""

    def __init__(self, session, dtype: str, shape: tuple[int, ...], device: int, stream: int = LEGACY_STREAM):
        self.dtype, self.shape, self.device = dtype, tuple(shape), device
        self._session, self._stream = session, stream
        self.nbytes = int(np.prod(self.shape, dtype=np.int64)) * np.dtype(NUMPY[dtype]).itemsize
        self._memory = session.allocate(self.nbytes)

    @property
    def address(self) -> int:
        return self._memory.address

    @property
    def __cuda_array_interface__(self) -> dict:
        return {"shape": self.shape, "typestr": np.dtype(NUMPY[self.dtype]).str, "data": (self.address, False),
                "strides": None, "version": 3, "stream": self._stream}

    def __dlpack_device__(self) -> tuple[int, int]:
        return _DLPACK_CUDA, self.device

    def __dlpack__(self, *, stream: Optional[int] = None, **_ignored):
        # The legacy default stream has the numbers 0 and 1; -1 asks for no ordering.
        if stream != -1 and (stream or LEGACY_STREAM) != self._stream:
            self._session.synchronize()
        code, bits = _DLPACK[self.dtype]
        return self._memory.export(self.shape, code, bits, self.device)

    def numpy(self) -> np.ndarray:
        """A copy on the host; bfloat16 as uint16."""
        self._session.synchronize()
        result = np.empty(self.shape, NUMPY[self.dtype])
        self._memory.read(result.view(np.uint8) if self.dtype == "bool" else result)
        return result

    def __array__(self, *_ignored, **_also):
        raise TypeError("a bitwright.DeviceArray is on a GPU: a.numpy() copies it")

    def __repr__(self) -> str:
        return f"<bitwright.DeviceArray {self.dtype}{list(self.shape)} on cuda:{self.device}>"


def stream_handle(stream: Any) -> int:
    """The number of a stream: an int, or an object of torch (`cuda_stream`) or cupy (`ptr`)."""
    if stream is None:
        return LEGACY_STREAM
    for name in ("cuda_stream", "ptr"):
        stream = getattr(stream, name, stream)
    if isinstance(stream, bool) or not isinstance(stream, int) or stream < 0:
        raise ValueError(f"stream {stream!r} is neither a number nor a stream of torch or cupy")
    return stream or LEGACY_STREAM


def is_on_gpu(array: Any) -> bool:
    if isinstance(array, np.ndarray):
        return False
    if hasattr(array, "__dlpack_device__"):
        return array.__dlpack_device__()[0] == _DLPACK_CUDA
    return hasattr(array, "__cuda_array_interface__")


def _contiguous(shape, strides, item: int) -> bool:
    expected = item
    for extent, stride in zip(reversed(shape), reversed(strides)):
        if extent != 1 and stride != expected:
            return False
        expected *= extent
    return True


def place_of(name: str, array: Any, stream: int) -> Place:
    """Address and type of somebody's array on a GPU; its producer's work is ordered before `stream`."""
    if hasattr(array, "__dlpack__"):
        pack = _runtime.Dlpack(array.__dlpack__(stream=stream))
        code, bits, lanes = pack.dtype
        dtype, item = _DLPACK_NAMES.get((code, bits)) if lanes == 1 else None, max(bits // 8, 1)
        shape, strides, address, device, keep = pack.shape, pack.strides, pack.address, pack.device[1], pack
    else:
        interface = array.__cuda_array_interface__
        shape, kind = list(interface["shape"]), np.dtype(interface["typestr"])
        dtype, item, address = _ALL_NAMES.get(kind), kind.itemsize, interface["data"][0]
        strides = [s // item for s in interface["strides"]] if interface.get("strides") else None
        device, keep = getattr(getattr(array, "device", None), "id", getattr(array, "device", 0)), array
        device = device if isinstance(device, int) else 0
        producer = interface.get("stream")
        if producer not in (None, stream) and not (producer == LEGACY_STREAM or stream == LEGACY_STREAM):
            raise ValueError(f"input '{name}' was made on stream {producer}, the call runs on stream {stream}: give that "
                             "stream, or wait for it first")
    if strides is not None and not _contiguous(shape, strides, 1):
        raise ValueError(f"array '{name}' is not contiguous: shape {list(shape)}, strides {list(strides)} elements; make it so")
    count = int(np.prod(shape, dtype=np.int64))
    return Place(dtype, address, tuple(shape), count * item, device, keep)
