#!/usr/bin/env python3
# Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
"""The text detection task: pages of 4 to 10 rendered lines over a coloured, cloudy background, 640 x 640.

The metric is the intersection over union of two text maps (float and int8) at threshold 0.3, over all pages.

    samples/detector.py --split calibration -o calibration.npz       writes {"x": [24, 3, 640, 640] float32}
    samples/detector.py --float-accuracy                             share of the text area that the float model marks
"""

import argparse
import pathlib
import random
import sys

import numpy as np
from PIL import Image, ImageFilter

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from samples import fetch, text_lines  # noqa: E402

SIZE, COUNT, THRESHOLD = 640, 24, 0.3


def background(rng):
    """RGB uint8 [SIZE, SIZE, 3]: noise of several scales, as uneven as a photograph that is out of focus."""
    numbers = np.random.default_rng(rng.getrandbits(63))
    total = np.zeros((SIZE, SIZE, 3), np.float32)
    for cells, strength in ((3, 60), (9, 30), (40, 12)):
        coarse = Image.fromarray(numbers.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
        total += (np.asarray(coarse.resize((SIZE, SIZE), Image.Resampling.BICUBIC), np.float32) - 128) / 128 * strength
    return np.clip(total + rng.randint(90, 200), 0, 255).astype(np.uint8)


def pages(split, count=COUNT, seed=text_lines.SEED):
    """Yields (RGB uint8 [640, 640, 3], mask bool [640, 640] of the boxes of the lines)."""
    sources = text_lines.Sources()
    stock = iter(text_lines.texts(split, min(count * 4, text_lines.CALIBRATION_COUNT) if split == "calibration" else count * 10,
                                  seed, sources))
    for index in range(count):
        rng = random.Random(f"{split} page {seed} {index}")
        page, mask = background(rng), np.zeros((SIZE, SIZE), bool)
        top = rng.randint(10, 60)
        for _ in range(4 if split == "calibration" else rng.randint(4, 10)):
            line = Image.fromarray(text_lines.render(next(stock), rng, sources))
            if line.width > SIZE - 20 or top + line.height > SIZE - 10:
                continue
            left = rng.randint(5, SIZE - 10 - line.width)
            page[top:top + line.height, left:left + line.width] = np.asarray(line)
            mask[top:top + line.height, left:left + line.width] = True
            top += line.height + rng.randint(8, 70)
        softened = Image.fromarray(page).filter(ImageFilter.GaussianBlur(rng.uniform(0, 0.6)))
        yield np.asarray(softened), mask


def preprocess(rgb):
    """RGB uint8 [h, w, 3] -> float32 [3, h, w] in BGR, (x/255 - 0.5)/0.5."""
    return ((np.asarray(rgb, np.float32)[:, :, ::-1] / 255 - 0.5) / 0.5).transpose(2, 0, 1)


def overlap(a, b):
    """Intersection over union of two sets of maps, thresholded."""
    a, b = np.asarray(a) > THRESHOLD, np.asarray(b) > THRESHOLD
    union = np.sum(a | b)
    return float(np.sum(a & b) / union) if union else 1.0


def main():
    parser = argparse.ArgumentParser(description="Renders the pages of the text detection task.")
    parser.add_argument("--split", choices=("calibration", "evaluation"), default="evaluation")
    parser.add_argument("--count", type=int, default=COUNT)
    parser.add_argument("--seed", type=int, default=text_lines.SEED)
    parser.add_argument("-o", "--output", help="write the preprocessed pages as an .npz with one array 'x'")
    parser.add_argument("--pictures", help="write the pages as PNG files into this folder")
    parser.add_argument("--float-accuracy", action="store_true", help="what share of the text area the float model marks")
    arguments = parser.parse_args()
    found = list(pages(arguments.split, arguments.count, arguments.seed))
    if arguments.pictures:
        folder = pathlib.Path(arguments.pictures)
        folder.mkdir(parents=True, exist_ok=True)
        for index, (page, _) in enumerate(found):
            Image.fromarray(page).save(folder / f"{index:02d}.png")
    x = np.stack([preprocess(page) for page, _ in found])
    if arguments.output:
        np.savez(arguments.output, x=x)
    if arguments.float_accuracy:
        from samples import peers
        maps = peers.outputs(peers.session(fetch.path_of("detector"), threads=2), x)[:, 0]
        masks = np.stack([mask for _, mask in found])
        inside, outside = (maps > THRESHOLD)[masks].mean(), (maps > THRESHOLD)[~masks].mean()
        print(f"{len(x)} pages: marked {100 * inside:.1f} % of the text boxes, {100 * outside:.2f} % of the rest")
    return 0


if __name__ == "__main__":
    sys.exit(main())
