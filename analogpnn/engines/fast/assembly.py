"""Modified nodal analysis: what is linear in the circuit as one matrix, what is nonlinear as a list of ports.

Rows are Kirchhoff's current law at every node (currents leaving, summed) and the law of every voltage branch:

    A x + S i(C x) = b

x holds node voltages and branch currents, i the outputs of the nonlinear laws, C reads their controls from x and S
puts their outputs into the rows. Nodes held by a grounded voltage source are known beforehand and leave the system,
together with the source's current, which Kirchhoff's law gives back afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp

from analogpnn.circuit.circuit import Circuit, Group
from analogpnn.devices import linear
from analogpnn.engines.fast.blocks import Block


@dataclass(frozen=True, eq=False)
class Structure:
    """What depends on the circuit alone, not on theta: computed once.

    Attributes
    ----------
    nonlinear : tuple of int
        Numbers of the groups whose law is not affine.
    known_nodes, known_branches : ndarray
        Unknowns fixed by grounded voltage sources: the node, and the source's current.
    known_signs : ndarray
        +1 where the source's n+ is the node, -1 where its n- is.
    free : ndarray
        The unknowns that remain.
    pairs : (rows, columns)
        More places of the Jacobian that are not zero, for what else is added to it: see `cells`.
    """

    circuit: Circuit
    clamped: bool
    nonlinear: tuple[int, ...]
    affine: tuple[int, ...]
    known_nodes: np.ndarray
    known_branches: np.ndarray
    known_signs: np.ndarray
    free: np.ndarray
    n: int
    pairs: tuple[np.ndarray, np.ndarray] = (np.zeros(0, dtype=np.intp), np.zeros(0, dtype=np.intp))

    @cached_property
    def triplets(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows and columns of the linear part's entries, in the order in which `Linear` gives their values."""
        rows, columns = [], []

        def put(r, c):
            rows.append(r)
            columns.append(c)

        for k, g in enumerate(self.circuit.groups):
            if g.branch is not None:
                for r, c in _incidence(g):
                    put(r, c)
            if k in self.nonlinear:
                continue
            for r, _ in _rows(g):
                for cp, cn in zip(g.control_positive, g.control_negative):
                    put(r, cp)
                    put(r, cn)
        if self.clamped:
            a, b = self.circuit.output_numbers
            extra = np.arange(self.circuit.n_unknowns + 1, self.n + 1)
            for r, c in ((extra, a), (extra, b), (a, extra), (b, extra)):
                put(r, c)
        put(*self.pairs)
        return np.concatenate(rows), np.concatenate(columns)

    @cached_property
    def nonlinear_triplets(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rows, columns and signs into which the slopes of nonlinear laws enter.

        For each nonlinear group, row kind, control: all elements at n+ of the control, then at n-.
        """
        rows, columns, signs = [], [], []
        for k in self.nonlinear:
            g = self.circuit.groups[k]
            for r, sign in _rows(g):
                for cp, cn in zip(g.control_positive, g.control_negative):
                    for c, s in ((cp, sign), (cn, -sign)):
                        rows.append(r)
                        columns.append(c)
                        signs.append(np.full(len(r), s))
        if not rows:
            return np.zeros(0, dtype=np.intp), np.zeros(0, dtype=np.intp), np.zeros(0)
        return np.concatenate(rows), np.concatenate(columns), np.concatenate(signs)

    @cached_property
    def free_free(self) -> Block:
        return Block(*self.triplets, self.free, self.free, self.n + 1)

    @cached_property
    def free_known(self) -> Block:
        return Block(*self.triplets, self.free, self.known_nodes, self.n + 1)

    @cached_property
    def known_free(self) -> Block:
        return Block(*self.triplets, self.known_nodes, self.free, self.n + 1)

    @cached_property
    def known_known(self) -> Block:
        return Block(*self.triplets, self.known_nodes, self.known_nodes, self.n + 1)

    @cached_property
    def jacobian(self) -> Block:
        """Free rows and columns of the whole Jacobian: linear triplets first, then the nonlinear ones."""
        rows, columns = self.triplets
        more_rows, more_columns, _ = self.nonlinear_triplets
        return Block(
            np.concatenate([rows, more_rows]),
            np.concatenate([columns, more_columns]),
            self.free,
            self.free,
            self.n + 1,
        )

    @property
    def symmetric(self) -> bool:
        """Whether the Jacobian is symmetric: two-terminal laws only, no voltage branch among the free unknowns."""
        return self.free.max(initial=0) < self.circuit.n_nodes and all(
            g.device.is_two_terminal or g.branch is not None or not g.device.controls for g in self.circuit.groups
        )

    @cached_property
    def _memory(self) -> dict:
        return {}

    def memo(self, key: str | tuple, make):
        """What `make` returns, computed once for this structure."""
        if key not in self._memory:
            self._memory[key] = make()
        return self._memory[key]

    def is_held(self, k: int) -> bool:
        """Whether group k is of voltage sources that all hold a node."""
        g = self.circuit.groups[k]
        if g.device is not linear.VOLTAGE_SOURCE or g.branch is None:
            return False
        return self.memo(("held", k), lambda: bool(np.isin(g.branch, self.known_branches).all()))

    @cached_property
    def known_slots(self) -> tuple[int, np.ndarray]:
        """The group of voltage sources and the places in it of those that fix a node."""
        for g, group in enumerate(self.circuit.groups):
            if group.device is linear.VOLTAGE_SOURCE and group.branch is not None:
                return g, np.searchsorted(group.branch, self.known_branches)
        return -1, np.array([], dtype=np.intp)


def structure(circuit: Circuit, clamped: bool) -> Structure:
    """Number the unknowns; a clamp adds one branch current for each output (numbered after the others)."""
    n = circuit.n_unknowns
    measured = {int(k) for g in circuit.groups for k in g.control_positive[g.control_positive >= circuit.n_nodes]}
    nodes, branches, signs = [], [], []
    for g in circuit.groups:
        if g.device is not linear.VOLTAGE_SOURCE or g.branch is None:
            continue
        for p, m, b in zip(g.positive, g.negative, g.branch):
            if b not in measured and (p == n) != (m == n):
                nodes.append(p if m == n else m)
                branches.append(b)
                signs.append(1.0 if m == n else -1.0)
    known, held = np.array(nodes, dtype=np.intp), np.array(branches, dtype=np.intp)
    total = n + (circuit.n_outputs if clamped else 0)
    everything = np.concatenate([np.arange(n), np.arange(n + 1, total + 1)])
    free = np.setdiff1d(everything, np.concatenate([known, held]))
    nonlinear = tuple(k for k, g in enumerate(circuit.groups) if not g.device.is_affine)
    affine = tuple(k for k, g in enumerate(circuit.groups) if g.device.is_affine)
    return Structure(circuit, clamped, nonlinear, affine, known, held, np.array(signs), free, total)


def _incidence(g: Group):
    """(rows, columns) of a voltage branch: its own law, and its current in Kirchhoff's law; values 1, -1, 1, -1."""
    return ((g.branch, g.positive), (g.branch, g.negative), (g.positive, g.branch), (g.negative, g.branch))


def _rows(group: Group):
    """(rows, signs) into which the law's value enters, as 'left-hand side' of its row."""
    if group.branch is None:
        return ((group.positive, 1.0), (group.negative, -1.0))
    return ((group.branch, -1.0),)


class Linear:
    """The linear part for one theta.

    Attributes
    ----------
    values : ndarray
        One number for each triplet of `Structure.triplets`.
    """

    def __init__(self, s: Structure, parameters: list[list[np.ndarray]]):
        self.structure = s
        values = []
        for k, g in enumerate(s.circuit.groups):
            if g.branch is not None:
                one = np.ones(len(g.branch))
                values += [one, -one, one, -one]
            if k in s.nonlinear or not g.names or not g.device.controls:
                continue
            zero = [np.zeros(len(g.names))] * len(g.device.controls)
            slopes = g.device.law(*zero, *parameters[k])[1:]
            for _, sign in _rows(g):
                for slope in slopes:
                    values += [sign * slope, -sign * slope]
        if s.clamped:
            one = np.ones(s.circuit.n_outputs)
            values += [one, -one, one, -one]
        values.append(np.zeros(len(s.pairs[0])))
        self.values = np.concatenate(values)

    @cached_property
    def matrix(self) -> sp.csc_matrix:
        """Free rows, free columns."""
        return self.structure.free_free.sparse(self.values)

    @cached_property
    def dense(self) -> np.ndarray:
        """Free rows, free columns, as an array."""
        return self.structure.free_free.dense(self.values)

    @cached_property
    def to_known(self) -> sp.csc_matrix:
        """Free rows, known columns."""
        return self.structure.free_known.sparse(self.values)

    def leaving(self, x_free: np.ndarray, known: np.ndarray) -> np.ndarray | float:
        """Currents that leave each held node through linear elements (B, n_known), its own source left out [A]."""
        s, total = self.structure, 0.0
        for block, x in ((s.known_free, x_free), (s.known_known, known)):
            if block.n_entries:
                total = total + (block.sparse(self.values) @ x.T).T
        return total


def right_hand_side(s: Structure, parameters, currents, voltages, batch: tuple[int, ...]) -> np.ndarray:
    """b over all unknowns, shape (*batch, n + 1): constants, sources, injected currents, clamp voltages. Read only."""
    circuit, ground = s.circuit, s.circuit.n_unknowns
    parts = []
    for k in s.affine:
        g = circuit.groups[k]
        if g.device in (linear.RESISTOR, linear.CAPACITOR, linear.INDUCTOR):
            continue
        if s.is_held(k):
            continue  # their voltages are known, and their currents come from the nodes they hold
        zero = [np.zeros(len(g.names))] * len(g.device.controls)
        constant = g.device.law(*zero, *parameters[k])[0]
        if np.any(constant):
            parts += [(r, -sign * constant) for r, sign in _rows(g)]
    if currents is not None:
        a, c = circuit.output_numbers
        parts += [(a, np.asarray(currents)), (c, -np.asarray(currents))]
    alike = voltages is None and all(np.ndim(values) == 1 for _, values in parts)
    b = np.zeros((s.n + 1,) if alike else (*batch, s.n + 1))
    for r, values in parts:
        _add(b, r, values)
    if voltages is not None:
        b[..., ground + 1 :] = voltages
    b[..., ground] = 0.0
    return np.broadcast_to(b, (*batch, s.n + 1))


def _add(b, rows, values):
    if len(np.unique(rows)) == len(rows):
        b[..., rows] += values
    else:
        np.add.at(b, (..., rows), np.broadcast_to(values, (*b.shape[:-1], len(rows))))
