"""Coupled learning as a circuit: twin networks that share their memories, so that learning is one transient run.

Two copies of a network, one free, one whose outputs are held a little nearer to what is wanted. Whatever learns has
become a capacitor whose voltage is the learnt value, and a current that charges it by the difference of squares

    d theta / dt = rate / (2 eta) (v_F^2 - v_C^2),

v the voltage across the element (or across the channel of the transistors whose gate it is). Everything is SPICE: the
text runs in stock ngspice too.

References
----------
Dillavou, Beyer, Stern, Liu, Miskin, Durian, PNAS 121, e2319718121 (2024): twin transistor networks, gate capacitors.
Stern, Dillavou, Miskin, Durian, Liu, Phys. Rev. Research 4, L022037 (2022): learning that does not wait for relaxation.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import ArrayLike

from analogpnn.circuit.circuit import Circuit
from analogpnn.circuit.deck import Writer
from analogpnn.errors import NetlistError
from analogpnn.netlist.flat import FlatCard
from analogpnn.units import format_number

MEMORY = 1e-6
"""Capacitance of a memory [F]; the charging current is in proportion, so that it changes nothing but currents."""
EDGE = 0.02
"""Part of a dwell in which the sources go from one sample to the next."""
STOP = 100.0
"""How much faster than it learns a memory beyond its bounds is drawn back to them."""


@dataclass(frozen=True, eq=False)
class Twin:
    """Twin networks as a netlist.

    Attributes
    ----------
    text : str
        SPICE. Copies have ``_f`` (free) and ``_c`` (clamped) at the end of all names, and the number of their sample
        where there is a pair for each; memories are ``state.NAME``.
    nodes : tuple of str
        The memories' nodes, one for each trainable.
    units : ndarray
        theta = units * v(node): conductances are kept in units of their median at the start.
    stop : float
        When the last sample has been shown [s]; infinite where all are shown throughout.
    """

    text: str
    nodes: tuple[str, ...]
    units: np.ndarray
    stop: float

    def theta(self, waves) -> np.ndarray:
        """Trainables over time, shape (..., n_times, n_trainable), from the `Waveforms` of a run."""
        return np.stack([waves.voltage(node) for node in self.nodes], axis=-1) * self.units


def twin(
    circuit: Circuit,
    inputs: ArrayLike,
    targets: ArrayLike,
    *,
    eta: float,
    rate: float,
    dwell: float | None = None,
    theta: ArrayLike | None = None,
    node_capacitance: float = 0.0,
) -> Twin:
    """Write the twin networks of a circuit that is to learn from samples shown one after another.

    Parameters
    ----------
    circuit : Circuit
        Its trainables are resistors or voltage sources; sources that are held at gates learn from their channels.
    inputs : array_like, shape (n_shown, n_inputs)
        [V or A], in the order shown; repeat them for more epochs.
    targets : array_like, shape (n_shown, n_outputs)
        [V]
    eta : float
        How far the clamped outputs are moved from the free ones towards the target, 0 < eta <= 1.
    rate : float
        theta per second and V^2: a conductance's in S/(V^2 s), a gate voltage's in 1/(V s).
    dwell : float, optional
        How long each sample is shown [s]. Left out, all are shown all the time, each to a pair of copies of its own,
        and the memories, shared by all pairs, learn from the mean: the limit of samples that alternate fast.
    theta : array_like, shape (n_trainable,), optional
        Where to start; the circuit's own values by default.
    node_capacitance : float
        Added from every node of both copies to ground [F]: the networks then relax at a rate of their own. Nodes
        without a capacitor follow at once.

    Returns
    -------
    Twin

    Raises
    ------
    NetlistError
        For a trainable that cannot learn this way.
    """
    inputs, targets = np.atleast_2d(np.asarray(inputs, float)), np.atleast_2d(np.asarray(targets, float))
    if inputs.shape != (len(targets), circuit.n_inputs) or targets.shape[1] != circuit.n_outputs:
        raise NetlistError(
            f"inputs {inputs.shape} and targets {targets.shape} do not fit: {circuit.n_inputs} inputs and "
            f"{circuit.n_outputs} outputs for each sample"
        )
    if not (0 < eta <= 1 and rate >= 0 and (dwell is None or dwell > 0)):
        raise NetlistError(f"eta {eta} must be in (0, 1], rate {rate} not negative, dwell {dwell} positive")
    start = np.array(circuit.theta if theta is None else theta, dtype=float)
    units = np.ones(len(start))
    grows = circuit.conductances
    if grows.any():
        units[grows] = np.median(start[grows])
    names = [t.element for t in circuit.trainable]
    nodes = tuple(f"state.{name}" for name in names)
    learns = dict(zip(names, range(len(names))))
    writer = Writer(circuit, start)
    body: list[str] = []
    marks = [""] if dwell is not None else [str(k) for k in range(len(inputs))]
    for n, mark in enumerate(marks):
        shown, wanted = (inputs, targets) if dwell is not None else (inputs[n : n + 1], targets[n : n + 1])
        for copy in (f"_f{mark}", f"_c{mark}"):
            writer.spell, writer.call = partial(_suffixed, copy), partial(_suffixed, copy)
            for card in circuit.flat.cards:
                if card.name in learns:
                    k = learns[card.name]
                    body.append(_learner(card, copy, writer.spell, nodes[k], float(units[k])))
                elif card.name in circuit.inputs:
                    wave = _shown(shown[:, circuit.inputs.index(card.name)], dwell)
                    body.append(" ".join([card.name + copy, *map(writer.spell, card.nodes), wave]))
                else:
                    body += writer.card(card)
            if node_capacitance:
                body += [f"c.{n}{copy} {n}{copy} 0 {node_capacitance!r}" for n in circuit.nodes if "#" not in n]
        body += _clamps(circuit, mark, wanted, eta, dwell)
    for k, name in enumerate(names):
        low, high = (circuit.bounds[:, k] / units[k]).tolist()
        speed = float(rate / (2 * eta * units[k] * len(marks)))
        body += _memory(name, nodes[k], _contrast(circuit, k, marks), speed, low, high)
    starts = [f".ic v({node})={format_number(v)}" for node, v in zip(nodes, start / units)]
    free = " ".join(f"v({a}_f{m})" if b == "0" else f"v({a}_f{m},{b}_f{m})" for m in marks for a, b in circuit.outputs)
    lines = [f"{circuit.title or 'circuit'}: twin networks that learn", f"*@ output {free}", *writer.options()]
    lines += [*writer.definitions(), *body, *starts, ".end"]
    return Twin("\n".join(lines) + "\n", nodes, units, np.inf if dwell is None else dwell * len(inputs))


def _suffixed(copy: str, name: str) -> str:
    return name if name == "0" else name + copy


def _learner(card: FlatCard, copy: str, spell, node: str, unit: float) -> str:
    """The element of one copy, its value read from the memory."""
    a, b = spell(card.nodes[0]), spell(card.nodes[1])
    if card.letter == "r":
        voltage = f"v({a},{b})" if "0" not in (a, b) else f"v({a})" if b == "0" else f"(-v({b}))"
        return f"b.{card.name}{copy} {a} {b} i={format_number(unit)}*v({node})*{voltage}"
    if card.letter == "v":
        return f"e.{card.name}{copy} {a} {b} {node} 0 1"
    raise NetlistError(
        f"'{card.name}' can't learn in continuous time: only resistors and voltage sources can",
        path=card.path, line=card.line, text=card.text,
    )  # fmt: skip


def _shown(values: np.ndarray, dwell: float | None) -> str:
    """A source's waveform: one value after another, with short ramps."""
    if dwell is None or np.all(values == values[0]):
        return f"DC {float(values[0])!r}"
    points = ["0", repr(float(values[0]))]
    for k, (before, after) in enumerate(zip(values, values[1:]), start=1):
        if before != after:
            points += [repr(k * dwell), repr(float(before)), repr((k + EDGE) * dwell), repr(float(after))]
    return f"PWL({' '.join(points)})"


