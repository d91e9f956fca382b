"""Nested dissection: an elimination order that large planar networks fill least with.

A set of nodes that cuts the graph in two halves is eliminated last, each half likewise before it (George, SIAM J.
Numer. Anal. 10, 345, 1973). Separators are levels of a breadth-first search from a node at the rim: short in grids
and lattices, useless in random graphs, where minimum degree stays the better order.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg as spl
from scipy.sparse.csgraph import connected_components, dijkstra

LEAF = 150
"""Nodes from which on minimum degree orders a piece."""


def dissect(graph: sp.csr_matrix) -> np.ndarray:
    """Nodes of a symmetric graph in the order of elimination."""
    order: list[np.ndarray] = []
    # Separators are put down before their halves, so they are taken up after them.
    stack: list[tuple[np.ndarray, bool]] = [(np.arange(graph.shape[0]), False)]
    while stack:
        nodes, finished = stack.pop()
        if finished or len(nodes) <= 2:
            order.append(nodes)
            continue
        piece = graph[nodes][:, nodes]
        if len(nodes) <= LEAF:
            order.append(nodes[_minimum_degree(piece)])
            continue
        count, part = connected_components(piece, directed=False)
        if count > 1:
            stack += [(nodes[part == k], False) for k in range(count)]
            continue
        level = _levels(piece)
        middle = _middle(level)
        at, above = level == middle, level > middle
        # Only those that touch the upper half separate; the rest belongs to the lower.
        touching = at & (piece @ above.astype(float) > 0)
        stack.append((nodes[touching], True))
        stack += [(nodes[above], False), (nodes[~above & ~touching], False)]
    return np.concatenate(order)


def _levels(piece: sp.csr_matrix) -> np.ndarray:
    """Distances from a node at the rim: the farthest from the farthest from the first."""
    start = 0
    for _ in range(2):
        level = dijkstra(piece, directed=False, unweighted=True, indices=start)
        start = int(np.argmax(level))
    return dijkstra(piece, directed=False, unweighted=True, indices=start).astype(int)


def _middle(level: np.ndarray) -> int:
    """The smallest level near the middle of the nodes."""
    counts = np.bincount(level)
    below = np.cumsum(counts) - counts
    near = np.flatnonzero((below + counts > 0.4 * len(level)) & (below < 0.6 * len(level)))
    return int(near[np.argmin(counts[near])])


def _minimum_degree(piece: sp.csr_matrix) -> np.ndarray:
    stand_in = sp.csc_matrix(piece + sp.diags(np.asarray(piece.sum(axis=1)).ravel() + 1.0))
    lu = spl.splu(stand_in, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
    return np.argsort(lu.perm_c)
