"""Newton's method on the nonlinear ports, u = u0 - Z i(u), with each sample's matrix kept while it contracts.

In a transient the ports hardly move from stage to stage, so a matrix (I + Z D)^-1 found once serves many stages; a
sample whose errors no longer shrink fast gets a new one. Where that does not converge at all the junctions are
limited along their load lines, as at an operating point.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analogpnn.engines.fast.laws import Laws
from analogpnn.engines.fast.ports import Ports

CONTRACTION = 0.2
"""A sample whose errors shrink less than this per iteration gets a new matrix."""
LUCK = 0.05
"""No better contraction is believed: what it was in one stage may not be what it is in the next."""
MAX_CHORDS = 10
MAX_STEPS = 60


@dataclass(frozen=True, eq=False)
class Tolerance:
    """Error of port voltages allowed after the iteration: relative |u| + absolute."""

    relative: float
    absolute: float

    def weight(self, u: np.ndarray) -> np.ndarray:
        return self.absolute + self.relative * np.abs(u)


class Chords:
    """The iteration of one step size.

    Parameters
    ----------
    laws : Laws
    ports : Ports
    z : ndarray, shape (n_in, n_out)
        Z of the linear part.
    """

    def __init__(self, laws: Laws, ports: Ports, z: np.ndarray):
        self.laws, self.ports, self.z = laws, ports, z
        self.z_rows = np.ascontiguousarray(z.T)
        self.identity = np.eye(ports.n_in)
        self.resistance = np.maximum(np.diag(z), 1e-9) if ports.square else None
        self.inverses = np.empty((0, ports.n_in, ports.n_in))
        self.stale = np.zeros(0, dtype=bool)
        self.contraction = np.zeros(0)

    def solve(self, u0: np.ndarray, guess: np.ndarray, tolerance: Tolerance):
        """Port voltages u and currents i (consistent: u = u0 - Z i up to the iteration's error), and which converged."""
        if len(self.inverses) != len(guess):
            batch = len(guess)
            self.inverses = np.empty((batch, *self.identity.shape))
            self.stale = np.ones(batch, dtype=bool)
            self.contraction = np.full(batch, 0.5)
        with np.errstate(all="ignore"):
            u, i, done = self._iterate(u0, guess, tolerance)
            if not done.all():
                bad = np.flatnonzero(~done)
                u[bad], i[bad], done[bad] = self._limited(u0[bad], guess[bad], tolerance)
                self.stale[bad] = True
        return u, i, done

    def _iterate(self, u0, guess, tolerance):
        laws, weight = self.laws, tolerance.weight(guess)
        u, size = guess, None
        for _ in range(MAX_CHORDS):
            tangent = laws.tangent(laws.element_controls(u))
            i = tangent.offset + laws.times(tangent, u)
            residual = u - u0 + i @ self.z_rows
            if self.stale.any():
                self._renew(tangent)
            delta = -(self.inverses @ residual[:, :, None])[:, :, 0]
            u = u + delta
            past, size = size, np.max(np.abs(delta) / weight, axis=1)
            finite = np.isfinite(size)
            if past is not None:
                self.contraction = np.where(finite, np.maximum(size / np.maximum(past, 1e-300), LUCK), 1.0)
                self.stale = (self.contraction > CONTRACTION) & (size > 1e-3)
            done = finite & (size * np.minimum(self.contraction, 1.0) < 1.0)
            if done.all() or not finite.all():
                break
        return u, i + laws.times(tangent, delta), done

    def _matrix(self, tangent, rows):
        if self.ports.square:
            m = self.z * self.laws.diagonal(tangent)[rows, None, :]
        else:
            m = self.z @ self.laws.matrix(tangent)[rows]
        return m + self.identity

    def _renew(self, tangent):
        rows = np.flatnonzero(self.stale)
        m = self._matrix(tangent, rows)
        m[~np.isfinite(m).all(axis=(1, 2))] = self.identity
        try:
            self.inverses[rows] = np.linalg.inv(m)
        except np.linalg.LinAlgError:
            self.inverses[rows] = self.identity
        self.stale[rows] = False

    def _limited(self, u0, guess, tolerance):
        """Full Newton steps with limited controls."""
        laws, everything = self.laws, np.arange(len(guess))
        at = laws.element_controls(np.where(np.isfinite(guess), guess, 0.0))
        u, i = guess, np.zeros((len(guess), self.ports.n_out))
        done = np.zeros(len(guess), dtype=bool)
        for _ in range(MAX_STEPS):
            tangent = laws.tangent(at)
            try:
                u = np.linalg.solve(
                    self._matrix(tangent, everything), (u0 - tangent.offset @ self.z_rows)[:, :, None]
                )[:, :, 0]
            except np.linalg.LinAlgError:
                return u, i, np.zeros(len(guess), dtype=bool)
            i = tangent.offset + laws.times(tangent, u)
            new = laws.element_controls(u)
            # The next error is about the square of this change over 2 nVt, some 20/V.
            near = np.sqrt(tolerance.absolute / 20.0)
            gaps = [np.abs(f - p).max(axis=1, initial=0.0) for fs, ps in zip(new, at) for f, p in zip(fs, ps)]
            gap = np.max(gaps, axis=0)
            done = gap <= max(near, 1e-9)
            if done.all() or not np.isfinite(gap).all():
                break
            at = laws.limit(new, at, self.resistance)
        return u, i, done & np.isfinite(u).all(axis=1)

    def respond(self, tangent, e: np.ndarray) -> np.ndarray:
        """D (I + Z D)^-1 e: the currents that answer a change e of the ports' open-circuit voltages."""
        if len(self.inverses) == len(e):
            e = (self.inverses @ e[:, :, None])[:, :, 0]
        return self.laws.times(tangent, e)
