"""Cells: devices with nodes of their own inside, eliminated before the circuit's equations are assembled.

A transistor with series resistances has nodes that nobody else sees, and circuits of many transistors are mostly made
of them. With their elements taken together as a cell, a Newton step eliminates them cell by cell while their numbers
are in registers, and what is left to factor is the circuit of the outer nodes. Newton's iterates are the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from analogpnn.devices.device import Device
from analogpnn.devices.linear import CAPACITOR, RESISTOR
from analogpnn.engines.fast.assembly import Structure
from analogpnn.engines.fast.laws import WORTH
from analogpnn.engines.fast.ports import Ports, ports

LARGEST = 4
"""Nodes inside a cell, at most."""
GROUND = -1


@dataclass(frozen=True)
class Part:
    """One element of a cell.

    Nodes are numbered: inside from 0, then outer ones that are unknown, then held ones; ground is -1.

    Attributes
    ----------
    device : Device
    positive, negative : int
    controls : tuple of (int, int)
    """

    device: Device
    positive: int
    negative: int
    controls: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Kind:
    """Cells that look alike.

    Attributes
    ----------
    inside, outer, held : int
        Numbers of nodes of each sort.
    parts : tuple of Part
    """

    inside: int
    outer: int
    held: int
    parts: tuple[Part, ...]

    @property
    def laws(self) -> list[Part]:
        """The parts that are linearised anew in every step."""
        return [p for p in self.parts if not p.device.is_affine]

    @property
    def slots(self) -> int:
        """Controls of all nonlinear parts."""
        return sum(len(p.controls) for p in self.laws)

    @property
    def width(self) -> int:
        """Rows of memory: the controls linearised at, and for each inner node r and its row of U."""
        return self.slots + sum(1 + self.inside - 1 - i + self.outer for i in range(self.inside))


@dataclass(frozen=True, eq=False)
class Family:
    """All cells of one kind.

    Attributes
    ----------
    kind : Kind
    inside, outer, held : ndarray of int, shapes (n, k), (n, f), (n, h)
        Unknowns of the whole circuit.
    elements : list of (group, ndarray (n,))
        For each part of the kind, the group it is from and the place there in every cell.
    """

    kind: Kind
    inside: np.ndarray
    outer: np.ndarray
    held: np.ndarray
    elements: list[tuple[int, np.ndarray]]

    def __len__(self) -> int:
        return len(self.inside)


@dataclass(frozen=True, eq=False)
class Condensed:
    """A circuit without its cells, and the cells.

    Attributes
    ----------
    whole : Structure
        All of the circuit.
    structure, ports : what is left; pairs of outer nodes of each cell are in its Jacobian's pattern
    families : list of Family
    kept : for each group, the places of its elements that are left
    """

    whole: Structure
    structure: Structure
    ports: Ports
    families: list[Family]
    kept: list[np.ndarray]

    def parameters(self, whole: list[list[np.ndarray]]) -> list[list[np.ndarray]]:
        """Law parameters of what is left, from those of the whole circuit."""
        counts = [len(g.names) for g in self.whole.circuit.groups]
        none = np.zeros(0)
        return [
            values if len(places) == n else [np.broadcast_to(v, n)[places] if len(places) else none for v in values]
            for values, places, n in zip(whole, self.kept, counts)
        ]


def condense(s: Structure) -> Condensed | None:
    """The circuit's cells taken out, or None where there are not enough of a kind to be worth it."""
    return s.memo("cells", lambda: _condense(s))


def _condense(s: Structure) -> Condensed | None:
    families = list(_families(s))
    if not families:
        return None
    groups = s.circuit.groups
    left = [np.ones(len(g.names), dtype=bool) for g in groups]
    rows, columns = [], []
    for f in families:
        for k, places in f.elements:
            left[k][places] = False
        width = f.kind.outer
        rows.append(np.repeat(f.outer, width, axis=1).ravel())
        columns.append(np.tile(f.outer, (1, width)).ravel())
    kept = [np.flatnonzero(mask) for mask in left]
    rest = tuple(
        g if len(k) == len(g.names) else replace(
            g, names=tuple(g.names[j] for j in k), columns=g.columns[k], positive=g.positive[k], negative=g.negative[k],
            control_positive=g.control_positive[:, k], control_negative=g.control_negative[:, k],
            values=tuple(v[k] for v in g.values), branch=None if g.branch is None else g.branch[k],
        )
        for g, k in zip(groups, kept)
    )  # fmt: skip
    inner = np.concatenate([f.inside.ravel() for f in families])
    smaller = replace(
        s, circuit=replace(s.circuit, groups=rest), free=np.setdiff1d(s.free, inner),
        nonlinear=tuple(k for k in s.nonlinear if len(kept[k])), pairs=(np.concatenate(rows), np.concatenate(columns)),
    )  # fmt: skip
    return Condensed(s, smaller, ports(smaller), families, kept)


