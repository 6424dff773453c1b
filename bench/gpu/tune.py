#!/usr/bin/env python3
"""Times every kernel of a folder and writes the table that schedule-kernels reads: tune.py FOLDER -o TABLE.json

FOLDER: `quant-tune FILE.mlir --candidates -o FOLDER`, operations tagged as signatures.py tags them. For each signature and range of M the fastest kernel whose
output is right becomes an entry (docs/Gpu.md, "Schedules")."""
import argparse
import json
import re

import torch

import bench
import folder as folders

# Ranges of M, and the M that each is timed at.
BUCKETS = [(1, 8, 8), (9, 16, 16), (17, 32, 32), (33, 64, 64), (65, 128, 128), (129, 256, 256), (257, 512, 512), (513, 1024, 1024), (1025, 0, 2048)]


def with_range(schedule, low, high):
    """The schedule's text with m_lo and m_hi replaced."""
    body = re.sub(r"\bm_(lo|hi) = \d+, ", "", schedule)
    return body.replace("kind = ", f"m_lo = {low}, " + (f"m_hi = {high}, " if high else "") + "kind = ", 1)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("-o", "--output", required=True)
    parser.add_argument("--m", default="", help="only the ranges that hold these M")
    arguments = parser.parse_args()
    wanted = [int(m) for m in arguments.m.split(",") if m]
    chip = re.sub(r"^NVIDIA ", "", torch.cuda.get_device_name())
    kernels = folders.read(arguments.folder)
    entries = []
    for signature in dict.fromkeys(k.signature for k in kernels):
        mine = [k for k in kernels if k.signature == signature]
        problem = bench.Problem(mine[0].tag, mine[0].n, mine[0].k)
        for low, high, m in BUCKETS:
            if wanted and not any(low <= w and (not high or w <= high) for w in wanted):
                continue
            # A kernel serves a range that its own upper bound covers; its lower bound is only a preference.
            able = [k for k in mine if int(k.field("m_hi")) == 0 or (high and int(k.field("m_hi")) >= high)]
            times = {}
            for kernel in able:
                kernel.serves = lambda _: True
                bench.time_ours([kernel], problem, m, "steady" if m >= 1024 else "short", lambda _, us, wrong: times.update({kernel.schedule: us}) if us and not wrong else None)
            if not times:
                continue
            best = min(times, key=times.get)
            print(f"{signature}, M = {low}..{high or 'any'}: {times[best]:.2f} us of {len(times)}, {best}", flush=True)
            entries.append({"chip": chip, "arch": mine[0].arch, "signature": signature, "schedule": with_range(best, low, high), "us": round(times[best], 3)})
        del problem
        torch.cuda.empty_cache()
    with open(arguments.output, "w") as file:
        json.dump({"entries": entries}, file, indent=1)


if __name__ == "__main__":
    main()
