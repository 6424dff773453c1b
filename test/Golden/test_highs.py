# Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
"""quant-allocate against HiGHS on random allocation programs of 30 to 80 groups.

HiGHS gets a formulation written down here from docs/Allocation.md alone: one binary per choice, a product variable for
every edge and pair term. Both must find the same loss.
"""

import json
import pathlib
import subprocess

import numpy
import pytest

highspy = pytest.importorskip("highspy")

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PROGRAM = ROOT / "build" / "release" / "bin" / "quant-allocate"

FORMATS = [("s4", "s8", 4), ("s8", "s8", 8), ("s8", "s16", 8), ("s16", "s16", 16)]


def statistics(seed):
    """A statistics file and its budgets: all terms that a file can have appear over the seeds."""
    random = numpy.random.default_rng(seed)
    groups = []
    for i in range(int(random.integers(30, 81))):
        elements = int(numpy.exp(random.uniform(6, 13)))
        sensitivity = float(numpy.exp(random.uniform(-2, 2)))
        groups.append({"name": f"layer{i}", "set": "ab"[int(random.integers(2))], "elements": elements, "choices": [
            {"weight": weight, "activation": activation, "loss": sensitivity * 2.0 ** -(bits + (activation == "s16")) * random.uniform(0.8, 1.2),
             "costs": {"bytes": elements * bits / 8, "latency": elements * 1e-6 * bits * random.uniform(0.7, 1.3)}}
            for weight, activation, bits in FORMATS[:int(random.integers(2, 5))]]})
    names = [group["name"] for group in groups]
    data = {"version": 1, "groups": groups, "ties": [], "edges": [], "pairs": []}
    if seed % 2:
        data["edges"] = [{"from": a, "to": b, "loss": float(random.uniform(0, 0.01)), "costs": {"latency": float(random.uniform(0, 0.1))}}
                         for a, b in zip(names, names[1:]) if random.random() < 0.5]
    if seed % 3 == 0:
        for _ in range(4):
            a, b = random.choice(len(groups), 2, replace=False)
            data["pairs"].append({"groups": [names[a], names[b]], "loss": float(random.uniform(-0.02, 0.02)), "choices": [
                "{weight}/{activation}".format(**groups[i]["choices"][int(random.integers(len(groups[i]["choices"])))]) for i in (a, b)]})
    if seed % 5 == 0:
        for same in ("weight", "activation", "choice"):
            data["ties"].append({"groups": [names[int(i)] for i in random.choice(len(groups), 2, replace=False)], "same": same})
    budgets = [("bytes", "size", float(random.uniform(0.2, 0.8)))]
    if seed % 4 != 1:
        budgets.append(("latency", "latency", float(random.uniform(0.3, 0.8))))
    limits = []
    for metric, name, part in budgets:
        low, high = (sum(f(choice["costs"][metric] for choice in group["choices"]) for group in groups) for f in (min, max))
        limits.append((metric, name, low + part * (high - low)))
    return data, limits, (3 + seed % 7 if seed % 6 == 0 else None)


def optimum(data, limits, most_s4):
    """The smallest loss by HiGHS; None when infeasible."""
    model = highspy.Highs()
    model.silent()
    model.setOptionValue("mip_rel_gap", 0.0)
    model.setOptionValue("mip_abs_gap", 1e-10)
    model.setOptionValue("threads", 1)
    chosen = {group["name"]: [model.addBinary() for _ in group["choices"]] for group in data["groups"]}
    choices = {group["name"]: group["choices"] for group in data["groups"]}
    for variables in chosen.values():
        model.addConstr(sum(variables) == 1)
    loss = sum(variable * choice["loss"] for name in chosen for variable, choice in zip(chosen[name], choices[name]))
    sums = {metric: sum(variable * choice["costs"][metric] for name in chosen for variable, choice in zip(chosen[name], choices[name]))
            for metric, _, _ in limits}

    def label(choice, side):
        return (choice["weight"], choice["activation"]) if side == "choice" else choice[side]

    def product(a, b):
        y = model.addVariable(lb=0, ub=1)
        model.addConstr(y - a <= 0)
        model.addConstr(y - b <= 0)
        model.addConstr(y - a - b >= -1)
        return y

    for edge in data["edges"]:
        for a, first in zip(chosen[edge["from"]], choices[edge["from"]]):
            for b, second in zip(chosen[edge["to"]], choices[edge["to"]]):
                if first["activation"] != second["activation"]:
                    y = product(a, b)
                    loss = loss + y * edge["loss"]
                    if "latency" in sums:
                        sums["latency"] = sums["latency"] + y * edge["costs"]["latency"]
    for pair in data["pairs"]:
        a, b = ([f"{c['weight']}/{c['activation']}" for c in choices[name]].index(choice) for name, choice in zip(pair["groups"], pair["choices"]))
        loss = loss + product(chosen[pair["groups"][0]][a], chosen[pair["groups"][1]][b]) * pair["loss"]
    for tie in data["ties"]:
        first, second = tie["groups"]
        for value in {label(c, tie["same"]) for name in tie["groups"] for c in choices[name]}:
            left, right = (sum((v for v, c in zip(chosen[name], choices[name]) if label(c, tie["same"]) == value), start=0 * chosen[name][0])
                           for name in (first, second))
            model.addConstr(left - right == 0)
    # Rows of order 1: HiGHS has absolute tolerances.
    for metric, _, limit in limits:
        model.addConstr(sums[metric] * (1 / limit) <= 1)
    if most_s4 is not None:
        model.addConstr(sum(v for name in chosen for v, c in zip(chosen[name], choices[name]) if c["weight"] == "s4") <= most_s4)
    model.minimize(loss)
    if model.getModelStatus() == highspy.HighsModelStatus.kInfeasible:
        return None
    assert model.getModelStatus() == highspy.HighsModelStatus.kOptimal
    return model.getInfo().objective_function_value


@pytest.mark.parametrize("seed", range(50))
def test_same_loss(seed, tmp_path):
    data, limits, most_s4 = statistics(seed)
    file, plan = tmp_path / "statistics.json", tmp_path / "plan.json"
    file.write_text(json.dumps(data))
    budgets = ", ".join(f"{name} <= {limit!r}" for _, name, limit in limits) + (f", count(s4) <= {most_s4}" if most_s4 is not None else "")
    result = subprocess.run([PROGRAM, file, "--budget", budgets, "--plan-out", plan], capture_output=True, text=True, timeout=120)
    expected = optimum(data, limits, most_s4)
    if expected is None:
        assert result.returncode == 1 and "no plan keeps" in result.stderr
        return
    assert result.returncode == 0, result.stderr
    found = json.loads(plan.read_text())
    assert found["status"] == "optimal"
    # HiGHS may use its feasibility tolerance of 1e-6 of a limit, worth at most the shadow price times that.
    slack = sum(budget["shadow_price"] * budget["limit"] * 1e-6 for budget in found["budgets"] if budget["shadow_price_per"] in ("1", "B", "ms"))
    assert abs(found["loss"] - expected) <= 1e-7 * abs(expected) + slack, (found["loss"], expected, found["method"])
