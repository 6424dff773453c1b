"""Times closures that launch GPU work: graph replay, weights rotated, medians (docs/Gpu.md, "Measuring")."""
import math
import time

import torch

REPLAYS = 15
side = None


def capture(calls, nodes):
    """A graph of at least `nodes` launches that walks through the calls; returns it with the number of launches."""
    global side
    side = side or torch.cuda.Stream()
    count = len(calls) * max(1, math.ceil(nodes / len(calls)))
    with torch.cuda.stream(side):
        for call in calls[:2]:
            call()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for i in range(count):
            calls[i % len(calls)]()
    torch.cuda.synchronize()
    return graph, count


def event():
    return torch.cuda.Event(enable_timing=True)


def replay(graph):
    """Seconds of one replay; a sleeping kernel ahead of the first event hides the launch of the graph."""
    begin, end = event(), event()
    torch.cuda._sleep(400000)
    begin.record()
    graph.replay()
    end.record()
    end.synchronize()
    return begin.elapsed_time(end) * 1e-3


def short(calls, nodes=64):
    """Median microseconds of a launch that is too short to heat the card: single replays."""
    graph, count = capture(calls, nodes)
    begin = time.time()
    while time.time() - begin < 5e-3:
        graph.replay()
        torch.cuda.synchronize()
    times = sorted(replay(graph) / count * 1e6 for _ in range(REPLAYS))
    return times[len(times) // 2], graph


def steady(calls, nodes=4, warm=0.15, span=0.06):
    """Median microseconds of a launch under continuous load, which is at the power limit."""
    graph, count = capture(calls, nodes)
    replay(graph)
    one = replay(graph)
    for _ in range(math.ceil(warm / one)):
        graph.replay()
    events = [event() for _ in range(max(REPLAYS, math.ceil(span / one)) + 1)]
    events[0].record()
    for e in events[1:]:
        graph.replay()
        e.record()
    torch.cuda.synchronize()
    times = sorted(a.elapsed_time(b) * 1e3 / count for a, b in zip(events, events[1:]))
    return times[len(times) // 2], graph


def copies(tensors, total):
    """The dictionary of tensors, and copies of it until all of them together are `total` bytes."""
    size = sum(t.numel() * t.element_size() for t in tensors.values())
    return [tensors] + [{k: t.clone() for k, t in tensors.items()} for _ in range(max(3, math.ceil(total / size) - 1))]
