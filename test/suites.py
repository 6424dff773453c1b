#!/usr/bin/env python3
# Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
"""Runs the test suites for ./check.

A suite is a function that returns (passed, failed, skipped) and writes its whole output to build/check/SUITE.log; names of
what failed are printed before the suite's line. A runner that crashes, times out or reports nothing counts as one failure.
"""

import argparse
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "release"
LOGS = ROOT / "build" / "check"
PYTHON = ROOT / ".venv" / "bin" / "python"
LIT = pathlib.Path("/usr/lib/llvm-22/bin/lit")

# gtest executables (without `bitwright_` and `_tests`) that make up the suite `runtime`; all others are `unit`.
RUNTIME_TESTS = re.compile(r"runtime|artifact|formats|capi|c_api|quant_run")
# ... and those that run again under ASan and UBSan: runtime, loaders and importers.
SANITIZED_TESTS = re.compile(RUNTIME_TESTS.pattern + r"|import|weights|onnx")
# Integration tests of the suite `end-to-end`.
END_TO_END = ["test_check.py", "test_report.py", "test_statistics.py", "test_feed_forward.py", "test_packed_codes.py", "test_allocation.py", "test_costs.py", "test_samples.py", "test_command_line.py", "test_bad_input.py", "test_sample_models.py", "test_efficientnet.py",
              "test_symbolic_shapes.py"]
FUZZ_SECONDS, LONG_FUZZ_SECONDS = 60, 600

SUITES = {}


class Nothing(Exception):
    """The suite has no tests yet."""


def suite(name):
    def register(function):
        SUITES[name] = function
        return function
    return register


