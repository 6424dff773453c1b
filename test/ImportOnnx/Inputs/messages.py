# Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
"""Every message of the importer, one small model each: `messages.py refusals|errors FOLDER`.

Runs quant-import on the model; it must end with status 1, write no output, and print exactly the expected lines. For the
refusals the script also compares the rows that were seen with those of docs/Operators.md, so that none is without a test.
"""

import os
import pathlib
import re
import subprocess
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper

from models import floats, graph, ints, node, tensor, value

ROOT = pathlib.Path(__file__).resolve().parents[3]
F, I8, U8, I32, I64 = TensorProto.FLOAT, TensorProto.INT8, TensorProto.UINT8, TensorProto.INT32, TensorProto.INT64


def one(op, inputs, shapes, outputs="y", initializers=(), opset=17, kinds=(), **attributes):
    """A model of one node named n; operands that `shapes` lists ('N 3') are inputs."""
    names = [name for name in inputs.split() if name != "-" and name not in {t.name for t in initializers}]
    kinds = list(kinds) + [F] * len(names)
    infos = [value(f"{name}: {shape}", kind) for name, shape, kind in zip(names, shapes, kinds)]
    return graph([node(op, inputs, outputs, name="n", **attributes)], infos, outputs.replace("-", "").strip() or "y", initializers, opset)


N, W = "--dim=N=1..8", "--dim=W=32..640"

