# Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
"""Q1 against ONNX Runtime's QuantizeLinear: every float32 within 4 steps of a rounding boundary for 64 scales, zeros,
subnormals, infinities. NaN is left out: our rule gives the zero point there, ONNX Runtime the low bound.

usage: quantize_against_onnxruntime.py TEMPORARY_PREFIX
"""
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

prefix = sys.argv[1]
random = np.random.default_rng(1)
scales = np.concatenate([[1.0, 2.0 ** -126, 0.1], 2.0 ** random.uniform(-20, 10, 61)]).astype(np.float32)
zero_points = random.integers(-128, 128, 64).astype(np.int8)

rows = []
for scale in scales:
    boundary = ((np.arange(-260, 261) + 0.5).astype(np.float32) * scale).astype(np.float32)
    near = boundary.view(np.int32)[:, None] + np.arange(-4, 5, dtype=np.int32)  # neighbours in the order of the magnitudes
    special = np.array([0.0, -0.0, 2.0 ** -149, -2.0 ** -149, 2.0 ** -126, 3.4e38, -3.4e38, np.inf, -np.inf], np.float32)
    rows.append(np.concatenate([near.astype(np.int32).view(np.float32).ravel(), special]))
x = np.stack(rows)
assert not np.isnan(x).any()

node = helper.make_node("QuantizeLinear", ["x", "s", "z"], ["y"], axis=0)
graph = helper.make_graph([node], "q", [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)],
                          [helper.make_tensor_value_info("y", TensorProto.INT8, x.shape)],
                          [onnx.numpy_helper.from_array(scales, "s"), onnx.numpy_helper.from_array(zero_points, "z")])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
theirs = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": x})[0]

shape = "x".join(map(str, x.shape))
with open(prefix + ".mlir", "w") as file:
    file.write(f"""
func.func @q(%x: tensor<{shape}xf32> {{qnn.name = "x"}}, %s: tensor<64xf32> {{qnn.name = "s"}}, %z: tensor<64xi8> {{qnn.name = "z"}})
    -> (tensor<{shape}xi8> {{qnn.name = "y"}}) {{
  %y = qnn.quantize %x, %s, %z {{scheme = #qnn.scheme<s8, axis 0>}} : (tensor<{shape}xf32>, tensor<64xf32>, tensor<64xi8>) -> tensor<{shape}xi8>
  return %y : tensor<{shape}xi8>
}}
""")
np.savez(prefix + ".npz", x=x, s=scales, z=zero_points)
subprocess.run(["quant-interpret", prefix + ".mlir", "--inputs", prefix + ".npz", "--outputs", prefix + ".out.npz"], check=True)
ours = np.load(prefix + ".out.npz")["y"]

different = np.argwhere(ours != theirs)
for row, column in different[:5]:
    print(f"x = {x[row, column]!r}, scale {scales[row]!r}, zero point {zero_points[row]}: ours {ours[row, column]}, theirs {theirs[row, column]}")
print(f"{ours.size} values compared, {len(different)} differ")
