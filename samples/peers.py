# Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
"""ONNX Runtime, float and int8, as the peer that the sample models are compared with."""

import hashlib
import json
import pathlib

import numpy as np
import onnxruntime

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDER = ROOT / "build" / "peers"


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
