# Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
"""What the tools should say and do not yet; a test moves to its file, and into ./check, when it passes."""

from conftest import refused, tool


def test_bound_dimension_names_the_value_that_was_asked_for(small, tmp_path):
    refused(tool("quant-compile", small, "-o", tmp_path / "m.bwm", "--recipe", "float", "--dim", "x:1=4"), "x:1", "3", "found 4")


def test_version_banner_of_quant_opt():
    done = tool("quant-opt", "--version")
    assert done.returncode == 0 and "0.1.0" in done.stdout + done.stderr