def _families(s: Structure) -> Iterator[Family]:
    circuit = s.circuit
    inside_devices = np.array([k for k, name in enumerate(circuit.nodes) if "#" in name], dtype=np.intp)
    seen = set(inside_devices.tolist()) & set(s.free.tolist()) - set(circuit.output_numbers.ravel().tolist())
    if len(seen) < WORTH:
        return
    touching, terminals = _touching(s, seen)
    alike: dict[tuple, list] = defaultdict(list)
    for nodes in _together(touching, terminals, seen):
        key, *member = _describe(s, nodes, touching, terminals)
        alike[key].append(member)
    for key, members in alike.items():
        kind = _kind(s, key)
        if len(members) >= WORTH and _compiles(kind):
            inside, outer, held, places = (np.array([m[j] for m in members], dtype=np.int64) for j in range(4))
            yield Family(kind, inside, outer, held, [(k, places[:, j]) for j, (k, *_) in enumerate(key[3])])


def _touching(s: Structure, seen: set[int]):
    """Elements at each of the nodes, and all their terminals; nodes of other than plain laws leave `seen`."""
    touching: dict[int, list] = defaultdict(list)
    terminals: dict[tuple[int, int], tuple] = {}
    for k, g in enumerate(s.circuit.groups):
        plain = g.branch is None and (k in s.nonlinear or g.device in (RESISTOR, CAPACITOR))
        table = np.stack([g.positive, g.negative, *g.control_positive, *g.control_negative], axis=1)
        near = np.isin(table, np.fromiter(seen, dtype=np.int64)).any(axis=1)
        for e in np.flatnonzero(near).tolist():
            row = tuple(table[e].tolist())
            if not plain:
                seen.difference_update(row)
                continue
            terminals[k, e] = row
            for node in set(row):
                touching[node].append((k, e))
    return touching, terminals


def _together(touching, terminals, seen: set[int]) -> Iterator[list[int]]:
    """Groups of the nodes that share elements."""
    left = set(seen)
    while left:
        found, edge = [], [left.pop()]
        while edge:
            node = edge.pop()
            found.append(node)
            for element in touching[node]:
                near = left.intersection(terminals[element])
                left -= near
                edge.extend(near)
        if len(found) <= LARGEST:
            yield sorted(found)


def _describe(s: Structure, nodes: list[int], touching, terminals):
    """((inside, outer, held, parts by local numbers), inside nodes, outer nodes, held nodes, places)."""
    elements = sorted({element for node in nodes for element in touching[node]})
    ground = s.circuit.n_unknowns
    known = s.memo("known set", lambda: set(s.known_nodes.tolist()))
    outer: list[int] = []
    held: list[int] = []
    for element in elements:
        for t in terminals[element]:
            if t not in nodes and t != ground and t not in outer and t not in held:
                (held if t in known else outer).append(t)
    number = {t: j for j, t in enumerate([*nodes, *outer, *held])} | {ground: GROUND}
    parts = tuple((k, *(number[t] for t in terminals[k, e])) for k, e in elements)
    return (len(nodes), len(outer), len(held), parts), nodes, outer, held, [e for _, e in elements]


def _kind(s: Structure, key) -> Kind:
    inside, outer, held, parts = key
    made = []
    for k, positive, negative, *controls in parts:
        n = len(controls) // 2
        made.append(Part(s.circuit.groups[k].device, positive, negative, tuple(zip(controls[:n], controls[n:]))))
    return Kind(inside, outer, held, tuple(made))


def _compiles(kind: Kind) -> bool:
    from analogpnn.engines.fast import cell_kernels, program  # the compiler loads only where it is used

    try:
        cell_kernels.literal(kind)
    except program.UnknownOperationError:
        return False
    return True
