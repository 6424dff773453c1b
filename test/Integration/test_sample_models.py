# Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
"""The sample models against ONNX Runtime: float outputs, int8 accuracy, size, threads, ISA levels."""

import numpy as np
import pytest

from conftest import compile_model, run_model, single, tool
from samples import classifier, detector, fetch, peers, text_lines

BATCH = 8


def in_batches(artifact, folder, x, *options):
    return np.concatenate([single(run_model(artifact, folder, *options, x=x[i:i + BATCH])) for i in range(0, len(x), BATCH)])


def close(ours, theirs):
    """max |a - b| <= 1e-4 * max |b|: what the order of float additions may do in a network of this depth, and no more."""
    assert ours.shape == theirs.shape
    worst, largest = np.max(np.abs(ours - theirs)), np.max(np.abs(theirs))
    assert worst <= 1e-4 * largest, f"largest difference {worst:.3e}, largest value {largest:.3e}"


@pytest.mark.parametrize("batch, width", [(1, 320), (3, 320), (1, 32), (2, 161), (1, 1280)])
def test_float_recogniser(recogniser_float, tmp_path, batch, width):
    x = text_lines.lines("evaluation", batch)[1]
    x = np.ascontiguousarray(np.tile(x, (1, 1, 1, 4))[:, :, :, :width])
    close(single(run_model(recogniser_float, tmp_path, x=x)), peers.run(peers.session(fetch.path_of("recogniser")), x)[0])


@pytest.mark.parametrize("batch", [1, 5, 8])
def test_float_classifier(classifier_float, tmp_path, batch):
    x = classifier.lines("evaluation", batch)[1]
    close(single(run_model(classifier_float, tmp_path, x=x)), peers.run(peers.session(fetch.path_of("classifier")), x)[0])


def page(height, width):
    """A part of a page of the detector's task."""
    return np.ascontiguousarray(detector.preprocess(next(detector.pages("evaluation", 1))[0])[None, :, :height, :width])


def test_detector_in_the_interpreter(tmp_path):
    """160 x 160: simplified IR through the reference interpreter."""
    dims = [word for i, size in enumerate((1, 160, 160)) for word in ("--dim", f"DynamicDimension.{i}={size}")]
    compile_model(fetch.path_of("detector"), tmp_path / "detector.mlir", "--recipe", "float", "--compile-to=simplify", *dims)
    x = page(160, 160)
    np.savez(tmp_path / "x.npz", x=x)
    done = tool("quant-interpret", tmp_path / "detector.mlir", "--inputs", tmp_path / "x.npz", "--outputs", tmp_path / "y.npz")
    assert done.returncode == 0, done.stderr
    close(single(dict(np.load(tmp_path / "y.npz"))), peers.run(peers.session(fetch.path_of("detector")), x)[0])


def test_float_detector(tmp_path):
    dims = [word for i, size in enumerate((1, 320, 224)) for word in ("--dim", f"DynamicDimension.{i}={size}")]
    artifact = compile_model(fetch.path_of("detector"), tmp_path / "detector.bwm", "--recipe", "float", *dims)
    x = page(320, 224)
    close(single(run_model(artifact, tmp_path, x=x)), peers.run(peers.session(fetch.path_of("detector")), x)[0])


def test_int8_recogniser_accuracy(recogniser_int8, tmp_path):
    texts, x = text_lines.lines("evaluation", 400)
    alphabet = text_lines.characters()
    session = peers.session(fetch.path_of("recogniser"))
    theirs = np.concatenate([peers.run(session, x[i:i + 1])[0].argmax(-1) for i in range(len(x))])
    ours = np.concatenate([single(run_model(recogniser_int8, tmp_path, x=x[i:i + BATCH])).argmax(-1)
                           for i in range(0, len(x), BATCH)])
    floating, int8 = (text_lines.accuracy(texts, text_lines.decode(c, alphabet))["characters"] for c in (theirs, ours))
    # Guards the test itself: the float model reads these lines.
    assert floating >= 0.985
    assert int8 >= floating - 0.005, f"float {floating:.4f}, int8 {int8:.4f}"


def test_int8_classifier_agrees_with_float(classifier_int8, tmp_path):
    _, x = classifier.lines("evaluation", 400)
    theirs = peers.outputs(peers.session(fetch.path_of("classifier")), x).argmax(-1)
    ours = in_batches(classifier_int8, tmp_path, x).argmax(-1)
    assert 0.3 < theirs.mean() < 0.7
    assert np.mean(ours == theirs) >= 0.95


def test_int8_file_is_small(recogniser_int8):
    """At most 30 % of the float ONNX file, code of every ISA level in it."""
    assert recogniser_int8.stat().st_size <= 0.30 * fetch.path_of("recogniser").stat().st_size


def test_int8_result_depends_on_nothing_but_the_line(recogniser_int8, tmp_path):
    """Same bytes alone, in a batch, with threads, on every ISA level of this machine."""
    artifact = recogniser_int8
    _, x = text_lines.lines("evaluation", BATCH)
    together = single(run_model(artifact, tmp_path, x=x))
    for i in (0, 5):
        assert np.array_equal(single(run_model(artifact, tmp_path, x=x[i:i + 1]))[0], together[i])
    assert np.array_equal(single(run_model(artifact, tmp_path, "--threads", 3, x=x)), together)
    assert np.array_equal(single(run_model(artifact, tmp_path, env={"BITWRIGHT_ISA": "avx2"}, x=x)), together)


def test_self_check(recogniser_int8):
    done = tool("quant-run", recogniser_int8, "--self-check")
    assert done.returncode == 0, done.stderr
