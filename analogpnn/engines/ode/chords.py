"""Newton's method on the nonlinear ports, u = u0 - Z i(u), with each sample's matrix kept while it contracts.

In a transient the ports hardly move from stage to stage, so a matrix (I + Z D)^-1 found once serves many stages; a
sample whose errors no longer shrink fast gets a new one. Where that does not converge at all the junctions are
limited along their load lines, as at an operating point. Samples of different step sizes have different Z.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from analogpnn.engines.fast.laws import Laws, summed
from analogpnn.engines.ode.scalars import evaluate

if TYPE_CHECKING:
    from analogpnn.engines.ode.level import Team

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
    """The kept matrices of all samples.

    Parameters
    ----------
    laws : Laws
        Of the companion circuit; rates and times are set by the caller.
    batch : int
    """

    def __init__(self, laws: Laws, batch: int):
        self.laws, self.ports = laws, laws.ports
        n = self.ports.n_in
        self.identity = np.eye(n)
        self.z_shape = (n, self.ports.n_out)
        # A matrix that only has to contract needs no double precision.
        self.inverses = np.zeros((batch, n, n), dtype=np.float32)
        self.stale = np.ones(batch, dtype=bool)
        self.contraction = np.full(batch, 0.5)

    def currents(self, u: np.ndarray):
        """Port currents (B, n_out), and the slopes of every element."""
        laws, total, slopes = self.laws, None, []
        for g, (controls, values, out) in enumerate(zip(laws.element_controls(u), laws.parameters, laws.sum_out)):
            value, *d = evaluate(laws.groups[g].device, controls, values)
            part = summed(value, out)
            total = part if total is None else total + part
            slopes.append(d)
        return total, slopes

    def solve(self, teams: list[Team], rows: np.ndarray, u0: np.ndarray, guess: np.ndarray, tolerance: Tolerance):
        """Port voltages u and currents i (consistent: u = u0 - Z i up to the iteration's error), and which converged.

        Parameters
        ----------
        teams : list of Team
            Which of the samples have which step size.
        rows : ndarray
            The samples' places in the whole batch; the arrays have one row for each of them.
        """
        with np.errstate(all="ignore"):
            u, i, done = self._iterate(teams, rows, u0, guess, tolerance)
            if not done.all():
                for team in teams:
                    bad = team.members[~done[team.members]]
                    if len(bad):
                        u[bad], i[bad], done[bad] = self._limited(team, bad, u0[bad], guess[bad], tolerance)
                        self.stale[rows[bad]] = True
        return u, i, done

    def _iterate(self, teams, rows, u0, guess, tolerance):
        weight = tolerance.weight(guess)
        u, size, contraction = guess, None, self.contraction[rows]
        for _ in range(MAX_CHORDS):
            i, slopes = self.currents(u)
            residual = u - u0
            for team in teams:
                residual[team.part] += i[team.part] @ team.level.z_rows
            if self.stale[rows].any():
                self._renew(teams, rows, slopes)
            delta = self.respond(rows, residual)
            u = u - delta
            past, size = size, (np.maximum(np.abs(delta), np.abs(residual)) / weight).max(axis=1)
            finite = np.isfinite(size)
            if past is not None:
                contraction = np.where(finite, np.maximum(size / np.maximum(past, 1e-300), LUCK), 1.0)
                self.stale[rows] = (contraction > CONTRACTION) & (size > 1e-3)
            done = finite & (size * np.minimum(contraction, 1.0) < 1.0)
            if done.all() or not finite.all():
                break
        self.contraction[rows] = contraction
        return u, i - self.times(slopes, delta), done

    def respond(self, rows, e: np.ndarray) -> np.ndarray:
        """(I + Z D)^-1 e."""
        # Residuals may be smaller than single precision reaches: scale them.
        largest = np.abs(e).max(axis=1, keepdims=True)
        scaled = (e / np.where(largest > 0, largest, 1.0)).astype(np.float32)
        if len(rows) < len(self.inverses):
            return np.matmul(self.inverses[rows], scaled[:, :, None])[:, :, 0] * largest
        # All of them: their vectors are put in order, which is less than their matrices.
        ordered = np.empty_like(scaled)
        ordered[rows] = scaled
        return np.matmul(self.inverses, ordered[:, :, None])[:, :, 0][rows] * largest

    def times(self, slopes, u: np.ndarray) -> np.ndarray:
        """D u, without forming D."""
        total = np.zeros((len(u), self.laws.ports.n_out))
        for d, controls, out in zip(slopes, self.laws.element_controls(u), self.laws.sum_out):
            total += summed(sum(s * c for s, c in zip(d, controls)), out)
        return total

    def _matrix(self, z, slopes):
        laws, p = self.laws, self.ports
        if p.square:
            diagonal = sum(summed(d[0], total[0]) for d, total in zip(slopes, laws.sum_slopes))
            return z * diagonal[:, None, :] + self.identity
        flat = sum(summed(d, t) for ds, ts in zip(slopes, laws.sum_slopes) for d, t in zip(ds, ts))
        return z @ np.asarray(flat).reshape(-1, p.n_out, p.n_in) + self.identity

    def _renew(self, teams, rows, slopes):
        old = np.flatnonzero(self.stale[rows])
        z = np.empty((len(old), *self.z_shape))
        which = np.empty(len(rows), dtype=np.intp)
        for n, team in enumerate(teams):
            which[team.part] = n
        mine = which[old]
        for n in set(mine.tolist()):
            z[mine == n] = teams[n].level.z
        chosen = [
            [d[old] if len(d) == len(rows) else np.broadcast_to(d, (len(old), d.shape[-1])) for d in ds]
            for ds in slopes
        ]
        m = self._matrix(z, chosen)
        m[~np.isfinite(m).all(axis=(1, 2))] = self.identity
        try:
            self.inverses[rows[old]] = np.linalg.inv(m.astype(np.float32))
        except np.linalg.LinAlgError:
            self.inverses[rows[old]] = self.identity
        self.stale[rows] = False

    def _limited(self, team, members, u0, guess, tolerance):
        """Full Newton steps with limited controls, for some samples of one step size."""
        laws, level = self.laws, team.level
        count = len(members)
        with team.alone(members):
            at = laws.element_controls(np.where(np.isfinite(guess), guess, 0.0))
            u, i, done = guess, np.zeros((count, self.ports.n_out)), np.zeros(count, dtype=bool)
            # The next error is about the square of a change over 2 nVt, some 20/V.
            near = max(np.sqrt(tolerance.absolute / 20.0), 1e-9)
            for _ in range(MAX_STEPS):
                tangent = laws.tangent(at)
                right = (u0 - tangent.offset @ level.z_rows)[:, :, None]
                try:
                    u = np.linalg.solve(self._matrix(level.z, tangent.slopes), right)[:, :, 0]
                except np.linalg.LinAlgError:
                    return u, i, np.zeros(count, dtype=bool)
                i = tangent.offset + laws.times(tangent, u)
                new = laws.element_controls(u)
                gaps = [np.abs(f - p).max(axis=1, initial=0.0) for fs, ps in zip(new, at) for f, p in zip(fs, ps)]
                gap = np.max(gaps, axis=0)
                done = gap <= near
                if done.all() or not np.isfinite(gap).all():
                    break
                at = laws.limit(new, at, level.resistance)
        return u, i, done & np.isfinite(u).all(axis=1)
