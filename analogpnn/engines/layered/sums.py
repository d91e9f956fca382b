"""What is known about a theta's crossbars: row and column sums, and what the solver makes of them."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from analogpnn.circuit.blocks import Blocks
from analogpnn.circuit.circuit import Circuit
from analogpnn.engines.layered import streams
from analogpnn.errors import ExperimentError, NetlistError


class Weights:
    """The crossbars at one theta.

    Parameters
    ----------
    matrices : tuple of ndarray, shape (n_lower, n_upper) each
        [S]; views into theta where they can be.
    totals : list of ndarray, shape (n,) each
        Conductance seen by the nodes of each free layer, diodes left out [S].
    across : dict
        Transposed copies of crossbars, by number, as far as somebody keeps them.

    Attributes
    ----------
    ready : Ready or None
        What the solver has made of them.
    """

    def __init__(
        self, matrices: tuple[np.ndarray, ...], totals: list[np.ndarray], across: dict[int, np.ndarray] | None = None
    ):
        self.matrices, self.totals, self.across = matrices, totals, across or {}
        self.ready: Ready | None = None


class Ready:
    """What the conductances and current sources alone decide.

    Attributes
    ----------
    inverse : list of ndarray
        1 / conductance seen by the nodes of each free layer [ohm].
    currents : tuple of ndarray
        What current sources push into each free layer [A].
    """

    def __init__(self, circuit: Circuit, blocks: Blocks, theta: np.ndarray, known: Weights):
        self.totals = known.totals
        self.inverse = []
        for k, total in enumerate(known.totals):
            inverse, least, most = streams.inverse(total)
            self.inverse.append(inverse)
            if not most < np.inf:
                raise ExperimentError("theta holds values that are not finite")
            if not least > 0:
                node = circuit.nodes[blocks.layers[k + blocks.n_held][int(np.argmin(total))]]
                raise NetlistError(
                    f"all conductances at node '{node}' are zero: its voltage is anything",
                    path=circuit.path, cure="give them a lower bound above zero",
                )  # fmt: skip
        currents = [np.zeros(len(total), total.dtype) for total in known.totals]
        for c in blocks.currents:
            streams.pushed(theta, c.columns, c.values, c.nodes, c.scale, currents[c.layer - blocks.n_held])
        self.currents = tuple(currents)
        self._free = [
            (b.lower - blocks.n_held, b.upper - blocks.n_held, known.matrices[n], known.across.get(n))
            for n, b in enumerate(blocks.blocks)
            if b.lower >= blocks.n_held
        ]

    @cached_property
    def joined(self) -> list[list[tuple[int, np.ndarray]]]:
        """For each free layer its free neighbours, and the conductances to them (n_neighbour, n)."""
        found: list[list[tuple[int, np.ndarray]]] = [[] for _ in self.totals]
        for lower, upper, w, _ in self._free:
            found[upper].append((lower, w))
            found[lower].append((upper, w.T))
        return found

    def upward(self, second: int) -> np.ndarray:
        """Between two free layers, conductances (n_second, n_first), contiguous."""
        if self._upward is None:
            ((lower, _, w, across),) = self._free
            if lower == second:
                self._upward = np.ascontiguousarray(w)
            else:
                self._upward = np.ascontiguousarray(w.T) if across is None else across
        return self._upward

    _upward: np.ndarray | None = None


def weights(blocks: Blocks, theta: np.ndarray, kind: np.dtype) -> Weights:
    """The crossbars at `theta`, in the numbers the engine computes with."""
    matrices = matrices_of(blocks, theta, kind)
    sums = [
        (w.sum(axis=1) if b.lower >= blocks.n_held else None, w.sum(axis=0)) for b, w in zip(blocks.blocks, matrices)
    ]
    return Weights(matrices, totals(blocks, sums))


def matrices_of(blocks: Blocks, theta: np.ndarray, kind: np.dtype) -> tuple[np.ndarray, ...]:
    """The conductances of each crossbar."""
    return tuple(np.asarray(b.matrix(theta), dtype=kind) for b in blocks.blocks)


def totals(blocks: Blocks, sums: list) -> list[np.ndarray]:
    """Conductance seen by the nodes of each free layer, from (row sums, column sums) of each crossbar."""
    first = blocks.n_held
    out: list = [None] * (len(blocks.layers) - first)
    for b, (rows, columns) in zip(blocks.blocks, sums):
        k = b.upper - first
        out[k] = columns if out[k] is None else out[k] + columns
        k = b.lower - first
        if k >= 0:
            out[k] = rows if out[k] is None else out[k] + rows
    return out
