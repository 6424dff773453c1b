# Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
"""Runs the built tools and times them beside their peers on one pinned core, round by round."""

import contextlib
import json
import os
import pathlib
import statistics
import subprocess
import time

import numpy as np

from samples import peers

ROOT = pathlib.Path(__file__).resolve().parent.parent


class ToolError(Exception):
    """A tool of this project is missing or failed; the text says which and how."""


def tool(name):
    """Path of a built tool; BITWRIGHT_BUILD names another build folder than build/release."""
    path = pathlib.Path(os.environ.get("BITWRIGHT_BUILD", ROOT / "build" / "release")) / "bin" / name
    if not path.is_file():
        raise ToolError(f"{path} is not there: run tools/setup")
    return path


def run(command):
    """Output of a command; ToolError when it fails."""
    done = subprocess.run(list(map(str, command)), stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        raise ToolError(f"{' '.join(map(str, command))}\nfailed with exit status {done.returncode}: "
                        f"{(done.stderr or done.stdout).strip()[-600:]}")
    return done.stdout


def quant_run(artifact, inputs, folder, *options):
    """{output name: array} of one call of quant-run; scratch files go to `folder`."""
    source, result = pathlib.Path(folder) / "in.npz", pathlib.Path(folder) / "out.npz"
    np.savez(source, **inputs)
    result.unlink(missing_ok=True)
    run([tool("quant-run"), artifact, "--inputs", source, "--outputs", result, *options])
    with np.load(result) as file:
        outputs = {name: file[name] for name in file.files}
    result.unlink()
    return outputs


@contextlib.contextmanager
def pinned(core):
    """This process and the tools it starts run on one core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def onnxruntime_timer(model, x, calls=3):
    """A function that returns the median latency, in ms, of `calls` calls after one that is not counted."""
    session = peers.session(model)
    peers.run(session, x)

    def once():
        times = []
        for _ in range(calls + 1):
            started = time.perf_counter()
            peers.run(session, x)
            times.append(1e3 * (time.perf_counter() - started))
        return statistics.median(times[1:])
    return once


def quant_run_timer(artifact, inputs, folder, *options, calls=10):
    """A function that returns the median latency, in ms, of `calls` calls in quant-run on one thread."""
    source, result = pathlib.Path(folder) / "timed.npz", pathlib.Path(folder) / "benchmark.json"
    np.savez(source, **inputs)
    command = [tool("quant-run"), artifact, "--inputs", source, "--threads", "1", "--benchmark", "--runs", str(calls), "--json", result,
               *options]

    def once():
        result.unlink(missing_ok=True)
        run(command)
        return json.loads(result.read_text())["median_ms"]
    return once


def interleave(timers, rounds):
    """Medians over `rounds` of timers that take turns, so that a change of the machine's clock meets all alike."""
    samples = [[] for _ in timers]
    for _ in range(rounds):
        for timer, list_ in zip(timers, samples):
            list_.append(timer())
    return [statistics.median(list_) for list_ in samples]


def cold_start(artifact, inputs, folder):
    """ms from starting quant-run until it has ended with the result of one call."""
    source = pathlib.Path(folder) / "timed.npz"
    np.savez(source, **inputs)
    command = list(map(str, [tool("quant-run"), artifact, "--inputs", source, "--threads", "1"]))
    with open(os.devnull, "r+") as null:
        started = time.perf_counter()
        status = subprocess.call(command, stdin=null, stdout=null, stderr=null)
        elapsed = 1e3 * (time.perf_counter() - started)
    if status != 0:
        raise ToolError(f"{' '.join(command)}\nfailed with exit status {status}")
    return elapsed