def _clamps(circuit: Circuit, m: str, targets: np.ndarray, eta: float, dwell: float | None) -> list[str]:
    lines = []
    for k, (a, b) in enumerate(circuit.outputs):
        free = f"v({a}_f{m})" if b == "0" else f"v({a}_f{m},{b}_f{m})"
        ends = f"{a}_c{m} 0" if b == "0" else f"{a}_c{m} {b}_c{m}"
        name = f"target{k}_{m}" if m else f"target{k}"
        lines += [
            f"v.{name} {name} 0 {_shown(targets[:, k], dwell)}",
            f"b.clamp.{name} {ends} v={1.0 - eta!r}*{free}+{eta!r}*v({name})",
        ]
    return lines


def _contrast(circuit: Circuit, k: int, marks: list[str]) -> str:
    """v_F^2 - v_C^2 across what trainable k acts on, summed over the pairs."""
    name = circuit.trainable[k].element
    cards = {card.name: card for card in circuit.flat.cards}
    gates = [circuit.groups[g].names[place] for column, g, place, _, _ in circuit.gates if column == k]
    across = [(cards[m].nodes[0], cards[m].nodes[2]) for m in gates] if gates else [cards[name].nodes[:2]]
    if cards[name].letter == "v" and not gates:
        raise NetlistError(f"'{name}' holds no gate: a source's own voltage can't learn from its own square")

    def square(a: str, b: str, copy: str) -> str:
        a, b = (n if n == "0" else n + copy for n in (a, b))
        return f"v({a},{b})**2" if "0" not in (a, b) else f"v({a if b == '0' else b})**2"

    return "+".join(f"{square(a, b, f'_f{m}')}-{square(a, b, f'_c{m}')}" for m in marks for a, b in across)


def _memory(name: str, node: str, contrast: str, rate: float, low: float, high: float) -> list[str]:
    """The capacitor, what charges it, and what holds it within its bounds."""
    lines = [f"c.{name} {node} 0 {MEMORY!r}", f"b.learn.{name} 0 {node} i={format_number(MEMORY * rate)}*({contrast})"]
    pull = MEMORY * STOP * rate
    if rate and np.isfinite(low):
        lines.append(f"b.low.{name} 0 {node} i={format_number(pull)}*max(0,{format_number(low)}-v({node}))")
    if rate and np.isfinite(high):
        lines.append(f"b.high.{name} {node} 0 i={format_number(pull)}*max(0,v({node})-{format_number(high)})")
    return lines
