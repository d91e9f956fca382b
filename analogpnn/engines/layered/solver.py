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

import numpy as np
from numpy.typing import ArrayLike

from analogpnn.circuit.blocks import Blocks
from analogpnn.circuit.boundary import Boundary, Clamp, Inject
from analogpnn.circuit.circuit import Circuit
from analogpnn.circuit.layered_point import Feed, LayeredPoint
from analogpnn.engines.arguments import prepare_drive
from analogpnn.engines.layered.choice import Options
from analogpnn.engines.layered.kernels import product
from analogpnn.engines.layered.pair import settle_pair
from analogpnn.engines.layered.plan import Plan, plan_of
from analogpnn.engines.layered.sums import Ready, Weights, weights
from analogpnn.errors import ConvergenceError, ExperimentError

MOST_SWEEPS = 2000
KINDS: dict[str, np.dtype] = {"double": np.dtype(np.float64), "single": np.dtype(np.float32)}
TOLERANCE = {KINDS["double"]: 1e-13, KINDS["single"]: 1e-6}


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
    kind = KINDS.get(options.precision)
    if kind is None:
        raise ExperimentError(f"precision is 'double' or 'single', not {options.precision!r}")
    blocks = circuit.blocks
    assert blocks is not None
    plan = plan_of(blocks, kind)
    known = plan.recall(theta)
    if known is None:
        theta = _checked(circuit, theta)
        known = weights(blocks, theta, kind)
        if not theta.flags.writeable:
            plan.remember(theta, known)
    assert isinstance(theta, np.ndarray)
    ready = known.ready
    warm = start if isinstance(start, LayeredPoint) and start.circuit is circuit else None
    inputs, boundary, batch = prepare_drive(circuit, (), inputs, boundary, None if warm is None else warm.inputs)
    if ready is None:
        ready = known.ready = Ready(circuit, blocks, theta, known)
    samples = math.prod(batch)
    if warm is not None and warm.batch != batch:
        warm = None
    if warm is not None and warm.theta is theta and warm.inputs is inputs and not theta.flags.writeable:
        feed = warm.feed
    else:
        each = inputs if inputs.shape[:-1] == batch else np.broadcast_to(inputs, (*batch, inputs.shape[-1]))
        feed = _feed(plan, known, ready, np.ascontiguousarray(each).reshape(samples, -1))
    if plan.pair is not None and not isinstance(boundary, Clamp):
        states, power = _pair(circuit, plan, ready, feed, boundary, batch, inputs, warm, options.sweeps)
        return LayeredPoint(circuit, theta, inputs, boundary, batch, states, feed, power)
    if warm is not None:
        first = [np.asarray(v, dtype=kind) for v in warm.states]
    else:
        first = [np.zeros((samples, n), kind) for n in plan.sizes]
    _Sweep(circuit, blocks, plan, ready, feed, boundary, batch, inputs, samples).run(first, options.sweeps)
    return LayeredPoint(circuit, theta, inputs, boundary, batch, tuple(first), feed)


def _checked(circuit: Circuit, theta: ArrayLike | None) -> np.ndarray:
    theta = circuit.theta if theta is None else np.asarray(theta)
    if theta.shape != (circuit.n_trainable,) or theta.dtype not in KINDS.values():
        theta = np.asarray(theta, dtype=float)
        if theta.shape != (circuit.n_trainable,):
            what = (
                f"theta has shape {theta.shape}; its last axis must hold the circuit's {circuit.n_trainable} trainables"
            )
            raise ExperimentError(what)
    return theta


def _feed(plan: Plan, known: Weights, ready: Ready, inputs: np.ndarray) -> Feed:
    """From inputs (B, n_inputs)."""
    held = tuple([plan.held(k, inputs) for k in range(len(plan.drives))])
    inflow: list = [None] * len(plan.sizes)
    power = None
    for n, lower, k in plan.fed:
        into, own = product(held[lower], known.matrices[n])
        inflow[k] = into if inflow[k] is None else inflow[k] + into
        power = own if power is None else power + own
    for k, n in enumerate(plan.sizes):
        if inflow[k] is None:
            inflow[k] = np.zeros((len(inputs), n), plan.kind)
    return Feed(held, tuple(inflow), ready.currents, np.zeros(len(inputs)) if power is None else power)


