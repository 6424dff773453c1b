# Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
"""Runs every function of .mlir files before and after passes in the interpreter, on seeded random inputs, and compares.

same_results.py QUANT_OPT QUANT_INTERPRET WORK_FOLDER PASSES FILE...

`PASSES` is the text of a pipeline of function passes; the pass that a file is named after is added if it is not among them. Rewrites
reassociate a handful of float32 operations (2^-24 each) on sums of fewer than 64 terms, so that 1e-5 of the largest result bounds the difference.
"""

import pathlib
import re
import subprocess
import sys

import numpy as np

TOLERANCE = 1e-5


def run(*command):
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if result.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{result.stderr}")
    return result.stdout


def random_inputs(arguments, generator):
    """One array an argument; `?` becomes 2 (the same for all, which fits every expression of the test files)."""
    arrays = {}
    for index, (dims, element) in enumerate(re.findall(r"%\w+: tensor<((?:[0-9?]+x)*)(\w+)>", arguments)):
        shape = [2 if dim == "?" else int(dim) for dim in dims.split("x") if dim]
        if element != "f32":
            return None
        arrays[index] = generator.standard_normal(shape).astype(np.float32)
    return arrays


def main():
    quant_opt, interpret, work, passes, *files = sys.argv[1:]
    work = pathlib.Path(work)
    work.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(3)
    compared = 0
    for file in map(pathlib.Path, files):
        pipeline = passes if file.stem in passes else f"{passes},{file.stem}"
        for part, text in enumerate(file.read_text().split("// -----")):
            before, after = work / f"{file.stem}-{part}.mlir", work / f"{file.stem}-{part}.after.mlir"
            # Without the comments, which may hold IR, and without symbol ranges that exclude 2.
            before.write_text(re.sub(r"^\s*//.*$", "", text, flags=re.M))
            weights = work / f"{file.stem}-{part}.safetensors"
            run(quant_opt, before, f"--pass-pipeline=builtin.module(func.func({pipeline}),save-weights{{file={weights}}})", "-o", after)
            for name, arguments in re.findall(r"func\.func @(\w+)\((.*?)\) ->", before.read_text()):
                inputs = random_inputs(arguments, generator)
                if inputs is None:
                    continue
                outputs = []
                for ir in (before, after):
                    command = [interpret, ir, "--function", name, "--outputs", work / "out.npz"]
                    for index, array in inputs.items():
                        path = work / f"in{index}.npy"
                        np.save(path, array)
                        # A name if the argument has one, else its number.
                        named = re.findall(r"qnn\.name = \"(\w+)\"", arguments)
                        command += ["--input", f"{named[index] if index < len(named) else f'arg{index}'}={path}"]
                    if weights.exists():
                        command += ["--weights", weights]
                    run(*command)
                    outputs.append(dict(np.load(work / "out.npz")))
                for key, expected in outputs[0].items():
                    found = outputs[1][key]
                    assert expected.shape == found.shape and expected.dtype == found.dtype, f"{before} @{name} {key}: {expected.shape} became {found.shape}"
                    expected, found = expected.astype(np.float64), found.astype(np.float64)
                    if not np.isfinite(expected).all():
                        assert np.array_equal(expected, found, equal_nan=True), f"{before} @{name} {key}: {expected} became {found}"
                        continue
                    difference = np.abs(expected - found).max() / max(np.abs(expected).max(), 1e-30)
                    assert difference <= TOLERANCE, f"{before} @{name} {key}: differs by {difference}"
                    compared += 1
    print(f"{compared} results compared")


if __name__ == "__main__":
    main()
