"""What the structure of a layered network decides about settling it: found once, kept as long as the circuit."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary, ref

import numpy as np

from analogpnn.circuit.blocks import Blocks, Diodes
from analogpnn.circuit.circuit import Circuit
from analogpnn.circuit.layered_point import held_voltages
from analogpnn.engines.layered import streams
from analogpnn.engines.layered.diodes import Junctions
from analogpnn.engines.layered.sums import Weights
from analogpnn.errors import NetlistError

_plans: WeakKeyDictionary[Blocks, dict[np.dtype, Plan]] = WeakKeyDictionary()


def plan_of(blocks: Blocks, kind: np.dtype) -> Plan:
    """The plan for computing with numbers of that kind."""
    known = _plans.get(blocks)
    if known is None:
        known = _plans[blocks] = {}
    found = known.get(kind)
    if found is None:
        found = known[kind] = Plan(blocks, kind)
    return found


class Plan:
    """It doesn't refer to `blocks`, which would then never be forgotten.

    Attributes
    ----------
    kind : dtype
    sizes : list of int
        Nodes of each free layer.
    drives : list
        Of each held layer: columns of the inputs and their scale, places that are fixed and their voltages.
    fed : list of (int, int, int)
        Crossbars between a held and a free layer: number, the held layer, the free one (counted from the first).
    colours : list of list of int
        Free layers, counted from the first free one.
    pair : (int, int) or None
        The one layer of either colour, where `pair.settle_pair` settles both.
    output : int or None
        The free layer that is the outputs, all of it in its order.
    grounded : bool
        Diodes take no power from their rails.
    nothing : ndarray, shape (0, m)
        No currents into the second layer of a pair, and in `zero` no first guess of it.
    """

    def __init__(self, blocks: Blocks, kind: np.dtype):
        first, free = blocks.n_held, blocks.layers[blocks.n_held :]
        self.kind = kind
        self.sizes = [len(nodes) for nodes in free]
        self.drives = [_drive(blocks, nodes) for nodes in blocks.layers[:first]]
        self.fed = [(n, b.lower, b.upper - first) for n, b in enumerate(blocks.blocks) if b.lower < first]
        self.colours = [[k - first for k in colour] for colour in blocks.colours]
        red, black = self.colours
        self.pair = (red[0], black[0]) if len(red) == len(black) == 1 and all(d.ideal for d in blocks.diodes) else None
        self.output = blocks.outputs[0] - first if blocks.outputs is not None and blocks.outputs[1] is None else None
        self.grounded = all(d.grounded for d in blocks.diodes)
        self.nothing = self.zero = np.empty((0, 0))
        if self.pair is not None:
            self.nothing, self.zero = (np.empty((0, self.sizes[self.pair[1]]), k) for k in (float, kind))
        self._moving = any(np.any(blocks.column[d.rails] >= 0) for d in blocks.diodes)
        self._diodes: Any = None
        self._last: tuple[ref, Weights] | None = None

    def recall(self, theta: Any) -> Weights | None:
        """What is known of the last theta, if it is this very array and can't be written to."""
        known = self._last
        if known is not None and known[0]() is theta and isinstance(theta, np.ndarray) and not theta.flags.writeable:
            return known[1]
        return None

    def remember(self, theta: np.ndarray, known: Weights) -> None:
        """Keep it for the phases to come."""
        self._last = ref(theta), known

    def held(self, layer: int, inputs: np.ndarray) -> np.ndarray:
        """(B, n): voltages of a held layer at inputs (B, n_inputs) [V]."""
        column, scale, fixed, base = self.drives[layer]
        if len(fixed) == len(column):
            return np.broadcast_to(base.astype(self.kind), (len(inputs), len(column)))
        out = np.empty((len(inputs), len(column)), self.kind)
        streams.driven(inputs, column, scale, out)
        if len(fixed):
            out[:, fixed] = base
        return out

    def diodes(self, circuit: Circuit, blocks: Blocks, inputs: np.ndarray, samples: int):
        """For each free layer the (lowest, highest) voltages that ideal diodes leave it, or None; the same with
        infinities instead; its junctions with rails."""
        if self._diodes is not None:
            return self._diodes
        rails = held_voltages(blocks, inputs, samples) if self._moving else blocks.base[None, :]
        limits: list = [None for _ in blocks.free]
        junctions: list = [None for _ in blocks.free]
        for d in blocks.diodes:
            at, k = rails[:, d.rails], d.layer - blocks.n_held
            if d.ideal:
                limits[k] = _limits(d, at.astype(self.kind), self.sizes[k], circuit)
            else:
                junctions[k] = Junctions(d, circuit.groups[d.group]), at
        sizes = [(1, n) for n in self.sizes]
        bounds = [x or (np.full(n, -np.inf, self.kind), np.full(n, np.inf, self.kind)) for x, n in zip(limits, sizes)]
        found = limits, bounds, junctions
        if not self._moving:
            self._diodes = found
        return found


def _drive(blocks: Blocks, nodes: np.ndarray):
    column = blocks.column[nodes]
    fixed = np.flatnonzero(column < 0)
    return column, blocks.scale[nodes], fixed, blocks.base[nodes[fixed]]


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
