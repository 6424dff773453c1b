# Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
"""lit configuration of the tests in this folder; the build's lit.site.cfg.py loads it after naming the folders.

Tools are called by their names (`quant-opt %s | FileCheck %s`) or as `%quant-opt`. Other substitutions: %python (with numpy
and onnx), %project (source tree), %build (build folder), %samples (fetched sample models; tests that need it say
`REQUIRES: samples`). Features: samples, and the ISA levels of this machine (avx2, avx512vnni).
"""

import os

import lit.formats
import lit.util

config.name = "Bitwright"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test"]
config.excludes = ["Unit", "Inputs", "Integration", "Fuzz", "CMakeLists.txt"]
config.test_source_root = os.path.join(config.project_root, "test")
config.test_exec_root = os.path.join(config.build_root, "test")

tools = os.path.join(config.build_root, "bin")
config.environment["PATH"] = os.path.pathsep.join([tools, config.llvm_tools, config.environment.get("PATH", "")])
config.environment["FILECHECK_OPTS"] = "-enable-var-scope --allow-unused-prefixes=false"

for name in ("quant-opt", "quant-compile", "quant-run", "quant-dump", "quant-reduce", "quant-lsp-server"):
    config.substitutions.append(("%" + name, os.path.join(tools, name)))
python = os.path.join(config.project_root, ".venv", "bin", "python")
config.substitutions += [
    ("%python", python),
    ("%project", config.project_root),
    ("%build", config.build_root),
    ("%samples", os.path.join(config.project_root, "build", "samples")),
]

if os.path.exists(os.path.join(config.project_root, "build", "samples", "PP-OCRv6_rec_small.onnx")):
    config.available_features.add("samples")
with open("/proc/cpuinfo") as file:
    flags = next((set(line.split()) for line in file if line.startswith("flags")), set())
if {"avx2", "fma"} <= flags:
    config.available_features.add("avx2")
if {"avx512f", "avx512bw", "avx512vl", "avx512dq", "avx512_vnni", "avx512_vbmi"} <= flags:
    config.available_features.add("avx512vnni")

supported, _ = lit_config.maxIndividualTestTimeIsSupported
if supported and not lit_config.maxIndividualTestTime:
    lit_config.maxIndividualTestTime = 300
