# Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
"""Small ONNX models of the importer's tests: `models.py NAME OUT.onnx` writes one; other scripts use `graph`."""

import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

MODELS = {}


def model(function):
    MODELS[function.__name__] = function
    return function


def value(text, kind=TensorProto.FLOAT):
    """'x: N 3 8 W' as a value info; numbers are fixed, '?' has no name."""
    name, _, dims = text.partition(":")
    shape = [int(d) if d.lstrip("-").isdigit() else None if d == "?" else d for d in dims.split()]
    return helper.make_tensor_value_info(name.strip(), kind, shape)


def node(op, inputs, outputs, name=None, domain="", **attributes):
    """Inputs and outputs as words; '-' is an operand that is left out."""
    words = lambda text: ["" if word == "-" else word for word in text.split()]
    return helper.make_node(op, words(inputs), words(outputs), name=name, domain=domain, **attributes)


def tensor(name, array, dtype=None):
    return numpy_helper.from_array(np.asarray(array, dtype=dtype), name)


def ints(name, *numbers):
    return tensor(name, np.array(numbers, np.int64))


def floats(name, *shape):
    """Distinct small numbers."""
    count = int(np.prod(shape, dtype=np.int64))
    return tensor(name, ((np.arange(count) % 31 - 15) / 16).astype(np.float32).reshape(shape))


def graph(nodes, inputs, outputs="y", initializers=(), opset=17, ir=8, kind=TensorProto.FLOAT, result=TensorProto.FLOAT):
    """A model; inputs as 'x: N 3' texts or value infos, outputs by name."""
    infos = [value(i, kind) if isinstance(i, str) else i for i in inputs]
    results = [helper.make_tensor_value_info(o, result, None) for o in outputs.split()]
    made = helper.make_model(helper.make_graph(list(nodes), "test", infos, results, list(initializers)),
                             opset_imports=[helper.make_opsetid("", opset)], ir_version=ir)
    return made


@model
def symbolic_reshape():
    """[N, W, C] -> split heads -> back, sizes from Shape; the form that exporters write."""
    return graph([
        node("Shape", "x", "shape"), node("Gather", "shape zero", "n", axis=0), node("Gather", "shape one", "w", axis=0),
        node("Unsqueeze", "n axis0", "n1"), node("Unsqueeze", "w axis0", "w1"),
        node("Concat", "n1 w1 heads", "target", axis=0), node("Reshape", "x target", "split", name="split"),
        node("Transpose", "split", "moved", name="moved", perm=[0, 2, 1, 3]),
        node("Reshape", "moved merged", "y", name="merge"),
    ], ["x: N W 12"], initializers=[tensor("zero", 0), tensor("one", 1), ints("axis0", 0), ints("heads", 3, 4), ints("merged", 0, -1, 12)])


@model
def flatten_symbols():
    """[N, W, 4] -> [N * W, 4] and [N, W * 4]."""
    return graph([node("Reshape", "x rows", "a", name="rows"), node("Flatten", "x", "b", name="columns")], ["x: N W 4"], "a b", [ints("rows", -1, 4)])


@model
def slice_ends():
    """To the end, from the end, backwards, halves of a symbolic dimension."""
    return graph([
        node("Slice", "x one huge last", "a", name="drop_first"), node("Slice", "x minus_two huge last", "b", name="last_two"),
        node("Slice", "x huge minus_huge last minus_one", "c", name="backwards"),
        node("Shape", "x", "shape"), node("Slice", "shape one two", "w"), node("Div", "w two", "half"),
        node("Slice", "x zero half last", "d", name="left"), node("Slice", "x half huge last", "e", name="right"),
    ], ["x: N W"], "a b c d e", [ints("zero", 0), ints("one", 1), ints("two", 2), ints("minus_one", -1), ints("minus_two", -2), ints("huge", 2**63 - 1),
                               ints("minus_huge", -2**63), ints("last", 1)])


