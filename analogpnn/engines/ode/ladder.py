"""Step sizes: powers of two of the stretch between two corners; each sample has its own rung.

Matrices are then few and found again (by other samples, in later steps, in later stretches of the same length), and
every sample's steps end on the corner exactly.
"""

from __future__ import annotations

from math import ceil, log2

import numpy as np

FINEST = 46
SAFETY = 0.8


class Ladder:
    """Where on the ladder, and where on the stretch, each of B samples is.

    Parameters
    ----------
    start, stop : float
        The stretch [s].
    largest : float
        Longest step allowed [s].
    first : ndarray, shape (B,)
        Steps to begin with [s].
    """

    def __init__(self, start: float, stop: float, largest: float, first: np.ndarray):
        self.start, self.stop, self.length = start, stop, stop - start
        self.top = self.rung_of(largest)
        self.rung = np.array([max(self.rung_of(h), self.top) for h in first.tolist()], dtype=np.int64)
        self.place = np.zeros(len(first), dtype=np.int64)  # in units of the finest step
        self.failed = np.zeros(len(first), dtype=bool)

    def rung_of(self, step: float) -> int:
        """The rung of the largest step not above the given one."""
        return min(max(0, ceil(log2(self.length / step) - 1e-9)), FINEST)

    @property
    def steps(self) -> np.ndarray:
        return self.length * np.exp2(-self.rung)

    def step(self, rung: int) -> float:
        return self.length * 0.5**rung

    @property
    def times(self) -> np.ndarray:
        return self._time(self.place)

    @property
    def ends(self) -> np.ndarray:
        return self._time(self.place + self._units)

    def _time(self, place):
        return np.where(place == 1 << FINEST, self.stop, self.start + self.length * (place * 0.5**FINEST))

    @property
    def _units(self) -> np.ndarray:
        return np.left_shift(np.int64(1), FINEST - self.rung)

    @property
    def active(self) -> np.ndarray:
        """Samples that have not reached the corner."""
        return np.flatnonzero(self.place < 1 << FINEST)

    def judge(self, rows: np.ndarray, factor: np.ndarray, accepted: np.ndarray) -> bool:
        """Move on or take smaller steps; `factor` is the step wanted over the one tried. False: no smaller one is left.

        A larger step is taken only where the place is a multiple of it.
        """
        units = self._units[rows]
        good = rows[accepted]
        self.place[good] += units[accepted]
        even = self.place[good] % (2 * units[accepted]) == 0
        # After a rejection one step at the same size, or sizes would only flap.
        grow = (factor[accepted] >= 2.0) & (self.rung[good] > self.top) & even & ~self.failed[good]
        self.failed[good] = False
        self.rung[good[grow]] -= 1
        bad = rows[~accepted]
        down = np.ceil(-np.log2(np.clip(factor[~accepted], 1e-3, 0.5))).astype(np.int64)
        self.rung[bad] += down
        self.failed[bad] = True
        return bool((self.rung[bad] <= FINEST).all())
