#!/usr/bin/env python3
"""Times our GPU kernels beside what people use, in one run: bench.py FOLDER [--peers DIR] [--cells prefill,small,decode] [--json OUT]

FOLDER is what `quant-tune` wrote from signatures.py. DIR holds the peers' shared objects and gpu_peers.py; without it the peers' cells read "not shown".
Every output is checked before its time counts: integers by an exact product and the epilogue's own float operations, bit for bit; grouped scales within a
bound. Weights and scales rotate through more than four times the L2. Peers and ours alternate from round to round; a figure is the median over rounds."""
import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import time

import torch

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import folder as folders
import peers as peer_module
import timing

DEVICE = folders.DEVICE
L2 = torch.cuda.get_device_properties(0).L2_cache_size
GROUP = 128


def random_codes(rows, columns, low=-127, high=127):
    return (32 * torch.randn(rows, columns, device=DEVICE)).round().clamp(low, high).to(torch.int8)


def exact_product(x, w):
    """int32 product of int8 matrices (the library wants at least 17 rows, in eights)."""
    rows = max(32, math.ceil(x.shape[0] / 8) * 8)
    padded = torch.zeros(rows, x.shape[1], dtype=torch.int8, device=DEVICE)
    padded[: x.shape[0]] = x
    return torch._int_mm(padded, w.t())[: x.shape[0]].contiguous()


class Problem:
    """Operands, constants and the expected result of one scheme, layer and M."""

    def __init__(self, scheme, n, k):
        self.scheme, self.n, self.k = scheme, n, k
        g = k // GROUP
        self.sources = {}
        if scheme.startswith("w8a8"):
            self.weights = random_codes(n, k)
            self.sources["rhs", 0] = self.weights
        elif scheme == "w4a8_two_level":
            scale = torch.randint(1, 17, (n, g), device=DEVICE)
            low = -(15 * scale) // 2 + torch.randint(-5, 6, (n, g), device=DEVICE)
            low = torch.maximum(low, torch.full_like(low, -127))
            low = torch.minimum(low, 127 - 15 * scale)
            codes = torch.randint(0, 16, (n, k), device=DEVICE, dtype=torch.int8)
            self.sources = {("rhs", 0): codes, ("group_scale", 0): scale, ("group_zero_point", 0): low}
            self.weights = (codes.view(n, g, GROUP).int() * scale[..., None] + low[..., None]).view(n, k).to(torch.int8)
        elif scheme == "f16":
            self.weights = torch.randn(n, k, device=DEVICE).half()
            self.sources["rhs", 0] = self.weights
        else:
            codes = torch.randint(-8, 8, (n, k), device=DEVICE, dtype=torch.int8)
            scale = (2.0**-5 * (1 + torch.rand(n, g, device=DEVICE))).half()
            self.sources = {("rhs", 0): codes, ("group_scale", 0): scale}
            self.weights = (codes.view(n, g, GROUP).float() * scale.float()[..., None]).view(n, k)
        self.column = torch.rand(n, device=DEVICE) * 0.1 + 0.01
        self.bias = torch.randn(n, device=DEVICE)

    def rows(self, m):
        """Left operand, operands of the epilogue, expected output, whether it must match bit for bit."""
        integer = self.scheme.startswith(("w8a8", "w4a8"))
        x = random_codes(m, self.k) if integer else torch.randn(m, self.k, device=DEVICE).half()
        row = torch.rand(m, device=DEVICE) * 1e-3 + 1e-4
        if self.scheme == "w8a8_unscaled":
            return x, [], exact_product(x, self.weights).to(torch.int8), True
        if self.scheme in ("w8a8", "w8a8_s8", "w4a8_two_level"):
            scaled = exact_product(x, self.weights).float() * row[:, None]  # one rounding
            y = (scaled.double() * self.column.double() + self.bias.double()).float()  # fma: one rounding
            y = y.round().clamp(-128, 127).to(torch.int8) if self.scheme == "w8a8_s8" else y.half()
            return x, [row, self.column, self.bias], y, True
        y = x.float() @ self.weights.float().t()
        if self.scheme == "w4a8":
            return x, [row], (y * row[:, None]).half(), False
        return x, [], y.half(), False