def run(command, log, timeout, env=None):
    """Exit status of `command`, output appended to `log`; 124 after `timeout` seconds (its process group is killed)."""
    with open(log, "a") as file:
        file.write("+ " + " ".join(map(str, command)) + "\n")
        file.flush()
        process = subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=file, stderr=file, cwd=ROOT,
                                   env={**os.environ, **(env or {})}, start_new_session=True)
        try:
            return process.wait(timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            file.write(f"\nkilled after {timeout} s\n")
            return 124


def complain(suite_name, text):
    print(f"  {suite_name}: {text}", flush=True)


# ---- Runners ---------------------------------------------------------------------------------------------------------

def executables(build):
    """The gtest executables of a build folder, by name."""
    return {path.name: path for path in sorted((build / "bin").glob("*_tests")) if os.access(path, os.X_OK)}


def gtest(name, programs, log, timeout=1200, env=None):
    passed = failed = skipped = 0
    for program in programs:
        report = LOGS / f"{name}-{program.name}.json"
        report.unlink(missing_ok=True)
        status = run([program, f"--gtest_output=json:{report}", "--gtest_brief=1"], log, timeout, env)
        try:
            tests = [test for group in json.loads(report.read_text())["testsuites"] for test in group["testsuite"]]
        except (OSError, ValueError, KeyError):
            tests = []
        bad = [test for test in tests if test.get("failures")]
        ignored = [test for test in tests if test.get("result") == "SKIPPED" or test.get("status") == "NOTRUN"]
        for test in bad:
            complain(name, f"{program.name}: {test['classname']}.{test['name']} failed")
        if status != 0 and not bad:
            complain(name, f"{program.name} ended with status {status} ({log.relative_to(ROOT)})")
            failed += 1
        elif not tests:
            complain(name, f"{program.name} holds no test")
            failed += 1
        passed, failed, skipped = passed + len(tests) - len(bad) - len(ignored), failed + len(bad), skipped + len(ignored)
    return passed, failed, skipped


def pytest(name, files, log, timeout=1800, env=None):
    report = LOGS / f"{name}.xml"
    report.unlink(missing_ok=True)
    status = run([PYTHON, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", *files], log, timeout, env)
    try:
        cases = list(xml.etree.ElementTree.parse(report).iter("testcase"))
    except (OSError, xml.etree.ElementTree.ParseError):
        cases = []
    bad = [case for case in cases if case.find("failure") is not None or case.find("error") is not None]
    ignored = [case for case in cases if case.find("skipped") is not None]
    for case in bad:
        complain(name, f"{case.get('classname')}::{case.get('name')} failed")
    failed = len(bad)
    if (status != 0 and not bad) or not cases:
        complain(name, f"pytest ended with status {status} ({log.relative_to(ROOT)})")
        failed += 1
    return len(cases) - len(bad) - len(ignored), failed, len(ignored)


def reporting(name, command, log, timeout):
    """A runner of its own whose last line with counts reads `...: P passed, F failed[, S skipped]`."""
    before = log.stat().st_size if log.exists() else 0
    status = run(command, log, timeout)
    with open(log, errors="replace") as file:
        file.seek(before)
        counts = re.findall(r"(\d+) passed, (\d+) failed(?:, (\d+) skipped)?", file.read())
    if not counts:
        complain(name, f"no line `N passed, N failed`; the runner ended with status {status} ({log.relative_to(ROOT)})")
        return 0, 1, 0
    passed, failed, skipped = (int(count or 0) for count in counts[-1])
    if status != 0 and failed == 0:
        complain(name, f"the runner ended with status {status} ({log.relative_to(ROOT)})")
        failed = 1
    elif failed:
        complain(name, f"see {log.relative_to(ROOT)}")
    return passed, failed, skipped


def build(preset, targets, log):
    """Configures (once) and builds targets of a preset; False with the log written when that fails."""
    folder = ROOT / "build" / preset
    if not (folder / "build.ninja").exists() and run(["cmake", "--preset", preset], log, 300) != 0:
        return False
    return not targets or run(["ninja", "-C", folder, "-k", "0", *targets], log, 3600) == 0


def ninja_targets(preset, pattern):
    """Names of a preset's executable targets that match, from its build file."""
    listed = subprocess.run(["ninja", "-C", str(ROOT / "build" / preset), "-t", "targets", "all"], capture_output=True, text=True).stdout
    names = re.findall(r"^bin/([A-Za-z0-9_.-]+): CXX_EXECUTABLE_LINKER", listed, re.M)
    return [name for name in names if re.search(pattern, name)]


# ---- Suites ----------------------------------------------------------------------------------------------------------

@suite("lit")
def lit(log, long):
    folder = BUILD / "test"
    if not any((ROOT / "test").rglob("*.mlir")) and not any((ROOT / "test").rglob("*.test")):
        raise Nothing
    if not LIT.exists():
        complain("lit", f"{LIT} is missing: apt-get install llvm-22-tools")
        return 0, 1, 0
    report = LOGS / "lit.json"
    report.unlink(missing_ok=True)
    status = run([LIT, "-q", "-o", report, folder], log, 1800)
    try:
        tests = json.loads(report.read_text())["tests"]
    except (OSError, ValueError, KeyError):
        tests = []
    codes = [test["code"] for test in tests]
    skipped = codes.count("UNSUPPORTED")
    passed = codes.count("PASS")
    for test in tests:
        if test["code"] not in ("PASS", "UNSUPPORTED"):
            complain("lit", f"{test['name']}: {test['code']}")
    failed = len(codes) - passed - skipped
    if (status != 0 and failed == 0) or not tests:
        complain("lit", f"lit ended with status {status} ({log.relative_to(ROOT)})")
        failed += 1
    return passed, failed, skipped


def short(name):
    return name.removeprefix("bitwright_").removesuffix("_tests")


@suite("unit")
def unit(log, long):
    programs = [path for name, path in executables(BUILD).items() if not RUNTIME_TESTS.search(short(name)) and short(name) != "golden"]
    if not programs:
        raise Nothing
    return gtest("unit", programs, log)


@suite("golden")
def golden(log, long):
    """Published allocations, solved again to the recorded optimum; random ones against HiGHS."""
    program = BUILD / "bin" / "bitwright_golden_tests"
    if not program.exists():
        raise Nothing
    published = gtest("golden", [program], log)
    other = pytest("golden", [ROOT / "test" / "Golden" / "test_highs.py"], log)
    return tuple(a + b for a, b in zip(published, other))


@suite("runtime")
def runtime(log, long):
    programs = [path for name, path in executables(BUILD).items() if RUNTIME_TESTS.search(short(name))]
    if not programs:
        raise Nothing
    return gtest("runtime", programs, log)


def script(name, path, log, timeout, *options):
    if not (ROOT / path).exists():
        raise Nothing
    return reporting(name, [PYTHON, ROOT / path, *options], log, timeout)


@suite("onnx-node")
def onnx_node(log, long):
    return script("onnx-node", "test/Reference/onnx_node.py", log, 1800)


@suite("differential")
def differential(log, long):
    """The interpreter against compiled code on every ISA level: random graphs, then every stored tensor of the sample models."""
    program = BUILD / "bin" / "quant-differential"
    if not (ROOT / "test" / "Differential").is_dir():
        raise Nothing
    folder = LOGS / "differential"
    folder.mkdir(exist_ok=True)
    total = reporting("differential", [program, "--graphs", 2000 if long else 200, "--seed", 1, "--save", folder], log, 7200)
    for command, inputs in integerized_models(folder, log):
        model = folder / (command[1].stem + ".mlir")
        if run([*command, "-o", model, "--compile-to=integerize"], log, 600) != 0:
            complain("differential", f"{command[1].name} was not integerized ({log.relative_to(ROOT)})")
            counts = (0, 1, 0)
        else:
            counts = reporting("differential", [program, "--model", model, "--inputs", inputs], log, 1800)
        total = [a + b for a, b in zip(total, counts)]
    return tuple(total)


def integerized_models(folder, log):
    """(quant-compile command without its output, inputs) of each sample model; data goes to `folder`."""
    sys.path.insert(0, str(ROOT))
    import numpy
    from samples import classifier, fetch, text_lines
    for sample, (_, x), width, dims in (
            ("recogniser", text_lines.lines("calibration", 16), 128, ["DynamicDimension.0=1..8", "DynamicDimension.1=32..1280"]),
            ("classifier", classifier.lines("calibration", 16), 192, ["x:0=1..8", "x:2=48", "x:3=192"])):
        calibration, inputs = folder / f"{sample}-calibration.npz", folder / f"{sample}.npz"
        numpy.savez(calibration, x=x)
        # A batch of two; the recogniser on a part of the line, because the interpreter is slow.
        numpy.savez(inputs, x=numpy.ascontiguousarray(x[:2, :, :, :width]))
        yield [BUILD / "bin" / "quant-compile", fetch.path_of(sample), "--recipe", "w8a8", "--calibration", calibration,
               *(word for dim in dims for word in ("--dim", dim))], inputs


@suite("plugin")
def plugin(log, long):
    return script("plugin", "test/Plugins/run.py", log, 600)


@suite("fuzz")
def fuzz(log, long):
    if not any((ROOT / "test" / "Fuzz").glob("*.cpp")):
        raise Nothing
    if not build("fuzz", [], log):
        complain("fuzz", f"configuring failed ({log.relative_to(ROOT)})")
        return 0, 1, 0
    names = ninja_targets("fuzz", r"fuzz")
    if not names or not build("fuzz", names, log):
        complain("fuzz", f"building the fuzz targets failed ({log.relative_to(ROOT)})")
        return 0, 1, 0
    seconds = LONG_FUZZ_SECONDS if long else FUZZ_SECONDS
    passed = failed = 0
    for name in names:
        # New inputs are kept below build/; the seeds of the source tree are only read.
        corpus = ROOT / "build" / "fuzz" / "corpus" / name
        crashes = ROOT / "build" / "fuzz" / "crashes" / name
        for folder in (corpus, crashes):
            folder.mkdir(parents=True, exist_ok=True)
        seeds = [path for path in [ROOT / "test" / "Fuzz" / "corpus" / name] if path.is_dir()]
        status = run([ROOT / "build" / "fuzz" / "bin" / name, f"-max_total_time={seconds}", "-rss_limit_mb=4096", "-timeout=25",
                      "-verbosity=0", f"-artifact_prefix={crashes}/", corpus, *seeds], log, seconds + 120)
        if status == 0:
            passed += 1
        else:
            failed += 1
            complain("fuzz", f"{name} ended with status {status}; its input lies in {crashes.relative_to(ROOT)}")
    return passed, failed, 0


@suite("sanitize")
def sanitize(log, long):
    if not executables(BUILD):
        raise Nothing
    if not build("sanitize", [], log):
        complain("sanitize", f"configuring failed ({log.relative_to(ROOT)})")
        return 0, 1, 0
    names = [name for name in ninja_targets("sanitize", r"_tests$") if SANITIZED_TESTS.search(short(name))]
    if not names:
        raise Nothing
    if not build("sanitize", names, log):
        complain("sanitize", f"building failed ({log.relative_to(ROOT)})")
        return 0, 1, 0
    # LLVM's arenas poison what they have not given out, in our code only: the packaged libMLIR was built without.
    return gtest("sanitize", [ROOT / "build" / "sanitize" / "bin" / name for name in names], log, 3600,
                 {"ASAN_OPTIONS": "detect_leaks=1:allocator_may_return_null=1:allow_user_poisoning=0", "UBSAN_OPTIONS": "print_stacktrace=1"})


@suite("end-to-end")
def end_to_end(log, long):
    if not END_TO_END:
        raise Nothing
    return pytest("end-to-end", [ROOT / "test" / "Integration" / name for name in END_TO_END], log)


@suite("python")
def python(log, long):
    if not (ROOT / "test" / "Integration" / "test_python_api.py").exists():
        raise Nothing
    return pytest("python", [ROOT / "test" / "Integration" / name for name in ("test_python_api.py", "test_python_gpu.py", "test_python_metric.py")], log)


@suite("gpu-compile")
def gpu_compile(log, long):
    """GPU kernels without a GPU: ptxas over all shipped schedules, and whole models in the emulator."""
    if not (BUILD / "bin" / "gpu-chain").exists():
        raise Nothing
    return pytest("gpu-compile", [ROOT / "test" / "Integration" / "test_gpu_compile.py"], log, 3600)


@suite("bench-smoke")
def bench_smoke(log, long):
    return reporting("bench-smoke", [ROOT / "bench/cpu/run", "--smoke"], log, 900)


def main():
    parser = argparse.ArgumentParser(prog="check", description="Runs the test suites.")
    parser.add_argument("--only", action="append", metavar="SUITE", help="only this suite (may be repeated)")
    parser.add_argument("--long", action="store_true", help="longer fuzzing and more differential cases")
    parser.add_argument("--list", action="store_true", help="print the names of the suites")
    arguments = parser.parse_args()
    if arguments.list:
        print("\n".join(SUITES))
        return 0
    unknown = [name for name in arguments.only or [] if name not in SUITES]
    if unknown:
        print(f"check: no suite '{unknown[0]}'; there are: {', '.join(SUITES)}", file=sys.stderr)
        return 2
    LOGS.mkdir(parents=True, exist_ok=True)
    total = [0, 0, 0]
    for name, function in SUITES.items():
        if arguments.only and name not in arguments.only:
            continue
        log = LOGS / f"{name}.log"
        log.unlink(missing_ok=True)
        started = time.monotonic()
        try:
            counts = function(log, arguments.long)
        except Nothing:
            if arguments.only:
                print(f"check: suite '{name}' has no tests", file=sys.stderr)
                return 1
            continue
        except Exception as error:  # a broken runner is a failure of its suite, not the end of the others
            complain(name, f"the runner failed: {error!r}")
            counts = (0, 1, 0)
        total = [a + b for a, b in zip(total, counts)]
        with open(LOGS / "times.txt", "a") as file:
            file.write(f"{name} {time.monotonic() - started:.1f} s\n")
        print(line(f"{name}: ", counts), flush=True)
    print(line("", total), flush=True)
    return 1 if total[1] or not any(total) else 0


def line(prefix, counts):
    passed, failed, skipped = counts
    return f"{prefix}{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else "")


if __name__ == "__main__":
    sys.exit(main())
