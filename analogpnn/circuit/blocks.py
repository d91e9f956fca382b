"""Layered networks: which nodes form layers, and which resistors form crossbars between them.

Nodes that have the same neighbours through resistors form a layer. A circuit is layered when every two layers are
joined completely or not at all, when its free layers fall into two colours (no layer is joined to one of its own
colour), and when nothing else hangs on the free nodes than diodes to held nodes and current sources. A crossbar's
conductances are then a matrix: a view into theta where the resistors learn and stand in the generator's order.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from analogpnn.devices import diode, linear

MOST_LAYERS = 16
"""Free layers up to which a circuit counts as layered; a graph without structure has one a node."""


@dataclass(frozen=True, eq=False)
class Block:
    """A complete bipartite array of resistors.

    Parameters
    ----------
    lower, upper : int
        Numbers of the two layers; `upper` is free, `lower` may be held.
    columns : ndarray of int, shape (n_lower, n_upper), or None
        Places of the conductances in theta; None if none of them learns.
    start : int
        Where in theta the block starts if it lies there contiguously, row by row, or -1.
    transposed : bool
        It lies there column by column instead.
    fixed : ndarray, shape (n_lower, n_upper), or None
        The conductances if none of them learns [S].
    """

    lower: int
    upper: int
    columns: np.ndarray | None
    start: int
    transposed: bool
    fixed: np.ndarray | None

    @property
    def shape(self) -> tuple[int, int]:
        known = self.fixed if self.columns is None else self.columns
        assert known is not None
        return known.shape[0], known.shape[1]

    def matrix(self, theta: np.ndarray) -> np.ndarray:
        """Conductances (n_lower, n_upper); a view into theta where it can be one."""
        if self.columns is None:
            assert self.fixed is not None
            return self.fixed
        if self.start < 0:
            return theta[self.columns]
        a, b = self.shape
        part = theta[self.start : self.start + a * b]
        return part.reshape(b, a).T if self.transposed else part.reshape(a, b)


@dataclass(frozen=True, eq=False)
class Diodes:
    """Diodes of one device between the nodes of a free layer and held nodes.

    Parameters
    ----------
    group : int
        The circuit's group of elements.
    members : ndarray
        Their places in the group.
    layer : int
    nodes : ndarray
        Places in the layer.
    rails : ndarray
        Numbers of the held nodes.
    sign : ndarray
        +1 where the anode is at the layer, -1 where it is at the rail.
    ideal : bool
    grounded : bool
        All rails are always at 0 V.
    """

    group: int
    members: np.ndarray
    layer: int
    nodes: np.ndarray
    rails: np.ndarray
    sign: np.ndarray
    ideal: bool
    grounded: bool


@dataclass(frozen=True, eq=False)
class Currents:
    """Current sources that feed the nodes of a free layer from ground.

    Parameters
    ----------
    layer : int
    nodes : ndarray
        Places in the layer.
    scale : ndarray
        Current into the node = scale * value.
    values : ndarray
        On the cards [A].
    columns : ndarray
        In theta; -1 for those that don't learn.
    """

    layer: int
    nodes: np.ndarray
    scale: np.ndarray
    values: np.ndarray
    columns: np.ndarray

    @cached_property
    def learning(self) -> tuple[np.ndarray, np.ndarray]:
        """Of the sources that learn: places in the layer, scale."""
        learns = self.columns >= 0
        return self.nodes[learns], self.scale[learns]


@dataclass(frozen=True, eq=False)
class Blocks:
    """A layered network.

    Parameters
    ----------
    layers : tuple of ndarray
        Node numbers of each layer, the held layers first.
    n_held : int
        How many layers are held.
    blocks : tuple of Block
    diodes : tuple of Diodes
    currents : tuple of Currents
    colours : (tuple of int, tuple of int)
        The free layers that are solved first, and second.
    held : ndarray
        (n_unknowns + 1,): whether a node is held by a source.
    base, scale : ndarray, shape (n_unknowns + 1,)
    column : ndarray of int, shape (n_unknowns + 1,)
        Voltage of a held node: scale * inputs[column], or base where column is -1.
    layer_of, place_of : ndarray of int, shape (n_unknowns + 1,)
        Layer of a node (or -1), and its place in it.
    outputs : tuple of (int, ndarray or None) or None
        Layer and places of the outputs, where they are different nodes of one free layer against ground; no places
        where they are the whole layer in its order.
    """

    layers: tuple[np.ndarray, ...]
    n_held: int
    blocks: tuple[Block, ...]
    diodes: tuple[Diodes, ...]
    currents: tuple[Currents, ...]
    colours: tuple[tuple[int, ...], tuple[int, ...]]
    held: np.ndarray
    base: np.ndarray
    scale: np.ndarray
    column: np.ndarray
    layer_of: np.ndarray
    place_of: np.ndarray
    outputs: tuple[int, np.ndarray | None] | None

    @property
    def free(self) -> range:
        """Numbers of the free layers."""
        return range(self.n_held, len(self.layers))

    @cached_property
    def ideal(self) -> bool:
        """Whether it has ideal diodes."""
        return any(d.ideal for d in self.diodes)

    @property
    def weights(self) -> int:
        """Resistors."""
        return sum(b.shape[0] * b.shape[1] for b in self.blocks)


def find_blocks(circuit) -> Blocks | None:
    """The layers of a circuit, or None where it isn't a layered network."""
    known = (linear.RESISTOR, linear.VOLTAGE_SOURCE, linear.CURRENT_SOURCE, linear.VCVS, diode.DIODE, diode.IDEAL_DIODE)
    if any(g.device not in known for g in circuit.groups):
        return None
    groups = {g.device: (k, g) for k, g in enumerate(circuit.groups)}
    if linear.RESISTOR not in groups:
        return None
    number, resistors = groups[linear.RESISTOR]
    # Only conductances and currents may learn: everything else is fixed in what follows.
    for g, q, _, _ in circuit.train_slots:
        device = circuit.groups[g].device
        if (device, list(device.parameters)[q]) not in ((linear.RESISTOR, "g"), (linear.CURRENT_SOURCE, "dc")):
            return None
    held = _held(circuit, groups)
    if held is None or np.any(resistors.values[1] != 1.0):
        return None
    held, base, scale, column = held
    p, n = resistors.positive, resistors.negative
    if np.any(held[p] & held[n]):
        return None
    found = _layers(circuit, p, n, held)
    if found is None:
        return None
    layers, n_held, layer_of, place_of = found
    columns = np.full(len(p), -1)
    for g, _, places, into in circuit.train_slots:
        if g == number:
            columns[places] = into
    blocks = _crossbars(layers, n_held, layer_of, place_of, p, n, columns, resistors.values[0])
    if blocks is None:
        return None
    colours = _colours(blocks, n_held, len(layers))
    diodes = _diodes(groups, held, base, scale, layer_of, place_of)
    currents = _currents(circuit, groups, held, layer_of, place_of)
    if colours is None or diodes is None or currents is None:
        return None
    a, b = circuit.output_numbers
    ground, outputs = circuit.n_unknowns, None
    if len(a) and np.all(b == ground) and len(set(layer_of[a].tolist())) == 1 and layer_of[a[0]] >= n_held:
        layer, places = int(layer_of[a[0]]), place_of[a]
        if np.array_equal(places, np.arange(len(layers[layer]))):
            outputs = layer, None
        elif len(set(places.tolist())) == len(places):
            outputs = layer, places
    return Blocks(
        layers, n_held, blocks, diodes, currents, colours, held, base, scale, column, layer_of, place_of, outputs
    )