# (what, why) begin the message; here: model, options, what, the detail in parentheses.
REFUSALS = [
    (graph([node("Shape", "x", "s"), node("Cast", "s", "f", to=F), node("Div", "x f", "y", name="n")], ["x: N"]), [N],
     "a tensor of data computed from a dimension that is not fixed", "tensor 'f' = [N]"),
    (one("Reshape", "x s", ["2 3", "1"], kinds=[F, I64]), [], "a shape, axis, size or count that is computed from input data", "the shape is the tensor 's'"),
    (one("Add", "x z", ["N 3", "W 3"]), [N, W], "a shape that is not one affine expression over the whole range of the dimensions",
     "operands do not broadcast: dimension 0 is N and W, which are not provably equal: fix one of the symbols with --dim"),
    (one("Slice", "x a b", ["W"], initializers=[ints("a", 0), ints("b", 100)]), [W], "a shape that is not one affine expression over the whole range of the dimensions",
     "the bounds 0 and 100 in a dimension of size W"),
    (one("Concat", "x z", ["N 3", "W 3"], axis=1), [N, W], "a shape that is not one affine expression over the whole range of the dimensions", "dimension 0 is N and W"),
    (one("SpaceToDepth", "x", ["1 3 4 W"], blocksize=2), [W], "a shape that is not one affine expression over the whole range of the dimensions",
     "height or width W is not always a multiple of 2"),
    (one("Reshape", "x s", ["W"], initializers=[ints("s", -1, 8)]), [W], "a dimension -1 whose size is not one affine expression", "input [W], shape [-1, 8]"),
    (graph([node("Shape", "x", "s"), node("Tile", "x s", "y", name="n")], ["x: W"]), [W], "padding or repeats that depend on a dimension", None),
    (graph([node("Shape", "x", "s"), node("Concat", "z s", "p", axis=0), node("Pad", "x p", "y", name="n")], ["x: W"], initializers=[ints("z", 0)]), [W],
     "padding or repeats that depend on a dimension", None),
    (one("Pad", "x p c", ["3", ""], initializers=[ints("p", 1, 1)]), [], "a fill value that is computed from input data", None),
    (graph([node("Constant", "", "y", name="n", value_string=b"text")], []), [], "a Constant of strings or a sparse tensor", None),
    (one("Range", "a b c", ["", "", ""], kinds=[I64] * 3), [], "limits that are not constants", None),
    (one("Gather", "x i", ["W"], initializers=[ints("i", 40)]), [W], "indices into a dimension whose bounds may be violated", "index 40, size W"),
    (one("Dropout", "x r t", ["3"], initializers=[tensor("r", 0.5, np.float32), tensor("t", True)]), [], "training mode that is not the constant false", None),
    (one("Cast", "x", ["3"], opset=21, to=TensorProto.INT4), [], "Cast of a float to INT4", None),
    (one("Clip", "x a", ["2 3", "3"]), [], "limits that are not one number each", "limits [3]"),
    (one("Conv", "x w", ["1 3 8 W"], initializers=[floats("w", 4, 3, 3, 3)], auto_pad="SAME_UPPER", strides=[2, 2]), [W],
     "auto_pad SAME_UPPER or SAME_LOWER with a stride over 1 on a dimension that is not fixed", "spatial dimension 1 = W"),
    (one("MaxPool", "x", ["1 3 8"], "y i", kernel_shape=[2]), [], "the second output (Indices)", None),
    (one("Conv", "x w", ["1 3 8", "4 3 N"]), [N], "a weight whose shape is computed from a dimension", None),
    (one("AveragePool", "x", ["1 3 8"], kernel_shape=[2], pads=[-1, 0]), [], "negative pads", None),
    (one("MaxPool", "x", ["1 3 W"], kernel_shape=[2], strides=[2], pads=[1, 1], ceil_mode=1), [W],
     "ceil_mode on a dimension that is not fixed, where the last window may start in the padding", None),
    (one("BatchNormalization", "x s b m v", ["1 3 8", "3", "3", "3", "3"], training_mode=1), [], "training_mode = 1, or outputs for training", None),
    (one("BatchNormalization", "x s b m v", ["1 3 8", "3", "3", "3", "3"], opset=8, spatial=0), [], "spatial = 0 (opsets 7 and 8)", None),
    (one("LayerNormalization", "x s", ["2 3", "3"], "y m", stash_type=16), [], "the outputs Mean and InvStdDev with stash_type other than 1 (FLOAT)", None),
    (one("InstanceNormalization", "x s b", ["1 N 8", "3", "3"]), [N], "channels that are not a fixed number", "[1, N, 8]"),
    (one("Resize", "x r s", ["1 1 4 4"], initializers=[floats("r", 8), tensor("s", [1, 1, 2, 2], np.float32)], coordinate_transformation_mode="tf_crop_and_resize"), [],
     "coordinate_transformation_mode = tf_crop_and_resize", None),
    (one("Resize", "x - s", ["1 1 4 4"], opset=11, initializers=[tensor("s", [1, 1, 2, 2], np.float32)], coordinate_transformation_mode="tf_half_pixel_for_nn"), [],
     "coordinate_transformation_mode = tf_half_pixel_for_nn (opset 11)", None),
    (one("Resize", "x - s", ["1 1 4 4"], opset=18, initializers=[tensor("s", [1, 1, 2, 2], np.float32)], antialias=1), [], "antialias = 1", None),
    (one("Resize", "x - s", ["1 1 4 4", "4"]), [], "scales that are not constants", None),
    (one("Resize", "x - s", ["1 1 4 W"], initializers=[tensor("s", [1, 1, 1, 1.5], np.float32)]), [W], "a scale whose result is not an affine size", "W * 1.500000"),
    (one("Resize", "x - s", ["1 1 4 4"], initializers=[tensor("s", [1, 1, 0.6, 1], np.float32)], coordinate_transformation_mode="align_corners"), [],
     "align_corners with a scale for which size * scale is not an integer", "4 * 0.600000"),
    (one("Resize", "x - - s", ["1 1 4 W"], initializers=[ints("s", 1, 1, 8, 64)]), [W], "sizes on a symbolic dimension whose ratio to the input is not constant", "64 from W"),
    (one("QuantizeLinear", "x s z", ["4 4", "2 4"], opset=21, initializers=[tensor("z", np.zeros((2, 4)), np.int8)], block_size=2), [],
     "blocked quantization (block_size, or a scale of rank 2 or more)", None),
    (one("QuantizeLinear", "x s", ["4", ""], opset=23, output_dtype=TensorProto.FLOAT8E4M3FN), [],
     "an output_dtype or storage type other than INT4, INT8, UINT8, INT16, UINT16 (and INT32 to dequantize)", None),
    (one("QLinearMatMul", "a as az b bs bz ys yz", ["2 3", "2", "2", "3 2", "", "", "", ""], kinds=[I8, F, I8, I8, F, I8, F, I8]), [],
     "a scale or zero point for each row or column", None),
    (graph([node("Mod", "x z", "y", name="n", fmod=1)], ["x: 3", "z: 3"]), [], "a shape, axis, size or count that is computed from input data", None),
]


