"""Matrices whose pattern never changes: indices are computed once, numbers poured in for every theta or sample."""

from __future__ import annotations

from copy import copy
from functools import cached_property

import numpy as np
import scipy.sparse as sp


class Block:
    """A block of the system's matrix, filled from values given per triplet.

    Parameters
    ----------
    rows, columns : ndarray, shape (m,)
        Row and column of each triplet in the whole matrix; equal places add up.
    keep_rows, keep_columns : ndarray
        Which rows and columns the block has.
    size : int
        Rows and columns of the whole matrix.
    """

    def __init__(self, rows, columns, keep_rows, keep_columns, size: int):
        row_of, column_of = np.full(size, -1), np.full(size, -1)
        row_of[keep_rows] = np.arange(len(keep_rows))
        column_of[keep_columns] = np.arange(len(keep_columns))
        r, c = row_of[rows], column_of[columns]
        self.shape = (len(keep_rows), len(keep_columns))
        self.chosen = np.flatnonzero((r >= 0) & (c >= 0))
        r, c = r[self.chosen], c[self.chosen]
        places, self.slot = np.unique(c.astype(np.int64) * max(self.shape[0], 1) + r, return_inverse=True)
        self.rows, self.columns = places % max(self.shape[0], 1), places // max(self.shape[0], 1)
        self.n_entries = len(places)
        self.pointers = np.searchsorted(self.columns, np.arange(self.shape[1] + 1))

    def entries(self, values: np.ndarray) -> np.ndarray:
        """Entries in column order (n_entries,), from values (m,) of all triplets."""
        return np.bincount(self.slot, weights=values[self.chosen], minlength=self.n_entries)

    def sparse(self, values: np.ndarray) -> sp.csc_matrix:
        """The block as a CSC matrix."""
        # A shallow copy shares the pattern and skips SciPy's checks of it, which take longer than a small product.
        m = copy(self._pattern)
        m.data = self.entries(values)
        return m

    @cached_property
    def _pattern(self) -> sp.csc_matrix:
        m = sp.csc_matrix((np.ones(self.n_entries), self.rows, self.pointers), shape=self.shape)
        m.has_canonical_format = True
        return m

    def dense(self, values: np.ndarray) -> np.ndarray:
        """The block as an array."""
        out = np.zeros(self.shape)
        out[self.rows, self.columns] = self.entries(values)
        return out

    def scatter(self, signs: np.ndarray, first: int, dense: bool) -> sp.csr_matrix:
        """The map from the triplets numbered first, first + 1, ... to entries, or to the flattened dense block."""
        mine = self.chosen >= first
        slot = self.slot[mine]
        place = self.rows[slot] * self.shape[1] + self.columns[slot] if dense else slot
        source = self.chosen[mine] - first
        width = self.shape[0] * self.shape[1] if dense else self.n_entries
        return sp.csr_matrix((signs[source], (place, source)), shape=(width, len(signs)))
