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
