"""Step sizes: powers of two of the stretch between two corners, one common step for the whole batch.

Matrices are then few and found again (in later steps, and in later stretches of the same length), and steps end
on the corner exactly.
"""

from __future__ import annotations

from math import ceil, log2

FINEST = 46
SAFETY = 0.8


class Ladder:
    """Where on the ladder, and where on the stretch.

    Parameters
    ----------
    start, stop : float
        The stretch [s].
    largest : float
        Longest step allowed [s].
    first : float
        Step to begin with [s].
    """

    def __init__(self, start: float, stop: float, largest: float, first: float):
        self.start, self.stop, self.length = start, stop, stop - start
        self.top = self._rung(largest)
        self.rung = max(self._rung(first), self.top)
        self.place = 0  # in units of the finest step

    def _rung(self, step: float) -> int:
        return min(max(0, ceil(log2(self.length / step) - 1e-9)), FINEST)

    @property
    def step(self) -> float:
        return self.length * 0.5**self.rung

    @property
    def time(self) -> float:
        return self.start + self.length * (self.place * 0.5**FINEST)

    @property
    def next_time(self) -> float:
        place = self.place + self._units
        return self.stop if place == 1 << FINEST else self.start + self.length * (place * 0.5**FINEST)

    @property
    def _units(self) -> int:
        return 1 << (FINEST - self.rung)

    @property
    def done(self) -> bool:
        return self.place == 1 << FINEST

    def accepted(self, factor: float) -> None:
        """Go on; take the next larger step where `factor`, the step wanted over this one, allows it."""
        self.place += self._units
        if factor >= 2.0 and self.rung > self.top and self.place % (2 * self._units) == 0:
            self.rung -= 1

    def rejected(self, factor: float) -> bool:
        """Take a smaller step; False where there is none."""
        self.rung += max(1, ceil(-log2(max(factor, 1e-3))))
        if self.rung > FINEST:
            return False
        return True
