"""One deck that runs a whole batch: a `.dc` sweep over the number of the sample.

A dummy source's voltage is the sample's number; inputs and what is imposed on the outputs are behavioural
sources ``pwl(v(index), 0, x0, 1, x1, ...)`` of it. One load, one matrix ordering and warm starts from sample
to sample: about five times faster than altering the sources and asking for one operating point after the
other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from analogpnn.circuit.boundary import Boundary, Clamp, Inject
from analogpnn.circuit.circuit import Circuit
from analogpnn.circuit.deck import Writer
from analogpnn.netlist.flatten import FlatCard

TITLE = "batch"  # never the user's: ngspice's words are searched for 'error'
INDEX = "v#index"
_NODE = "index#"
_SAFE = re.compile(r"[a-z0-9_.:\[\]+#-]+")
_RESERVED = {"temper", "hertz", "all"}  # as node names they crash ngspice or mean something else


@dataclass(frozen=True, eq=False)
class Sweep:
    """A deck and how to read what it gives.

    Attributes
    ----------
    lines : tuple of str
        The deck.
    points : tuple of int
        Which points of the sweep are the samples.
    nodes, sources : tuple of str
        ngspice's names of the circuit's node voltages and source currents.
    cards : dict of str to FlatCard
        Where each element of the deck comes from.
    spelt : dict of str to str
        Names written otherwise than the circuit has them -> the circuit's.
    """

    lines: tuple[str, ...]
    points: tuple[int, ...]
    nodes: tuple[str, ...]
    sources: tuple[str, ...]
    cards: dict[str, FlatCard]
    spelt: dict[str, str]


def sweep(
    circuit: Circuit,
    theta: np.ndarray,
    inputs: np.ndarray,
    boundary: Boundary,
    *,
    options: dict[str, float | None],
    twice: bool = False,
    start: np.ndarray | None = None,
) -> Sweep:
    """Write the deck of a batch.

    The first sample comes twice and its first answer is to be dropped: ngspice may reach it by a
    pseudo-transient, whose end is an operating point to six digits only; from there Newton's method goes on
    alone. If another sample needs that too, all must come twice (`twice`).

    Parameters
    ----------
    circuit : Circuit
    theta : ndarray, shape (n_trainable,)
    inputs : ndarray, shape (M, n_inputs)
    boundary : Free, or Clamp or Inject with arrays of shape (M, n_outputs)
    options : dict
        For the `.options` line; None makes a flag.
    twice : bool
        Every sample two times, and the second answers count.
    start : ndarray, shape (n_nodes,), optional
        Where Newton's method starts for the first sample [V].

    Returns
    -------
    Sweep
    """
    order = np.repeat(np.arange(len(inputs)), 2 if twice else 1)
    order = order if twice else np.concatenate([order[:1], order])
    points = range(1, len(order), 2 if twice else 1)
    spelling = Spelling(circuit)
    writer = Writer(circuit, theta, spelling.node, spelling.element, for_reading=True, for_op=True)
    driven = {name: _pwl(inputs[order, k]) for k, name in enumerate(circuit.inputs)}
    cards: list[str] = []
    origin: dict[str, FlatCard] = {}
    for card in circuit.flat.cards:
        lines = _driven(card, driven[card.name], spelling) if card.name in driven else writer.card(card)
        for line in lines:
            origin[line.split(" ", 1)[0]] = card
        cards += lines
    nodes = tuple(map(spelling.node, circuit.nodes))
    sources = tuple(f"{writer.branch(name)}#branch" for name in circuit.sources)
    lines = [
        TITLE,
        *writer.options(**options),
        *writer.definitions(),
        f"{INDEX} {_NODE} 0 0",
        *cards,
        *_imposed(circuit, boundary, order, spelling),
        *writer.starts(),
        *(_nodesets(nodes, start) if start is not None else ()),
        *saves(circuit, nodes, sources),
        f".dc {INDEX} 0 {len(order) - 1} 1",
        ".end",
    ]
    return Sweep(tuple(lines), tuple(points), nodes, sources, origin, spelling.spelt)


class Spelling:
    """Names that ngspice takes: those of the circuit, unless they would break its parser."""

    def __init__(self, circuit: Circuit) -> None:
        self.spelt: dict[str, str] = {}
        self._alias: dict[str, str] = {}
        self._elements = frozenset(circuit.elements)

    def node(self, name: str) -> str:
        """A node's name; of an internal node (d1#internal) the element's part."""
        element, mark, inner = name.rpartition("#")
        if mark and element in self._elements:
            return f"{self.element(element)}#{inner}"
        return self._safe(name, "n")

    def element(self, name: str) -> str:
        """An element's name: its first letter says what it is."""
        return self._safe(name, name[0])

    def _safe(self, name: str, letter: str) -> str:
        if _SAFE.fullmatch(name) and name not in _RESERVED:
            return name
        key = letter + name
        if key not in self._alias:
            self._alias[key] = alias = f"{letter}#{len(self._alias)}"
            self.spelt[alias] = name
        return self._alias[key]


def _pwl(values: np.ndarray) -> str:
    return f"pwl(v({_NODE}),{','.join(f'{k},{x!r}' for k, x in enumerate(values.tolist()))})"


def _driven(card: FlatCard, pwl: str, spelling: Spelling) -> list[str]:
    """An input. A V source keeps its name and its current: a 0 V source in series with what drives it."""
    a, b = map(spelling.node, card.nodes[:2])
    name = spelling.element(card.name)
    if card.letter == "i":
        multiplied = f"{card.values['m']!r}*" if card.values.get("m", 1.0) != 1.0 else ""
        return [f"b#{name} {a} {b} i={multiplied}{pwl}"]
    inner = f"drive#{name}"
    return [f"{name} {a} {inner} 0", f"b#{name} {inner} {b} v={pwl}"]


def _imposed(circuit: Circuit, boundary: Boundary, order: np.ndarray, spelling: Spelling) -> list[str]:
    """Voltage sources across the outputs, or current sources that push into n+ and draw from n-."""
    lines = []
    for k, pair in enumerate(circuit.outputs):
        a, b = map(spelling.node, pair)
        if isinstance(boundary, Clamp):
            lines.append(f"b#clamp{k} {a} {b} v={_pwl(boundary.voltages[order, k])}")
        elif isinstance(boundary, Inject):
            lines.append(f"b#inject{k} {b} {a} i={_pwl(boundary.currents[order, k])}")
    return lines


def _nodesets(nodes: tuple[str, ...], volts: np.ndarray) -> list[str]:
    return [f".nodeset v({node})={v!r}" for node, v in zip(nodes, volts.tolist()) if np.isfinite(v)]


def saves(circuit: Circuit, nodes: tuple[str, ...], sources: tuple[str, ...]) -> list[str]:
    """Internal nodes are kept only if asked for, and then so must be everything else."""
    elements = frozenset(circuit.elements)
    if not any(node.rpartition("#")[0] in elements for node in circuit.nodes):
        return []
    return [f".save {' '.join(f'v({node})' for node in nodes)} {' '.join(sources)}"]
