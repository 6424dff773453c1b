# Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
"""The program behind bench/cpu/run.

All candidates of a row take turns on one pinned core; figures are medians over the rounds, ratios are to ONNX Runtime's
float model in the same rounds. `share` is the share of the rate that the core's widest integer dot product reaches with
all operands in registers (peak.c), measured before the first row. Inputs and outputs are float for everyone, so that a row
includes quantizing its input and dequantizing its output.
"""

import argparse
import contextlib
import io
import json
import os
import pathlib
import re
import subprocess
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))
from samples import classifier, fetch, peers, text_lines, timing  # noqa: E402

FOLDER = ROOT / "build" / "bench"
RESULTS = pathlib.Path(__file__).resolve().parent / "results"

# Layers of the recogniser at 1x3x48x320 and of the classifier: what most of their time goes into.
# conv: name, input [C, H, W], weights [O, C/groups, kh, kw], stride (h, w), padding (h, w), groups
CONVOLUTIONS = [
    ("1x1 192>384 6x80", (192, 6, 80), (384, 192, 1, 1), (1, 1), (0, 0), 1),
    ("1x1 384>192 6x80", (384, 6, 80), (192, 384, 1, 1), (1, 1), (0, 0), 1),
    ("1x1 768>384 3x80", (768, 3, 80), (384, 768, 1, 1), (1, 1), (0, 0), 1),
    ("1x1 96>192 12x80", (96, 12, 80), (192, 96, 1, 1), (1, 1), (0, 0), 1),
    ("3x3/2 96>48 24x160", (96, 24, 160), (48, 96, 3, 3), (2, 2), (1, 1), 1),
    ("3x3/2 3>48 48x320", (3, 48, 320), (48, 3, 3, 3), (2, 2), (1, 1), 1),
    ("dw 3x3 192 6x80", (192, 6, 80), (192, 1, 3, 3), (1, 1), (1, 1), 192),
    ("dw 3x3 384 3x80", (384, 3, 80), (384, 1, 3, 3), (1, 1), (1, 1), 384),
]
# gemm: name, M, K, N
GEMMS = [("gemm 40x120x18710", 40, 120, 18710), ("gemm 40x120x360", 40, 120, 360), ("gemm 40x240x120", 40, 240, 120),
         ("gemm 512x1024x1024", 512, 1024, 1024)]


def machine():
    """Class of this machine: vendor, family and model number, widest integer dot product; no host name."""
    text = pathlib.Path("/proc/cpuinfo").read_text()
    field = lambda name: re.search(rf"^{name}\s*: (.*)$", text, re.M).group(1)  # noqa: E731
    flags = set(field("flags").split())
    widest = next((name for name, flag in (("amx-int8", "amx_int8"), ("avx512-vnni", "avx512_vnni"), ("avx-vnni", "avx_vnni"),
                                           ("avx2", "avx2")) if flag in flags), "sse")
    return {"name": field("model name"), "vendor": field("vendor_id"), "family": int(field("cpu family")),
            "model": int(field("model")), "widest": widest, "cores": os.cpu_count()}


def peak(core):
    """{ISA level: GMAC/s} of one core."""
    binary = FOLDER / "peak"
    source = pathlib.Path(__file__).with_name("peak.c")
    compiler = next((name for name in ("clang-22", "cc") if subprocess.run(["which", name], capture_output=True).returncode == 0), "cc")
    subprocess.run([compiler, "-O2", str(source), "-o", str(binary)], check=True)
    with timing.pinned(core):
        lines = subprocess.run([str(binary)], check=True, capture_output=True, text=True).stdout.split("\n")
    return {name: float(rate) for name, rate in (line.split() for line in lines if line)}


