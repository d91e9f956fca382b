"""One training step of a deep resistive network: how far from what the weights' traffic and products must cost?

    OPENBLAS_NUM_THREADS=1 python benchmarks/deep_resistive_network.py [--idx FOLDER] [--hidden 1024] [--double]

2x784-1024-10, ideal diodes, centred equilibrium propagation: free state, two nudged states, update, bounds; four sweeps
each, single precision. Rows: the package (what `analogpnn train` does for every batch), and plain block coordinate
descent in NumPy as published (every coefficient computed anew in every sweep, whole gradients of both states), which
must give the same conductances. Limits: the two unavoidable products at the measured rate of such products; the
weights read once, then read and written once, at the measured rate of a copy (rows of pixels that are zero in the whole
batch, more than half at batch 4, needn't be read the first time; every weight moves and is clipped in every step). CPU
time of one thread, fastest of many.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from analogpnn import Newton
from analogpnn.circuit.generate import deep_resistive_network
from analogpnn.learning import CentredEquilibriumPropagation, SquaredError
from analogpnn.learning.steps import Plain
from analogpnn.tasks.datafiles import read_idx
from analogpnn.training.descent import Descent
from analogpnn.training.evaluation import settler
from analogpnn.training.meter import Meter
from analogpnn.training.phases import Phases

GAIN, BETA, RATE, SWEEPS = 480.0, 1.0, 0.006, 4


def images(folder: str | None, count: int) -> np.ndarray:
    """Pixels from 0 to 1: MNIST's, or blobs with as many zeros."""
    if folder:
        return read_idx(f"{folder}/train-images-idx3-ubyte.gz")[:count].reshape(count, -1) / 255.0
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:28, :28]
    centres = rng.uniform(9, 19, (count, 3, 2))
    squares = (y - centres[..., 0, None, None]) ** 2 + (x - centres[..., 1, None, None]) ** 2
    blobs = np.exp(-squares / 8).max(axis=1)
    return np.where(blobs > 0.15, blobs, 0.0).reshape(count, -1)


def plain_step(weights, bias, x, y, rate):
    """As published, nothing hoisted; currents instead of conductances for the nudge. Works in place."""
    kind = weights[0].dtype.type
    half = weights[0].shape[1] // 2

    def settle(h, o, push):
        for _ in range(SWEEPS):
            total = weights[0].sum(axis=0) + weights[1].sum(axis=1)
            h = (x @ weights[0] + o @ weights[1].T + bias[0]) / total
            np.maximum(h[:, :half], 0, out=h[:, :half])
            np.minimum(h[:, half:], 0, out=h[:, half:])
            o = (h @ weights[1] + bias[1] + push) / weights[1].sum(axis=0)
        return h, o

    def force(h, o):
        """Batch means of v^2 / 2 of both crossbars, of -v for the bias currents."""
        found = []
        for a, b in ((x, h), (h, o)):
            g = (a**2).mean(axis=0)[:, None] - 2 * (a.T @ b) / kind(len(x)) + (b**2).mean(axis=0)
            found.append(g / 2)
        return found, [-h.mean(axis=0), -o.mean(axis=0)]

    free = settle(np.zeros((len(x), 2 * half), kind), np.zeros_like(y), 0)
    push = kind(BETA) * (y - free[1])
    (plus, plus_bias), (minus, minus_bias) = force(*settle(*free, push)), force(*settle(*free, -push))
    step = kind(rate / (2 * BETA))
    for w, p, m in zip(weights, plus, minus):
        w += step * (m - p)
        np.maximum(w, 0, out=w)
    for v, p, m in zip(bias, plus_bias, minus_bias):
        v += step * (m - p)


class Package:
    """What `analogpnn.training.train` does with a batch."""

    def __init__(self, circuit, kind):
        self.circuit = circuit
        self.engine = Newton(sweeps=SWEEPS, precision="single" if kind == np.float32 else "double")
        self.settle = settler(self.engine)
        self.method = Phases(CentredEquilibriumPropagation(beta=BETA))
        rate = np.broadcast_to(np.float64(RATE), circuit.theta.shape)
        self.descent = Descent(circuit, Plain(), rate, circuit.theta.astype(kind))

    def __call__(self, x, y):
        theta, meter = self.descent.theta, Meter(self.engine, self.settle)
        found = self.method.estimate(
            self.circuit, meter, theta, x, y, cost=SquaredError(), rng=None, rate=self.descent.rate, memory={}
        )
        self.descent.step({}, found.update, found.direct)


def fastest(work, seconds: float = 3.0, least: int = 5) -> float:
    """CPU milliseconds of the fastest call."""
    times: list[float] = []
    began = time.perf_counter()
    while len(times) < least or time.perf_counter() - began < seconds:
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return 1e3 * min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--idx", help="folder with MNIST's IDX files; invented images without")
    parser.add_argument("--hidden", type=int, default=1024)
    parser.add_argument("--double", action="store_true", help="double precision")
    parser.add_argument("--batches", type=int, nargs="+", default=[4, 64, 256])
    arguments = parser.parse_args()
    kind = np.float64 if arguments.double else np.float32
    circuit = deep_resistive_network((784, arguments.hidden, 10), gain=GAIN)
    x = images(arguments.idx, max(arguments.batches))
    y = np.eye(10)[np.arange(len(x)) % 10]
    print(f"2x784-{arguments.hidden}-10, {np.dtype(kind)}, ms a step; pixels that are zero: {np.mean(x == 0):.0%}")
    print(f"{'batch':>5} {'plain':>8} {'package':>8} {'ratio':>6} {'products':>9} {'bytes':>6} {'off by':>8}")
    for batch in arguments.batches:
        row(circuit, kind, x[:batch].copy(), y[:batch].copy())


def row(circuit, kind, x: np.ndarray, y: np.ndarray) -> None:
    """Measure and print one batch size."""
    blocks, targets = circuit.blocks.blocks, y.astype(kind)
    doubled = np.ascontiguousarray(GAIN * np.concatenate([x, -x], axis=1), dtype=kind)
    start = circuit.theta.astype(kind)
    weights = [b.matrix(start.copy()) for b in blocks]
    bias = [np.zeros(w.shape[1], kind) for w in weights]
    package = Package(circuit, kind)
    plain_step(weights, bias, doubled, targets, RATE)
    package(x, y)
    mine = [b.matrix(package.descent.theta) for b in blocks]
    moved = max(np.abs(b.matrix(start) - w).max() for b, w in zip(blocks, weights))
    off = max(np.abs(a - b).max() for a, b in zip(mine, weights)) / moved
    ours = fastest(lambda: package(x, y))
    plain = fastest(lambda: plain_step(weights, bias, doubled, targets, RATE))
    w, back = weights[0], np.ones((len(x), weights[0].shape[1]), kind)
    products = fastest(lambda: doubled @ w, 1.0) + fastest(lambda: doubled.T @ back, 1.0)
    copy = fastest(w.copy, 1.0) / 2 * 3
    print(f"{len(x):5d} {plain:8.2f} {ours:8.2f} {plain / ours:5.1f}x {products:9.2f} {copy:6.2f} {off:8.1e}")


if __name__ == "__main__":
    main()
