# Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
"""Reads the tensors of a PyTorch file of weights (.pth in the stream format, up to PyTorch 1.5) without PyTorch.

Such a file is five pickles (magic number, version, facts about the machine, state, keys of the storages), then for each
key a 64-bit count and the raw elements. A pickle may name any function to be called, so the reader below knows
three kinds of names and refuses everything else: files of unknown origin run no code.
"""

import collections
import pickle

import numpy as np

MAGIC = 0x1950A86A20F9469CFC6C
VERSION = 1001
STORAGES = {"HalfStorage": "<f2", "FloatStorage": "<f4", "DoubleStorage": "<f8", "CharStorage": "i1", "ByteStorage": "u1",
            "ShortStorage": "<i2", "IntStorage": "<i4", "LongStorage": "<i8"}


class _View(collections.namedtuple("_View", "key type elements offset shape strides")):
    """A tensor that is to be cut out of the storage `key`."""


def _view(storage, offset, shape, strides, *_):
    return _View(*storage, offset, shape, strides)


class _Unpickler(pickle.Unpickler):
    """Knows ordered dictionaries, tensors and storages of numbers."""

    def find_class(self, module, name):
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _view
        if module == "torch" and name in STORAGES:
            return STORAGES[name]
        raise pickle.UnpicklingError(f"expected tensors only, found a reference to {module}.{name}")

    def persistent_load(self, reference):
        kind, type_, key, _, elements, view = reference
        if kind != "storage" or view is not None:
            raise pickle.UnpicklingError(f"expected a whole storage, found {reference!r}")
        return key, type_, elements


def read(path):
    """{name: array} of the file's state; ValueError when it is not such a file or is cut short."""
    with open(path, "rb") as file:
        try:
            magic, version, facts, state, keys = (_Unpickler(file).load() for _ in range(5))
        except (pickle.UnpicklingError, EOFError, ValueError, TypeError, AttributeError) as error:
            raise ValueError(f"{path}: not a PyTorch file of weights in the stream format: {error}") from error
        if magic != MAGIC or version != VERSION or not facts.get("little_endian"):
            raise ValueError(f"{path}: expected version {VERSION} of the stream format, little endian")
        wanted = {view.key: view for view in state.values()}
        storages = {}
        for key in keys:
            if key not in wanted:
                raise ValueError(f"{path}: storage {key} belongs to no tensor")
            type_ = np.dtype(wanted[key].type)
            count = int(np.frombuffer(file.read(8), "<i8")[0]) if wanted[key].elements else 0
            data = file.read(count * type_.itemsize) if count == wanted[key].elements else b""
            if len(data) != wanted[key].elements * type_.itemsize:
                raise ValueError(f"{path}: expected {wanted[key].elements} elements in storage {key}; the file is cut short or damaged")
            storages[key] = np.frombuffer(data, type_)
    return {name: _tensor(path, name, view, storages) for name, view in state.items()}


def _tensor(path, name, view, storages):
    """A contiguous copy of what `view` shows of its storage."""
    last = view.offset + sum((size - 1) * stride for size, stride in zip(view.shape, view.strides))
    if view.key not in storages or min((view.offset, *view.strides, *view.shape), default=0) < 0 or last >= view.elements:
        raise ValueError(f"{path}: {name} reaches beyond its storage")
    elements = storages[view.key]
    strides = [stride * elements.itemsize for stride in view.strides]
    return np.ascontiguousarray(np.lib.stride_tricks.as_strided(elements[view.offset:], view.shape, strides, writeable=False))
