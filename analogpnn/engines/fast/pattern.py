"""One elimination order and one fill pattern for every sample and every theta of a circuit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg as spl
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

from analogpnn.engines.fast.blocks import Block
from analogpnn.engines.fast.dissection import dissect

LARGE = 5000
"""Unknowns from which nested dissection is tried besides minimum degree."""


@dataclass(frozen=True, eq=False)
class Pattern:
    """Fill pattern of L (strictly lower, by columns) after reordering.

    Attributes
    ----------
    n : int
    rows, columns : ndarray, shape (n,)
        ``A[rows][:, columns]`` is what is factored: `columns` orders for little fill, `rows` puts large entries on the
        diagonal (equal to `columns` where A is symmetric).
    pointers, indices : CSC of L's strict lower triangle
    row_pointers, row_columns, row_places : for each row its columns k in rising order and where (row, k) lies in L
    group_pointers, group_starts, group_lengths : runs of up to 4 columns of a row that share their pattern
    entry_rows, entry_columns : for each entry of the block, its place after reordering
    """

    n: int
    rows: np.ndarray
    columns: np.ndarray
    pointers: np.ndarray
    indices: np.ndarray
    row_pointers: np.ndarray
    row_columns: np.ndarray
    row_places: np.ndarray
    group_pointers: np.ndarray
    group_starts: np.ndarray
    group_lengths: np.ndarray
    entry_rows: np.ndarray
    entry_columns: np.ndarray

    @property
    def fill(self) -> int:
        """Entries of L below the diagonal."""
        return len(self.indices)

    @property
    def flops(self) -> float:
        """Multiplications and additions of one L D L^T and one solve."""
        return _work(self.pointers)


@dataclass(frozen=True, eq=False)
class Columns:
    """Where a matrix's entries go: those of `kept`, column by column after reordering (the lower half if symmetric)."""

    kept: np.ndarray
    pointers: np.ndarray
    indices: np.ndarray


def columns(p: Pattern, symmetric: bool) -> Columns:
    """The entries as a factorisation takes them."""
    kept = np.flatnonzero(p.entry_rows >= p.entry_columns) if symmetric else np.arange(len(p.entry_rows))
    kept = kept[np.lexsort((p.entry_rows[kept], p.entry_columns[kept]))]
    pointers = np.searchsorted(p.entry_columns[kept], np.arange(p.n + 1)).astype(np.int64)
    return Columns(kept, pointers, p.entry_rows[kept].astype(np.int32))


def analyse(block: Block, values: np.ndarray, symmetric: bool) -> Pattern:
    """Order and symbolic factorisation.

    Parameters
    ----------
    block : Block
        The Jacobian's pattern.
    values : ndarray, shape (n_entries,)
        Representative numbers, to choose pivots by (unsymmetric case only).
    symmetric : bool
    """
    n = block.shape[0]
    if symmetric:
        match = np.arange(n)
    else:
        # Large diagonal entries, chosen once (as SuperLU_DIST does): then elimination needs no pivoting.
        size = np.abs(values)
        keep = size > 0
        weight = 1.0 + np.log(size[keep].max()) - np.log(size[keep])
        graph = sp.csr_matrix((weight, (block.columns[keep], block.rows[keep])), shape=(n, n))
        try:
            _, match = min_weight_full_bipartite_matching(graph)
        except ValueError:
            raise np.linalg.LinAlgError("structurally singular") from None
    position = np.empty(n, dtype=np.int64)
    position[match] = np.arange(n)
    r, c = position[block.rows], block.columns
    off = r != c
    graph = sp.csc_matrix((np.ones(off.sum()), (r[off], c[off])), shape=(n, n))
    graph = (graph + graph.T).tocsc()
    # SuperLU orders and fills; a diagonally dominant stand-in with irregular numbers keeps it from pivoting.
    graph.data = -np.random.default_rng(0).uniform(0.5, 1.0, len(graph.data))
    graph = (graph + graph.T) / 2
    stand_in = graph + sp.diags(np.asarray(np.abs(graph).sum(axis=1)).ravel() + 1.0)
    order, lower = _factored(stand_in.tocsc(), "MMD_AT_PLUS_A")
    if n >= LARGE:
        cut = dissect((abs(graph) > 0).astype(float).tocsr())
        again, other = _factored(stand_in.tocsr()[cut][:, cut].tocsc(), "NATURAL")
        if _work(other.indptr) < _work(lower.indptr):
            order, lower = cut[again], other
    lower.sort_indices()
    by_row = sp.csr_matrix(lower)
    places = sp.csc_matrix((np.arange(1, lower.nnz + 1), lower.indices, lower.indptr), shape=(n, n)).tocsr()
    places.sort_indices()
    by_row.sort_indices()
    pointers, indices = lower.indptr.astype(np.int64), lower.indices.astype(np.int32)
    groups = _groups(n, pointers, indices, by_row.indptr, by_row.indices)
    inverse = np.empty(n, dtype=np.int64)
    inverse[order] = np.arange(n)
    return Pattern(
        n, match[order], order, pointers, indices,
        by_row.indptr.astype(np.int64), by_row.indices.astype(np.int32), (places.data - 1).astype(np.int32),
        groups[0], groups[1], groups[2], inverse[r], inverse[c],
    )  # fmt: skip


def _factored(a: sp.csc_matrix, order: str) -> tuple[np.ndarray, sp.csc_matrix]:
    """SuperLU's order, and the strict lower triangle of its L."""
    lu = spl.splu(a, permc_spec=order, diag_pivot_thresh=0.0, options={"SymmetricMode": True})
    return np.argsort(lu.perm_c), sp.tril(lu.L, -1).tocsc()


def _work(pointers: np.ndarray) -> float:
    counts = np.diff(pointers).astype(float)
    return float(np.sum(counts * counts + 6 * counts))


def _groups(n, pointers, indices, row_pointers, row_columns):
    """Runs of consecutive columns with one pattern (supernodes), cut to at most 4, for every row."""
    counts = np.diff(pointers)
    parent = np.full(n, -1)
    has = counts > 0
    parent[has] = indices[pointers[:-1][has]]
    joined = np.zeros(n, dtype=bool)
    joined[:-1] = (parent[:-1] == np.arange(1, n)) & (counts[:-1] == counts[1:] + 1)
    m = len(row_columns)
    follows = np.zeros(m, dtype=bool)
    if m:
        follows[1:] = (row_columns[1:] == row_columns[:-1] + 1) & joined[row_columns[:-1]]
        follows[np.asarray(row_pointers[:-1])[np.diff(row_pointers) > 0]] = False
    starts = np.flatnonzero(~follows)
    run = np.repeat(starts, np.diff(np.append(starts, m)))
    first = (np.arange(m) - run) % 4 == 0
    group_starts = np.flatnonzero(first)
    lengths = np.diff(np.append(group_starts, m))
    return (
        np.searchsorted(group_starts, row_pointers).astype(np.int64),
        group_starts.astype(np.int32),
        lengths.astype(np.int32),
    )