def _held(circuit, groups):
    """Which nodes sources hold, and at what: (held, base, scale, column), or None."""
    ground = circuit.n_unknowns
    held = np.zeros(ground + 1, dtype=bool)
    held[ground] = True
    base, scale = np.zeros(ground + 1), np.zeros(ground + 1)
    column = np.full(ground + 1, -1)
    into: dict[int, np.ndarray] = {}
    for g, _, places, columns in circuit.input_slots:
        into[g] = np.full(len(circuit.groups[g].names), -1)
        into[g][places] = columns
    if linear.CURRENT_SOURCE in groups and groups[linear.CURRENT_SOURCE][0] in into:
        return None  # data come as currents
    if linear.VOLTAGE_SOURCE in groups:
        k, g = groups[linear.VOLTAGE_SOURCE]
        if np.any((g.positive == ground) == (g.negative == ground)):
            return None
        node = np.where(g.negative == ground, g.positive, g.negative)
        sign = np.where(g.negative == ground, 1.0, -1.0)
        held[node], base[node], scale[node] = True, sign * g.values[0], sign
        column[node] = into.get(k, np.full(len(node), -1))
    if linear.VCVS in groups:
        _, g = groups[linear.VCVS]
        c = g.control_positive[0]
        if np.any(g.negative != ground) or np.any(g.control_negative[0] != ground) or not held[c].all():
            return None
        gain = g.values[0]
        base[g.positive], scale[g.positive], column[g.positive] = gain * base[c], gain * scale[c], column[c]
        held[g.positive] = True
    return held, base, scale, column


def _layers(circuit, p: np.ndarray, n: np.ndarray, held: np.ndarray):
    """Nodes with the same neighbours, as (layers, number of held ones, layer of a node, place in it)."""
    size = circuit.n_unknowns + 1
    mark = np.random.default_rng(0).integers(0, 2**63, size, dtype=np.uint64)  # a set's sum tells it from others
    signature = np.zeros(size, dtype=np.uint64)
    np.add.at(signature, p, mark[n])
    np.add.at(signature, n, mark[p])
    joined = np.zeros(size, dtype=bool)
    joined[p] = joined[n] = True
    is_node = np.zeros(size, dtype=bool)
    is_node[: circuit.n_nodes] = True
    if np.any(is_node & ~held & ~joined):
        return None  # a free node without resistors
    layers = []
    for of_kind in (joined & held, joined & ~held):
        nodes = np.flatnonzero(of_kind)
        _, first, which = np.unique(signature[nodes], return_index=True, return_inverse=True)
        if len(first) > MOST_LAYERS:
            return None
        layers.append([nodes[which == k] for k in np.argsort(first)])
    every = tuple(layers[0] + layers[1])
    layer_of, place_of = np.full(size, -1), np.full(size, -1)
    for k, nodes in enumerate(every):
        layer_of[nodes], place_of[nodes] = k, np.arange(len(nodes))
    return every, len(layers[0]), layer_of, place_of