def _pair(circuit: Circuit, plan: Plan, ready: Ready, feed: Feed, boundary, batch, inputs, warm, sweeps: int):
    """One hidden layer, in one compiled loop: voltages of both layers, and power where it is known."""
    blocks = circuit.blocks
    assert plan.pair is not None and blocks is not None
    i, j = plan.pair
    samples = len(feed.power)
    _, bounds, _ = plan.diodes(circuit, blocks, inputs, samples)
    inflow, push, metered = feed.inflow, plan.nothing, plan.grounded
    if isinstance(boundary, Inject):
        if plan.output == j:
            push = boundary.currents
            if push.shape[:-1] != batch:
                push = np.broadcast_to(push, (*batch, push.shape[-1]))
            push = np.ascontiguousarray(push).reshape(samples, -1)
        else:
            inflow, metered = tuple(_injected(circuit, plan, list(inflow), boundary, batch, samples)), False
    v, u, power, failed = settle_pair(
        ready.upward(j), inflow[i], inflow[j], ready.currents[i], ready.currents[j], push, ready.inverse[i],
        ready.inverse[j], *bounds[i], *bounds[j], sweeps, MOST_SWEEPS, TOLERANCE[plan.kind],
        plan.zero if warm is None else np.asarray(warm.states[j], dtype=plan.kind), feed.power,
    )  # fmt: skip
    states = (v, u) if i == 0 else (u, v)
    if failed >= 0:
        raise _failure(circuit, states, np.nan, MOST_SWEEPS, failed)
    return states, power.reshape(batch) if metered else None


def _injected(circuit: Circuit, plan: Plan, flows: list[np.ndarray], boundary: Inject, batch, samples: int) -> list:
    """What flows into each free layer (B, n), with what is pushed into the outputs."""
    push, blocks = boundary.currents.astype(plan.kind), circuit.blocks
    assert blocks is not None
    if plan.output is not None:
        flows[plan.output] = (flows[plan.output].reshape(*batch, -1) + push).reshape(samples, -1)
        return flows
    first, ends = blocks.n_held, circuit.output_numbers
    push = np.broadcast_to(push, (*batch, len(ends[0]))).reshape(samples, -1)
    for layer in set(blocks.layer_of[ends].ravel().tolist()):
        if layer < first:
            continue
        own = flows[layer - first] = flows[layer - first].copy()
        for nodes, sign in zip(ends, (1, -1)):
            mine = blocks.layer_of[nodes] == layer
            np.add.at(own, (slice(None), blocks.place_of[nodes[mine]]), sign * push[:, mine])  # type: ignore[arg-type]
    return flows


class _Sweep:
    """Everything that stays the same while the layers settle."""

    def __init__(self, circuit, blocks: Blocks, plan: Plan, ready: Ready, feed: Feed, boundary, batch, inputs, samples):
        self.circuit, self.ready = circuit, ready
        self.inverse, self.totals, self.colours = ready.inverse, ready.totals, plan.colours
        self.fixed = list(feed.fixed)
        if isinstance(boundary, Inject):
            self.fixed = _injected(circuit, plan, self.fixed, boundary, batch, samples)
        self.clamped: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        if isinstance(boundary, Clamp):
            volts = np.broadcast_to(boundary.voltages, (*batch, circuit.n_outputs)).reshape(samples, -1)
            volts = volts.astype(plan.kind)
            nodes = circuit.output_numbers[0]
            for layer in set(blocks.layer_of[nodes].tolist()):
                mine = blocks.layer_of[nodes] == layer
                self.clamped[layer - blocks.n_held] = blocks.place_of[nodes[mine]], volts[:, mine]
        self.limits, _, self.junctions = plan.diodes(circuit, blocks, inputs, samples)

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
        tolerance = TOLERANCE[states[0].dtype]
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
            raise _failure(self.circuit, states, moved, turn)
        if not sweeps:
            self._sweep(red, states)

    def _sweep(self, layers: Iterable[int], states: list[np.ndarray]) -> float:
        moved = 0.0
        for k in layers:
            new = self._update(k, states)
            moved = max(moved, float(np.abs(new - states[k]).max()))
            states[k] = new
        return moved


def _failure(circuit: Circuit, states, moved: float, turns: int, sample: int | None = None) -> ConvergenceError:
    if sample is None:
        finite = [np.isfinite(v).all(axis=1) for v in states]
        sample = int(np.argmin(np.all(finite, axis=0)))
    return ConvergenceError(
        f"the layers still move after {turns} sweeps: sample {sample}" + (f", by {moved:.1e} V" if moved > 0 else ""),
        sample=sample, path=circuit.path, cure="check the conductances; zero ones cut a layer off",
    )  # fmt: skip
