#!/usr/bin/env python3
# Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
"""The official ONNX node tests through the importer and the reference interpreter.

    onnx_node.py [--only PATTERN] [--verbose] [--keep]

Every case of onnx.backend.test.case.node.collect_testcases whose operators are all claimed (docs/Operators.md) and whose
element types qnn has must give the expected outputs, or be refused with a reason that docs/Operators.md lists. Operands
that hold shapes, axes, sizes or limits are model inputs in these cases; they are bound to the test's values as
constants first (the harness says for which cases), because shapes are decided when a model is compiled. Comparison:
integers and booleans exactly, floats with the case's own rtol and atol. The last line is
`onnx-node: P passed, F failed, S skipped`; skipped are cases of other operators or types, and refusals.
"""

import argparse
import collections
import fnmatch
import pathlib
import re
import subprocess
import sys
import tempfile
import warnings

import ml_dtypes
import numpy as np
import onnx
from onnx import numpy_helper

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
RUNNER = ROOT / "build" / "release" / "bin" / "onnx-node-run"
DOCUMENT = ROOT / "docs" / "Operators.md"

# Inputs by position that hold shapes, axes, sizes, counts or limits.
SHAPE_OPERANDS = {
    "Reshape": [1], "Expand": [1], "Tile": [1], "Slice": [1, 2, 3, 4], "Pad": [1, 2, 3], "Resize": [1, 2, 3], "Squeeze": [1],
    "Unsqueeze": [1], "Split": [1], "ConstantOfShape": [0], "Range": [0, 1, 2], "Dropout": [1, 2], "ReduceMean": [1],
    "ReduceSum": [1], "ReduceMax": [1], "ReduceMin": [1], "ReduceL2": [1],
}
DATA_TYPES = {getattr(onnx.TensorProto, name) for name in
              ("FLOAT", "FLOAT16", "BFLOAT16", "BOOL", "INT4", "INT8", "UINT8", "INT16", "UINT16", "INT32", "INT64")}


def claimed_operators(document):
    """(operator names, names for shape arithmetic only) of docs/Operators.md."""
    names = set(re.findall(r"^\| (\w+) \| \d", document, re.M))
    tail = document.split("## In shape arithmetic only")[1]
    return names, set(re.findall(r"\b[A-Z]\w+", tail.replace("In shape", "")))


def nodes_of(graph):
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from nodes_of(attribute.g)


def bind_shape_operands(model, values):
    """Makes initializers of the inputs that a shape operand reads, directly or through other nodes; returns their names."""
    inputs = {value.name for value in model.graph.input}
    wanted, producers = [], {output: node for node in model.graph.node for output in node.output}
    for node in model.graph.node:
        wanted += [node.input[i] for i in SHAPE_OPERANDS.get(node.op_type, ()) if i < len(node.input)]
    bound, seen = set(), set()
    while wanted:
        name = wanted.pop()
        if not name or name in seen:
            continue
        seen.add(name)
        if name in inputs:
            bound.add(name)
        elif name in producers and producers[name].op_type not in ("Shape", "Size"):
            wanted += producers[name].input
    # An input that is also data stays an input.
    for node in model.graph.node:
        operands = SHAPE_OPERANDS.get(node.op_type, ())
        for i, name in enumerate(node.input):
            if name in bound and i not in operands and not any(output in seen for output in node.output):
                bound.discard(name)
    for name in bound:
        model.graph.initializer.append(numpy_helper.from_array(values[name], name))
    kept = [value for value in model.graph.input if value.name not in bound]
    del model.graph.input[:]
    model.graph.input.extend(kept)
    return bound


def to_array(value):
    return numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else np.asarray(value)


def to_file(array):
    """bfloat16 goes as raw two-byte elements, int4 as int8."""
    return array.view("V2") if array.dtype == ml_dtypes.bfloat16 else array.astype(np.int8) if array.dtype == ml_dtypes.int4 else array


def difference(expected, found, rtol, atol):
    """Empty if they agree, else what differs."""
    if found.dtype.kind == "V":
        found = found.view(ml_dtypes.bfloat16)
    if expected.dtype == ml_dtypes.int4:
        expected = expected.astype(np.int8)
    if expected.dtype != found.dtype:
        return f"expected elements of {expected.dtype}, found {found.dtype}"
    if expected.shape != found.shape:
        return f"expected the shape {expected.shape}, found {found.shape}"
    if expected.dtype.kind in "biu":
        wrong = expected != found
    else:
        with np.errstate(all="ignore"):
            wrong = ~np.isclose(found.astype(np.float64), expected.astype(np.float64), rtol=rtol, atol=atol, equal_nan=True)
    if not wrong.any():
        return ""
    index = tuple(int(i) for i in np.argwhere(wrong)[0])
    return f"{int(wrong.sum())} of {wrong.size} elements differ, first at {index}: expected {expected[index]}, found {found[index]}"


def refusals_of(document):
    """The beginnings of the messages that docs/Operators.md announces: `WHAT is refused: WHY`."""
    cells = [cell for row in re.findall(r"^\| \w+ \| [\d–]+ \| (.*) \|$", document, re.M) for cell in row.split("<br>")]
    cells += [line[2:-1] for line in document.splitlines() if line.startswith("- ")]
    return [" is refused: ".join(cell.split(": ", 1)) for cell in cells if cell != "–"]