@model
def scaled_sizes():
    """Upsampling by Shape, Cast, Mul, Floor: PyTorch's interpolate(scale_factor=2)."""
    return graph([
        node("Shape", "x", "shape"), node("Slice", "shape zero two", "front"), node("Slice", "shape two four", "space"),
        node("Cast", "space", "space_f", to=TensorProto.FLOAT), node("Mul", "space_f factor", "scaled"), node("Floor", "scaled", "floored"),
        node("Cast", "floored", "target", to=TensorProto.INT64), node("Concat", "front target", "sizes", axis=0),
        node("Resize", "x - - sizes", "y", name="up", mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor"),
    ], ["x: N 3 8 W"], initializers=[ints("zero", 0), ints("two", 2), ints("four", 4), tensor("factor", [2.0, 2.0], np.float32)])


@model
def expand_where():
    """The Expand of PyTorch's exporter: ConstantOfShape, Equal, Where around -1."""
    return graph([
        node("Shape", "x", "shape"), node("ConstantOfShape", "rank", "ones", value=helper.make_tensor("v", TensorProto.INT64, [1], [1])),
        node("Mul", "ones minus_one", "all"), node("Equal", "wanted all", "free"), node("Where", "free ones wanted", "dims"),
        node("Expand", "bias dims", "wide", name="wide"), node("Add", "x wide", "y", name="sum"),
    ], ["x: N 4 W"], initializers=[ints("rank", 3), ints("minus_one", -1), ints("wanted", -1, 4, -1), floats("bias", 1, 4, 1)])


@model
def names():
    """No names, equal names, a name of an input."""
    return graph([node("Relu", "x", "a"), node("Relu", "a", "b", name="same"), node("Relu", "b", "c", name="same"), node("Relu", "c", "d", name="x"),
                  node("Split", "d", "e f", name="split", axis=0), node("Add", "e f", "y")], ["x: 2 3"], opset=13)


@model
def shared_weights():
    """One weight with two users, one user of a small constant, a weight nobody uses, initializers listed as inputs (IR 3)."""
    return graph([node("MatMul", "x w", "a"), node("MatMul", "a w", "b"), node("Add", "b small", "c"), node("Identity", "c", "y")],
                 ["x: 2 16", "w: 16 16", "small: 16", "unused: 64 64"], initializers=[floats("w", 16, 16), floats("small", 16), floats("unused", 64, 64)], ir=3)


@model
def gemm():
    return graph([node("Gemm", "x w b", "a", name="plain", transB=1), node("Gemm", "a v", "c", name="transposed"),
                  node("Gemm", "c u k", "y", name="scaled", alpha=0.5, beta=2.0, transA=1)],
                 ["x: 4 16", "u: 4 8"], initializers=[floats("w", 32, 16), floats("b", 32), floats("v", 32, 6), floats("k", 1, 8)])


@model
def qlinear():
    """QLinearConv with scales a channel and a bias."""
    u8 = lambda name, number: tensor(name, number, np.uint8)
    f = lambda name, number: tensor(name, number, np.float32)
    return graph([node("QLinearConv", "x xs xz w ws wz ys yz b", "y", name="conv", pads=[1, 1, 1, 1])], [value("x: N 3 8 8", TensorProto.UINT8)],
                 initializers=[f("xs", 0.5), u8("xz", 128), tensor("w", np.arange(54).reshape(2, 3, 3, 3) - 27, np.int8), f("ws", [0.1, 0.2]),
                               tensor("wz", [0, 0], np.int8), f("ys", 0.25), u8("yz", 3), tensor("b", [5, -5], np.int32)], result=TensorProto.UINT8)


@model
def integer_products():
    return graph([node("ConvInteger", "x w xz", "a", name="conv"), node("MatMulInteger", "m k", "b", name="matmul")],
                 [value("x: 1 1 4 4", TensorProto.UINT8), value("m: 2 3", TensorProto.INT8)], "a b",
                 [tensor("w", np.ones((1, 1, 2, 2)), np.uint8), tensor("xz", 3, np.uint8), tensor("k", np.ones((3, 2)), np.int8)], result=TensorProto.INT32)


@model
def convolutions():
    return graph([node("Conv", "x w", "a", name="same", auto_pad="SAME_UPPER", strides=[1, 2]), node("ConvTranspose", "a t", "b", name="up", strides=[2, 2], output_padding=[1, 1]),
                  node("MaxPool", "b", "c", name="pool", kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1), node("AveragePool", "c", "d", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
                  node("GlobalAveragePool", "d", "e"), node("Flatten", "e", "f"), node("Softmax", "f", "y")],
                 ["x: N 3 8 16"], initializers=[floats("w", 4, 3, 3, 3), floats("t", 4, 2, 3, 3)])


@model
def old_softmax():
    """Opset 11: the dimensions from axis 1 on are one."""
    return graph([node("Softmax", "x", "a", axis=1), node("LogSoftmax", "x", "b", axis=2), node("Softmax", "x", "c", axis=-1)], ["x: N 3 2 W"], "a b c", opset=11)


@model
def double_scalar():
    """A parameter that the exporter left in double precision."""
    return graph([node("Constant", "", "half", value=helper.make_tensor("v", TensorProto.DOUBLE, [], [0.1])), node("Cast", "half", "half_f", to=TensorProto.FLOAT),
                  node("Mul", "x half_f", "y")], ["x: N 3"])


@model
def norms():
    return graph([node("BatchNormalization", "x s b m v", "a"), node("InstanceNormalization", "a s b", "c"), node("GroupNormalization", "c gs gb", "d", num_groups=2),
                  node("LayerNormalization", "d ls", "e", axis=-1), node("Gelu", "e", "f", approximate="tanh"), node("ReduceMean", "f axes", "y", keepdims=0)],
                 ["x: N 4 8 6"], initializers=[floats(n, 4) for n in "sb"] + [floats("m", 4), tensor("v", [1, 2, 3, 4], np.float32), floats("gs", 2), floats("gb", 2), floats("ls", 6),
                                                                          ints("axes", 2, 3)], opset=20)


if __name__ == "__main__":
    onnx.save(MODELS[sys.argv[1]](), sys.argv[2])
