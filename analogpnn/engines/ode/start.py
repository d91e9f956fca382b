"""Where a transient starts: the operating point (held by .ic), element initial conditions, or given voltages."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from analogpnn.circuit.boundary import Boundary
from analogpnn.circuit.circuit import Circuit, Group
from analogpnn.circuit.operating_point import OperatingPoint
from analogpnn.devices import linear
from analogpnn.engines.newton import Newton
from analogpnn.engines.ode.dynamics import Dynamics
from analogpnn.engines.ode.integrate import State
from analogpnn.errors import ExperimentError, NetlistError

HOLD = 1e10
"""Conductance with which a node is held at its .ic voltage, as in ngspice [S]."""


def at_time_zero(circuit: Circuit, theta: np.ndarray, sources) -> Circuit:
    """The circuit with its sources at what their waveforms are at time zero, and its .ic nodes held there."""
    values = sources.at(np.zeros(1), np.zeros(1, dtype=np.intp))
    groups, first = list(circuit.groups), 0
    for k in sources.groups:
        g = groups[k]
        own = values[0, first : first + len(g.names)]
        groups[k] = replace(g, values=(own, *g.values[1:]))
        first += len(g.names)
    held = initial_nodes(circuit)
    if held:
        numbers = np.array([circuit.numbers[n] for n in held], dtype=np.intp)
        volts, count = np.array(list(held.values())), len(held)
        ground, column = np.full(count, circuit.n_unknowns), np.zeros(count, dtype=np.intp)
        names = [f"{n}#ic" for n in held]
        none = np.zeros((0, count), dtype=np.intp)
        ones = np.ones(count)
        groups += [
            Group(
                linear.RESISTOR, tuple(names), column, numbers, ground, numbers[None, :], ground[None, :],
                (HOLD * ones, ones), None,
            ),
            Group(
                linear.CURRENT_SOURCE, tuple(f"{n}source" for n in names), column, ground, numbers, none, none,
                (HOLD * volts, ones), None,
            ),
        ]  # fmt: skip
    return replace(circuit, groups=tuple(groups))


def initial_nodes(circuit: Circuit) -> dict[str, float]:
    """Nodes named by .ic, ground left out."""
    for node in circuit.initial:
        if node not in circuit.numbers:
            raise NetlistError(f".ic names '{node}', which is no node of the circuit", path=circuit.path)
    return {n: float(v) for n, v in circuit.initial.items() if n != "0"}


def operating_point(circuit: Circuit, theta, sources, boundary: Boundary, batch: int) -> np.ndarray:
    """Unknowns (B, n_unknowns + 1) at time zero: capacitors open, inductors short."""
    inputs = sources.at(np.zeros(batch), np.arange(batch))[:, sources.columns]
    guess = np.zeros((batch, circuit.n_nodes))
    for node, volts in initial_nodes(circuit).items():
        if circuit.numbers[node] < circuit.n_nodes:
            guess[:, circuit.numbers[node]] = volts
    rest = np.zeros((batch, circuit.n_unknowns - circuit.n_nodes))
    begin = OperatingPoint(circuit, theta, inputs, boundary, guess, rest)
    op = Newton().equilibrium(at_time_zero(circuit, theta, sources), theta, inputs, boundary, begin)
    return np.broadcast_to(op.unknowns, (batch, circuit.n_unknowns + 1))


def start(dynamics: Dynamics, theta, initial, boundary: Boundary, batch: int) -> tuple[State, np.ndarray | None]:
    """The first state, and the linear charges by row where they are not those of its voltages."""
    circuit = dynamics.circuit
    x = np.zeros((batch, dynamics.n + 1))
    rows = None
    if isinstance(initial, str) and initial == "op":
        x[:, : circuit.n_unknowns + 1] = operating_point(circuit, theta, dynamics.sources, boundary, batch)
    elif isinstance(initial, str) and initial == "ic":
        for node, volts in initial_nodes(circuit).items():
            x[:, circuit.numbers[node]] = volts
        for group, values in zip(circuit.groups, dynamics.parameters):
            for state in group.device.states if group.device.is_state else ():
                x[:, group.positive] = values[list(group.device.parameters).index(f"{state}0")]
        rows = _element_charges(dynamics, x)
    elif isinstance(initial, str):
        raise ExperimentError(f"there is no start '{initial}'", cure="Use 'op', 'ic', an operating point or an array.")
    else:
        x[:, : circuit.n_unknowns + 1] = _given(circuit, initial, batch)
        rows = (dynamics.capacitance @ x.T).T
    x[:, dynamics.skeleton.own.known_branches] = 0.0  # what holds a node is no part of the dynamics
    u = dynamics.ports_of(x)
    injected = np.zeros((batch, dynamics.skeleton.ports.n_out))
    if dynamics.skeleton.ports.n_out:
        dynamics.set_time(dynamics.laws, np.zeros(batch))
        tangent = dynamics.laws.tangent(dynamics.laws.element_controls(u))
        injected = tangent.offset + dynamics.laws.times(tangent, u)
    q = [np.array(c) for c in dynamics.charges(u)]
    return State(x, np.zeros_like(x), u, injected, q, [np.zeros_like(c) for c in q]), rows


def _given(circuit: Circuit, initial, batch: int) -> np.ndarray:
    if isinstance(initial, OperatingPoint):
        values = initial.unknowns
    else:
        volts = np.asarray(initial, dtype=float)
        if volts.ndim == 0 or volts.shape[-1] != circuit.n_nodes:
            raise ExperimentError(
                f"the start has shape {volts.shape}; its last axis must hold the circuit's {circuit.n_nodes} nodes"
            )
        values = np.zeros((*volts.shape[:-1], circuit.n_unknowns + 1))
        values[..., : circuit.n_nodes] = volts
    flat = values.reshape(-1, values.shape[-1])
    if len(flat) not in (1, batch):
        raise ExperimentError(f"the start holds {len(flat)} samples, the batch {batch}")
    return np.broadcast_to(flat, (batch, flat.shape[1]))


def _element_charges(dynamics: Dynamics, x: np.ndarray) -> np.ndarray:
    """Charges with each capacitor at its own ``ic=`` (else at its nodes' .ic), each inductor at its ``ic=`` current."""
    circuit = dynamics.circuit
    rows = (dynamics.capacitance @ x.T).T
    for card in circuit.flat.cards:
        if card.letter not in "cl" or "ic" not in card.values or card.name not in circuit.places:
            continue
        g, k = circuit.places[card.name]
        group, size = circuit.groups[g], dynamics.parameters[g][0][..., k]
        p, n = int(group.positive[k]), int(group.negative[k])
        if card.letter == "c":
            change = size * (card.values["ic"] - (x[:, p] - x[:, n]))
            rows[:, p] += change
            rows[:, n] -= change
        elif group.branch is not None:
            x[:, group.branch[k]] = card.values["ic"]
            rows[:, group.branch[k]] -= size * card.values["ic"]
    rows[:, circuit.n_unknowns] = 0.0
    return rows
