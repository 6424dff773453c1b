#!/usr/bin/env python3
"""Draws bench.py's JSON as a roofline: picture.py RESULTS.json [...] -o roofline.png. Needs matplotlib.

Each figure stands at its arithmetic intensity (operations over the bytes of weights, scales, activations and output) and its rate; the roof is the measured
read rate (the fastest plain read of the run) and the datasheet's rate of the s8 matrix unit."""
import argparse
import json

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

S8_PEAK = 1979e12  # operations a second: datasheet of the SXM Hopper cards, dense
BITS = {"w8a8": (8, 8), "w8a8_s8": (8, 8), "w8a8_unscaled": (8, 8), "w4a8": (4, 8), "w4a8_two_level": (4, 8), "w4a16": (4, 16), "w4a16_prefill": (4, 16), "f16": (16, 16)}


def size(scheme, n, k, m):
    weight, activation = BITS[scheme]
    scales = 2 * n * k // 128 if weight == 4 else 4 * n
    return n * k * weight / 8 + scales + m * k * activation / 8 + 2 * m * n


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", nargs="+")
    parser.add_argument("-o", "--output", required=True)
    arguments = parser.parse_args()
    rows, device = [], ""
    for path in arguments.results:
        content = json.load(open(path))
        rows += content["results"]
        device = content["device"]
    figures = {}
    for r in rows:
        if r["us"] and not r["wrong"]:
            key = r["scheme"], r["n"], r["k"], r["m"]
            figures[key] = min(r["us"], figures.get(key, 1e9))
    reads = [(n * k // 2 + 2 * n * k // 128) / us * 1e6 for (scheme, n, k, _), us in figures.items() if scheme == "floor"]
    bandwidth = max(reads) if reads else 4.5e12
    plt.figure(figsize=(8, 5))
    intensities = [2.0**i for i in range(0, 14)]
    plt.plot(intensities, [min(S8_PEAK, i * bandwidth) / 1e12 for i in intensities], "k-", linewidth=1, label=f"read {bandwidth / 1e12:.2f} TB/s, s8 {S8_PEAK / 1e12:.0f} TOP/s")
    for scheme in BITS:
        points = [(2 * n * k * m / size(scheme, n, k, m), 2 * n * k * m / us / 1e6) for (s, n, k, m), us in figures.items() if s == scheme]
        if points:
            plt.plot(*zip(*points), "o", markersize=4, label=scheme)
    plt.xscale("log", base=2)
    plt.yscale("log")
    plt.xlabel("operations a byte")
    plt.ylabel("TOP/s")
    plt.title(device)
    plt.legend(fontsize=8)
    plt.grid(alpha=0.3)
    plt.tight_layout()
    plt.savefig(arguments.output, dpi=110)


if __name__ == "__main__":
    main()
