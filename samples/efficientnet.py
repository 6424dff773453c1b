#!/usr/bin/env python3
# Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
"""EfficientNet-Lite0 (0.385 GMAC): weights of a pinned package as an ONNX file, and crops of photographs to compare on.

The metric is agreement: the share of 500 crops whose largest class equals the float model's in ONNX Runtime. The crops
are cut from seven photographs that travel in scikit-image and scikit-learn, the calibration crops from others.

    samples/efficientnet.py                                          fetches all, writes build/samples/efficientnet-lite0.onnx
    samples/efficientnet.py -o calibration.npz --split calibration   writes {"x": [100, 3, 224, 224] float32}
    samples/efficientnet.py --float-classes                          classes that the float model finds, photograph by photograph
"""

import argparse
import pathlib
import sys

import numpy as np
from PIL import Image

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from samples import fetch, torch_weights  # noqa: E402

SIZE, EVALUATION_COUNT, CALIBRATION_COUNT, SEED = 224, 500, 100, 1
PHOTOGRAPHS = {
    "evaluation": ["astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "motorcycle_left.png", "china.jpg", "flower.jpg"],
    "calibration": ["brick.png", "camera.png", "clock_motion.png", "coins.png", "grass.png", "gravel.png",
                    "hubble_deep_field.jpg", "ihc.png", "retina.jpg"],
}

# Stages of the network (EfficientNet, arXiv 1905.11946, table 1; the Lite form drops squeeze-excite and uses ReLU6):
# blocks and the stride of the first one. Kernel sizes and channels are those of the weights.
STAGES = [(1, 1), (2, 2), (2, 2), (3, 2), (3, 1), (4, 2), (1, 1)]
# The weights were trained in TensorFlow: its normalization epsilon, and "same" padding (see padding()).
EPSILON = 1e-3


def padding(size, kernel, stride):
    """TensorFlow's "same": (before, after) so that ceil(size / stride) positions result, the odd one after."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


class _Graph:
    """Nodes in order; `size` follows the picture's side."""

    def __init__(self, weights):
        self.weights, self.used = weights, set()
        self.nodes, self.initializers = [], []
        self.size = SIZE

    def constant(self, name, value=None):
        from onnx import numpy_helper
        if value is None:
            self.used.add(name)
            value = self.weights[name]
        self.initializers.append(numpy_helper.from_array(np.asarray(value, np.float32), name))
        return name

    def add(self, kind, inputs, name, **attributes):
        from onnx import helper
        self.nodes.append(helper.make_node(kind, inputs, [f"{name}.out"], name=name, **attributes))
        return f"{name}.out"

    def conv(self, x, conv, norm, name, stride=1, clamp=True):
        """Convolution, batch normalization and, unless it is a projection, ReLU6."""
        weight = self.weights[f"{conv}.weight"]
        kernel = weight.shape[2]
        before, after = padding(self.size, kernel, stride)
        self.size = -(-self.size // stride)
        # A depthwise weight has one input channel; no other convolution of this network has.
        group = weight.shape[0] if weight.shape[1] == 1 else 1
        x = self.add("Conv", [x, self.constant(f"{conv}.weight")], name, kernel_shape=[kernel, kernel], strides=[stride, stride],
                     pads=[before, before, after, after], group=group)
        facts = [self.constant(f"{norm}.{fact}") for fact in ("weight", "bias", "running_mean", "running_var")]
        x = self.add("BatchNormalization", [x, *facts], f"{name}.norm", epsilon=EPSILON)
        return self.add("Clip", [x, "zero", "six"], f"{name}.relu6") if clamp else x


def convert(weights):
    """The ONNX model (opset 17, batch `N`) of {name: array}: "x" float32 [N, 3, 224, 224] to "logits" [N, 1000]."""
    from onnx import TensorProto, checker, helper
    graph = _Graph(weights)
    graph.constant("zero", 0)
    graph.constant("six", 6)
    x = graph.conv("x", "_conv_stem", "_bn0", "stem", stride=2)
    block = 0
    for stage, (count, first) in enumerate(STAGES):
        for index in range(count):
            source, name, skip = f"_blocks.{block}", f"stage{stage + 1}.{index}", x
            stride = first if index == 0 else 1
            if f"{source}._expand_conv.weight" in weights:
                x = graph.conv(x, f"{source}._expand_conv", f"{source}._bn0", f"{name}.expand")
            x = graph.conv(x, f"{source}._depthwise_conv", f"{source}._bn1", f"{name}.depthwise", stride)
            x = graph.conv(x, f"{source}._project_conv", f"{source}._bn2", f"{name}.project", clamp=False)
            if index > 0:
                x = graph.add("Add", [x, skip], f"{name}.add")
            block += 1
    x = graph.conv(x, "_conv_head", "_bn1", "head")
    x = graph.add("GlobalAveragePool", [x], "pool")
    x = graph.add("Flatten", [x], "flatten")
    graph.nodes.append(helper.make_node("Gemm", [x, graph.constant("_fc.weight"), graph.constant("_fc.bias")], ["logits"],
                                        name="classifier", transB=1))
    unused = sorted(name for name in set(weights) - graph.used if not name.endswith(".num_batches_tracked"))
    if unused:
        raise ValueError(f"expected the weights of EfficientNet-Lite0, found {len(unused)} that it does not have: {unused[0]}")
    model = helper.make_model(helper.make_graph(
        graph.nodes, "EfficientNet-Lite0", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, SIZE, SIZE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 1000])], graph.initializers),
        opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    checker.check_model(model, full_check=True)
    return model


