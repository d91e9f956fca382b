"""Equilibria of layered networks: red-black block coordinate descent.

With its neighbours held, every node of a layer has a closed solution: its diodes against one conductance. So the
layers of one colour are solved exactly, all at once, then those of the other, until nothing moves. The product of
the inputs with their conductances is needed once per batch, conductance sums once per theta.

References
----------
B. Scellier, "A fast algorithm to simulate nonlinear resistive networks", ICML 2024 (arXiv:2402.11674).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import cached_property
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import ArrayLike

from analogpnn.circuit.blocks import Blocks, Diodes
from analogpnn.circuit.boundary import Boundary, Clamp, Inject
from analogpnn.circuit.circuit import Circuit
from analogpnn.circuit.layered_point import Feed, LayeredPoint, held_voltages
from analogpnn.engines.arguments import prepare_drive
from analogpnn.engines.layered import streams
from analogpnn.engines.layered.choice import Options
from analogpnn.engines.layered.diodes import Junctions
from analogpnn.engines.layered.kernels import product
from analogpnn.engines.layered.pair import settle_pair
from analogpnn.engines.layered.sums import Weights, weights
from analogpnn.errors import ConvergenceError, ExperimentError, NetlistError

MOST_SWEEPS = 2000
KINDS = {"double": np.float64, "single": np.float32}


def settle(
    circuit: Circuit,
    theta: ArrayLike | None,
    inputs: ArrayLike | None,
    boundary: Boundary,
    start: object = None,
    options: Options = Options(),  # noqa: B008  (a frozen record)
) -> LayeredPoint:
    """Find where a layered network settles; arguments as of `Newton.equilibrium`.

    If `start` has the same theta (an array that can't be written to) and inputs, what they imply isn't computed
    again; its state is the first guess.
    """
    if options.precision not in KINDS:
        raise ExperimentError(f"precision is 'double' or 'single', not {options.precision!r}")
    kind = np.dtype(KINDS[options.precision])
    blocks = circuit.blocks
    assert blocks is not None
    theta = circuit.theta if theta is None else np.asarray(theta)
    if theta.shape != (circuit.n_trainable,) or theta.dtype not in KINDS.values():
        theta = np.asarray(theta, dtype=float)
        if theta.shape != (circuit.n_trainable,):
            what = (
                f"theta has shape {theta.shape}; its last axis must hold the circuit's {circuit.n_trainable} trainables"
            )
            raise ExperimentError(what)
    warm = start if isinstance(start, LayeredPoint) and start.circuit is circuit else None
    inputs, boundary, batch = prepare_drive(circuit, (), inputs, boundary, None if warm is None else warm.inputs)
    known = weights(blocks, theta, kind)
    if not known.ready:
        known.ready.append(_Ready(circuit, blocks, known))
    samples = math.prod(batch)
    if warm is not None and warm.batch != batch:
        warm = None
    if warm is not None and warm.theta is theta and warm.inputs is inputs and not theta.flags.writeable:
        feed = warm.feed
    else:
        each = inputs if inputs.shape[:-1] == batch else np.broadcast_to(inputs, (*batch, inputs.shape[-1]))
        feed = _feed(blocks, known, theta, np.ascontiguousarray(each).reshape(samples, -1), kind)
    if warm is not None:
        states = [np.asarray(v, dtype=kind) for v in warm.states]
    else:
        states = [np.zeros((samples, len(nodes)), kind) for nodes in blocks.layers[blocks.n_held :]]
    _Sweep(circuit, blocks, known.ready[0], feed, boundary, batch, inputs, samples, kind).run(states, options.sweeps)
    return LayeredPoint(circuit, theta, inputs, boundary, batch, tuple(states), feed)


def _feed(blocks: Blocks, known: Weights, theta: np.ndarray, inputs: np.ndarray, kind: np.dtype) -> Feed:
    samples = len(inputs)
    held = tuple(_held(blocks, k, inputs, kind) for k in range(blocks.n_held))
    inflow: list = [0 for _ in blocks.free]
    power = np.zeros(samples)
    for b, w in zip(blocks.blocks, known.matrices):
        if b.lower < blocks.n_held:
            into, own = product(held[b.lower], w)
            inflow[b.upper - blocks.n_held] += into
            power += own
    for k, nodes in enumerate(blocks.layers[blocks.n_held :]):
        if isinstance(inflow[k], int):
            inflow[k] = np.zeros((samples, len(nodes)), kind)
    currents = [np.zeros(len(nodes), kind) for nodes in blocks.layers[blocks.n_held :]]
    for c in blocks.currents:
        own = currents[c.layer - blocks.n_held]
        own += c.into(theta, len(own)).astype(kind)
    return Feed(held, tuple(inflow), tuple(currents), power)


_drives: WeakKeyDictionary[Blocks, list] = WeakKeyDictionary()


def _held(blocks: Blocks, layer: int, inputs: np.ndarray, kind: np.dtype) -> np.ndarray:
    """(B, n): voltages of a held layer at inputs (B, n_inputs) [V]."""
    drives = _drives.get(blocks)
    if drives is None:
        drives = _drives[blocks] = [_drive(blocks, nodes) for nodes in blocks.layers[: blocks.n_held]]
    column, scale, fixed, base = drives[layer]
    if len(fixed) == len(column):
        return np.broadcast_to(base.astype(kind), (len(inputs), len(column)))
    out = np.empty((len(inputs), len(column)), kind)
    streams.driven(inputs, column, scale, out)
    if len(fixed):
        out[:, fixed] = base
    return out


def _drive(blocks: Blocks, nodes: np.ndarray):
    """Of a held layer: its columns of the inputs and their scale, places that are fixed and their voltages."""
    column = blocks.column[nodes]
    fixed = np.flatnonzero(column < 0)
    return column, blocks.scale[nodes], fixed, blocks.base[nodes[fixed]]


class _Ready:
    """What the conductances alone decide.

    Attributes
    ----------
    inverse : list of ndarray
        1 / conductance seen by the nodes of each free layer [ohm].
    colours : list of list of int
        Free layers, counted from the first free one.
    """

    def __init__(self, circuit: Circuit, blocks: Blocks, known: Weights):
        first, self.totals = blocks.n_held, known.totals
        self.inverse = []
        for k, total in enumerate(known.totals):
            inverse, least, most = streams.inverse(total)
            self.inverse.append(inverse)
            if not most < np.inf:
                raise ExperimentError("theta holds values that are not finite")
            if not least > 0:
                node = circuit.nodes[blocks.layers[k + first][int(np.argmin(total))]]
                raise NetlistError(
                    f"all conductances at node '{node}' are zero: its voltage is anything",
                    path=circuit.path, cure="give them a lower bound above zero",
                )  # fmt: skip
        self.colours = [[k - first for k in colour] for colour in blocks.colours]
        self._free = [(b.lower - first, b.upper - first, w) for b, w in zip(blocks.blocks, known.matrices)]

    @cached_property
    def joined(self) -> list[list[tuple[int, np.ndarray]]]:
        """For each free layer its free neighbours, and the conductances to them (n_neighbour, n)."""
        found: list[list[tuple[int, np.ndarray]]] = [[] for _ in self.totals]
        for lower, upper, w in self._free:
            if lower >= 0:
                found[upper].append((lower, w))
                found[lower].append((upper, w.T))
        return found

    @cached_property
    def upward(self) -> np.ndarray:
        """Between two free layers, conductances (n_second, n_first), contiguous."""
        (second,) = self.colours[1]
        ((lower, w),) = ((lower, w) for lower, _, w in self._free if lower >= 0)
        return np.ascontiguousarray(w if lower == second else w.T)


class _Sweep:
    """Everything that stays the same while the layers settle."""

    def __init__(self, circuit, blocks: Blocks, ready: _Ready, feed: Feed, boundary, batch, inputs, samples, kind):
        self.circuit, self.blocks, self.ready = circuit, blocks, ready
        self.inverse, self.totals, self.colours = ready.inverse, ready.totals, ready.colours
        self.fixed = list(feed.fixed)
        if isinstance(boundary, Inject):
            self._inject(boundary, batch, samples, kind)
        self.clamped: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        if isinstance(boundary, Clamp):
            volts = np.broadcast_to(boundary.voltages, (*batch, circuit.n_outputs)).reshape(samples, -1).astype(kind)
            nodes = circuit.output_numbers[0]
            for layer in set(blocks.layer_of[nodes].tolist()):
                mine = blocks.layer_of[nodes] == layer
                self.clamped[layer - blocks.n_held] = blocks.place_of[nodes[mine]], volts[:, mine]
        self.limits, self.bounds, self.junctions = _diodes(circuit, blocks, inputs, samples, kind)

    def _inject(self, boundary: Inject, batch, samples: int, kind) -> None:
        blocks, first = self.blocks, self.blocks.n_held
        push = boundary.currents.astype(kind)
        if blocks.outputs is not None and blocks.outputs[1] is None:
            layer = blocks.outputs[0] - first
            self.fixed[layer] = (self.fixed[layer].reshape(*batch, -1) + push).reshape(samples, -1)
            return
        ends = self.circuit.output_numbers
        push = np.broadcast_to(push, (*batch, len(ends[0]))).reshape(samples, -1)
        for layer in set(blocks.layer_of[ends].ravel().tolist()):
            if layer < first:
                continue
            own = self.fixed[layer - first] = self.fixed[layer - first].copy()
            for nodes, sign in zip(ends, (1, -1)):
                mine = blocks.layer_of[nodes] == layer
                np.add.at(own, (slice(None), blocks.place_of[nodes[mine]]), sign * push[:, mine])  # type: ignore[arg-type]

    def _update(self, k: int, states: list[np.ndarray]) -> np.ndarray:
        into = self.fixed[k]
        for other, w in self.ready.joined[k]:
            into = into + states[other] @ w
        if self.junctions[k] is not None:
            junctions, rails = self.junctions[k]
            v = junctions.settle(self.totals[k].astype(float), into.astype(float), rails).astype(into.dtype)
        else:
            v = into * self.inverse[k]
            if self.limits[k] is not None:
                low, high = self.limits[k]
                np.maximum(v, low, out=v)
                np.minimum(v, high, out=v)
        if k in self.clamped:
            places, volts = self.clamped[k]
            v[:, places] = volts
        return v

    def run(self, states: list[np.ndarray], sweeps: int) -> None:
        """Sweep until nothing moves, or so many times."""
        red, black = self.colours
        if not black:
            self._sweep(red, states)
            return
        tolerance = 1e-13 if states[0].dtype == np.float64 else 1e-6
        if len(states) == 2 and not self.clamped and not any(self.junctions):
            self._run_pair(states, sweeps, tolerance)
            return
        last = np.inf
        turn = 0
        while turn < (sweeps or MOST_SWEEPS):
            turn += 1
            self._sweep(red, states)
            moved = self._sweep(black, states)
            if sweeps:
                continue
            size = max(float(np.abs(states[k]).max()) for k in range(len(states)))
            if not np.isfinite(moved) or moved <= 0.1 * tolerance * size:
                break
            # A linear sequence with this ratio has that far still to go.
            ratio = moved / last
            if moved <= 100 * tolerance * size and ratio < 1 and moved * ratio / (1 - ratio) <= tolerance * size:
                break
            last = moved
        if not sweeps and (turn == MOST_SWEEPS or not np.isfinite(moved)):
            raise self._failure(states, moved, turn)
        if not sweeps:
            self._sweep(red, states)

    def _run_pair(self, states: list[np.ndarray], sweeps: int, tolerance: float) -> None:
        """The same for a network of one hidden layer, in one compiled loop."""
        (i,), (j,) = self.colours
        states[i], states[j] = np.empty_like(states[i]), states[j].copy()
        w = self.ready.upward
        failed = settle_pair(  # type: ignore[call-arg]
            w, self.fixed[i], self.fixed[j], self.inverse[i], self.inverse[j], *self.bounds[i], *self.bounds[j], sweeps,
            MOST_SWEEPS, tolerance, states[i], states[j],
        )  # fmt: skip
        if failed >= 0:
            raise self._failure(states, np.nan, MOST_SWEEPS, failed)

    def _sweep(self, layers: Iterable[int], states: list[np.ndarray]) -> float:
        moved = 0.0
        for k in layers:
            new = self._update(k, states)
            moved = max(moved, float(np.abs(new - states[k]).max()))
            states[k] = new
        return moved

    def _failure(self, states, moved, n, sample: int | None = None) -> ConvergenceError:
        if sample is None:
            finite = [np.isfinite(v).all(axis=1) for v in states]
            sample = int(np.argmin(np.all(finite, axis=0)))
        return ConvergenceError(
            f"the layers still move after {n} sweeps: sample {sample}" + (f", by {moved:.1e} V" if moved > 0 else ""),
            sample=sample, path=self.circuit.path, cure="check the conductances; zero ones cut a layer off",
        )  # fmt: skip


_fixed: WeakKeyDictionary[Blocks, dict] = WeakKeyDictionary()


def _diodes(circuit: Circuit, blocks: Blocks, inputs, samples: int, kind: np.dtype):
    """For each free layer the (lowest, highest) voltages that ideal diodes leave it, or None; the same with infinities
    instead; its junctions with rails."""
    known = _fixed.setdefault(blocks, {})
    if kind in known:
        return known[kind]
    driven = any(np.any(blocks.column[d.rails] >= 0) for d in blocks.diodes)
    rails = held_voltages(blocks, inputs, samples) if driven else blocks.base[None, :]
    limits: list = [None for _ in blocks.free]
    junctions: list = [None for _ in blocks.free]
    for d in blocks.diodes:
        at, k = rails[:, d.rails], d.layer - blocks.n_held
        if d.ideal:
            limits[k] = _limits(d, at.astype(kind), len(blocks.layers[d.layer]), circuit)
        else:
            junctions[k] = Junctions(d, circuit.groups[d.group]), at
    sizes = [(1, len(nodes)) for nodes in blocks.layers[blocks.n_held :]]
    bounds = [x or (np.full(n, -np.inf, kind), np.full(n, np.inf, kind)) for x, n in zip(limits, sizes)]
    if not driven:
        known[kind] = limits, bounds, junctions
    return limits, bounds, junctions


def _limits(d: Diodes, rails: np.ndarray, count: int, circuit: Circuit):
    """Lowest and highest voltage that the ideal diodes of a layer leave its nodes."""
    low = np.full((len(rails), count), -np.inf, rails.dtype)
    high = np.full((len(rails), count), np.inf, rails.dtype)
    up = d.sign > 0
    np.minimum.at(high, (slice(None), d.nodes[up]), rails[:, up])  # type: ignore[arg-type]
    np.maximum.at(low, (slice(None), d.nodes[~up]), rails[:, ~up])  # type: ignore[arg-type]
    if np.any(low > high):
        raise NetlistError(
            "two ideal diodes in series short two sources: a node is to be above one rail and below a lower one",
            path=circuit.path, cure="swap the rails or turn the diodes",
        )  # fmt: skip
    return low, high
