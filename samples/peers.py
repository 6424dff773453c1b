# Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
"""ONNX Runtime, float and int8, as the peer that the sample models are compared with.

The int8 peer is static quantization in QDQ form, u8 activations and per-channel s8 weights (s8 activations are slower in
ONNX Runtime on x86). Which operators are quantized, and on which form of the graph, decides its speed, so that several
variants are made and the caller takes the fastest whose accuracy is acceptable. What was found on the recogniser:
quantizing the graph as `quant_pre_process` leaves it gives 0.62 of the float latency; quantizing after the extended
fusions (GELU, layer norm), but without those that put an activation into Conv or a transposition into MatMul (their
fused nodes are left in float), gives 0.53.
"""

import contextlib
import hashlib
import json
import logging
import os
import pathlib
import tempfile

import numpy as np
import onnx
import onnx.version_converter
import onnxruntime

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDER = ROOT / "build" / "peers"

# name -> (graph form, operators to quantize or None for all that ONNX Runtime can)
VARIANTS = {
    "fused, Conv MatMul Add Mul": ("fused", ["Conv", "MatMul", "Add", "Mul", "Relu", "Concat", "MaxPool", "AveragePool"]),
    "fused, Conv MatMul": ("fused", ["Conv", "MatMul", "Relu", "Concat", "MaxPool", "AveragePool", "Transpose", "Reshape"]),
    "plain, all operators": ("plain", None),
}
# Fusions whose result the quantizer leaves in float.
NOT_QUANTIZABLE = ["ConvActivationFusion", "ConvAddActivationFusion", "MatmulTransposeFusion", "MatMulScaleFusion",
                   "MatMulAddFusion"]


def session(model, threads=1):
    """An ONNX Runtime session on `threads` threads that stays silent."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Spinning worker threads would disturb whoever is timed next on the same cores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])


def run(session_, x):
    """Outputs of a model with one input."""
    return session_.run(None, {session_.get_inputs()[0].name: x})


def outputs(session_, samples):
    """First output of every sample of [n, ...], run at batch 1, concatenated along the batch."""
    return np.concatenate([run(session_, samples[i:i + 1])[0] for i in range(len(samples))])


@contextlib.contextmanager
def _quiet():
    """The quantizer prints warnings and progress by every channel it has."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with open(os.devnull, "w") as null, contextlib.redirect_stdout(null), contextlib.redirect_stderr(null):
            yield
    finally:
        logging.disable(level)


def remembered(parts, compute):
    """compute(), which must give something that JSON holds; kept in build/peers under the digest of `parts` (bytes, arrays,
    texts), because peers do not change from run to run."""
    key = _key(*parts, onnxruntime.__version__)
    path = FOLDER / f"{key}.json"
    if path.exists():
        return json.loads(path.read_text())
    result = compute()
    FOLDER.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(result) + "\n")
    partial.replace(path)
    return result


def _key(*parts):
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part if isinstance(part, bytes) else np.ascontiguousarray(part).tobytes()
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()[:16]


def _prepare(model, form, folder):
    """`model` as the quantizer should see it: opset 17 (per-channel needs 13), constants folded, and fused or not."""
    from onnxruntime.quantization.shape_inference import quant_pre_process
    plain = folder / "plain.onnx"
    if not plain.exists():
        onnx.save(onnx.version_converter.convert_version(onnx.load(str(model)), 17), str(folder / "opset17.onnx"))
        quant_pre_process(str(folder / "opset17.onnx"), str(plain), skip_symbolic_shape=True)
    if form == "plain":
        return plain
    fused = folder / "fused.onnx"
    if not fused.exists():
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        options.optimized_model_filepath = str(fused)
        onnxruntime.InferenceSession(str(plain), options, providers=["CPUExecutionProvider"],
                                     disabled_optimizers=NOT_QUANTIZABLE)
    return fused


def int8(model, calibration, variant):
    """Path of `model` quantized by a variant above with the samples [n, ...]; made once and kept in build/peers."""
    form, operators = VARIANTS[variant]
    model = pathlib.Path(model)
    key = _key(model.read_bytes(), calibration, repr((variant, form, operators, NOT_QUANTIZABLE)), onnxruntime.__version__)
    result = FOLDER / f"{model.stem}-{key}.onnx"
    if result.exists():
        return result
    FOLDER.mkdir(parents=True, exist_ok=True)
    from onnxruntime import quantization

    class Reader(quantization.CalibrationDataReader):
        def __init__(self, name):
            self.samples = ({name: calibration[i:i + 1]} for i in range(len(calibration)))

        def get_next(self):
            return next(self.samples, None)

    with tempfile.TemporaryDirectory(dir=FOLDER) as folder, _quiet():
        folder = pathlib.Path(folder)
        prepared = _prepare(model, form, folder)
        name = session(model).get_inputs()[0].name
        quantization.quantize_static(
            str(prepared), str(folder / "int8.onnx"), Reader(name), quant_format=quantization.QuantFormat.QDQ,
            op_types_to_quantize=operators, per_channel=True, reduce_range=False,
            activation_type=quantization.QuantType.QUInt8, weight_type=quantization.QuantType.QInt8,
            calibrate_method=quantization.CalibrationMethod.MinMax,
            extra_options={"ActivationSymmetric": False, "WeightSymmetric": True})
        (folder / "int8.onnx").replace(result)
    return result