def save(path, node, x_shape, y_shape, weights):
    """One layer followed by Relu."""
    rng = np.random.default_rng(11)
    fan_in = int(np.prod(weights[1:])) if len(weights) == 4 else weights[0]
    values = [numpy_helper.from_array((rng.normal(size=weights) / np.sqrt(fan_in)).astype(np.float32), "w")]
    if len(weights) == 4:
        values.append(numpy_helper.from_array(rng.normal(size=weights[0]).astype(np.float32), "b"))
    graph = helper.make_graph([node, helper.make_node("Relu", ["h"], ["y"], name="relu")], "layer",
                              [helper.make_tensor_value_info("x", TensorProto.FLOAT, x_shape)],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, y_shape)], values)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def layer(row):
    """(title, path, calibration [8, ...], MACs) of a row of the tables above."""
    name = row[0]
    path = FOLDER / (re.sub(r"[^A-Za-z0-9]+", "_", name) + ".onnx")
    if len(row) == 4:
        _, m, k, n = row
        node = helper.make_node("MatMul", ["x", "w"], ["h"], name="layer")
        x_shape, y_shape, weights, macs = [1, m, k], [1, m, n], (k, n), m * k * n
    else:
        _, (c, h, w), weights, stride, padding, groups = row
        out = [(size + 2 * pad - kernel) // step + 1 for size, pad, kernel, step in zip((h, w), padding, weights[2:], stride)]
        node = helper.make_node("Conv", ["x", "w", "b"], ["h"], name="layer", strides=list(stride), pads=list(padding) * 2, group=groups)
        x_shape, y_shape = [1, c, h, w], [1, weights[0], *out]
        macs = out[0] * out[1] * int(np.prod(weights))
    save(path, node, x_shape, y_shape, weights)
    calibration = np.random.default_rng(5).normal(size=[8, *x_shape[1:]]).astype(np.float32)
    return name, path, calibration, macs


def models():
    """(title, path, calibration, MACs, --dim options) of the sample models."""
    _, x = text_lines.lines("calibration", text_lines.CALIBRATION_COUNT)
    _, c = classifier.lines("calibration", text_lines.CALIBRATION_COUNT)
    return [("recogniser 1x3x48x320", fetch.path_of("recogniser"), x, 1_090_000_000,
             ["--dim", "DynamicDimension.0=1..8", "--dim", "DynamicDimension.1=32..1280"]),
            ("classifier 1x3x48x192", fetch.path_of("classifier"), c, 16_000_000,
             ["--dim", "x:0=1..8", "--dim", "x:2=48", "--dim", "x:3=192"])]


def compile_ours(path, calibration, options):
    source, artifact = FOLDER / "calibration.npz", FOLDER / (path.stem + ".bwm")
    np.savez(source, x=calibration)
    timing.run([timing.tool("quant-compile"), path, "-o", artifact, "--recipe", "w8a8", "--calibration", source, *options])
    return artifact


def openvino_timer(path, calibration, int8, calls=3):
    """OpenVINO on one thread; int8 through NNCF with the transformer recipe, without which it destroys the recogniser."""
    import logging
    import statistics
    import time
    import openvino
    core = openvino.Core()
    model = core.read_model(str(path))
    if int8:
        import nncf
        nncf.set_log_level(logging.ERROR)
        name = model.inputs[0].get_any_name()
        samples = nncf.Dataset([{name: calibration[i:i + 1]} for i in range(len(calibration))])
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):  # progress bars
            model = nncf.quantize(model, samples, model_type=nncf.ModelType.TRANSFORMER, subset_size=len(calibration))
    model.reshape(list(calibration[:1].shape))
    compiled = core.compile_model(model, "CPU", {"INFERENCE_NUM_THREADS": 1, "PERFORMANCE_HINT": "LATENCY", "ENABLE_CPU_PINNING": False})
    request = compiled.create_infer_request()
    x = calibration[:1]

    def once():
        times = []
        for _ in range(calls + 1):
            started = time.perf_counter()
            request.infer({0: x})
            times.append(1e3 * (time.perf_counter() - started))
        return statistics.median(times[1:])
    once()
    return once