def _crossbars(layers, n_held, layer_of, place_of, p, n, columns, values) -> tuple[Block, ...] | None:
    """Every pair of joined layers as a complete matrix, or None."""
    swap = layer_of[p] > layer_of[n]
    low, high = np.where(swap, n, p), np.where(swap, p, n)
    pair = layer_of[low] * len(layers) + layer_of[high]
    blocks = []
    for key in np.unique(pair):
        a, b = divmod(int(key), len(layers))
        mine = np.flatnonzero(pair == key)
        shape = len(layers[a]), len(layers[b])
        if a == b or len(mine) != shape[0] * shape[1]:
            return None
        where = np.full(shape, -1)
        where[place_of[low[mine]], place_of[high[mine]]] = mine
        if np.any(where < 0):
            return None
        into = columns[where]
        if np.all(into < 0):
            blocks.append(Block(a, b, None, -1, False, values[where]))
            continue
        if np.any(into < 0):
            return None  # learns in part
        start, count = int(into.min()), into.size
        row_by_row = np.arange(start, start + count)
        if np.array_equal(into.ravel(), row_by_row):
            blocks.append(Block(a, b, into, start, False, None))
        elif np.array_equal(into.T.ravel(), row_by_row):
            blocks.append(Block(a, b, into, start, True, None))
        else:
            blocks.append(Block(a, b, into, -1, False, None))
    return tuple(blocks)


def _colours(blocks, n_held: int, count: int):
    """The free layers in two colours, those next to the most held nodes first; None if they don't fall into two."""
    neighbours: dict[int, set[int]] = {k: set() for k in range(n_held, count)}
    driven = dict.fromkeys(neighbours, 0)
    for b in blocks:
        if b.lower >= n_held:
            neighbours[b.lower].add(b.upper)
            neighbours[b.upper].add(b.lower)
        else:
            driven[b.upper] += b.shape[0] * b.shape[1]
    colour: dict[int, int] = {}
    for root in sorted(neighbours, key=lambda k: -driven[k]):
        if root in colour:
            continue
        colour[root], queue = 0, [root]
        while queue:
            here = queue.pop()
            for there in neighbours[here]:
                if there not in colour:
                    colour[there] = 1 - colour[here]
                    queue.append(there)
                elif colour[there] == colour[here]:
                    return None
    return tuple(tuple(k for k in sorted(colour) if colour[k] == c) for c in (0, 1))


def _diodes(groups, held, base, scale, layer_of, place_of) -> tuple[Diodes, ...] | None:
    found = []
    for device in (diode.DIODE, diode.IDEAL_DIODE):
        if device not in groups:
            continue
        k, g = groups[device]
        if np.any(held[g.positive] == held[g.negative]):
            return None  # between two free nodes, or between two sources
        outside = held[g.positive]
        node, rail = np.where(outside, g.negative, g.positive), np.where(outside, g.positive, g.negative)
        sign = np.where(outside, -1.0, 1.0)
        for layer in np.unique(layer_of[node]):
            mine = np.flatnonzero(layer_of[node] == layer)
            ideal = device is diode.IDEAL_DIODE
            grounded = not (base[rail[mine]].any() or scale[rail[mine]].any())
            found.append(Diodes(k, mine, int(layer), place_of[node[mine]], rail[mine], sign[mine], ideal, grounded))
    if any(d.ideal for d in found) and any(
        not d.ideal and d.layer in {x.layer for x in found if x.ideal} for d in found
    ):
        return None  # both kinds in one layer
    return tuple(found)


def _currents(circuit, groups, held, layer_of, place_of) -> tuple[Currents, ...] | None:
    if linear.CURRENT_SOURCE not in groups:
        return ()
    k, g = groups[linear.CURRENT_SOURCE]
    ground = circuit.n_unknowns
    if np.any((g.positive == ground) == (g.negative == ground)):
        return None
    node = np.where(g.positive == ground, g.negative, g.positive)
    if held[node].any():
        return None
    scale = np.where(g.positive == ground, 1.0, -1.0) * g.values[1]
    columns = np.full(len(node), -1)
    for number, _, places, into in circuit.train_slots:
        if number == k:
            columns[places] = into
    found = []
    for layer in np.unique(layer_of[node]):
        mine = np.flatnonzero(layer_of[node] == layer)
        found.append(Currents(int(layer), place_of[node[mine]], scale[mine], g.values[0][mine], columns[mine]))
    return tuple(found)
