# Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
"""One artifact for a range of widths and batches gives what a static build of each shape gives, bit for bit."""

import numpy as np
import pytest

from conftest import RECOGNISER_DIMS, compile_model, refused, run_model, single, tool
from samples import fetch, text_lines


def picture(batch, width, split="evaluation"):
    """Lines repeated to the right and cut off at `width`."""
    _, x = text_lines.lines(split, batch)
    return np.ascontiguousarray(np.tile(x, (1, 1, 1, 4))[:, :, :, :width])


# The ends of the range, the width of the calibration lines, and two that no stride or vector length divides.
@pytest.mark.parametrize("width", [32, 97, 320, 777, 1280])
def test_equals_static_build(tmp_path, width):
    """Batch 1..8 and width 32..1280 in one artifact, against batch 1 and this width alone. Both are calibrated on the same
    lines of this width: statistics belong to one graph, and a static graph is another one."""
    calibration = tmp_path / "calibration.npz"
    np.savez(calibration, x=picture(2, width, "calibration"))
    build = lambda name, *dims: compile_model(fetch.path_of("recogniser"), tmp_path / name, "--recipe", "w8a8",  # noqa: E731
                                              "--calibration", calibration, *dims)
    symbolic = build("symbolic.bwm", *RECOGNISER_DIMS)
    static = build("static.bwm", "--dim", "DynamicDimension.0=1", "--dim", f"DynamicDimension.1={width}")
    x = picture(3, width)
    together = single(run_model(symbolic, tmp_path, x=x))
    for i in (0, 2):
        alone, fixed = (single(run_model(artifact, tmp_path, x=x[i:i + 1])) for artifact in (symbolic, static))
        assert alone.shape == fixed.shape and np.array_equal(alone, fixed)
        assert np.array_equal(together[i], fixed[0])


@pytest.mark.parametrize("batch, width, name, value", [(1, 31, "DynamicDimension.1", "31"), (1, 1281, "DynamicDimension.1", "1281"),
                                                       (9, 320, "DynamicDimension.0", "9")])
def test_out_of_range_is_named(recogniser_int8, tmp_path, batch, width, name, value):
    np.savez(tmp_path / "x.npz", x=np.zeros((batch, 3, 48, width), np.float32))
    done = tool("quant-run", recogniser_int8, "--inputs", tmp_path / "x.npz", "--outputs", tmp_path / "y.npz")
    refused(done, name, value)
    assert not (tmp_path / "y.npz").exists()


def test_static_artifact_refuses_other_shapes(small, tmp_path):
    static = compile_model(small, tmp_path / "static.bwm", "--recipe", "float", "--dim", "N=2")
    np.savez(tmp_path / "x.npz", x=np.zeros((3, 3, 8, 8), np.float32))
    refused(tool("quant-run", static, "--inputs", tmp_path / "x.npz"), "x", "2", "3")


def test_place_names_a_dimension(tmp_path):
    """--dim x:0 for a dimension, whether or not the file names it."""
    from conftest import small_network
    for batch in ("?", "N", None):
        model = small_network(tmp_path / "m.onnx", batch=batch)
        artifact = compile_model(model, tmp_path / "m.bwm", "--recipe", "float", "--dim", "x:0=1..4")
        x = np.random.default_rng(1).normal(size=(4, 3, 8, 8)).astype(np.float32)
        together = single(run_model(artifact, tmp_path, x=x))
        alone = single(run_model(artifact, tmp_path, x=x[2:3]))
        assert together.shape == (4, 4) and np.array_equal(together[2:3], alone)
