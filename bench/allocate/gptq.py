#!/usr/bin/env python3
"""Seconds of GPTQ per layer beside a NumPy/LAPACK reference, in the same run.

    bench/allocate/gptq.py [--binary build/release/bin/bench-gptq] [--threads 2] [--smoke] [ROWSxCOLUMNS ...]

The reference is the published loop: Cholesky factor of the inverse, lazy blocks of 128 columns, 4 bits, groups of 128
fitted when they are entered. Both must agree on the output error to 1e-6 relative.
"""
import argparse
import os
import subprocess
import sys
import tempfile
import time


def reference(np, weights, moments, group=128, block=128, damping=0.01):
    w = weights.copy()
    rows, columns = w.shape
    h = moments + np.eye(columns) * damping * np.mean(np.diag(moments))
    lower = np.linalg.cholesky(h)
    inverse_lower = np.linalg.inv(lower)
    upper = np.linalg.cholesky(inverse_lower.T @ inverse_lower).T
    out = np.empty_like(w)
    for first in range(0, columns, block):
        last = min(first + block, columns)
        errors = np.empty((rows, last - first))
        for j in range(first, last):
            if j % group == 0:
                part = w[:, j:j + group]
                low = np.minimum(part.min(1), 0)
                high = np.maximum(part.max(1), 0)
                scale = np.maximum((high - low) / 15, 2.0**-126).astype(np.float32).astype(np.float64)
                zero = np.clip(np.rint(-low / scale), 0, 15)
            q = (np.clip(np.rint(w[:, j] / scale) + zero, 0, 15) - zero) * scale
            out[:, j] = q
            e = (w[:, j] - q) / upper[j, j]
            w[:, j:last] -= np.outer(e, upper[j, j:last])
            errors[:, j - first] = e
        w[:, last:] -= errors @ upper[first:last, last:]
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shapes", nargs="*", help="rows x columns of a layer, as 1024x1024")
    parser.add_argument("--binary", default="build/release/bin/bench-gptq")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--smoke", action="store_true", help="one small layer")
    arguments = parser.parse_args()
    os.environ["OPENBLAS_NUM_THREADS"] = str(arguments.threads)
    import numpy as np

    shapes = arguments.shapes or (["64x256"] if arguments.smoke else ["120x480", "480x512", "1024x1024", "2048x2048",
                                                                      "4096x4096"])
    if not os.path.exists(arguments.binary):
        sys.exit(f"bench: expected the program '{arguments.binary}': build the target bench-gptq")
    print(f"{'layer':>12} {'ours s':>9} {'NumPy s':>9} {'ratio':>6} {'output error, ours / NumPy':>30}")
    failed = False
    for shape in shapes:
        rows, columns = (int(v) for v in shape.split("x"))
        generator = np.random.default_rng(3)
        samples = min(4 * columns, 4096)
        mixing = generator.standard_normal((columns, columns)) * np.exp(-8.0 * np.arange(columns) / columns)[:, None]
        x = generator.standard_normal((samples, columns)) @ mixing / np.sqrt(columns)
        moments = x.T @ x
        weights = generator.standard_t(4, (rows, columns)) * 0.02
        with tempfile.TemporaryDirectory() as folder:
            weights.tofile(os.path.join(folder, "weights.f64"))
            moments.tofile(os.path.join(folder, "moments.f64"))
            answer = subprocess.run([arguments.binary, folder, str(rows), str(columns), "128", str(arguments.threads)],
                                    check=True, capture_output=True, text=True).stdout.split()
            rounded = np.fromfile(os.path.join(folder, "rounded.f64")).reshape(rows, columns)
        ours = float(answer[0])
        start = time.perf_counter()
        expected = reference(np, weights, moments)
        numpy_seconds = time.perf_counter() - start
        errors = [float(np.einsum("ij,jk,ik->", d, moments, d, optimize=True)) for d in
                  (weights - rounded, weights - expected)]
        # A code on the edge between two may fall either way; the errors must agree far below what that could hide.
        agree = abs(errors[0] - errors[1]) <= 1e-6 * errors[1] or np.mean(rounded != expected) < 1e-3 and \
            errors[0] <= 1.001 * errors[1]
        failed |= not agree
        print(f"{shape:>12} {ours:9.3f} {numpy_seconds:9.3f} {ours / numpy_seconds:6.2f} {errors[0]:14.6g} / "
              f"{errors[1]:<12.6g} {'' if agree else 'DISAGREE'}", flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
