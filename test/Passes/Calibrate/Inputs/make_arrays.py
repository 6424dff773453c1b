# Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
"""Calibration files, good and bad, for a model with one input x: f32[1, 2]."""
import pathlib
import sys

import numpy as np

out = pathlib.Path(sys.argv[1])
out.mkdir(parents=True, exist_ok=True)
good = np.array([[1, -2], [3, 4], [-5, 0]], np.float32)
np.savez(out / "good.npz", x=good)
np.savez(out / "whole.npz", x=good[:, None])  # one rank more: whole inputs
np.savez(out / "name.npz", y=good)
np.savez(out / "extra.npz", x=good, y=good)
np.savez(out / "dtype.npz", x=good.astype(np.float64))
np.savez(out / "shape.npz", x=np.zeros((3, 3), np.float32))
np.savez(out / "rank.npz", x=np.zeros(3, np.float32))
np.savez(out / "nan.npz", x=np.array([[1, 2], [np.nan, 0]], np.float32))
np.savez(out / "empty.npz", x=np.zeros((0, 2), np.float32))
np.savez(out / "overflow.npz", x=np.full((1, 2), 3e38, np.float32))
np.save(out / "x.npy", good)
(out / "none").mkdir(exist_ok=True)
folder = out / "folder"
folder.mkdir(exist_ok=True)
np.savez(folder / "a.npz", x=good[:1])
np.save(folder / "b.npy", good[1:])
(out / "text.txt").write_text("x")
(out / "broken.npz").write_bytes((out / "good.npz").read_bytes()[:60])

# For the model with x: f32[1, 2] and b: f32[2, 3]; two rows of b are one sample.
pair = np.arange(12, dtype=np.float32).reshape(4, 3)
np.savez(out / "pair.npz", x=good[:2], b=pair)
np.savez(out / "rows.npz", x=good[:2], b=pair[:3])
np.savez(out / "count.npz", x=good, b=pair)
np.savez_compressed(out / "packed.npz", x=good[:2], b=pair)
np.savez(out / "fortran.npz", x=np.asfortranarray(good[:2]), b=np.asfortranarray(pair))
named = out / "named"
named.mkdir(exist_ok=True)
np.save(named / "x.npy", good[:2])
np.save(named / "b.npy", pair)