def refusal(message, announced):
    """The announced refusal that the message is (each of its lines is one, the first is returned), or none."""
    found = [next((text for text in announced if line.partition("): ")[2].startswith(text)), None) for line in message.split(" | ")]
    return found[0] if all(found) else None


def main():
    parser = argparse.ArgumentParser(description="Runs the official ONNX node tests.")
    parser.add_argument("--only", metavar="PATTERN", default="*", help="cases whose name matches (shell pattern)")
    parser.add_argument("--verbose", action="store_true", help="a line for each case")
    parser.add_argument("--keep", metavar="FOLDER", help="keep models and arrays in this folder")
    arguments = parser.parse_args()
    if not RUNNER.exists() or not DOCUMENT.exists():
        print(f"{RUNNER if not RUNNER.exists() else DOCUMENT} is missing: build the project first", file=sys.stderr)
        return 1
    document = DOCUMENT.read_text()
    claimed, shape_only = claimed_operators(document)
    announced = refusals_of(document)
    warnings.simplefilter("ignore")
    from onnx.backend.test.case.node import collect_testcases
    cases = [case for case in collect_testcases(None) if fnmatch.fnmatch(case.name, arguments.only)]
    counts, bound_cases, runs = collections.Counter(), [], []
    failures, refusals = [], collections.defaultdict(list)

    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(arguments.keep or temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for case in cases:
            model = onnx.ModelProto()
            model.CopyFrom(case.model)
            operators = {(node.domain, node.op_type) for node in nodes_of(model.graph)}
            opset = max((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=0)
            if any(domain not in ("", "ai.onnx") or name not in claimed | shape_only for domain, name in operators):
                counts["other operators"] += 1
                continue
            if not 7 <= opset <= 28:
                counts["other opsets"] += 1
                continue
            values = [*model.graph.input, *model.graph.output]
            if any(not value.type.HasField("tensor_type") or value.type.tensor_type.elem_type not in DATA_TYPES for value in values):
                counts["other element types"] += 1
                continue
            names = [value.name for value in model.graph.input]
            for number, (inputs, outputs) in enumerate(case.data_sets):
                label = case.name + (f"#{number}" if number else "")
                one = onnx.ModelProto()
                one.CopyFrom(model)
                given = {name: to_array(value) for name, value in zip(names, inputs)}
                bound = bind_shape_operands(one, given)
                if bound:
                    bound_cases.append(f"{label} ({', '.join(sorted(bound))})")
                paths = [folder / f"{label}.onnx", folder / f"{label}.in.npz", folder / f"{label}.out.npz"]
                # Symbolic dimensions of a case take the sizes of its inputs.
                for value in one.graph.input:
                    for dim, size in zip(value.type.tensor_type.shape.dim, np.shape(given[value.name])):
                        dim.dim_value = size
                paths[0].write_bytes(one.SerializeToString())
                np.savez(paths[1], **{name: to_file(value) for name, value in given.items() if name not in bound})
                runs.append((label, case, outputs, paths))

        answers = run_all(runs)
        for label, case, outputs, paths in runs:
            status, message = answers[str(paths[0])]
            problem = ""
            if status == "ok":
                with np.load(paths[2]) as found:
                    for i, expected in enumerate(outputs):
                        problem = problem or difference(to_array(expected), found[str(i)], case.rtol, case.atol)
            elif status == "import" and refusal(message, announced):
                refusals[refusal(message, announced)].append(label)
                counts["refused"] += 1
                continue
            else:
                problem = f"{status}: {message}"
            counts["failed" if problem else "passed"] += 1
            if problem:
                failures.append(f"{label}: {problem}")
            elif arguments.verbose:
                print(f"passed {label}")

    print(f"{len(cases)} cases; operands bound to the test's values as constants in {len(bound_cases)}:")
    print("  " + ", ".join(bound_cases))
    for reason, labels in sorted(refusals.items()):
        print(f"refused ({len(labels)}): {reason}: {', '.join(labels)}")
    for reason in ("other operators", "other opsets", "other element types"):
        print(f"not run ({counts[reason]}): {reason}")
    for failure in failures:
        print(f"FAILED {failure}")
    skipped = sum(counts.values()) - counts["passed"] - counts["failed"]
    print(f"onnx-node: {counts['passed']} passed, {counts['failed']} failed, {skipped} skipped")
    return 1 if counts["failed"] or not counts["passed"] else 0


def run_all(runs):
    """(status, message) of each model; a crash is the answer of the model that was running, the rest runs on."""
    answers, rest = {}, [paths for _, _, _, paths in runs]
    while rest:
        listing = "".join("\t".join(map(str, paths)) + "\n" for paths in rest)
        process = subprocess.run([RUNNER], input=listing, capture_output=True, text=True)
        for line in process.stdout.splitlines():
            model, status, *message = line.split("\t")
            answers[model] = (status, "\t".join(message))
        left = [paths for paths in rest if str(paths[0]) not in answers]
        if left and process.returncode != 0:
            answers[str(left[0][0])] = ("crash", f"status {process.returncode}: {process.stderr[-400:]}")
            left = left[1:]
        elif left:
            raise RuntimeError("the runner left models without an answer")
        rest = left
    return answers


if __name__ == "__main__":
    sys.exit(main())
