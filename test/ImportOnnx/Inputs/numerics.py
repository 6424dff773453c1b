# Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
"""Each model of models.py, imported once with ranges, against ONNX Runtime at several sizes: `numerics.py FOLDER`.

Floats: |a - b| <= 1e-5 * max |b|. The models hold at most a few hundred additions a result, each off by 2^-24 = 6e-8
relative to the sums: below 2e-5 even if all errors had one sign, and far below a wrong shape, bound or axis. Integers are
compared exactly, except codes of a float scale, which may differ by one where x / scale lies at a tie.
"""

import pathlib
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime

from models import MODELS

SIZES = [{"N": 1, "W": 32}, {"N": 3, "W": 40}, {"N": 8, "W": 41}, {"N": 2, "W": 640}]
BINDINGS = {"N": "N=1..8", "W": "W=32..640"}
KINDS = {onnx.TensorProto.FLOAT: np.float32, onnx.TensorProto.UINT8: np.uint8, onnx.TensorProto.INT8: np.int8}


def inputs_of(model, sizes, random):
    constants = {tensor.name for tensor in model.graph.initializer}
    feeds = {}
    for value in model.graph.input:
        if value.name in constants:
            continue
        kind = KINDS[value.type.tensor_type.elem_type]
        shape = [sizes[d.dim_param] if d.dim_param else d.dim_value for d in value.type.tensor_type.shape.dim]
        feeds[value.name] = random.standard_normal(shape).astype(kind) if kind == np.float32 else random.integers(0, 100, shape).astype(kind)
    return feeds


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(7)
    failures = runs = 0
    for name, make in MODELS.items():
        model = make()
        paths = {end: folder / f"{name}.{end}" for end in ("onnx", "mlir", "safetensors", "in.npz", "out.npz")}
        onnx.save(model, paths["onnx"])
        symbols = sorted({d.dim_param for v in model.graph.input for d in v.type.tensor_type.shape.dim if d.dim_param})
        subprocess.run(["quant-import", paths["onnx"], "-o", paths["mlir"], *(f"--dim={BINDINGS[s]}" for s in symbols)], check=True)
        weights = [f"--weights={paths['safetensors']}"] if paths["safetensors"].exists() else []
        for i, node in enumerate(model.graph.node):  # ONNX Runtime refuses equal names
            node.name = f"node{i}"
        session = onnxruntime.InferenceSession(model.SerializeToString())
        for sizes in SIZES if symbols else SIZES[:1]:
            feeds = inputs_of(model, sizes, random)
            np.savez(paths["in.npz"], **feeds)
            subprocess.run(["quant-interpret", paths["mlir"], *weights, f"--inputs={paths['in.npz']}", f"--outputs={paths['out.npz']}"], check=True)
            expected = session.run(None, feeds)
            runs += 1
            with np.load(paths["out.npz"]) as found:
                for output, theirs in zip(session.get_outputs(), expected):
                    ours = found[output.name]
                    where = f"{name} {sizes} {output.name}"
                    if ours.shape != theirs.shape or ours.dtype != theirs.dtype:
                        print(f"{where}: expected {theirs.dtype} {theirs.shape}, found {ours.dtype} {ours.shape}")
                        failures += 1
                        continue
                    limit = 1e-5 * np.abs(theirs).max() if theirs.dtype == np.float32 else 1 if theirs.dtype == np.uint8 else 0
                    worst = np.abs(ours.astype(np.float64) - theirs.astype(np.float64)).max()
                    if not worst <= limit:
                        print(f"{where}: largest difference {worst}, at most {limit} expected")
                        failures += 1
    print(f"{failures} failures in {runs} runs")
    return failures != 0


if __name__ == "__main__":
    sys.exit(main())
