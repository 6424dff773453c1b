# Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
"""The command lines that people and scripts depend on."""

import json

import numpy as np
import pytest

from conftest import BUILD, compile_model, refused, run_model, single, small_network, tool
from samples import peers


def inputs(batch=2, seed=5):
    return np.random.default_rng(seed).normal(size=(batch, 3, 8, 8)).astype(np.float32)


def test_small_float_network(small, small_float, tmp_path):
    x = inputs(3)
    ours, theirs = single(run_model(small_float, tmp_path, x=x)), peers.run(peers.session(small), x)[0]
    assert np.max(np.abs(ours - theirs)) <= 1e-4 * np.max(np.abs(theirs))


def test_small_int8_network(small, small_int8, tmp_path):
    x = inputs(4)
    ours, theirs = single(run_model(small_int8, tmp_path, x=x)), peers.run(peers.session(small), x)[0]
    # Three quantized tensors with 8 bits each: a step is 1/256 of a tensor's range, and errors of a few steps may add up.
    assert np.max(np.abs(ours - theirs)) <= 0.05 * np.max(np.abs(theirs))
    assert not np.array_equal(ours, theirs)


def test_input_by_name(small_float, tmp_path):
    x = inputs()
    np.save(tmp_path / "x.npy", x)
    done = tool("quant-run", small_float, "--input", f"x={tmp_path / 'x.npy'}", "--outputs", tmp_path / "y.npz")
    assert done.returncode == 0, done.stderr
    assert np.array_equal(np.load(tmp_path / "y.npz")["y"], single(run_model(small_float, tmp_path, x=x)))


def test_expected_outputs(small_float, tmp_path):
    x = inputs()
    y = single(run_model(small_float, tmp_path, x=x))
    np.savez(tmp_path / "x.npz", x=x)
    np.savez(tmp_path / "same.npz", y=y)
    np.savez(tmp_path / "other.npz", y=y + np.float32(0.5))
    run = lambda *more: tool("quant-run", small_float, "--inputs", tmp_path / "x.npz", *more)  # noqa: E731
    assert run("--expected", tmp_path / "same.npz").returncode == 0
    different = run("--expected", tmp_path / "other.npz")
    assert different.returncode == 1 and "y" in different.stderr
    assert run("--expected", tmp_path / "other.npz", "--atol", "0.6", "--rtol", "0").returncode == 0


def test_benchmark_json(small_int8, tmp_path):
    np.savez(tmp_path / "x.npz", x=inputs(1))
    done = tool("quant-run", small_int8, "--inputs", tmp_path / "x.npz", "--benchmark", "--json", tmp_path / "b.json")
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "b.json").read_text())
    assert set(result) >= {"median_ms", "min_ms", "p95_ms", "runs", "threads", "device", "load_ms", "first_ms"}
    assert 0 < result["min_ms"] <= result["median_ms"] <= result["p95_ms"] and result["runs"] >= 1 and result["threads"] == 1


def test_info_names_inputs_and_ranges(small_int8):
    done = tool("quant-run", small_int8, "--info")
    assert done.returncode == 0 and "x" in done.stdout and "N" in done.stdout and "f32" in done.stdout


def test_dump(small_int8):
    done = tool("quant-dump", small_int8)
    assert done.returncode == 0 and "exec." in done.stdout and "w8a8" in done.stdout


def test_calibration_folder_equals_file(small, small_calibration, small_int8, tmp_path):
    """A folder of one sample per file gives the same scales as one stacked array."""
    folder = tmp_path / "samples"
    folder.mkdir()
    for i, sample in enumerate(np.load(small_calibration)["x"]):
        np.savez(folder / f"{i:02d}.npz", x=sample[None])
    artifact = compile_model(small, tmp_path / "m.bwm", "--recipe", "w8a8", "--calibration", folder, "--dim", "N=1..4")
    x = inputs(4)
    assert np.array_equal(single(run_model(artifact, tmp_path, x=x)), single(run_model(small_int8, tmp_path, x=x)))


def test_statistics_instead_of_calibration(small, small_calibration, tmp_path):
    """--statistics-in gives what the calibration gave, and refuses another graph."""
    saved = tmp_path / "s.json"
    first = compile_model(small, tmp_path / "a.bwm", "--recipe", "w8a8", "--calibration", small_calibration, "--dim", "N=1..4",
                          "--statistics-out", saved)
    second = compile_model(small, tmp_path / "b.bwm", "--recipe", "w8a8", "--statistics-in", saved, "--dim", "N=1..4")
    x = inputs(4)
    assert np.array_equal(single(run_model(first, tmp_path, x=x)), single(run_model(second, tmp_path, x=x)))
    other = small_network(tmp_path / "other.onnx", weights={"b_last": np.ones(4)})
    refused(tool("quant-compile", other, "-o", tmp_path / "c.bwm", "--recipe", "w8a8", "--statistics-in", saved, "--dim", "N=1..4"),
            "s.json", "graph")
    assert not (tmp_path / "c.bwm").exists()


def test_compiling_twice_gives_the_same_bytes(small, small_calibration, small_int8, tmp_path):
    again = compile_model(small, tmp_path / "again.bwm", "--recipe", "w8a8", "--calibration", small_calibration, "--dim", "N=1..4")
    assert again.read_bytes() == small_int8.read_bytes()


@pytest.mark.parametrize("name", ["quant-compile", "quant-run", "quant-dump"])
def test_wrong_usage_is_status_2(name, small):
    for arguments in ([], ["--no-such-option", small], [small, "--threads", "many"] if name != "quant-dump" else ["a", "b", "c"]):
        done = tool(name, *arguments)
        assert done.returncode == 2 and done.stderr, f"{name} {arguments}: {done.returncode} {done.stderr}"


@pytest.mark.parametrize("name", ["quant-compile", "quant-run", "quant-dump"])
def test_version_banner(name):
    done = tool(name, "--version")
    assert done.returncode == 0 and "0.1.0" in done.stdout + done.stderr


def test_quant_run_is_small_and_needs_only_libc():
    """Stripped under 3 MB; static but for libc (which it needs for dlopen of a driver)."""
    import shutil
    import subprocess
    import tempfile
    with tempfile.TemporaryDirectory() as folder:
        copy = shutil.copy(BUILD / "bin" / "quant-run", folder)
        subprocess.run(["strip", copy], check=True)
        import os
        assert os.path.getsize(copy) < 3_000_000
        needed = subprocess.run(["readelf", "-d", copy], check=True, capture_output=True, text=True).stdout
    libraries = {line.split("[")[1].split("]")[0] for line in needed.split("\n") if "(NEEDED)" in line}
    assert libraries <= {"libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "ld-linux-x86-64.so.2"}, libraries


def test_artifact_needs_no_onnx_names(tmp_path):
    """Outputs keep the names of the model."""
    model = small_network(tmp_path / "m.onnx")
    artifact = compile_model(model, tmp_path / "m.bwm", "--recipe", "float", "--dim", "N=1..2")
    assert set(run_model(artifact, tmp_path, x=inputs(1))) == {"y"}


def test_bound_dimension_names_the_value_that_was_asked_for(small, tmp_path):
    refused(tool("quant-compile", small, "-o", tmp_path / "m.bwm", "--recipe", "float", "--dim", "x:1=4"), "x:1", "expected 3", "found 4")


def test_version_banner_of_quant_opt():
    done = tool("quant-opt", "--version")
    assert done.returncode == 0 and "0.1.0" in done.stdout + done.stderr