def measure(title, path, calibration, macs, options, arguments, peak_rate, core):
    """One row: {candidate: ms}, with the candidates that could be built."""
    x = calibration[:1]
    timers = {"ort_float": timing.onnxruntime_timer(path, x)}
    variants = {}
    for variant in (peers.VARIANTS if not arguments.smoke else list(peers.VARIANTS)[:1]):
        try:
            variants[variant] = timing.onnxruntime_timer(peers.int8(path, calibration, variant), x)
        except Exception as error:  # a variant that a small graph does not admit is no peer
            print(f"[bench] {title}: no ONNX Runtime variant '{variant}': {str(error)[:120]}", file=sys.stderr)
    with timing.pinned(core):
        if variants:
            medians = timing.interleave(list(variants.values()), 5)
            timers["ort_int8"] = list(variants.values())[int(np.argmin(medians))]
        if not (arguments.no_openvino or arguments.smoke):
            timers["openvino"] = openvino_timer(path, calibration, int8=False)
            timers["openvino_int8"] = openvino_timer(path, calibration, int8=True)
        failure = None
        try:
            timers["ours"] = timing.quant_run_timer(compile_ours(path, calibration, options), {"x": x}, FOLDER)
        except timing.ToolError as error:
            failure = str(error).strip().split("\n")[-1][:300]
            print(f"[bench] {title}: {failure}", file=sys.stderr)
        ms = dict(zip(timers, timing.interleave(list(timers.values()), arguments.rounds)))
    row = {"name": title, "macs": macs, "ms": ms, "ratio": {name: value / ms["ort_float"] for name, value in ms.items()},
           "share": {name: macs / value / 1e6 / peak_rate for name, value in ms.items()}}
    if failure:
        row["failure"] = failure
    return row


def show(row):
    cells = [f"{name} {value:8.3f} ms ({row['ratio'][name]:.2f}x, {100 * row['share'][name]:3.0f} %)" for name, value in row["ms"].items()]
    print(f"{row['name']:22}  " + "  ".join(cells), flush=True)


def main():
    parser = argparse.ArgumentParser(prog="bench/cpu/run", description="Times models and layers beside their peers on one core.")
    parser.add_argument("--smoke", action="store_true", help="two layers, few rounds, no OpenVINO: does it run at all")
    parser.add_argument("--layers", action="store_true", help="only layers")
    parser.add_argument("--models", action="store_true", help="only models")
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--no-openvino", action="store_true")
    arguments = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    core = max(os.sched_getaffinity(0))
    rates = peak(core)
    best = max(rates.values())
    host = machine()
    print(f"{host['name']} (family {host['family']} model {host['model']}, {host['widest']}), core {core}; register peak: "
          + ", ".join(f"{name} {rate:.0f} GMAC/s ({2e-3 * rate:.2f} TOP/s)" for name, rate in rates.items()))
    print("median ms (ratio to ONNX Runtime float, share of the register peak)")
    if arguments.smoke:
        arguments.rounds = 2
        work = [(*layer(row), []) for row in (CONVOLUTIONS[3], GEMMS[1])]
    else:
        work = [] if arguments.layers else models()
        if not arguments.models:
            work += [(*layer(row), []) for row in CONVOLUTIONS + GEMMS]
    rows = []
    for title, path, calibration, macs, options in work:
        rows.append(measure(title, path, calibration, macs, options, arguments, best, core))
        show(rows[-1])
    if arguments.smoke:
        good = sum("ours" in row["ms"] and row["ms"]["ours"] > 0 for row in rows) + (best > 0)
        print(f"bench-smoke: {good} passed, {len(rows) + 1 - good} failed")
        return 0 if good == len(rows) + 1 else 1
    RESULTS.mkdir(exist_ok=True)
    kind = "-".join(part for part, on in (("layers", arguments.layers), ("models", arguments.models)) if on) or "all"
    target = RESULTS / f"{host['vendor']}-family{host['family']}-{host['widest']}-{kind}.json".lower()
    target.write_text(json.dumps({"machine": host, "peak_gmacs": rates, "threads": 1, "rounds": arguments.rounds, "rows": rows}, indent=1) + "\n")
    print(f"written: {target.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
