#!/usr/bin/env python3
# Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
"""The text orientation task: rendered lines, half of them turned by 180 degrees, 48 x 192; labels 0 (upright), 1 (turned).

    samples/classifier.py -o calibration.npz --split calibration     writes {"x": [100, 3, 48, 192] float32}
    samples/classifier.py --float-accuracy                           accuracy of the float model on 400 lines
"""

import argparse
import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from samples import fetch, text_lines  # noqa: E402

HEIGHT, WIDTH, EVALUATION_COUNT = 48, 192, 400


def lines(split, count, seed=text_lines.SEED):
    """(labels int64 [count], float32 [count, 3, 48, 192]); every second line is turned."""
    labels = np.arange(count) % 2
    arrays = [text_lines.preprocess(np.ascontiguousarray(image[::-1, ::-1]) if turned else image, HEIGHT, WIDTH)
              for turned, (_, image) in zip(labels, text_lines.images(split, count, seed))]
    return labels, np.stack(arrays)


def main():
    parser = argparse.ArgumentParser(description="Renders the lines of the text orientation task.")
    parser.add_argument("--split", choices=("calibration", "evaluation"), default="evaluation")
    parser.add_argument("--count", type=int, default=0)
    parser.add_argument("--seed", type=int, default=text_lines.SEED)
    parser.add_argument("-o", "--output", help="write the preprocessed lines as an .npz with one array 'x'")
    parser.add_argument("--float-accuracy", action="store_true", help="print the float model's accuracy in ONNX Runtime")
    arguments = parser.parse_args()
    count = arguments.count or (text_lines.CALIBRATION_COUNT if arguments.split == "calibration" else EVALUATION_COUNT)
    labels, x = lines(arguments.split, count, arguments.seed)
    if arguments.output:
        np.savez(arguments.output, x=x)
    if arguments.float_accuracy:
        from samples import peers
        found = peers.outputs(peers.session(fetch.path_of("classifier")), x).argmax(-1)
        print(f"{count} lines: {100 * np.mean(found == labels):.1f} % right")
    return 0


if __name__ == "__main__":
    sys.exit(main())
