#!/usr/bin/env python3
# Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
"""A latency budget kept: formats chosen for 70 % of the span between the fastest and the slowest plan, the file timed.

    bench/allocate/latency.py [--binaries build/release/bin] [--share 70] [--choices s8,s4,s16/s8,s16] [MODEL ...]

MODEL: recogniser, efficientnet. The span, the limit and the prediction are what quant-compile measures; the file is then
run by quant-run on one thread. Its time is processor time: that of many runs less that of few, so that neither loading
nor other programs count. Exit status 1: a file takes more than 1.1 times its limit. Work files stay in --folder.
"""
import argparse
import json
import pathlib
import resource
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

FEW, MANY = 20, 420


def recogniser(path, samples):
    """(model, dimensions); writes calibration data to `path`."""
    from samples import fetch, text_lines
    import numpy as np

    np.savez(path, x=text_lines.lines("calibration", samples)[1])
    return fetch.path_of("recogniser"), ["DynamicDimension.0=1..8", "DynamicDimension.1=32..1280"]


def efficientnet(path, samples):
    from samples import efficientnet as sample
    import numpy as np

    np.savez(path, x=sample.crops("calibration")[:samples])
    return sample.model(), ["N=1..8"]


def processor_seconds(command):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def milliseconds(run, artifact, inputs, rounds=5):
    """Median over rounds of the processor time of a run."""
    times = []
    for _ in range(rounds):
        few, many = (processor_seconds([run, artifact, "--inputs", inputs, "--benchmark", "--runs", str(n), "--threads", "1"])
                     for n in (FEW, MANY))
        times.append(1e3 * (many - few) / (MANY - FEW))
    return sorted(times)[rounds // 2]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", metavar="MODEL", help="recogniser, efficientnet (default: both)")
    parser.add_argument("--binaries", type=pathlib.Path, default=ROOT / "build" / "release" / "bin")
    parser.add_argument("--folder", type=pathlib.Path, default=ROOT / "build" / "bench" / "latency")
    parser.add_argument("--share", type=float, default=70)
    parser.add_argument("--choices", default="s8,s4,s16/s8,s16")
    parser.add_argument("--samples", type=int, default=32, help="of the calibration data")
    parser.add_argument("--recipe", default="w8a8")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    import numpy as np

    makers = {"recogniser": recogniser, "efficientnet": efficientnet}
    failed = False
    for name in arguments.models or makers:
        if name not in makers:
            parser.error(f"expected recogniser or efficientnet, found '{name}'")
        calibration = arguments.folder / f"{name}.npz"
        model, dims = makers[name](calibration, arguments.samples)
        artifact, plan_path = arguments.folder / f"{name}.bwm", arguments.folder / f"{name}.json"
        command = [arguments.binaries / "quant-compile", model, "-o", artifact, "--recipe", arguments.recipe, "--calibration",
                   calibration, "--budget", f"latency <= {arguments.share} %", "--choices", arguments.choices, "--threads", "1",
                   "--plan-out", plan_path, "--sensitivities", arguments.folder / f"{name}-sensitivities.json"]
        subprocess.run(command + [text for dim in dims for text in ("--dim", dim)], check=True)
        plan = json.loads(plan_path.read_text())
        budget = plan["budgets"][0]
        one = arguments.folder / f"{name}-one.npz"
        with np.load(calibration) as data:
            np.savez(one, **{key: data[key][:1] for key in data.files})
        found = milliseconds(arguments.binaries / "quant-run", artifact, one)
        formats = {}
        for group in plan["groups"]:
            key = group["weight"] + ("/" + group["activation"] if group.get("activation") else "")
            formats[key] = formats.get(key, 0) + 1
        print(f"{name}: limit {budget['limit']:.3f} ms, predicted {budget['used']:.3f}, measured {found:.3f} "
              f"({100 * found / budget['limit']:.1f} % of the limit); " +
              ", ".join(f"{count} x {key}" for key, count in sorted(formats.items())), flush=True)
        failed |= found > 1.1 * budget["limit"]
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
