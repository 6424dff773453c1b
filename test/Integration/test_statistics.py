# Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
"""Statistics of calibration as files: shards, interruptions, what is refused, and what compilation makes of them."""

import json
import signal
import subprocess
import time

import numpy as np
import pytest

from conftest import BUILD, refused, small_network, tool

SAMPLES = 24


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("statistics")
    small_network(folder / "net.onnx")
    # Neighbours that resemble each other, as in pictures: what GPTQ lives on.
    x = np.cumsum(np.random.default_rng(1).normal(size=(SAMPLES, 3, 8, 8)), axis=3)
    np.savez(folder / "data.npz", x=x.astype(np.float32))
    return folder


def collect_arguments(folder, out, *more, data="data.npz"):
    return ["collect", folder / "net.onnx", "--dim", "N=1..4", "--calibration", folder / data, "-o", folder / out, *more]


def collect(folder, out, *more):
    done = tool("quant-statistics", *collect_arguments(folder, out, *more))
    assert done.returncode == 0, done.stderr
    return folder / out


def merge(folder, out, *parts):
    return tool("quant-statistics", "merge", *(folder / part for part in parts), "-o", folder / out)


def content(path):
    """The line of JSON and the float64 values behind it."""
    line, _, binary = path.read_bytes().partition(b"\n")
    return json.loads(line), np.frombuffer(binary, np.float64)


@pytest.fixture(scope="module")
def whole(folder):
    return collect(folder, "whole", "--second-moments", "--channel-absmax")


def test_values_are_those_of_the_data(folder, whole):
    x = np.load(folder / "data.npz")["x"]
    stored, _ = content(whole)
    entry = stored["values"]["x"]
    assert stored["version"] == 3 and stored["samples"] == SAMPLES
    assert entry["count"] == x.size and entry["extremes"] == [x.min(), x.max()]
    assert entry["channel_absmax"] == [float(v) for v in np.abs(x).max(axis=(0, 2, 3))]
    assert set(stored["moments"]) == {"first", "last"}
    assert stored["moments"]["first"]["columns"] == 27


def test_merged_shards_equal_one_pass(folder, whole):
    for i in (1, 2, 3):
        collect(folder, f"shard{i}", "--second-moments", "--channel-absmax", "--shard", f"{i}/3")
    done = merge(folder, "merged", "shard3", "shard1", "shard2")
    assert done.returncode == 0, done.stderr
    one, moments = content(whole)
    all_, merged = content(folder / "merged")
    assert all_["data"] == one["data"], "a complete set of shards is the data set"
    for name, entry in one["values"].items():
        other = all_["values"][name]
        for key in ("count", "batches", "extremes", "exponent", "first_bin", "bins", "channel_absmax"):
            assert other.get(key) == entry.get(key), (name, key)
        # SAMPLES sums in float64 in another order, each rounded by at most 2^-53 of the sum of squares.
        assert abs(other["sum_of_squares"] - entry["sum_of_squares"]) <= 2 * entry["count"] * 2**-53 * entry["sum_of_squares"]
    # An entry is at most the largest diagonal entry; a sample adds one float64 rounding of the sum so far.
    assert np.abs(merged - moments).max() <= 2 * SAMPLES * 2**-53 * np.abs(moments).max()


def test_overlapping_shards_and_other_graphs_are_refused(folder, whole):
    collect(folder, "half", "--second-moments", "--channel-absmax", "--shard", "1/2")
    refused(merge(folder, "no", "whole", "half"), "the same samples", "each sample counts once")
    refused(merge(folder, "no", "half", "half"), "both hold shard 1/2")
    collect(folder, "plain", "--shard", "2/2")
    refused(merge(folder, "no", "half", "plain"), "second moments", "same options")
    small_network(folder / "other.onnx", {"b_last": np.ones(4)})
    done = tool("quant-statistics", "collect", folder / "other.onnx", "--dim", "N=1..4", "--calibration", folder / "data.npz",
                "-o", folder / "othergraph")
    assert done.returncode == 0, done.stderr
    refused(merge(folder, "no", "plain", "othergraph"), "two graphs", "graph digest")
    assert not (folder / "no").exists()
    refused(tool("quant-compile", folder / "net.onnx", "--dim", "N=1..4", "--recipe", "w8a8", "--statistics-in",
                 folder / "othergraph", "-o", folder / "no.bwm"), "another graph", "run the calibration again")


def test_killed_and_continued_is_the_same_file(folder, whole):
    """SIGKILL in the middle, twice; the file in the end is that of an undisturbed run, byte for byte."""
    rng = np.random.default_rng(1)
    np.savez(folder / "long.npz", x=rng.normal(size=(3000, 3, 8, 8)).astype(np.float32))
    arguments = collect_arguments(folder, "killed", "--second-moments", "--save-every", "0", data="long.npz")
    partial, seen = folder / "killed.partial", 0
    for _ in range(2):
        process = subprocess.Popen([str(BUILD / "bin" / "quant-statistics"), *map(str, arguments)], stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE, text=True)
        deadline = time.time() + 120
        while time.time() < deadline and process.poll() is None:
            if partial.exists() and content(partial)[0]["samples"] > seen + 5:
                break
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert partial.exists() and not (folder / "killed").exists(), "it was killed in the middle"
        before, seen = seen, content(partial)[0]["samples"]
        assert before < seen < 3000
        if before:
            assert "goes on after" in process.stderr.read()
    refused(tool("quant-statistics", "merge", partial, "-o", folder / "no"), "interrupted after", "run the same command again")
    shown = tool("quant-statistics", "show", partial)
    assert shown.returncode == 0 and f"unfinished: {seen} samples so far" in shown.stdout
    refused(tool("quant-statistics", *collect_arguments(folder, "killed", "--second-moments", "--save-every", "0")),
            "killed.partial", "of another data", "remove the file to start over")
    done = tool("quant-statistics", *collect_arguments(folder, "killed", "--second-moments", data="long.npz"))
    assert done.returncode == 0 and f"goes on after {seen} samples" in done.stderr
    undisturbed = tool("quant-statistics", *collect_arguments(folder, "undisturbed", "--second-moments", data="long.npz"))
    assert undisturbed.returncode == 0 and "goes on" not in undisturbed.stderr
    assert (folder / "killed").read_bytes() == (folder / "undisturbed").read_bytes()
    assert not partial.exists()


