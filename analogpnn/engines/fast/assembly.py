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

    @cached_property
    def position(self) -> np.ndarray:
        """Unknown -> place among the free ones, or -1."""
        position = np.full(self.n + 1, -1)
        position[self.free] = np.arange(len(self.free))
        return position

    @cached_property
    def known_slots(self) -> tuple[int, np.ndarray]:
        """The group of voltage sources and the places in it of those that fix a node."""
        for g, group in enumerate(self.circuit.groups):
            if group.device is linear.VOLTAGE_SOURCE:
                return g, np.searchsorted(group.branch, self.known_branches)
        return -1, np.array([], dtype=np.intp)


def structure(circuit: Circuit, clamped: bool) -> Structure:
    """Number the unknowns; a clamp adds one branch current for each output (numbered after the others)."""
    n = circuit.n_unknowns
    measured = {
        int(k) for g in circuit.groups for k in g.control_positive[g.control_positive >= circuit.n_nodes]
    }
    nodes, branches, signs = [], [], []
    for g in circuit.groups:
        if g.device is not linear.VOLTAGE_SOURCE:
            continue
        for p, m, b in zip(g.positive, g.negative, g.branch):
            if b not in measured and (p == n) != (m == n):
                nodes.append(p if m == n else m)
                branches.append(b)
                signs.append(1.0 if m == n else -1.0)
    nodes, branches = np.array(nodes, dtype=np.intp), np.array(branches, dtype=np.intp)
    total = n + (circuit.n_outputs if clamped else 0)
    everything = np.concatenate([np.arange(n), np.arange(n + 1, total + 1)])
    free = np.setdiff1d(everything, np.concatenate([nodes, branches]))
    nonlinear = tuple(k for k, g in enumerate(circuit.groups) if not g.device.is_affine)
    affine = tuple(k for k, g in enumerate(circuit.groups) if g.device.is_affine)
    return Structure(circuit, clamped, nonlinear, affine, nodes, branches, np.array(signs), free, total)


def _rows(group: Group):
    """(rows, signs) into which the law's value enters, as 'left-hand side' of its row."""
    if group.branch is None:
        return ((group.positive, 1.0), (group.negative, -1.0))
    return ((group.branch, -1.0),)


class Linear:
    """The linear part for one theta: the matrix A over all unknowns (ground's row and column kept, then dropped)."""

    def __init__(self, s: Structure, parameters: list[list[np.ndarray]]):
        circuit, ground = s.circuit, s.circuit.n_unknowns
        rows, columns, values = [], [], []

        def put(r, c, v):
            rows.append(np.broadcast_to(r, np.shape(v)))
            columns.append(np.broadcast_to(c, np.shape(v)))
            values.append(v)

        for k, g in enumerate(circuit.groups):
            if g.branch is not None:
                one = np.ones(len(g.branch))
                put(g.branch, g.positive, one)
                put(g.branch, g.negative, -one)
                put(g.positive, g.branch, one)
                put(g.negative, g.branch, -one)
            if k in s.nonlinear:
                continue
            zero = [np.zeros(len(g.names))] * len(g.device.controls)
            slopes = g.device.law(*zero, *parameters[k])[1:]
            for r, sign in _rows(g):
                for slope, cp, cn in zip(slopes, g.control_positive, g.control_negative):
                    put(r, cp, sign * slope)
                    put(r, cn, -sign * slope)
        if s.clamped:
            a, b = circuit.output_numbers
            extra = np.arange(ground + 1, s.n + 1)
            one = np.ones(len(extra))
            for r, c, v in ((extra, a, one), (extra, b, -one), (a, extra, one), (b, extra, -one)):
                put(r, c, v)
        size = s.n + 1
        triplet = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
        self.full = sp.csr_matrix(triplet, shape=(size, size))
        by_row = self.full[s.free]
        self.matrix = by_row[:, s.free].tocsc()
        self.to_known = by_row[:, s.known_nodes].tocsr()


def right_hand_side(s: Structure, parameters, currents, voltages, batch: tuple[int, ...]) -> np.ndarray:
    """b over all unknowns, shape (*batch, n + 1): constants, sources, injected currents, clamp voltages."""
    circuit, ground = s.circuit, s.circuit.n_unknowns
    b = np.zeros((*batch, s.n + 1))
    for k in s.affine:
        g = circuit.groups[k]
        if g.device in (linear.RESISTOR, linear.CAPACITOR, linear.INDUCTOR):
            continue
        zero = [np.zeros(len(g.names))] * len(g.device.controls)
        constant = g.device.law(*zero, *parameters[k])[0]
        if not np.any(constant):
            continue
        for r, sign in _rows(g):
            _add(b, r, -sign * constant)
    if currents is not None:
        a, c = circuit.output_numbers
        _add(b, a, currents)
        _add(b, c, -np.asarray(currents))
    if voltages is not None:
        b[..., ground + 1 :] = voltages
    b[..., ground] = 0.0
    return b


def _add(b, rows, values):
    if len(np.unique(rows)) == len(rows):
        b[..., rows] += values
    else:
        np.add.at(b, (..., rows), np.broadcast_to(values, (*b.shape[:-1], len(rows))))
