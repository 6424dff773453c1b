#!/usr/bin/env python3
# Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
"""The main job of ./quickstart; expects what tools/setup makes (see there). Exit status 0: table printed and written."""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
from samples import fetch, peers, text_lines, timing  # noqa: E402

FOLDER = ROOT / "build" / "quickstart"
MODEL = "PP-OCRv6 text recogniser"
BATCH = 8
# The peer's int8 counts as acceptable when it loses at most this share of the characters.
ACCEPTABLE_LOSS = 0.005


def say(text):
    print(f"[quickstart] {text}", flush=True)


class StageError(Exception):
    """A stage failed; the text says which, and what to look at."""


def compile_recogniser(calibration, out):
    """quant-compile with the calibration lines; returns seconds."""
    source = FOLDER / "calibration.npz"
    np.savez(source, x=calibration)
    command = [timing.tool("quant-compile"), fetch.path_of("recogniser"), "-o", out, "--recipe", "w8a8",
               "--calibration", source, "--dim", "DynamicDimension.0=1..8", "--dim", "DynamicDimension.1=32..1280",
               "--target", "cpu"]
    command = list(map(str, command))
    started = time.perf_counter()
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    (FOLDER / "compile.log").write_text(" ".join(command) + "\n" + done.stdout + done.stderr)
    if done.returncode != 0:
        raise StageError(f"compiling failed with exit status {done.returncode}:\n"
                         + "\n".join((done.stderr or done.stdout).strip().split("\n")[-6:])
                         + f"\nthe whole log: {FOLDER / 'compile.log'}")
    return time.perf_counter() - started


def our_accuracy(artifact, texts, x, alphabet):
    """Accuracy of the .bwm on all lines, in batches of up to BATCH."""
    classes = []
    for start in range(0, len(x), BATCH):
        output = timing.quant_run(artifact, {"x": x[start:start + BATCH]}, FOLDER, "--threads", len(os.sched_getaffinity(0)))
        if len(output) != 1:
            raise StageError(f"{artifact.name}: expected 1 output, found {sorted(output)}")
        classes.append(next(iter(output.values())).argmax(-1))
    return text_lines.accuracy(texts, text_lines.decode(np.concatenate(classes), alphabet))


def peer_accuracy(model, texts, x, alphabet):
    """Accuracy of an ONNX file in ONNX Runtime; computed once for the same file and lines."""
    def compute():
        session = peers.session(model)
        classes = np.concatenate([peers.run(session, x[i:i + 1])[0].argmax(-1) for i in range(len(x))])
        return text_lines.accuracy(texts, text_lines.decode(classes, alphabet))
    return peers.remembered((pathlib.Path(model).read_bytes(), "\n".join(texts), x), compute)


def best_int8_peer(calibration, texts, x, alphabet, floor):
    """(variant, path, accuracy): the fastest variant whose characters are at least `floor`, else the most accurate."""
    found = []
    for variant in peers.VARIANTS:
        path = peers.int8(fetch.path_of("recogniser"), calibration, variant)
        found.append((variant, path, peer_accuracy(path, texts, x, alphabet)))
    acceptable = [entry for entry in found if entry[2]["characters"] >= floor]
    if not acceptable:
        return max(found, key=lambda entry: entry[2]["characters"])
    medians = timing.interleave([timing.onnxruntime_timer(path, x[:1]) for _, path, _ in acceptable], rounds=9)
    return acceptable[int(np.argmin(medians))]


def table(rows):
    """Aligned text; the first row is the heading."""
    widths = [max(len(row[c]) for row in rows) for c in range(len(rows[0]))]
    return "\n".join("  " + "  ".join(cell.ljust(w) if c == 0 else cell.rjust(w)
                                      for c, (cell, w) in enumerate(zip(row, widths))) for row in rows)


