# Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
"""The sample tasks: seeded, disjoint, and scored as described."""

import numpy as np
import pytest

from samples import classifier, detector, text_lines


def test_lines_are_seeded_and_disjoint():
    calibration = text_lines.texts("calibration", 100)
    evaluation = text_lines.texts("evaluation", 600)
    assert evaluation == text_lines.texts("evaluation", 600) and evaluation[:50] == text_lines.texts("evaluation", 50)
    assert evaluation != text_lines.texts("evaluation", 600, seed=2)
    assert len(set(calibration)) == 100 and len(set(evaluation)) == 600 and not set(calibration) & set(evaluation)
    assert all(2 <= len(text) <= text_lines.LONGEST for text in calibration + evaluation)


def test_more_calibration_lines_than_the_splits_allow():
    with pytest.raises(ValueError, match="100"):
        text_lines.texts("calibration", 101)
    with pytest.raises(ValueError, match="holiday"):
        text_lines.texts("holiday", 1)


def test_preprocessing():
    """BGR in [-1, 1], ratio kept, zeros to the right."""
    image = np.zeros((24, 60, 3), np.uint8)
    image[:, :, 0] = 255
    x = text_lines.preprocess(image)
    assert x.shape == (3, 48, 320) and x.dtype == np.float32
    assert np.all(x[2, :, :120] == 1) and np.all(x[:2, :, :120] == -1) and not x[:, :, 120:].any()
    assert text_lines.preprocess(np.zeros((10, 400, 3), np.uint8)).all()


def test_rendering_is_reproducible():
    first, second = (text_lines.lines("evaluation", 3)[1] for _ in range(2))
    assert np.array_equal(first, second) and not np.array_equal(first[0], first[1])


def test_decoding_and_accuracy():
    alphabet = ["", "a", "b", " "]
    assert text_lines.decode(np.array([[0, 1, 1, 0, 1, 2, 2, 0], [0, 0, 0, 0, 0, 0, 0, 0]]), alphabet) == ["aab", ""]
    assert text_lines.edit_distance("kitten", "sitting") == 3 and text_lines.edit_distance("", "abc") == 3
    # Distances 0, 1 and 4 over 3 + 3 + 4 characters.
    assert text_lines.accuracy(["abc", "abc", "abcd"], ["abc", "abx", ""]) == {"characters": 0.5, "lines": 1 / 3}
    with pytest.raises(ValueError, match="expected 1 lines, found 2"):
        text_lines.accuracy(["a"], ["a", "b"])


def test_classifier_turns_every_second_line():
    labels, x = classifier.lines("evaluation", 4)
    assert labels.tolist() == [0, 1, 0, 1] and x.shape == (4, 3, 48, 192)
    _, image = list(text_lines.images("evaluation", 2))[1]
    assert np.array_equal(x[1], text_lines.preprocess(np.ascontiguousarray(image[::-1, ::-1]), 48, 192))


def test_detector_pages():
    page, mask = next(detector.pages("evaluation", 1))
    assert page.shape == (640, 640, 3) and 0.02 < mask.mean() < 0.6
    assert detector.overlap([0.0, 0.5, 0.9], [0.4, 0.5, 0.1]) == 1 / 3 and detector.overlap([0.0], [0.1]) == 1.0
