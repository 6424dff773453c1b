#!/usr/bin/env python3
# Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
"""The text recognition task: rendered lines of text, and the recogniser's decoding and metric.

A line is up to 22 characters: 45 % pieces of two or three words out of licence texts, 30 % one to three dictionary words
in lower, title or upper case, 25 % prices, dates, numbers of invoices and phones, percentages, versions, gates. It is
rendered with a DejaVu, Liberation or FreeFont face at 16..40 px, dark on light (a quarter inverted), rotated by N(0, 1)
degrees, 35 % downscaled to 0.4..0.9, blurred by 0..1.1 px, with noise of sigma 0..18. As input of the recogniser it is
BGR, 48 high with its ratio kept, at most 320 wide, (x/255 - 0.5)/0.5, and padded on the right with zeros.

Everything follows from (split, seed); no text of the calibration split occurs in the evaluation split.

    samples/text_lines.py --split calibration --count 100 -o calibration.npz     writes {"x": [100, 3, 48, 320] float32}
    samples/text_lines.py --split evaluation --count 600 --float-accuracy        accuracy of the float model
"""

import argparse
import pathlib
import random
import re
import sys

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from samples import fetch  # noqa: E402

HEIGHT, WIDTH, LONGEST = 48, 320, 22
CALIBRATION_COUNT, EVALUATION_COUNT, SEED = 100, 600, 1
FONT_FOLDERS = [pathlib.Path("/usr/share/fonts/truetype") / name for name in ("dejavu", "liberation", "freefont")]
LICENCES = pathlib.Path("/usr/share/common-licenses")
WORDS = pathlib.Path("/usr/share/dict/american-english")


class Sources:
    """Fonts, words and sentences of this machine; raises FileNotFoundError naming the Debian package that is missing."""

    def __init__(self):
        self.fonts = sorted(path for folder in FONT_FOLDERS for path in folder.glob("*.ttf"))
        for folder, package in zip(FONT_FOLDERS, ("fonts-dejavu", "fonts-liberation", "fonts-freefont-ttf")):
            if not folder.is_dir():
                raise FileNotFoundError(f"{folder} is missing: apt-get install {package}")
        if not WORDS.is_file():
            raise FileNotFoundError(f"{WORDS} is missing: apt-get install wamerican")
        words = WORDS.read_text(encoding="utf-8").split("\n")
        self.words = [word for word in words if 3 <= len(word) <= 12 and word.isascii() and word.isalpha()]
        # Resolved paths: the folder holds links such as GPL -> GPL-3, which would count a text twice.
        texts = sorted({path.resolve() for path in LICENCES.iterdir() if path.is_file()})
        self.prose = []
        for path in texts:
            tokens = path.read_text(encoding="utf-8", errors="ignore").split()
            self.prose += [t if re.fullmatch(r"[!-~]{1,14}", t) else None for t in tokens]


def _number_text(rng):
    two = lambda low, high: f"{rng.randint(low, high):02d}"  # noqa: E731
    kind = rng.randrange(8)
    if kind == 0:
        return rng.choice(["$", "EUR ", "USD "]) + f"{rng.randint(0, 9999):,}.{two(0, 99)}"
    if kind == 1:
        return rng.choice([f"{rng.randint(1990, 2030)}-{two(1, 12)}-{two(1, 28)}", f"{two(1, 28)}.{two(1, 12)}.{rng.randint(1990, 2030)}",
                           f"{two(1, 12)}/{two(1, 28)}/{rng.randint(1990, 2030)}"])
    if kind == 2:
        return rng.choice(["Invoice ", "INV-", "No. "]) + f"{rng.randint(1000, 999999)}"
    if kind == 3:
        return rng.choice([f"+{rng.randint(1, 99)} {rng.randint(100, 999)} {rng.randint(1000000, 9999999)}",
                           f"({rng.randint(200, 999)}) {rng.randint(200, 999)}-{rng.randint(1000, 9999)}"])
    if kind == 4:
        return f"{rng.randint(0, 100)}.{rng.randint(0, 9)}%"
    if kind == 5:
        return rng.choice(["v", "Version ", "rev. "]) + f"{rng.randint(0, 30)}.{rng.randint(0, 20)}.{rng.randint(0, 99)}"
    if kind == 6:
        return rng.choice(["Gate ", "GATE "]) + rng.choice("ABCDEFGH") + str(rng.randint(1, 79))
    return f"{two(0, 23)}:{two(0, 59)}"