def verify(y, expected, exact):
    """0, or what is wrong: a count of elements, or a relative error beyond f16's rounding (2^-11) and f32 accumulation."""
    if exact:
        return int((y != expected).sum())
    error = float((y.float() - expected.float()).norm() / expected.float().norm())
    return 0 if error < 1e-3 else error


def time_ours(kernels, problem, m, regime, report):
    x, operands, expected, exact = problem.rows(m)
    for kernel in kernels:
        if not kernel.serves(m):
            continue
        try:
            if not hasattr(kernel, "function"):
                kernel.load()
            y = torch.empty_like(expected)
            packed = kernel.constants(problem.sources)
            sets = timing.copies(packed, 4.2 * L2)
            microseconds, graph = getattr(timing, regime)([kernel.call(m, x, c, operands, [y]) for c in sets])
            y.view(torch.uint8).fill_(0xFF)
            graph.replay()
            torch.cuda.synchronize()
            report(f"ours {kernel.schedule}", microseconds, verify(y, expected, exact))
            del sets, packed
        except RuntimeError as error:
            report(f"ours {kernel.schedule}", None, str(error).split("\n")[0][:160])
            if "ILLEGAL" in str(error) or "LAUNCH_FAILED" in str(error):
                raise


def read_floor(peers, size):
    """Microseconds of a plain read of `size` bytes in a graph node."""
    buffers = [t["x"] for t in timing.copies({"x": torch.randint(0, 255, (size,), dtype=torch.uint8, device=DEVICE)}, 4.2 * L2)]
    return peers.read(buffers, size) if peers else None


PEERS_8BIT = "CUTLASS s8,cuBLASLt s8, best,cuBLASLt fp8,fp8 torch._scaled_mm per tensor"
PEERS_4BIT = "ex.55,Marlin,Machete,tinygemm"
PEERS_16BIT = "cuBLASLt bf16"
CELLS = {
    # name: schemes, M, regime, peers asked for
    "prefill": (["w8a8", "w8a8_s8", "w8a8_unscaled", "w4a8_two_level"], [2048, 4096], "steady", f"{PEERS_8BIT},ex.55 int4 x fp8,{PEERS_16BIT}"),
    "small": (["w8a8"], [16, 128, 512], "short", f"{PEERS_8BIT},{PEERS_16BIT}"),
    "decode": (["w4a8", "w4a16"], [1, 4, 8, 16], "short", f"{PEERS_8BIT},{PEERS_4BIT},{PEERS_16BIT}"),
}
# What a scheme is held against (the bars): families of the table by text in the peer's name.
FAMILIES = {"bf16": ("bf16, best",), "8 bit": ("CUTLASS s8", "cuBLASLt s8", "fp8 per tensor", "fp8 torch"), "4 bit": ("ex.55", "Marlin", "Machete", "tinygemm")}
RIVALS = {"w8a8": (" s8",), "w8a8_s8": (" s8",), "w8a8_unscaled": (" s8",), "w4a8_two_level": ("ex.55 int4 x fp8",)}


