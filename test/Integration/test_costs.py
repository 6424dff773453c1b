# Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
"""Costs that plans are chosen by, against the files that come of them: weight bytes, average bits, the table of latencies."""

import json
import re

import numpy as np
import pytest
from onnx import helper

from conftest import compile_model, refused, save_model, tool

DIMS = ["--dim", "N=1..4"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A network with a convolution, a depthwise one, a 1x1 one and a linear layer, and calibration data."""
    folder = tmp_path_factory.mktemp("costs")
    rng = np.random.default_rng(5)
    shapes = {"w0": (64, 3, 3, 3), "w1": (64, 1, 3, 3), "w2": (256, 64, 1, 1), "w3": (200, 256)}
    values = {name: (rng.normal(size=shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32) for name, shape in shapes.items()}
    values |= {f"b{name[1]}": rng.normal(size=shape[0]).astype(np.float32) for name, shape in shapes.items()}
    nodes = [
        helper.make_node("Conv", ["x", "w0", "b0"], ["c0"], name="stem", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c0"], ["r0"], name="relu0"),
        helper.make_node("Conv", ["r0", "w1", "b1"], ["c1"], name="depthwise", pads=[1, 1, 1, 1], group=64),
        helper.make_node("Conv", ["c1", "w2", "b2"], ["c2"], name="point"),
        helper.make_node("Relu", ["c2"], ["r2"], name="relu2"),
        helper.make_node("GlobalAveragePool", ["r2"], ["p"], name="pool"),
        helper.make_node("Flatten", ["p"], ["f"], name="flatten"),
        helper.make_node("Gemm", ["f", "w3", "b3"], ["y"], name="last", transB=1),
    ]
    save_model(folder / "model.onnx", nodes, [("x", ["N", 3, 8, 8])], [("y", ["N", 200])], values)
    np.savez(folder / "calibration.npz", x=rng.normal(size=(2, 3, 8, 8)).astype(np.float32))
    return folder


def options(folder):
    return ["--recipe", "w8a8", "--calibration", folder / "calibration.npz", *DIMS, "--threads", "1"]


def planned(folder, out, choices, *arguments):
    """(artifact, plan)"""
    artifact = compile_model(folder / "model.onnx", out / "model.bwm", *options(folder), "--choices", choices, "--plan-out",
                             out / "plan.json", *arguments)
    return artifact, json.loads((out / "plan.json").read_text())


def stored_bytes(artifact):
    return int(re.search(r"^weights: (\d+) bytes$", tool("quant-run", "--info", artifact).stdout, re.M)[1])


@pytest.mark.parametrize("choices, budget", [("s8,s4/s8", "size <= 40 %"), ("s8,s16/s8", "size <= 60 %"),
                                             ("s8/s8,s16", "bops <= 50 %")])
def test_size_is_that_of_the_file(folder, tmp_path, choices, budget):
    artifact, plan = planned(folder, tmp_path, choices, "--budget", budget)
    formats = {(group["weight"], group.get("activation")) for group in plan["groups"] if group["weight"] != "-"}
    assert len(formats) > 1, "the plan is mixed"
    # 64 bytes of padding codes for the first two convolutions are not counted.
    assert plan["totals"]["bytes"] == pytest.approx(stored_bytes(artifact), rel=0.01)


def test_latency_table_is_written_and_read(folder, tmp_path):
    table = tmp_path / "table.json"
    measured = tmp_path / "losses.json"
    report = tmp_path / "report.html"
    arguments = ["--budget", "latency <= 50 %", "--latencies", table, "--sensitivities", measured]
    _, plan = planned(folder, tmp_path, "s8,s4/s8", *arguments, "--report", report)
    # The whole network was timed too, and the report says so.
    assert plan["measured_latency"] > 0
    assert json.loads(report.with_suffix(".json").read_text())["allocation"]["measured_latency"] == plan["measured_latency"]
    text = table.read_text()
    chips = json.loads(text)["chips"]
    assert len(chips) == 1 and chips[0]["chip"].endswith("1 thread")
    assert any(entry["kernel"].startswith("gemm") for entry in chips[0]["kernels"])
    assert plan["totals"]["latency"] <= plan["budgets"][0]["limit"] * (1 + 1e-9)
    # All is known now: the same table, the same decisions.
    _, again = planned(folder, tmp_path, "s8,s4/s8", *arguments)
    assert table.read_text() == text
    assert again["groups"] == plan["groups"] and again["totals"] == plan["totals"]
    # Twice as slow: twice the latency, the same formats.
    for entry in chips[0]["kernels"]:
        entry["milliseconds"] *= 2
    table.write_text(json.dumps({"version": 1, "chips": chips}))
    _, slower = planned(folder, tmp_path, "s8,s4/s8", *arguments)
    assert slower["totals"]["latency"] == pytest.approx(2 * plan["totals"]["latency"], rel=1e-9)


def test_broken_latency_table(folder, tmp_path):
    table = tmp_path / "table.json"
    table.write_text('{"version": 1, "chips": [{"chip": "x", "kernels": [{"kernel": "gemm", "milliseconds": -1}]}]}')
    done = tool("quant-compile", folder / "model.onnx", "-o", tmp_path / "none.bwm", *options(folder), "--budget", "latency <= 50 %",
                "--latencies", table)
    refused(done, str(table), "a number of at least 0", "gemm")
    assert not (tmp_path / "none.bwm").exists()