def _text(rng, sources):
    """One text of 2..LONGEST characters."""
    while True:
        draw = rng.random()
        if draw < 0.45:
            start, count = rng.randrange(len(sources.prose) - 3), rng.choice((2, 3))
            words = sources.prose[start:start + count]
            if None in words:
                continue
            text = " ".join(words)
        elif draw < 0.75:
            text = " ".join(rng.choice(sources.words) for _ in range(rng.randint(1, 3)))
            text = rng.choice((str.lower, str.title, str.upper))(text)
        else:
            text = _number_text(rng)
        if 2 <= len(text) <= LONGEST:
            return text


def texts(split, count, seed=SEED, sources=None):
    """`count` different texts of a split ("calibration" or "evaluation")."""
    sources = sources or Sources()
    taken = set()
    if split == "evaluation":
        taken.update(texts("calibration", CALIBRATION_COUNT, seed, sources))
    elif split != "calibration":
        raise ValueError(f"split: expected 'calibration' or 'evaluation', found '{split}'")
    if split == "calibration" and count > CALIBRATION_COUNT:
        raise ValueError(f"at most {CALIBRATION_COUNT} calibration lines keep the splits disjoint, found {count}")
    rng = random.Random(f"{split} text {seed}")
    result = []
    while len(result) < count:
        text = _text(rng, sources)
        if text not in taken:
            taken.add(text)
            result.append(text)
    return result


def render(text, rng, sources):
    """The line as an RGB uint8 array [h, w, 3]."""
    font = ImageFont.truetype(str(rng.choice(sources.fonts)), rng.randint(16, 40), layout_engine=ImageFont.Layout.BASIC)
    left, top, right, bottom = font.getbbox(text)
    margin = max(2, round(0.15 * (bottom - top)))
    background = [rng.randint(150, 255) for _ in range(3)]
    ink = [rng.randint(0, 110) for _ in range(3)]
    if rng.random() < 0.25:
        background, ink = ink, background
    # Room for the rotation; cut away again below.
    room = 12
    image = Image.new("RGB", (right - left + 2 * (margin + room), bottom - top + 2 * (margin + room)), tuple(background))
    ImageDraw.Draw(image).text((margin + room - left, margin + room - top), text, font=font, fill=tuple(ink))
    image = image.rotate(rng.gauss(0, 1), resample=Image.Resampling.BICUBIC, fillcolor=tuple(background))
    image = image.crop((room, room, image.width - room, image.height - room))
    if rng.random() < 0.35:
        factor = rng.uniform(0.4, 0.9)
        image = image.resize((max(8, round(image.width * factor)), max(8, round(image.height * factor))), Image.Resampling.BILINEAR)
    image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0, 1.1)))
    noise = np.random.default_rng(rng.getrandbits(63)).normal(0, rng.uniform(0, 18), (image.height, image.width, 3))
    return np.clip(np.asarray(image, np.float32) + noise, 0, 255).astype(np.uint8)