def driver_version():
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("--peers")
    parser.add_argument("--cells", default="prefill,small,decode")
    parser.add_argument("--layers", default="")
    parser.add_argument("--m", default="", help="these M instead of the cells' own")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--match", default="", help="only schedules that hold this text")
    parser.add_argument("--only", default="", help="peers whose name holds one of these texts, instead of the cell's own")
    parser.add_argument("--commit", default="", help="goes into the JSON")
    parser.add_argument("--json", default="")
    parser.add_argument("--seconds", type=float, default=1e9, help="start nothing new after this")
    arguments = parser.parse_args()
    begin = time.time()
    torch.manual_seed(0)
    kernels = [k for k in folders.read(arguments.folder) if arguments.match in k.schedule]
    peers = peer_module.load(arguments.peers) if arguments.peers else None
    layers = list(dict.fromkeys((k.n, k.k) for k in kernels))
    if arguments.layers:
        layers = [tuple(map(int, layer.split("x"))) for layer in arguments.layers.split(",")]
    results = []

    def record(cell, scheme, n, k, m, name, microseconds, wrong):
        results.append(dict(cell=cell, scheme=scheme, n=n, k=k, m=m, name=name, us=microseconds, wrong=wrong))
        text = "failed" if microseconds is None else f"{microseconds:8.2f} us"
        print(f"{cell} {scheme} {n}x{k} M={m:<5} {text} {2e-6 * m * n * k / microseconds if microseconds else 0:7.0f} TOP/s {name}{'  WRONG ' + str(wrong) if wrong else ''}", flush=True)

    for round_number in range(arguments.rounds):
        for cell in arguments.cells.split(","):
            schemes, ms, regime, wanted = CELLS[cell]
            wanted = arguments.only or wanted
            ms = [int(m) for m in arguments.m.split(",")] if arguments.m else ms
            for n, k in layers:
                if time.time() - begin > arguments.seconds:
                    break

                def ours():
                    for scheme in schemes:
                        mine = [x for x in kernels if x.tag == scheme and (x.n, x.k) == (n, k)]
                        if not mine:
                            continue
                        problem = Problem(scheme, n, k)
                        for m in ms:
                            time_ours(mine, problem, m, regime, lambda name, us, wrong: record(cell, scheme, n, k, m, name, us, wrong))
                        del problem
                        torch.cuda.empty_cache()

                def others():
                    if not peers:
                        return
                    if cell == "decode":
                        record(cell, "floor", n, k, 1, "plain read of codes and scales", read_floor(peers, n * k // 2 + 2 * n * k // GROUP), 0)
                    for row in peers.measure(cell, n, k, ms, wanted):
                        record(cell, "peer", n, k, row["M"], row["name"], row["us"], row["wrong"])
                    torch.cuda.empty_cache()

                for part in (ours, others) if round_number % 2 else (others, ours):
                    part()
    tables(results)
    for name in sorted(set(arguments_wanted(arguments)) - set(text for r in results if r["scheme"] == "peer" and r["us"] for text in arguments_wanted(arguments) if text in r["name"])):
        print(f"not shown: {name} (did not run)")
    if arguments.json:
        device = torch.cuda.get_device_properties(0)
        about = dict(device=device.name, l2=L2, torch=torch.__version__, driver=driver_version(), commit=arguments.commit, kernels={k.symbol: k.digest() for k in kernels})
        with open(arguments.json, "w") as file:
            json.dump(dict(about, results=results), file, indent=0)


def arguments_wanted(arguments):
    """Every text of the peers that the cells ask for."""
    return [text for cell in arguments.cells.split(",") for text in (arguments.only or CELLS[cell][3]).split(",") if text.strip() != "best"]


def tables(results):
    """Markdown: our best, the best peer of each family and the rival of each cell, medians over rounds."""
    figures = {}
    for r in results:
        if r["us"] is not None and not r["wrong"]:
            figures.setdefault((r["cell"], r["n"], r["k"], r["m"], r["scheme"], r["name"]), []).append(r["us"])
    figures = {key: statistics.median(v) for key, v in figures.items()}
    floors = {key[1:3]: v for key, v in figures.items() if key[4] == "floor"}

    def best(cell, n, k, m, test):
        found = [(v, key[5]) for key, v in figures.items() if key[:4] == (cell, n, k, m) and test(key[4], key[5])]
        return min(found) if found else (None, "not shown")

    def peer(cell, n, k, m, texts):
        return best(cell, n, k, m, lambda scheme, name: scheme == "peer" and any(text in name for text in texts))

    print("\nMicroseconds a call; in brackets the peer's name. rival / ours: above 1 we are faster. floor: a plain read of codes and scales.\n")
    print("| cell | N x K | M | scheme | ours | bf16 | 8 bit | 4 bit | rival / ours | ours / floor |\n|---|---|---|---|---|---|---|---|---|---|")
    for key in dict.fromkeys(key[:5] for key in figures if key[4] not in ("peer", "floor")):
        cell, n, k, m, scheme = key
        mine, _ = best(cell, n, k, m, lambda s, _: s == scheme)
        families = [peer(cell, n, k, m, texts) for texts in FAMILIES.values()]
        rival, _ = peer(cell, n, k, m, RIVALS.get(scheme, tuple(text for texts in FAMILIES.values() for text in texts)))
        floor = floors.get((n, k)) if cell == "decode" else None
        columns = [f"{us:.2f} ({name.replace(', best algorithm', '')})" if us else name for us, name in families]
        print(f"| {cell} | {n} x {k} | {m} | {scheme} | {mine:.2f} | {' | '.join(columns)} | {f'{rival / mine:.3f}' if rival else '-'} | {f'{mine / floor:.2f}' if floor else '-'} |")


if __name__ == "__main__":
    main()
