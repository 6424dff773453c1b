#!/usr/bin/env python3
# Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
"""Builds and loads passes from outside the tree; the suite `plugin` of ./check.

1. BoundRelu with its own CMakeLists.txt, then each RUN line of its .mlir file.
2. What tools/new-pass writes: it must build as it is, and its test must pass.
"""

import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else ROOT / "build" / "release"
WORK = ROOT / "build" / "plugin"
LLVM = pathlib.Path("/usr/lib/llvm-22")
counts = {True: 0, False: 0}


def check(what, command):
    result = subprocess.run(command if isinstance(command, list) else ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, cwd=ROOT)
    ok = result.returncode == 0
    counts[ok] += 1
    print(f"{'passed' if ok else 'FAILED'}: {what}")
    if not ok:
        print(result.stdout[-4000:] + result.stderr[-4000:])
    return ok


def run_lines(test, plugin, load):
    """The RUN lines of a .mlir file; `load` puts the plugin into each quant-opt that does not name one."""
    for line in test.read_text().splitlines():
        if not line.startswith("// RUN: "):
            continue
        command = line.removeprefix("// RUN: ").replace("%s", str(test)).replace("%plugin", str(plugin))
        if load:
            command = command.replace("quant-opt", f"quant-opt --load-pass-plugin={plugin}")
        check(f"{test.name}: {line.removeprefix('// RUN: ')}", f"export PATH={BUILD}/bin:{LLVM}/bin:$PATH; {command}")


def bound_relu():
    source, build = ROOT / "test" / "Plugins" / "BoundRelu", WORK / "BoundRelu"
    compiler = LLVM / "bin" / "clang++"
    if check("BoundRelu configures", ["cmake", "-G", "Ninja", "-S", source, "-B", build, "-DCMAKE_BUILD_TYPE=Release", f"-DCMAKE_CXX_COMPILER={compiler}",
                                      f"-DBITWRIGHT_SOURCE={ROOT}", f"-DBITWRIGHT_BUILD={BUILD}"]) and \
            check("BoundRelu builds", ["cmake", "--build", build]):
        run_lines(source / "bound-relu.mlir", build / "libBoundRelu.so", load=False)


def new_pass():
    tree = WORK / "new-pass"
    (tree / "passes" / "Simplify").mkdir(parents=True)
    (tree / "passes" / "Simplify" / "CMakeLists.txt").write_text("")
    if not check("new-pass writes", [ROOT / "tools" / "new-pass", "FoldNothing", "--root", tree]):
        return
    folder, registration, plugin = tree / "passes" / "Simplify" / "FoldNothing", tree / "Registration.cpp", tree / "libFoldNothing.so"
    # In the tree CMake makes the registration; here the plugin interface does.
    registration.write_text('''#include "passes/Simplify/FoldNothing/FoldNothing.h"
#include "dialects/Qnn/Qnn.h"
#include "mlir/Tools/Plugins/PassPlugin.h"
#include "llvm/Config/llvm-config.h"
extern "C" mlir::PassPluginLibraryInfo mlirGetPassPluginInfo() {
  return {MLIR_PLUGIN_API_VERSION, "FoldNothing", LLVM_VERSION_STRING, [] { bitwright::registerFoldNothingPasses(); }};
}
''')
    if check("new-pass: declarations", [LLVM / "bin" / "mlir-tblgen", "-gen-pass-decls", "-name", "FoldNothing", f"-I{LLVM}/include", folder / "FoldNothing.td",
                                        "-o", folder / "FoldNothing.h.inc"]) and \
            check("new-pass: builds", [LLVM / "bin" / "clang++", "-std=c++17", "-O1", "-fPIC", "-shared", "-fno-exceptions", "-Wall", "-Werror", f"-I{tree}", f"-I{ROOT}",
                                       f"-I{BUILD}", "-isystem", LLVM / "include", folder / "FoldNothing.cpp", registration, "-o", plugin]):
        run_lines(tree / "test" / "Passes" / "Simplify" / "fold-nothing.mlir", plugin, load=True)


def main():
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    bound_relu()
    new_pass()
    print(f"plugin: {counts[True]} passed, {counts[False]} failed")
    return 1 if counts[False] else 0


if __name__ == "__main__":
    sys.exit(main())