def preprocess(rgb, height=HEIGHT, width=WIDTH):
    """RGB uint8 [h, w, 3] -> float32 [3, height, width], as the recogniser and the classifier expect it."""
    image = Image.fromarray(rgb)
    wide = min(width, max(1, -(-height * image.width // image.height)))
    image = image.resize((wide, height), Image.Resampling.BILINEAR)
    bgr = np.asarray(image, np.float32)[:, :, ::-1].transpose(2, 0, 1)
    result = np.zeros((3, height, width), np.float32)
    result[:, :, :wide] = (bgr / 255 - 0.5) / 0.5
    return result


def images(split, count, seed=SEED):
    """Yields (text, RGB image) of a split."""
    sources = Sources()
    for index, text in enumerate(texts(split, count, seed, sources)):
        yield text, render(text, random.Random(f"{split} image {seed} {index}"), sources)


def lines(split, count, seed=SEED):
    """(texts, float32 [count, 3, 48, 320]) of a split."""
    pairs = [(text, preprocess(image)) for text, image in images(split, count, seed)]
    return [text for text, _ in pairs], np.stack([array for _, array in pairs])


# ---- Decoding and metric ---------------------------------------------------------------------------------------------

def characters(model=None):
    """The recogniser's classes: [blank, characters of the ONNX metadata ..., space]."""
    import onnx
    model = onnx.load(str(model or fetch.path_of("recogniser")))
    listed = [p.value for p in model.metadata_props if p.key == "character"]
    if not listed:
        raise ValueError("the model has no metadata entry 'character'")
    return [""] + listed[0].split("\n") + [" "]


def decode(classes, alphabet):
    """CTC by arg-max: class numbers [n, t] -> n strings. Repetitions are merged, class 0 is the blank."""
    result = []
    for row in classes:
        keep = np.concatenate(([True], row[1:] != row[:-1])) & (row != 0)
        result.append("".join(alphabet[c] for c in row[keep]))
    return result


def edit_distance(a, b):
    """Levenshtein distance of two strings."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a):
        previous, row[0] = row[0], i + 1
        for j, y in enumerate(b):
            previous, row[j + 1] = row[j + 1], min(row[j + 1] + 1, row[j] + 1, previous + (x != y))
    return row[-1]


def accuracy(expected, found):
    """{"characters": 1 - edit distance / length over all lines, "lines": share of exact lines}."""
    if len(expected) != len(found):
        raise ValueError(f"expected {len(expected)} lines, found {len(found)}")
    distance = sum(edit_distance(a, b) for a, b in zip(expected, found))
    return {"characters": 1 - distance / sum(map(len, expected)),
            "lines": sum(a == b for a, b in zip(expected, found)) / len(expected)}


def main():
    parser = argparse.ArgumentParser(description="Renders the lines of the text recognition task.")
    parser.add_argument("--split", choices=("calibration", "evaluation"), default="evaluation")
    parser.add_argument("--count", type=int, default=0, help=f"default {CALIBRATION_COUNT} or {EVALUATION_COUNT}")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("-o", "--output", help="write the preprocessed lines as an .npz with one array 'x'")
    parser.add_argument("--pictures", help="write the rendered lines as PNG files into this folder")
    parser.add_argument("--float-accuracy", action="store_true", help="print the float model's accuracy in ONNX Runtime")
    arguments = parser.parse_args()
    count = arguments.count or (CALIBRATION_COUNT if arguments.split == "calibration" else EVALUATION_COUNT)
    if arguments.pictures:
        folder = pathlib.Path(arguments.pictures)
        folder.mkdir(parents=True, exist_ok=True)
        for index, (_, image) in enumerate(images(arguments.split, count, arguments.seed)):
            Image.fromarray(image).save(folder / f"{index:04d}.png")
    if not (arguments.output or arguments.float_accuracy):
        return 0
    expected, x = lines(arguments.split, count, arguments.seed)
    if arguments.output:
        np.savez(arguments.output, x=x)
    if arguments.float_accuracy:
        from samples import peers
        session = peers.session(fetch.path_of("recogniser"))
        classes = np.concatenate([peers.run(session, x[i:i + 1])[0].argmax(-1) for i in range(count)])
        score = accuracy(expected, decode(classes, characters()))
        print(f"{count} lines: characters {100 * score['characters']:.2f} %, exact lines {100 * score['lines']:.2f} %")
    return 0


if __name__ == "__main__":
    sys.exit(main())