def test_compiler_continues_too(folder, tmp_path):
    """quant-compile picks up what quant-statistics left: one file format, one way to collect."""
    out = tmp_path / "s"
    arguments = ["--dim", "N=1..4", "--calibration", folder / "long.npz"]
    process = subprocess.Popen([str(BUILD / "bin" / "quant-statistics"), "collect", str(folder / "net.onnx"), *map(str, arguments),
                                "-o", str(out), "--save-every", "0"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not (tmp_path / "s.partial").exists() and process.poll() is None:
        time.sleep(0.005)
    process.kill()
    process.wait()
    done = tool("quant-compile", folder / "net.onnx", *arguments, "--recipe", "w8a8", "--statistics-out", out, "-o",
                tmp_path / "m.bwm")
    assert done.returncode == 0 and "calibration goes on after" in done.stderr, done.stderr
    assert content(out)[0]["samples"] == 3000


def test_show(folder, whole):
    x = np.load(folder / "data.npz")["x"]
    done = tool("quant-statistics", "show", whole, "--percentiles", "1,50,99")
    assert done.returncode == 0, done.stderr
    lines = {line.split()[0]: line.split() for line in done.stdout.splitlines()}
    assert lines["value"][1:] == ["count", "low", "high", "mean", "rms", "p1", "p50", "p99"]
    row = [float(v) for v in lines["x"][1:]]
    assert row[0] == x.size
    # Printed with five digits; a percentile is off by a bin at most, 1/512 of the largest magnitude.
    expected = [x.min(), x.max(), x.mean(), np.sqrt((x.astype(np.float64)**2).mean())]
    assert np.allclose(row[1:5], expected, rtol=1e-4, atol=1e-6)
    exact = np.percentile(x, [1, 50, 99], method="inverted_cdf")
    assert np.abs(np.array(row[5:]) - exact).max() <= np.abs(x).max() / 512 * (1 + 1e-4)
    assert lines["first"][1:] == ["1", "27", str(64 * SAMPLES)], "the table of second moments"
    one = tool("quant-statistics", "show", whole, "--value", "x")
    assert "channel of x" in one.stdout and "absmax" in one.stdout


def test_bad_input(folder, whole, tmp_path):
    refused(tool("quant-statistics", "show", folder / "net.onnx"), "expected a line of JSON")
    old = tmp_path / "old"
    old.write_bytes(whole.read_bytes().replace(b'"version":3', b'"version":2'))
    refused(tool("quant-statistics", "show", old), "expected version 3, found 2", "run the calibration again")
    cut = tmp_path / "cut"
    cut.write_bytes(whole.read_bytes()[:-5])
    refused(tool("quant-statistics", "show", cut), "moments of 'last'", "may be cut short")
    refused(tool("quant-statistics", "show", tmp_path / "none"), "cannot read statistics")
    refused(tool("quant-statistics", "show", whole, "--value", "nothing*"), "no value matches 'nothing*'")
    refused(tool("quant-statistics", "show", whole, "--percentiles", "101"), "numbers from 0 to 100", status=2)
    refused(tool("quant-statistics", *collect_arguments(folder, "no", "--shard", "3/2")), "expected I/N with 1 <= I <= N", status=2)
    refused(tool("quant-statistics", *collect_arguments(folder, "no", "--shard", "40/40")), "is empty", "at most as many shards")
    refused(tool("quant-statistics"), "collect, merge or show", status=2)
    huge = np.full((2, 3, 8, 8), 3e38, np.float32)
    np.savez(folder / "huge.npz", x=huge)
    refused(tool("quant-statistics", *collect_arguments(folder, "no", data="huge.npz")), "sample 0", "NaN or infinity at 'first")
    assert not (folder / "no").exists()


def test_gptq_fallbacks_in_the_summary(folder, whole, tmp_path):
    recipe = tmp_path / "gptq.yaml"
    recipe.write_text("name: gptq\nweights: {format: s4, rounding: gptq}\n")
    arguments = [folder / "net.onnx", "--dim", "N=1..4", "--recipe", recipe, "-o", tmp_path / "m.bwm", "--json", tmp_path / "m.json"]
    done = tool("quant-compile", *arguments, "--statistics-in", whole)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "m.json").read_text())["gptq"] == {"layers": 2, "fallbacks": 0}
    collect(folder, "without")
    done = tool("quant-compile", *arguments, "--statistics-in", folder / "without")
    assert done.returncode == 0 and "holds no second moments" in done.stderr
    assert json.loads((tmp_path / "m.json").read_text())["gptq"] == {"layers": 2, "fallbacks": 2}
