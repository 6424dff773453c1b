#!/usr/bin/env python3
# Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
"""What plans are worth on the models' own tasks: accuracy, latency and bytes of compiled files.

    bench/allocate/tasks.py recogniser [--recipe FILE] [--budget 'size <= 60 %' ...] [--choices s8,s4]
    bench/allocate/tasks.py efficientnet [--budget 'latency <= 10 %' ...] [--choices s4,s8,s16/s8,s16]

Recogniser: characters and lines of 600 rendered lines that come out right. EfficientNet-Lite0: share of 500 crops whose
first class is that of the float model. Beside the budgets' plans: float, the recipe as it is, and all weights in the
smallest format under the same recipe. Latencies are of one thread, medians of rounds in which the files take turns.
Losses and kernel times are measured once and kept in --folder.
"""
import argparse
import json
import pathlib
import sys

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
from samples import efficientnet, fetch, peers, text_lines, timing  # noqa: E402


class Recogniser:
    """Lines of text; the loss is in points of characters."""
    dims, choices, budgets = ["DynamicDimension.0=1..8", "DynamicDimension.1=32..1280"], "s8,s4", ["size <= 60 %"]

    def __init__(self):
        self.model = fetch.path_of("recogniser")
        self.calibration = text_lines.lines("calibration", 100)[1]
        self.texts, self.inputs = text_lines.lines("evaluation", 600)
        self.alphabet = text_lines.characters(self.model)

    def score(self, run):
        found = []
        for first in range(0, len(self.inputs), 8):
            found += list(text_lines.decode(run(self.inputs[first:first + 8]).argmax(-1), self.alphabet))
        return {name: 100 * share for name, share in text_lines.accuracy(self.texts, found).items()}


class EfficientNet:
    dims, choices = ["N=1..8"], "s4,s8,s16/s8,s16"
    budgets = [f"latency <= {share} %" for share in (0, 5, 10, 20, 40, 100)]

    def __init__(self):
        fetch.ensure(fetch.EFFICIENTNET)
        self.model = efficientnet.model()
        self.calibration, self.inputs = efficientnet.crops("calibration"), efficientnet.crops("evaluation")
        session = peers.session(self.model)
        self.logits = np.concatenate([peers.run(session, x[None])[0] for x in self.inputs])

    def score(self, run):
        found = np.concatenate([run(self.inputs[i:i + 8]) for i in range(0, len(self.inputs), 8)])
        noise = np.square(found - self.logits).sum()
        return {"equal": 100 * efficientnet.agreement(found, self.logits),
                "sqnr_db": float(10 * np.log10(np.square(self.logits).sum() / noise))}


def main():
    models = {"recogniser": Recogniser, "efficientnet": EfficientNet}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", choices=models)
    parser.add_argument("--recipe", default="w8a8")
    parser.add_argument("--budget", action="append")
    parser.add_argument("--choices")
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--folder", type=pathlib.Path)
    parser.add_argument("--json", type=pathlib.Path)
    arguments = parser.parse_args()
    task = models[arguments.model]()
    folder = arguments.folder or ROOT / "build" / "bench" / "tasks" / arguments.model
    folder.mkdir(parents=True, exist_ok=True)
    choices = arguments.choices or task.choices
    name = next(iter(np.load(save(folder / "calibration.npz", x=task.calibration)).files))

    def compile(out, recipe, *options):
        timing.run([timing.tool("quant-compile"), task.model, "--recipe", recipe, "-o", folder / out, "--threads", "1",
                    *(text for dim in task.dims for text in ("--dim", dim)), "--calibration", folder / "calibration.npz", *options])
        return folder / out

    files = {"float": compile("float.bwm", "float"), "recipe": compile("recipe.bwm", arguments.recipe)}
    kept = ["--choices", choices, "--sensitivities", folder / "sensitivities.json", "--latencies", folder / "latencies.json"]
    plans = {}
    for index, budget in enumerate(arguments.budget or task.budgets):
        plan = folder / f"plan{index}.json"
        files[budget] = compile(f"plan{index}.bwm", arguments.recipe, "--budget", budget, "--plan-out", plan, *kept)
        plans[budget] = json.loads(plan.read_text())
    smallest = choices.split("/")[0].split(",")
    smallest = min(smallest, key=lambda format: int(format[1:]))
    any_plan = next(iter(plans.values()))
    layers = [{"name": group["name"], "weight": smallest} for group in any_plan["groups"] if group["weight"] != "-"]
    (folder / "uniform.json").write_text(json.dumps({"version": 1, "groups": layers}))
    files[f"all {smallest}"] = compile("uniform.bwm", arguments.recipe, "--plan-in", folder / "uniform.json")

    rows = []
    for label, file in files.items():
        score = task.score(lambda x: next(iter(timing.quant_run(file, {name: x}, folder).values())))
        rows.append({"plan": label, "bytes": file.stat().st_size, **score})
        if label in plans:
            plan = plans[label]
            rows[-1].update(predicted_loss=plan["loss"], measured_loss=plan.get("measured_loss"), average_bits=plan["totals"].get("average_bits"),
                            predicted_ms=plan["totals"].get("latency"))
    timers = [timing.quant_run_timer(file, {name: task.inputs[:1]}, folder) for file in files.values()]
    rounds = [[timer() for timer in timers] for _ in range(arguments.rounds)]
    for index, row in enumerate(rows):
        row["ms"] = float(np.median([times[index] for times in rounds]))
        row["to_recipe"] = float(np.median([times[index] / times[1] for times in rounds]))
    scores = [key for key in rows[0] if key not in ("plan", "bytes", "ms", "to_recipe")]
    print(f"{'plan':18} {'MB':>6} " + " ".join(f"{key:>10}" for key in scores) + f" {'ms':>7} {'to recipe':>9} {'predicted ms':>12} {'loss: predicted, measured':>26}")
    for row in rows:
        print(f"{row['plan']:18} {row['bytes'] / 1e6:6.2f} " + " ".join(f"{row[key]:10.2f}" for key in scores) +
              f" {row['ms']:7.3f} {row['to_recipe']:9.3f} {row.get('predicted_ms') or float('nan'):12.3f} "
              f"{row.get('predicted_loss') or float('nan'):12.4g} {row.get('measured_loss') or float('nan'):12.4g}")
    if arguments.json:
        record = {"model": arguments.model, "recipe": arguments.recipe, "choices": choices, "plans": rows}
        arguments.json.write_text(json.dumps(record, indent=1) + "\n")


def save(path, **arrays):
    np.savez(path, **arrays)
    return path


if __name__ == "__main__":
    main()
