"""What people use instead, timed by our own timing code in the same run.

The peers live outside the repository: a folder with `gpu_peers.py`, which knows their entry points and weight layouts, and `bin/` with their shared objects.
Its definitions are executed up to the line "# ---- the run"; its timing is replaced by ours, so that both sides are measured alike."""
import os
import sys

import torch

import timing

# Names of the peers' list -> regime of `measure`'s kind: its own "decode" picks tiles for few tokens, "prefill" those for many.
KIND = {"prefill": "prefill", "small": "decode", "decode": "decode"}


class Peers:
    def __init__(self, namespace):
        self.namespace = namespace
        namespace["measure"] = self.measure_one
        self.rows = []

    def measure_one(self, kind, peer, M, N, K, bits, mma, make, ref, y, wbytes, cfg="", limit=2e-2, xb=2, yb=2):
        wanted = self.namespace["arg"].only.split(",")
        if not any(text in peer for text in wanted):
            return
        name = f"{peer} {cfg}".strip()
        try:
            microseconds, graph = getattr(timing, self.regime)(make())
            output = y() if callable(y) else y
            output.view(torch.uint8).fill_(255)
            graph.replay()
            torch.cuda.synchronize()
            result = output[:M].float()
            expected = ref()
            error = float((result - expected).norm() / expected.norm())
            self.rows.append(dict(M=M, name=name, us=microseconds, wrong=0 if error < limit else error))
        except Exception as error:  # a peer may refuse a shape
            if "CUDA error" in str(error) or "illegal" in str(error).lower():
                raise
            self.rows.append(dict(M=M, name=name, us=None, wrong=str(error).split("\n")[0][:120]))

    def measure(self, cell, n, k, ms, wanted):
        self.rows = []
        self.regime = "steady" if cell == "prefill" else "short"
        self.namespace["arg"].only = wanted
        self.namespace["gemms"](n, k, KIND[cell], ms)
        return self.rows

    def read(self, buffers, size):
        """Fastest plain read of `size` bytes over a few launch shapes, microseconds."""
        space = self.namespace
        sms = torch.cuda.get_device_properties(0).multi_processor_count
        out = torch.zeros(sms * 16, dtype=torch.int32, device="cuda")
        times = []
        for blocks in (1, 2, 4):
            for loads in (4, 8):
                calls = [lambda b=b: space["ok"](space["misc"].peer_read(b.data_ptr(), size, out.data_ptr(), sms * blocks, loads, space["st"]())) for b in buffers]
                times.append(timing.short(calls)[0])
        return min(times)


def load(path):
    """The peers of a folder, or an exception that says what is missing."""
    file = os.path.join(path, "gpu_peers.py")
    if not os.path.exists(file):
        raise SystemExit(f"{path}: expected gpu_peers.py and bin/ with the peers' shared objects; leave --peers out to time our kernels alone")
    source = open(file).read()
    namespace = {"__file__": file, "__name__": "peers"}
    arguments, sys.argv = sys.argv, [file]
    os.environ.setdefault("OUT", "/tmp")
    try:
        exec(compile(source[: source.index("# ---- the run")], file, "exec"), namespace)
    finally:
        sys.argv = arguments
    return Peers(namespace)
