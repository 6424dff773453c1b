# Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
"""A loss of one's own for precision allocation: what `compile(metric=...)` gives to `quant-compile --metric`.

quant-compile talks to a process, the callable lives in this one: the process (this file, run as a program) passes lines on
between its standard streams and a socket that a thread here answers. docs/Allocation.md has the protocol.
"""
import contextlib
import os
import shlex
import socket
import sys
import tempfile
import threading
from typing import Callable, Iterator, Mapping, Sequence

Outputs = Sequence[Mapping[str, "numpy.ndarray"]]
Metric = Callable[[Outputs, Outputs], float]


def read_outputs(path: str) -> Outputs:
    """The arrays NAME:SAMPLE of an `.npz` file as one mapping NAME -> array a sample, in order."""
    import numpy
    samples: dict[int, dict] = {}
    with numpy.load(path) as arrays:
        for key in arrays.files:
            name, _, sample = key.rpartition(":")
            samples.setdefault(int(sample), {})[name] = arrays[key]
    return [samples[index] for index in sorted(samples)]


class _Server:
    """Answers the requests of one compilation. `failure` keeps what the callable raised."""

    def __init__(self, metric: Metric):
        self.metric, self.reference, self.failure = metric, None, None

    def answer(self, request: str) -> str:
        try:
            verb, _, path = request.partition(" ")
            outputs = read_outputs(path)
            if verb == "reference":
                self.reference = outputs
            return repr(float(self.metric(outputs, self.reference)))
        except Exception as error:  # whatever a user's function raises ends the compilation, not this thread
            self.failure = error
            return "error " + " ".join(f"{type(error).__name__}: {error}".split())

    def serve(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):  # closed: the compilation is over
            while True:
                connection, _ = listener.accept()
                with connection, connection.makefile("rw", encoding="utf-8") as lines:
                    for request in lines:
                        lines.write(self.answer(request.rstrip("\n")) + "\n")
                        lines.flush()


@contextlib.contextmanager
def served(metric: Metric) -> Iterator[tuple[str, _Server]]:
    """The command for `--metric`, and the server whose `failure` tells what the callable raised."""
    server = _Server(metric)
    with tempfile.TemporaryDirectory(prefix="bitwright-") as folder:
        address = os.path.join(folder, "metric")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(address)
            listener.listen()
            threading.Thread(target=server.serve, args=(listener,), daemon=True).start()
            try:
                yield shlex.join([sys.executable, os.path.abspath(__file__), address]), server
            finally:
                with contextlib.suppress(OSError):
                    listener.shutdown(socket.SHUT_RDWR)


def _relay(address: str) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(address)
        with connection.makefile("rw", encoding="utf-8") as lines:
            for request in sys.stdin:
                lines.write(request)
                lines.flush()
                print(lines.readline(), end="", flush=True)


if __name__ == "__main__":
    _relay(sys.argv[1])
