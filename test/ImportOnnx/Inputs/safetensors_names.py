# Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
"""Prints name, dtype and shape of each tensor of a safetensors file."""

import json
import struct
import sys

with open(sys.argv[1], "rb") as file:
    size = struct.unpack("<Q", file.read(8))[0]
    for name, entry in sorted(json.loads(file.read(size)).items()):
        print(name, entry["dtype"], entry["shape"])
