"""Between the points of the integration: the polynomial through the nearest of them.

All points are of full accuracy (the methods are stiffly accurate, so algebraic unknowns too), so interpolation
through `degree + 1` of them, on both sides of the time asked for, is as good as the steps themselves; its error is
part of the step control. Polynomials never reach across a corner of a waveform.
"""

from __future__ import annotations

import numpy as np

SHARE = 0.1
"""Error of interpolating as a share of the error of predicting: 0.02 where all is smooth, more where a diode snaps."""
BUFFER = 96


def weights(nodes: np.ndarray, at: np.ndarray, valid: np.ndarray | None = None) -> np.ndarray:
    """Lagrange weights (..., T, m) of nodes (..., m) for times (..., T); nodes that are not `valid` are left out.

    Examples
    --------
    >>> weights(np.array([0.0, 1.0, 2.0]), np.array([3.0]))
    array([[ 1., -3.,  3.]])
    """
    m = nodes.shape[-1]
    diagonal = np.arange(m)
    gaps = nodes[..., :, None] - nodes[..., None, :]
    reach = at[..., :, None] - nodes[..., None, :]
    if valid is not None:
        gaps = np.where(valid[..., None, :] & valid[..., :, None], gaps, 1.0)
        reach = np.where(valid[..., None, :], reach, 1.0)
    gaps[..., diagonal, diagonal] = 1.0
    ratios = reach[..., :, None, :] / gaps[..., None, :, :]
    ratios[..., diagonal, diagonal] = 1.0
    out = ratios.prod(axis=-1)
    return out if valid is None else np.where(valid[..., None, :], out, 0.0)


class Recorder:
    """Keeps the last points of every sample's own steps and writes what was asked for once both its sides are known.

    Parameters
    ----------
    times : ndarray, shape (T,)
        Sample times, rising.
    batch, width : int
    degree : int
    """

    def __init__(self, times: np.ndarray, batch: int, width: int, degree: int):
        self.times, self.degree = times, degree
        self.samples = np.empty((batch, len(times), width))
        self.next = np.zeros(batch, dtype=np.intp)
        self._t = np.empty((batch, BUFFER))
        self._x = np.empty((batch, BUFFER, width))
        self._count = np.zeros(batch, dtype=np.intp)

    def start(self, t: float, x: np.ndarray) -> None:
        """Begin a smooth stretch at its first point, the same for all samples."""
        if len(self.times) and self.times[0] <= t and not self.next[0]:
            self.samples[:, 0] = x
            self.next[:] = 1
        self._t[:, 0], self._x[:, 0], self._count[:] = t, x, 1

    def add(self, rows: np.ndarray, t: np.ndarray, x: np.ndarray) -> None:
        """The next points of the stretch, for some samples."""
        place = self._count[rows]
        self._t[rows, place], self._x[rows, place] = t, x
        self._count[rows] += 1
        full = rows[self._count[rows] == BUFFER]
        for b in full.tolist():
            self._write(b, ahead=(self.degree + 1) // 2)

    def end(self) -> None:
        """The stretch is over: write what is left of it."""
        for b in range(len(self._t)):
            self._write(b, ahead=1)

    def _write(self, b: int, ahead: int) -> None:
        """Samples up to the point that has `ahead` - 1 further points behind it; then keep only the last few points."""
        n = int(self._count[b])
        t, x = self._t[b, :n], self._x[b, :n]
        first, last = self.next[b], int(np.searchsorted(self.times, t[n - ahead], side="right"))
        if last > first:
            at = self.times[first:last]
            count = min(self.degree + 1, n)
            interval = np.clip(np.searchsorted(t, at, side="left") - 1, 0, n - 2)
            start = np.clip(interval - (count - 1) // 2, 0, n - count)
            window = start[:, None] + np.arange(count)
            w = weights(t[window], at[:, None])[:, 0, :]
            self.samples[b, first:last] = np.matmul(w[:, None, :], x[window])[:, 0, :]
            self.next[b] = last
        keep = min(self.degree + 1 + ahead, n)
        self._t[b, :keep], self._x[b, :keep] = t[n - keep :].copy(), x[n - keep :].copy()
        self._count[b] = keep


class History:
    """The last few points of each sample, for predictions.

    Parameters
    ----------
    batch, size : int
    widths : tuple of int
        Of the arrays kept at each point.
    """

    def __init__(self, batch: int, size: int, widths: tuple[int, ...]):
        self.t = np.zeros((batch, size))
        self.values = [np.zeros((batch, size, w)) for w in widths]
        self.count = np.zeros(batch, dtype=np.intp)
        self.size = size
        self._scale = 1.0

    def start(self, t: float, scale: float, *values: np.ndarray) -> None:
        """Begin at one point for all; `scale` keeps products of differences within reach of floats."""
        self.t[:, 0], self.count[:], self._scale = t, 1, scale
        for kept, value in zip(self.values, values):
            kept[:, 0] = value

    def add(self, rows: np.ndarray, t: np.ndarray, *values: np.ndarray) -> None:
        # Polynomials don't care for the order of their nodes: a ring does.
        place = self.count[rows] % self.size
        self.t[rows, place] = t
        for kept, value in zip(self.values, values):
            kept[rows, place] = value
        self.count[rows] += 1

    def weights(self, rows: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Lagrange weights (len(rows), T, size) for times (len(rows), T), and the products of (time - point)."""
        nodes, valid = self.t[rows], np.arange(self.size) < self.count[rows, None]
        reach = np.where(valid[:, None, :], at[:, :, None] - nodes[:, None, :], 1.0)
        return weights(nodes, at, None if valid.all() else valid), np.prod(reach / self._scale, axis=2)
