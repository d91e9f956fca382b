"""What is known about a theta's crossbars: row and column sums, and which theta they belong to."""

from __future__ import annotations

from dataclasses import dataclass, field
from weakref import WeakKeyDictionary, ref

import numpy as np

from analogpnn.circuit.blocks import Blocks


@dataclass(frozen=True, eq=False)
class Weights:
    """The crossbars at one theta.

    Parameters
    ----------
    matrices : tuple of ndarray, shape (n_lower, n_upper) each
        [S]; views into theta where they can be.
    totals : tuple of ndarray, shape (n,) each
        Conductance seen by the nodes of each free layer, diodes left out [S].
    """

    matrices: tuple[np.ndarray, ...]
    totals: tuple[np.ndarray, ...]
    ready: list = field(default_factory=list)
    """What the solver has made of them."""


_known: WeakKeyDictionary[Blocks, tuple[ref, Weights]] = WeakKeyDictionary()


def weights(blocks: Blocks, theta: np.ndarray, kind: np.dtype) -> Weights:
    """The crossbars at `theta`, in the numbers the engine computes with.

    They are kept for the last theta, which must be the same array and not writeable to count as the same.
    """
    known = _known.get(blocks)
    if known is not None and known[0]() is theta and known[1].totals[0].dtype == kind and not theta.flags.writeable:
        return known[1]
    matrices = matrices_of(blocks, theta, kind)
    sums = [
        (w.sum(axis=1) if b.lower >= blocks.n_held else None, w.sum(axis=0)) for b, w in zip(blocks.blocks, matrices)
    ]
    found = Weights(matrices, totals(blocks, sums))
    if not theta.flags.writeable:
        _known[blocks] = ref(theta), found
    return found


def matrices_of(blocks: Blocks, theta: np.ndarray, kind: np.dtype) -> tuple[np.ndarray, ...]:
    """The conductances of each crossbar."""
    return tuple(np.asarray(b.matrix(theta), dtype=kind) for b in blocks.blocks)


def totals(blocks: Blocks, sums: list) -> tuple[np.ndarray, ...]:
    """Conductance seen by the nodes of each free layer, from (row sums, column sums) of each crossbar."""
    out = [np.zeros(len(nodes), dtype=sums[0][1].dtype) for nodes in blocks.layers[blocks.n_held :]]
    for b, (rows, columns) in zip(blocks.blocks, sums):
        out[b.upper - blocks.n_held] += columns
        if b.lower >= blocks.n_held:
            out[b.lower - blocks.n_held] += rows
    return tuple(out)


def remember(blocks: Blocks, theta: np.ndarray, known: Weights) -> None:
    """Keep what an update of theta has found on its way."""
    _known[blocks] = ref(theta), known