def broken(change, base=None):
    """The bytes of a model after `change(model)`."""
    model = base() if base else one("Relu", "x", ["2 3"])
    return change(model) or model


def relu(**change):
    return one("Relu", "x", ["2 3"], **change)


def with_initializer(make):
    """Add of x and the initializer that `make` returns."""
    return graph([node("Add", "x w", "y", name="n")], ["x: 4"], initializers=[make])


def raw(name, kind, dims, data, **fields):
    made = TensorProto(name=name, data_type=kind, dims=dims, raw_data=data)
    for key, text in fields.items():
        made.external_data.add(key=key, value=text)
    if fields:
        made.ClearField("raw_data")
        made.data_location = TensorProto.EXTERNAL
    return made


def opset(version):
    return relu(opset=version)


def no_shape(model):
    model.graph.input[0].type.tensor_type.ClearField("shape")


def no_opset(model):
    del model.opset_import[:]
    model.opset_import.add(domain="com.example", version=1)


def same_initializers(model):
    model.graph.initializer.extend([floats("w", 3), floats("w", 3)])


def sparse(model):
    model.graph.sparse_initializer.add()


PREFIX = "node 'n' "
# (model or bytes, options, the lines of standard error after "MODEL: error: ").
ERRORS = [
    # The file.
    (b"", [], ["is not a valid ONNX model: it holds no graph"]),
    (b"not a model at all", [], ["is not a valid ONNX model: the protobuf message is truncated or corrupt"]),
    (relu().SerializeToString()[:-3], [], ["is not a valid ONNX model: the protobuf message is truncated or corrupt"]),
    (opset(6), [], ["expected an opset of ai.onnx from 7 to 28, found 6: convert the model with onnx.version_converter"]),
    (opset(29), [], ["expected an opset of ai.onnx from 7 to 28, found 29: convert the model with onnx.version_converter"]),
    (broken(no_opset), [], ["expected an entry of the domain ai.onnx in opset_import, found none"]),
    (broken(lambda model: setattr(model, "ir_version", 2)), [], ["expected an ONNX IR version from 3 to 14, found 2"]),
    (broken(lambda model: setattr(model, "ir_version", 99)), [], ["expected an ONNX IR version from 3 to 14, found 99"]),
    # Operators: all at once.
    (graph([node("Relu", "x", "a"), node("LSTM", "a w w", "b", name="first"), node("Foo", "b", "c", name="second", domain="com.microsoft"), node("Det", "c", "y"),
            node("Gelu", "y", "z", name="third")], ["x: 3"]), [],
     ["node 'first': unsupported operator LSTM: expected one of those in docs/Operators.md",
      "node 'second': unsupported operator com.microsoft.Foo: expected an operator of the domain ai.onnx (docs/Operators.md lists them)",
      "node 'y': unsupported operator Det: expected one of those in docs/Operators.md",
      "node 'third': unsupported operator Gelu in opset 17 (docs/Operators.md lists the opsets)"]),
    # ... and refusals of several nodes, without those that follow from them.
    (graph([node("MaxPool", "x", "a i", name="one", kernel_shape=[2]), node("Relu", "a", "b"), node("MaxPool", "x", "c j", name="two", kernel_shape=[2])], ["x: 1 3 8"], "b"), [],
     ["node 'one' (MaxPool): the second output (Indices) is refused: qnn.max_pool has one result",
      "node 'two' (MaxPool): the second output (Indices) is refused: qnn.max_pool has one result"]),
    # Names.
    (graph([node("Relu", "nowhere", "y", name="n")], ["x: 3"]), [], [PREFIX + "(Relu): the input 'nowhere' is not defined"]),
    (graph([node("Relu", "b", "a", name="n"), node("Relu", "a", "b", name="m")], ["x: 3"], "b"), [],
     [PREFIX + "(Relu): the input 'b' is not defined yet: node 'm' makes it, later (the graph has a cycle or is not sorted)"]),
    (graph([node("Relu", "x", "y", name="n"), node("Abs", "x", "y", name="m")], ["x: 3"]), [], ["node 'm' (Abs): the tensor 'y' is defined twice: by node 'n' before"]),
    (graph([node("Relu", "x", "x", name="n")], ["x: 3"], "x"), [], [PREFIX + "(Relu): the tensor 'x' is defined twice: by an input before"]),
    (broken(same_initializers), [], ["initializer 'w': the tensor 'w' is defined twice: by an initializer before"]),
    (graph([node("Relu", "x", "y")], ["x: 3", "x: 3"]), [], ["input 'x': the tensor 'x' is defined twice: by an input before"]),
    (graph([node("Relu", "x", "y")], ["x: 3"], "z"), [], ["graph output 'z' is not defined"]),
    (broken(lambda model: model.graph.ClearField("output")), [], ["expected at least one graph output, found none"]),
    # Inputs and dimensions.
    (broken(no_shape), [], ["input 'x': expected a shape of known rank, found none"]),
    (one("Relu", "x", ["2"], kinds=[TensorProto.DOUBLE]), [],
     ["input 'x': expected an element type out of FLOAT, FLOAT16, BFLOAT16, BOOL, INT4, INT8, UINT8, INT16, UINT16, INT32, INT64; found DOUBLE: export the model in float32"]),
    (one("Relu", "x", ["2"], kinds=[77]), [],
     ["input 'x': expected an element type out of FLOAT, FLOAT16, BFLOAT16, BOOL, INT4, INT8, UINT8, INT16, UINT16, INT32, INT64; found number 77"]),
    (graph([node("Identity", "x", "y")], [helper.make_tensor_sequence_value_info("x", F, None)]), [], ["input 'x': expected a named tensor"]),
    (one("Relu", "x", ["1 " * 33]), [], ["input 'x': expected a rank of at most 32, found 33"]),
    (one("Relu", "x", ["1099511627777"]), [], ["input 'x': expected at most 2^40 elements, found the shape [1099511627777]"]),
    (one("Relu", "x", ["1048576 1048576 2"]), [], ["input 'x': expected at most 2^40 elements, found the shape [1048576, 1048576, 2]"]),
    (one("Relu", "x", ["N 3 ? -1"]), [],
     ["expected a size or range for each symbolic dimension, found none for N, x:2, x:3: add --dim NAME=VALUE or --dim NAME=LOW..HIGH for each"]),
    (one("Relu", "x", ["N 3 ?"]), [N, "--dim=K=3"], ["--dim K: the model has no such dimension; it has N, x:2",
                                                     "expected a size or range for each symbolic dimension, found none for x:2: add --dim NAME=VALUE or --dim NAME=LOW..HIGH for each"]),
    (one("Relu", "x", ["N 3"]), [N, "--dim=x:0=4"], ["--dim x:0: the dimension 'N' is given twice"]),
    (one("Relu", "x", ["N 3"]), [N, "--dim=x:1=4"], ["--dim x:1: the model fixes this dimension: expected 3, found 4"]),
    # Weights.
    (with_initializer(tensor("w", [1, np.nan, 3, 4], np.float32)), [], ["initializer 'w': expected numbers, but element 1 is NaN"]),
    (with_initializer(tensor("w", [1, 2, np.nan, 4], np.float16)), [], ["initializer 'w': expected numbers, but element 2 is NaN"]),
    (one("Conv", "x w", ["1 1 4"], initializers=[tensor("w", [[[1, np.inf]]], np.float32)]), [],
     [PREFIX + "(Conv): expected finite numbers in the weight 'w', found infinity at element 1"]),
    (with_initializer(raw("w", F, [4], b"\0" * 15)), [], ["initializer 'w': expected 16 bytes of data, found 15"]),
    (with_initializer(TensorProto(name="w", data_type=F, dims=[4], float_data=[1, 2])), [], ["initializer 'w': expected 4 values in float_data, found 2"]),
    (with_initializer(TensorProto(name="w", data_type=I64, dims=[4], int64_data=[1, 2])), [], ["initializer 'w': expected 4 values in int64_data, found 2"]),
    (with_initializer(TensorProto(name="w", data_type=I8, dims=[4], int32_data=[1])), [], ["initializer 'w': expected 4 values in int32_data, found 1"]),
    (with_initializer(TensorProto(name="w", data_type=TensorProto.INT4, dims=[3], int32_data=[1, 2, 3])), [],
     ["initializer 'w': expected 2 pairs of values in int32_data, found 3"]),
    (with_initializer(TensorProto(name="w", data_type=TensorProto.STRING, dims=[1], string_data=[b"a"])), [],
     ["initializer 'w': expected an element type out of FLOAT, FLOAT16, BFLOAT16, BOOL, INT4, INT8, UINT8, INT16, UINT16, INT32, INT64; found STRING"]),
    (with_initializer(tensor("w", [1, 2, 3, 4], np.float64)), [],
     ["initializer 'w': expected an element type out of FLOAT, FLOAT16, BFLOAT16, BOOL, INT4, INT8, UINT8, INT16, UINT16, INT32, INT64; found DOUBLE: export the model in float32"]),
    (with_initializer(TensorProto(name="w", data_type=F, dims=[2**30, 2**30], raw_data=b"1234")), [],
     ["initializer 'w': expected dimensions >= 0 of at most 2^40 elements, found dimension 1073741824"]),
    (with_initializer(TensorProto(name="w", data_type=F, dims=[-4], raw_data=b"1234")), [],
     ["initializer 'w': expected dimensions >= 0 of at most 2^40 elements, found dimension -4"]),
    (with_initializer(TensorProto(name="w", data_type=F, dims=[1], segment=TensorProto.Segment(begin=0, end=1), raw_data=b"1234")), [],
     ["initializer 'w': segmented tensors are not supported: save the tensor in one piece"]),
    (broken(sparse), [], ["sparse initializers are not supported: save the weights as dense tensors"]),
    # External data; weights.bin holds 16 bytes, outside.bin lies one folder up, link.bin is a link to it.
    (with_initializer(raw("w", F, [4], b"", location="none.bin")), [], ["initializer 'w': external data 'none.bin' cannot be read: No such file or directory"]),
    (with_initializer(raw("w", F, [4], b"", location="../outside.bin")), [],
     ["initializer 'w': expected external data inside the model's folder, found '../outside.bin', which lies outside of it"]),
    (with_initializer(raw("w", F, [4], b"", location="link.bin")), [],
     ["initializer 'w': expected external data inside the model's folder, found 'link.bin', which lies outside of it"]),
    (with_initializer(raw("w", F, [4], b"", location="/etc/hostname")), [],
     ["initializer 'w': expected external data inside the model's folder, found the absolute path '/etc/hostname'"]),
    (with_initializer(raw("w", F, [4], b"", offset="4")), [], ["initializer 'w': expected external data with a location, found none"]),
    (with_initializer(raw("w", F, [4], b"", location="weights.bin", offset="4")), [],
     ["initializer 'w': external data 'weights.bin' is too short: expected 16 bytes at offset 4, found a file of 16 bytes"]),
    (with_initializer(raw("w", F, [4], b"", location="weights.bin", length="12")), [], ["initializer 'w': expected 16 bytes of data, found 12 in external data 'weights.bin'"]),
    (with_initializer(raw("w", F, [4], b"", location="weights.bin", offset="x")), [], ["initializer 'w': expected a number of bytes as external data offset, found 'x'"]),
    # Nodes.
    (one("Add", "x", ["3"]), [], [PREFIX + "(Add): expected 2 inputs, found 1"]),
    (one("Clip", "x a b c", ["3", "", "", ""]), [], [PREFIX + "(Clip): expected 1 to 3 inputs, found 4"]),
    (graph([node("Add", "- x", "y", name="n")], ["x: 3"]), [], [PREFIX + "(Add): expected input 0, found an empty name"]),
    (one("Relu", "x", ["3"], "y z"), [], [PREFIX + "(Relu): expected at most 1 outputs, found 2"]),
    (one("Add", "x z", ["3", "3"], kinds=[F, I32]), [], [PREFIX + "(Add): expected operands of one element type, found f32 and i32"]),
    (one("Add", "x z", ["3", "4"]), [], [PREFIX + "(Add): operands do not broadcast: dimension 0 is 3 and 4"]),
    (one("Exp", "x", ["3"], kinds=[I32]), [], [PREFIX + "(Exp): operand #0 must be ranked tensor of 32-bit float or 16-bit float or bfloat16 type values, but got 'tensor<3xi32>'"]),
    (one("Softmax", "x", ["3"], axis=1), [], [PREFIX + "(Softmax): expected an axis from -1 to 0, found 1"]),
    (one("Squeeze", "x a", ["1 1"], initializers=[ints("a", 0, -2)]), [], [PREFIX + "(Squeeze): expected distinct axes"]),
    (one("Squeeze", "x a", ["1 3"], initializers=[ints("a", 1)]), [], [PREFIX + "(Squeeze): expected dimension 1 to be 1, found 3"]),
    (one("Reshape", "x s", ["2 3"], initializers=[ints("s", 4, -1)]), [],
     [PREFIX + "(Reshape): expected a number of elements that the shape divides: input [2, 3], shape [4, -1]"]),
    (one("Reshape", "x s", ["2 3"], initializers=[ints("s", 4, 2)]), [], [PREFIX + "(Reshape): expected 6 elements, found the shape [4, 2]"]),
    (one("Reshape", "x s", ["2 3"], initializers=[ints("s", -1, -1)]), [], [PREFIX + "(Reshape): expected at most one -1 in the shape, found [-1, -1]"]),
    (one("Conv", "x w", ["1 3 8"], initializers=[floats("w", 4, 2, 3)]), [], [PREFIX + "(Conv): C1: expected input channels to be 2, found 3"]),
    (one("Conv", "x w", ["1 3 8"], initializers=[floats("w", 4, 3, 3)], strides=[1, 1]), [],
     [PREFIX + "(Conv): expected 1 kernel sizes, strides and dilations and 2 pads, found 1, 2, 1 and 2"]),
    (one("Conv", "x w", ["1 3 8"], initializers=[floats("w", 4, 3, 3)], strides=[0]), [], [PREFIX + "(Conv): expected positive kernel sizes, strides and dilations"]),
    (one("Conv", "x w", ["1 3 8"], initializers=[floats("w", 4, 3, 3)], dilations=[2**40]), [],
     [PREFIX + "(Conv): expected numbers between -2^31 and 2^31 in attribute dilations, found 1099511627776"]),
    (one("Conv", "x w", ["1 3 8"], initializers=[floats("w", 4, 3, 3)], strides=1), [], [PREFIX + "(Conv): expected a list of integers as attribute strides"]),
    (one("Conv", "x w", ["1 3 2"], initializers=[floats("w", 4, 3, 5)]), [], [PREFIX + "(Conv): window of spatial dimension 0 does not fit: output size -2"]),
    (one("Conv", "x w", ["1 3 W"], initializers=[floats("w", 4, 3, 100)]), [W], [PREFIX + "(Conv): expected dimensions >= 0, found W + -99 = -67"]),
    (one("MatMul", "x w", ["2 3", "4 5"]), [], [PREFIX + "(MatMul): expected rows of the right operand (K) to be 3, found 4"]),
    (one("Tile", "x r", ["1048576"], initializers=[ints("r", 2**30)]), [], [PREFIX + "(Tile): expected at most 2^40 elements, found a result of shape [1125899906842624]"]),
    (one("ConstantOfShape", "s", [], initializers=[ints("s", 2**30, 2**30)]), [],
     [PREFIX + "(ConstantOfShape): expected at most 2^40 elements, found a result of shape [1073741824, 1073741824]"]),
    (one("Gather", "x i", ["3"], initializers=[ints("i", 3)]), [], [PREFIX + "(Gather): expected indices from -3 to 2, found 3"]),
    (one("Slice", "x a b c d", ["3"], initializers=[ints("a", 0), ints("b", 1), ints("c", 0), ints("d", 0)]), [], [PREFIX + "(Slice): expected steps that are not 0"]),
    (one("Split", "x s", ["4"], "y z", initializers=[ints("s", 1, 2)]), [], [PREFIX + "(Split): expected sizes in split that add up to 4, found [1, 2]"]),
    (one("Pad", "x p", ["3"], initializers=[ints("p", 3, 0)], mode="reflect"), [], [PREFIX + "(Pad): expected pads smaller than dimension 0 = 3 for the mode reflect"]),
    (one("Pad", "x p", ["3"], initializers=[ints("p", 1)]), [], [PREFIX + "(Pad): expected 2 pads, found 1"]),
    (one("DepthToSpace", "x", ["1 3 4 4"], blocksize=2), [], [PREFIX + "(DepthToSpace): expected channels divisible by block^2 = 4"]),
    (one("Resize", "x", ["1 1 4 4"]), [], [PREFIX + "(Resize): expected scales or sizes, found neither"]),
    (one("Resize", "x - s", ["1 1 4 4"], initializers=[tensor("s", [1, 1, 2, -1], np.float32)]), [], [PREFIX + "(Resize): expected scales over 0, found -1.000000"]),
    (one("Cast", "x", ["3"], to=TensorProto.DOUBLE), [],
     [PREFIX + "(Cast): expected an element type out of FLOAT, FLOAT16, BFLOAT16, BOOL, INT4, INT8, UINT8, INT16, UINT16, INT32, INT64; found DOUBLE: export the model in float32"]),
    # 8 MiB each.
    (graph([node("Range", "a b c", f"r{i}", name=f"n{i}") for i in range(64)], ["x: 3"], "r0", [tensor(n, v) for n, v in zip("abc", (0, 1 << 20, 1))]), [],
     ["node 'n32' (Range): expected constants that the nodes compute to take at most 256 MiB and 8 times the model's bytes: fold them before export"]),
    (one("GroupNormalization", "x s b", ["1 4 8", "3", "3"], opset=18, num_groups=3), [],
     [PREFIX + "(GroupNormalization): expected num_groups that divides the channels, 4; found 3"]),
    (one("Where", "c x z", ["3", "3", "3"]), [], [PREFIX + "(Where): expected a condition of type BOOL"]),
    (one("PRelu", "x s", ["3", "2 3"]), [], [PREFIX + "(PRelu): expected a slope that broadcasts to the input's shape [3], found [2, 3]"]),
    (one("Gemm", "x w", ["2 3 4", "4 5"]), [], [PREFIX + "(Gemm): expected matrices, found ranks 3 and 2"]),
    (one("Elu", "x", ["3"], alpha="a"), [], [PREFIX + "(Elu): expected a float as attribute alpha"]),
    (one("Gelu", "x", ["3"], opset=20, approximate="exact"), [], [PREFIX + "(Gelu): expected approximate to be none or tanh, found 'exact'"]),
]


