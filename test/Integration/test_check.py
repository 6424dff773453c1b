# Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
"""The runners behind ./check: what crashes, hangs or says nothing is a failure."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "test"))
import suites  # noqa: E402


@pytest.fixture
def log(tmp_path, monkeypatch):
    """A log file; suites writes its reports beside it."""
    monkeypatch.setattr(suites, "LOGS", tmp_path)
    monkeypatch.setattr(suites, "ROOT", tmp_path)
    return tmp_path / "suite.log"


def program(folder, text):
    path = folder / "fake_tests"
    path.write_text("#!/bin/bash\n" + text)
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("text, counts", [
    ("echo 'suite: 3 passed, 0 failed'", (3, 0, 0)),
    ("echo '3 passed, 1 failed, 2 skipped'; exit 1", (3, 1, 2)),
    ("echo '3 passed, 0 failed'; exit 7", (3, 1, 0)),
    ("echo '1 passed, 0 failed'; echo '5 passed, 0 failed'", (5, 0, 0)),
    ("echo nothing", (0, 1, 0)),
    ("echo '3 passed'; kill -SEGV $$", (0, 1, 0)),
    ("sleep 60", (0, 1, 0)),
])
def test_reporting_runner(log, tmp_path, text, counts):
    assert suites.reporting("suite", [program(tmp_path, text)], log, timeout=3) == counts


def report(*results):
    tests = [{"name": f"t{i}", "classname": "C", "status": "RUN", **extra} for i, extra in enumerate(results)]
    return "for a in \"$@\"; do case $a in --gtest_output=json:*) cat > ${a#--gtest_output=json:} <<'END'\n" + \
        json.dumps({"testsuites": [{"testsuite": tests}]}) + "\nEND\n;; esac; done\n"


@pytest.mark.parametrize("text, counts", [
    (report({}, {}), (2, 0, 0)),
    (report({}, {"failures": [{"failure": "x"}]}) + "exit 1", (1, 1, 0)),
    (report({}, {"result": "SKIPPED"}), (1, 0, 1)),
    (report({}) + "exit 1", (1, 1, 0)),
    (report(), (0, 1, 0)),
    ("kill -SEGV $$", (0, 1, 0)),
])
def test_gtest_runner(log, tmp_path, text, counts):
    assert suites.gtest("suite", [program(tmp_path, text)], log) == counts


def test_pytest_runner(log, tmp_path):
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    for text, counts in (("def test_a(): pass\ndef test_b(): assert False\n", (1, 1, 0)), ("import nothing_of_this_name\n", (0, 1, 0)),
                         ("", (0, 1, 0)), ("import os\ndef test_a(): os._exit(3)\n", (0, 1, 0))):
        (tmp_path / "test_x.py").write_text(text)
        assert suites.pytest("suite", [tmp_path / "test_x.py"], log) == counts, text


def test_unknown_suite_is_wrong_usage():
    done = subprocess.run([ROOT / "check", "--no-setup", "--only", "nonsense"], capture_output=True, text=True, stdin=subprocess.DEVNULL,
                          env={**os.environ, "CI": "true"})
    assert done.returncode == 2 and "nonsense" in done.stderr and "lit" in done.stderr
