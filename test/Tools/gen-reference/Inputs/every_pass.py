# Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
"""Each pass has one stem everywhere, a summary, a description that says more, a lit test of its name, and is known to quant-opt."""

import pathlib
import re
import subprocess
import sys

root = pathlib.Path(sys.argv[1])
known = set(re.findall(r"--([a-z0-9-]+)", subprocess.run(["quant-opt", "--help"], capture_output=True, text=True, check=True).stdout))
faults = []
sources = sorted((root / "passes").glob("*/*/*.td"))
for source in sources:
    text, name, stage = source.read_text(), source.parent.name, source.parent.parent.name
    where = f"passes/{stage}/{name}"
    declared = re.search(r'def (\w+) : Pass<"([a-z0-9-]+)"', text)
    if source.stem != name or not declared or declared.group(1) != name:
        faults.append(f"{where}: expected {name}.td to define the pass {name}")
        continue
    flag = declared.group(2)
    if flag != re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower():
        faults.append(f"{where}: the flag --{flag} does not follow from the name")
    summary = re.search(r'let summary = "(.*)";', text)
    description = re.search(r"let description = \[\{(.*?)\}\]", text, re.S)
    if not summary or len(summary.group(1)) < 15 or "TODO" in summary.group(1):
        faults.append(f"{where}: expected a summary")
    if not description or len(description.group(1).split()) < 12 or "TODO" in description.group(1):
        faults.append(f"{where}: expected a description of what, why and when not")
    if not list((root / "test" / "Passes" / stage).glob(f"{flag}*.mlir")):
        faults.append(f"{where}: expected the test test/Passes/{stage}/{flag}.mlir")
    if flag not in known:
        faults.append(f"{where}: quant-opt has no --{flag}")
print("\n".join(faults))
print(f"{len(sources)} passes, {len(faults)} faults")
sys.exit(bool(faults) or not sources)