def model():
    """Path of the ONNX file in build/samples; made from the fetched weights unless it is there."""
    import onnx
    weights, path = fetch.path_of("efficientnet-weights"), fetch.FOLDER / "efficientnet-lite0.onnx"
    newest = max(file.stat().st_mtime for file in (weights, pathlib.Path(__file__)))
    if not path.is_file() or path.stat().st_mtime < newest:
        partial = path.with_suffix(".partial")
        onnx.save(convert(torch_weights.read(weights)), str(partial))
        partial.replace(path)
    return path


def preprocess(rgb):
    """RGB uint8 [224, 224, 3] -> float32 [3, 224, 224], (x - 127) / 128 as in training."""
    return ((np.asarray(rgb, np.float32) - 127) / 128).transpose(2, 0, 1)


def pictures(split, count, seed=SEED):
    """Yields (name of the photograph, RGB uint8 [224, 224, 3]): square crops of 45 to 100 % of the shorter side, half of
    them mirrored. Most calibration photographs are grey: their crops get a tint, so that the channels differ."""
    names = PHOTOGRAPHS[split]
    photographs = [Image.open(fetch.FOLDER / name).convert("RGB") for name in names]
    for index in range(count):
        rng = np.random.default_rng([seed, ("evaluation", "calibration").index(split), index])
        photograph = photographs[index % len(names)]
        side = int(min(photograph.size) * rng.uniform(0.45, 1))
        left, top = (int(rng.integers(0, extent - side + 1)) for extent in photograph.size)
        crop = photograph.resize((SIZE, SIZE), Image.Resampling.BICUBIC, (left, top, left + side, top + side), reducing_gap=None)
        pixels = np.asarray(crop)
        if rng.random() < 0.5:
            pixels = pixels[:, ::-1]
        if split == "calibration":
            pixels = np.clip(pixels * rng.uniform(0.6, 1.3, 3) + 0.5, 0, 255).astype(np.uint8)
        yield names[index % len(names)], np.ascontiguousarray(pixels)


def crops(split, count=0, seed=SEED):
    """float32 [count, 3, 224, 224] of a split."""
    count = count or (CALIBRATION_COUNT if split == "calibration" else EVALUATION_COUNT)
    return np.stack([preprocess(pixels) for _, pixels in pictures(split, count, seed)])


def agreement(ours, theirs):
    """Share of samples whose largest class is the same in both [n, classes]."""
    return float(np.mean(np.argmax(ours, -1) == np.argmax(theirs, -1)))


def main():
    parser = argparse.ArgumentParser(description="EfficientNet-Lite0 as ONNX, and the crops it is compared on.")
    parser.add_argument("--split", choices=tuple(PHOTOGRAPHS), default="evaluation")
    parser.add_argument("--count", type=int, default=0)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("-o", "--output", help="write the preprocessed crops as an .npz with one array 'x'")
    parser.add_argument("--float-classes", action="store_true", help="the float model's commonest classes for each photograph")
    arguments = parser.parse_args()
    try:
        fetch.ensure(fetch.EFFICIENTNET)
    except RuntimeError as error:
        print(f"[efficientnet] error: {error}", file=sys.stderr)
        return 1
    path = model()
    print(f"[efficientnet] {path.name}: {path.stat().st_size / 1e6:.1f} MB in build/samples")
    if not (arguments.output or arguments.float_classes):
        return 0
    x = crops(arguments.split, arguments.count, arguments.seed)
    if arguments.output:
        np.savez(arguments.output, x=x)
    if arguments.float_classes:
        from samples import peers
        logits = peers.outputs(peers.session(path, threads=2), x)
        classes = logits.argmax(-1)
        names = np.array([name for name, _ in zip(np.resize(PHOTOGRAPHS[arguments.split], len(x)), x)])
        for name in PHOTOGRAPHS[arguments.split]:
            found, counts = np.unique(classes[names == name], return_counts=True)
            order = np.argsort(-counts)[:5]
            print(f"  {name}: " + ", ".join(f"class {found[i]} {counts[i]}x" for i in order))
    return 0


if __name__ == "__main__":
    sys.exit(main())