def refused_rows():
    """{what: why} of every refusal in the generated document."""
    text = subprocess.run(["quant-import", "--print-operators"], capture_output=True, text=True, check=True).stdout
    cells = [cell for row in re.findall(r"^\| \w+ \| [\d–]+ \| (.*) \|$", text, re.M) for cell in row.split("<br>")]
    cells += [line[2:-1] for line in text.splitlines() if line.startswith("- ")]
    return dict(cell.split(": ", 1) for cell in cells if cell != "–")


def run(folder, number, model, options):
    path = folder / f"{number}.onnx"
    path.write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
    output = folder / f"{number}.mlir"
    done = subprocess.run(["quant-import", path, "-o", output, *options], capture_output=True, text=True, timeout=60)
    lines = [line.removeprefix(f"{path}: error: ") for line in done.stderr.splitlines()]
    if done.returncode != 1 or done.stdout or output.exists() or output.with_suffix(".safetensors").exists():
        lines.append(f"(status {done.returncode}, output written: {output.exists()})")
    return lines


def main():
    kind, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    inner = folder / "inner"
    inner.mkdir(parents=True, exist_ok=True)
    for old in inner.iterdir():
        old.unlink()
    (folder / "outside.bin").write_bytes(b"\0" * 16)
    (inner / "weights.bin").write_bytes(b"\0" * 16)
    os.symlink("../outside.bin", inner / "link.bin")
    failures, seen = 0, set()
    rows = refused_rows()
    for number, case in enumerate(REFUSALS if kind == "refusals" else ERRORS):
        found = run(inner, number, case[0], case[1])
        if kind == "refusals":
            what, detail = case[2:]
            seen.add(what)
            node_type = "" if isinstance(case[0], bytes) else next((n.op_type for n in case[0].graph.node if n.name == "n"), "")
            expected = [f"node 'n' ({node_type}): {what} is refused: {rows.get(what)}" + (f" ({detail})" if detail else "")]
            if detail is None:  # none, or one that names intermediate tensors
                found = [line[:len(expected[0])] for line in found]
        else:
            expected = case[2]
        if found != expected:
            failures += 1
            print(f"case {number}:\n  expected {expected}\n  found    {found}")
    if kind == "refusals":
        for what in sorted(set(rows) - seen):
            failures += 1
            print(f"no test for the refusal: {what}")
    print(f"{failures} failures")
    return failures != 0


if __name__ == "__main__":
    sys.exit(main())
