#!/usr/bin/env python3
# Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
"""Makes the feed-forward block of a transformer as an ONNX file: y = x + W2 gelu(W1 x + b1) + b2.

x is [M, d] with a symbolic number of rows M. Weights are random from a seed, scaled so that every layer keeps its input's
size; activations look like those behind a norm: most channels of size one, a few a dozen times larger, tokens of
different sizes. Writes the model and, with --calibration, an .npz of token blocks for quant-compile.
"""

import argparse
import pathlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def activations(rows, width, seed):
    """float32 [rows, width]: log-normal channel sizes (one set for a width), one channel in 64 an outlier."""
    channels = np.random.default_rng(width)
    size = channels.lognormal(0.0, 0.4, width)
    size[channels.permutation(width)[:max(1, width // 64)]] *= 12
    rng = np.random.default_rng(seed)
    return (rng.standard_normal((rows, width)) * size * rng.lognormal(0.0, 0.2, (rows, 1))).astype(np.float32)


def weights(width, hidden, seed):
    """{name: array}: W1 [width, hidden], W2 [hidden, width] as MatMul wants them, and the biases."""
    rng = np.random.default_rng(seed)
    made = {}
    for name, inputs, outputs in (("up", width, hidden), ("down", hidden, width)):
        # A little heavier-tailed than a normal distribution, as trained weights are.
        values = rng.standard_t(6, (inputs, outputs)) / np.sqrt(1.5 * inputs)
        made[name + ".weight"] = values.astype(np.float32)
        made[name + ".bias"] = (0.1 * rng.standard_normal(outputs)).astype(np.float32)
    return made


def build(width=1024, hidden=4096, seed=0):
    """The model as an onnx.ModelProto; input x [M, width], output y [M, width]."""
    constants = {**weights(width, hidden, seed), "sqrt2": np.float32(np.sqrt(2)), "one": np.float32(1), "half": np.float32(0.5)}
    nodes = [
        helper.make_node("MatMul", ["x", "up.weight"], ["up.product"], "ffn.up"),
        helper.make_node("Add", ["up.product", "up.bias"], ["up"], "ffn.up.bias"),
        # GELU as exporters write it.
        helper.make_node("Div", ["up", "sqrt2"], ["gelu.scaled"], "ffn.gelu.div"),
        helper.make_node("Erf", ["gelu.scaled"], ["gelu.erf"], "ffn.gelu.erf"),
        helper.make_node("Add", ["gelu.erf", "one"], ["gelu.shifted"], "ffn.gelu.add"),
        helper.make_node("Mul", ["up", "gelu.shifted"], ["gelu.product"], "ffn.gelu.mul"),
        helper.make_node("Mul", ["gelu.product", "half"], ["gelu"], "ffn.gelu"),
        helper.make_node("MatMul", ["gelu", "down.weight"], ["down.product"], "ffn.down"),
        helper.make_node("Add", ["down.product", "down.bias"], ["down"], "ffn.down.bias"),
        helper.make_node("Add", ["x", "down"], ["y"], "ffn.residual"),
    ]
    tensor = lambda name: helper.make_tensor_value_info(name, TensorProto.FLOAT, ["M", width])  # noqa: E731
    graph = helper.make_graph(nodes, "feed_forward", [tensor("x")], [tensor("y")],
                              [numpy_helper.from_array(value, name) for name, value in constants.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model


def calibration(width, seed, blocks=8, rows=64):
    """float32 [blocks, rows, width]: each block is one input."""
    return activations(blocks * rows, width, seed + 1).reshape(blocks, rows, width)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=pathlib.Path, required=True, help="the ONNX file to write")
    parser.add_argument("--calibration", type=pathlib.Path, help="write calibration blocks to this .npz as well")
    parser.add_argument("--width", type=int, default=1024)
    parser.add_argument("--hidden", type=int, default=4096)
    parser.add_argument("--small", action="store_true", help="128 wide, 256 hidden: for tests")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    width, hidden = (128, 256) if arguments.small else (arguments.width, arguments.hidden)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(build(width, hidden, arguments.seed), arguments.output)
    if arguments.calibration:
        np.savez(arguments.calibration, x=calibration(width, arguments.seed))


if __name__ == "__main__":
    main()
