# Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
"""bitwright.compile(metric=...): formats chosen by a loss of one's own."""
import json

import numpy as np
import onnx
import pytest

from samples import feed_forward
from test_python_api import bitwright, compiler, installed  # noqa: F401  (fixtures)

pytestmark = pytest.mark.usefixtures("compiler")

WIDTH, HIDDEN = 128, 256


@pytest.fixture(scope="module")
def block(tmp_path_factory):
    folder = tmp_path_factory.mktemp("metric")
    onnx.save(feed_forward.build(WIDTH, HIDDEN, seed=3), folder / "block.onnx")
    return folder / "block.onnx", {"x": feed_forward.calibration(WIDTH, 3)}


def compiled(bitwright, block, folder, metric, budget="size <= 60 %"):
    model, calibration = block
    bitwright.compile(model, folder / "block.bwm", recipe="w4a16", calibration=calibration, dims={"M": (1, 96)}, budget=budget,
                      metric=metric, extra=["--plan-out", str(folder / "plan.json")])
    return json.loads((folder / "plan.json").read_text())


def weights(plan):
    return {group["weight"] for group in plan["groups"] if group["name"].startswith("ffn")}


def test_the_metric_decides(bitwright, block, tmp_path):  # noqa: F811
    """A metric that finds 8 bits in one layer worse than 4 makes that layer take 4, whatever its rounding does."""
    calls = []

    def metric(outputs, reference):
        assert len(outputs) == len(reference) > 0
        error = sum(float(((o[name] - r[name]) ** 2).sum()) for o, r in zip(outputs, reference) for name in r)
        calls.append(error)
        return -error  # the larger the error, the better: the plan spends as few bits as it may

    plan = compiled(bitwright, block, tmp_path, metric, budget="size <= 100 %")
    assert calls[0] == 0  # the reference itself
    assert weights(plan) == {"s4"}
    assert plan["loss"] == pytest.approx(sum(group["loss"] for group in plan["groups"])) and plan["loss"] < 0
    # The same loss as the built-in one up to its normalisation: it finds that 8 bits lose less.
    assert weights(compiled(bitwright, block, tmp_path, lambda o, r: -metric(o, r), "size <= 100 %")) == {"s8"}


def test_a_metric_that_throws(bitwright, block, tmp_path):  # noqa: F811
    def metric(outputs, reference):
        raise KeyError("no such\nlabel")

    with pytest.raises(bitwright.CompileError, match="KeyError.*no such.*label") as caught:
        compiled(bitwright, block, tmp_path, metric)
    assert isinstance(caught.value.__cause__, KeyError)
    assert not (tmp_path / "block.bwm").exists() and not (tmp_path / "plan.json").exists()


def test_a_metric_that_is_no_number(bitwright, block, tmp_path):  # noqa: F811
    for wrong in (float("nan"), None):
        with pytest.raises(bitwright.CompileError, match="metric"):
            compiled(bitwright, block, tmp_path, lambda outputs, reference: wrong)
        assert not (tmp_path / "block.bwm").exists()


def test_without_a_budget(bitwright, block, tmp_path):  # noqa: F811
    model, calibration = block
    with pytest.raises(bitwright.CompileError, match="--metric"):
        bitwright.compile(model, tmp_path / "block.bwm", recipe="w4a16", calibration=calibration, dims={"M": 1},
                          metric=lambda outputs, reference: 0.0)
