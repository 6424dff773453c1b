#!/usr/bin/env python3
# Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
"""Builds and loads passes from outside the tree; the suite `plugin` of ./check.

1. BoundRelu with its own CMakeLists.txt, then each RUN line of its .mlir file.
2. What tools/new-pass writes: it must build as it is, and its test must pass.
3. The pass that docs/WritingAPass.md walks through.
"""

import pathlib
import re
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


def new_pass(name, tree, code=None, test=None):
    """What tools/new-pass writes, built as a plugin; with the struct and the test replaced if they are given."""
    (tree / "passes" / "Simplify").mkdir(parents=True)
    (tree / "passes" / "Simplify" / "CMakeLists.txt").write_text("")
    if not check(f"new-pass writes {name}", [ROOT / "tools" / "new-pass", name, "--root", tree]):
        return
    folder, registration, plugin = tree / "passes" / "Simplify" / name, tree / "Registration.cpp", tree / f"lib{name}.so"
    lit = next((tree / "test" / "Passes" / "Simplify").glob("*.mlir"))
    if code:
        source = folder / f"{name}.cpp"
        source.write_text(re.sub(r"^struct .*?^};\n", lambda _: code, source.read_text(), flags=re.M | re.S))
        lit.write_text(test)
    # In the tree CMake makes the registration; here the plugin interface does.
    registration.write_text(f'''#include "passes/Simplify/{name}/{name}.h"
#include "dialects/Qnn/Qnn.h"
#include "mlir/Tools/Plugins/PassPlugin.h"
#include "llvm/Config/llvm-config.h"
extern "C" mlir::PassPluginLibraryInfo mlirGetPassPluginInfo() {{
  return {{MLIR_PLUGIN_API_VERSION, "{name}", LLVM_VERSION_STRING, [] {{ bitwright::register{name}Passes(); }}}};
}}
''')
    if check(f"{name}: declarations", [LLVM / "bin" / "mlir-tblgen", "-gen-pass-decls", "-name", name, f"-I{LLVM}/include", folder / f"{name}.td",
                                       "-o", folder / f"{name}.h.inc"]) and \
            check(f"{name}: builds", [LLVM / "bin" / "clang++", "-std=c++17", "-O1", "-fPIC", "-shared", "-fno-exceptions", "-Wall", "-Werror", f"-I{tree}", f"-I{ROOT}",
                                      f"-I{BUILD}", "-isystem", LLVM / "include", folder / f"{name}.cpp", registration, "-o", plugin]):
        run_lines(lit, plugin, load=True)


def walk_through():
    """The code and the test that docs/WritingAPass.md shows."""
    page = (ROOT / "docs" / "WritingAPass.md").read_text()
    code = re.search(r"```cpp\n(struct MergeClips.*?)```", page, re.S)
    test = re.search(r"```mlir\n(// RUN:.*?)```", page, re.S)
    if check("docs/WritingAPass.md holds code and test", ["true" if code and test else "false"]):
        new_pass("MergeClips", WORK / "walk-through", code.group(1), test.group(1))


def main():
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    bound_relu()
    new_pass("FoldNothing", WORK / "new-pass")
    walk_through()
    print(f"plugin: {counts[True]} passed, {counts[False]} failed")
    return 1 if counts[False] else 0


if __name__ == "__main__":
    sys.exit(main())
