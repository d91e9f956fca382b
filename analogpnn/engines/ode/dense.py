"""Between the points of the integration: the polynomial through the nearest of them.

All points are of full accuracy (the methods are stiffly accurate, so algebraic unknowns too), so interpolation
through `degree + 1` of them, on both sides of the time asked for, is as good as the steps themselves; its error is
part of the step control. Polynomials never reach across a corner of a waveform.
"""

from __future__ import annotations

import numpy as np

SHARE = 0.01
"""Error of the centred polynomial as a share of the error of the one-sided prediction (degree 5: 0.005 to 0.02)."""


def weights(nodes: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Lagrange weights (len(at), len(nodes)).

    Examples
    --------
    >>> weights(np.array([0.0, 1.0, 2.0]), np.array([3.0]))
    array([[ 1., -3.,  3.]])
    """
    # Scaled so that no product of differences under- or overflows.
    scale = np.ptp(nodes) or 1.0
    nodes, at = (nodes - nodes[-1]) / scale, (np.asarray(at) - nodes[-1]) / scale
    out = np.ones((len(at), len(nodes)))
    for j in range(len(nodes)):
        for m in range(len(nodes)):
            if m != j:
                out[:, j] *= (at - nodes[m]) / (nodes[j] - nodes[m])
    return out


class Recorder:
    """Keeps the last few points and writes samples as soon as both their sides are known.

    Parameters
    ----------
    times : ndarray, shape (T,)
        Sample times, rising.
    shape : tuple
        Of one point, (B, n_unknowns).
    degree : int
    """

    def __init__(self, times: np.ndarray, shape: tuple[int, int], degree: int):
        self.times, self.degree = times, degree
        self.samples = np.empty((shape[0], len(times), shape[1]))
        self.next = 0
        self._times: list[float] = []
        self._points: list[np.ndarray] = []
        self._written = 0  # intervals of this stretch that are done

    def start(self, t: float, x: np.ndarray) -> None:
        """Begin a smooth stretch at its first point."""
        self._times, self._points, self._written = [t], [x], 0
        if self.next < len(self.times) and self.times[self.next] <= t and self.next == 0:
            self.samples[:, 0] = x
            self.next = 1

    def add(self, t: float, x: np.ndarray) -> None:
        """The next point of the stretch."""
        self._times.append(t)
        self._points.append(x)
        ahead = (self.degree + 1) // 2
        while self._written < len(self._times) - ahead:
            self._interval(self._written)
            self._written += 1
        drop = self._written - ahead - 1
        if drop > 8:
            del self._times[:drop], self._points[:drop]
            self._written -= drop

    def end(self) -> None:
        """The stretch is over: write what is left of it."""
        while self._written < len(self._times) - 1:
            self._interval(self._written)
            self._written += 1

    def _interval(self, j: int) -> None:
        """Samples in (t_j, t_j+1]."""
        if self.next >= len(self.times) or self.times[self.next] > self._times[j + 1]:
            return
        stop = int(np.searchsorted(self.times, self._times[j + 1], side="right"))
        count = min(self.degree + 1, len(self._times))
        first = min(max(j - (count - 1) // 2, 0), len(self._times) - count)
        nodes = np.array(self._times[first : first + count])
        w = weights(nodes, self.times[self.next : stop])
        points = np.stack(self._points[first : first + count])
        self.samples[:, self.next : stop] = np.moveaxis(np.tensordot(w, points, 1), 0, 1)
        self.next = stop