def main():
    parser = argparse.ArgumentParser(prog="quickstart", description="Compiles the sample recogniser and compares it with ONNX Runtime.")
    parser.add_argument("--seed", type=int, default=text_lines.SEED, help="seed of the rendered lines")
    parser.add_argument("--samples", type=int, default=text_lines.EVALUATION_COUNT, help="evaluation lines (at least 400 for the record)")
    parser.add_argument("--rounds", type=int, default=21, help="interleaved timing rounds")
    arguments = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    summary_path, artifact = FOLDER / "summary.json", FOLDER / "rec.bwm"
    for old in (summary_path, artifact):
        old.unlink(missing_ok=True)

    say(f"rendering {text_lines.CALIBRATION_COUNT} calibration and {arguments.samples} evaluation lines, seed {arguments.seed}")
    _, calibration = text_lines.lines("calibration", text_lines.CALIBRATION_COUNT, arguments.seed)
    texts, x = text_lines.lines("evaluation", arguments.samples, arguments.seed)
    alphabet = text_lines.characters()

    try:
        say(f"compiling {MODEL} to int8 (log: build/quickstart/compile.log)")
        seconds = compile_recogniser(calibration, artifact)
        say(f"compiled in {seconds:.0f} s: build/quickstart/rec.bwm, {artifact.stat().st_size / 1e6:.1f} MB")
        say("ours: decoding the evaluation lines")
        ours = our_accuracy(artifact, texts, x, alphabet)
    except (StageError, timing.ToolError) as error:
        print(f"[quickstart] error: {error}", file=sys.stderr)
        return 1

    say("peers: ONNX Runtime float, and its int8 variants (kept in build/peers)")
    floating = peer_accuracy(fetch.path_of("recogniser"), texts, x, alphabet)
    variant, int8_path, int8 = best_int8_peer(calibration, texts, x, alphabet, floating["characters"] - ACCEPTABLE_LOSS)
    say(f"best int8 peer: {variant}")

    core = max(os.sched_getaffinity(0))
    say(f"timing 1 thread on core {core}, {arguments.rounds} interleaved rounds")
    with timing.pinned(core):
        float_ms, int8_ms, ours_ms = timing.interleave(
            [timing.onnxruntime_timer(fetch.path_of("recogniser"), x[:1]), timing.onnxruntime_timer(int8_path, x[:1]),
             timing.quant_run_timer(artifact, {"x": x[:1]}, FOLDER)], arguments.rounds)
        cold = statistics.median(timing.cold_start(artifact, {"x": x[:1]}, FOLDER) for _ in range(11))

    float_bytes = fetch.path_of("recogniser").stat().st_size
    our_bytes, peer_bytes = artifact.stat().st_size, int8_path.stat().st_size
    summary = {
        "task": {"name": "rendered text lines, PP-OCRv6_rec_small", "metric": "character accuracy after CTC decoding",
                 "samples": len(texts)},
        "accuracy": {"float": floating["characters"], "int8_peer": int8["characters"], "ours": ours["characters"]},
        "latency_ms": {"float_peer": float_ms, "int8_peer": int8_ms, "ours": ours_ms},
        "bytes": {"float_onnx": float_bytes, "ours": our_bytes},
        "cold_start_ms": cold,
    }
    partial = summary_path.with_suffix(".partial")
    partial.write_text(json.dumps(summary, indent=2) + "\n")
    partial.replace(summary_path)

    percent = lambda value: f"{100 * value:.2f} %"  # noqa: E731
    print(f"\n  {MODEL}, 1x3x48x320, {len(texts)} lines, 1 thread\n")
    print(table([
        ["", "ONNX Runtime float", "ONNX Runtime int8", "Bitwright int8"],
        ["characters right", *(percent(a["characters"]) for a in (floating, int8, ours))],
        ["lines right", *(percent(a["lines"]) for a in (floating, int8, ours))],
        ["latency", *(f"{ms:.2f} ms" for ms in (float_ms, int8_ms, ours_ms))],
        ["  of float", *(f"{ms / float_ms:.2f} x" for ms in (float_ms, int8_ms, ours_ms))],
        ["file", *(f"{size / 1e6:.2f} MB" for size in (float_bytes, peer_bytes, our_bytes))],
        ["process start to first result", "", "", f"{cold:.0f} ms"],
    ]))
    print("\n  also in build/quickstart/summary.json\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
