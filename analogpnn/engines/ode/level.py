"""One step size: the matrix A + rate C, eliminated once and shared by all samples, stages and steps of that size.

The nonlinear ports are solved by Newton's method with each sample's matrix kept from stage to stage while it
contracts; where that fails the DC engine's limited Newton takes over.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analogpnn.engines.fast.batched import Batched
from analogpnn.engines.fast.full import Full
from analogpnn.engines.fast.iteration import iterate
from analogpnn.engines.fast.laws import Laws, _apply
from analogpnn.engines.fast.reduced import Reduced

PORT_LIMIT = 120
"""Nonlinear ports up to which dense systems on them are kept, one for each sample."""
DENSE_LIMIT = 24
CONTRACTION = 0.2
"""A sample whose errors shrink less than this per iteration gets a new matrix."""
MAX_CHORDS = 10
MAX_STEPS = 60


@dataclass(frozen=True, eq=False)
class Tolerance:
    """rtol |v| + atol, times the share of it that iterations may use."""

    relative: float
    absolute: float

    def weight(self, u: np.ndarray) -> np.ndarray:
        return self.absolute + self.relative * np.abs(u)


class Level:
    """Solves stages of one step size.

    Parameters
    ----------
    dynamics : Dynamics
    rate : float
        1/(gamma h) [1/s]
    """

    def __init__(self, dynamics, rate: float):
        self.dynamics, self.rate = dynamics, rate
        sk = dynamics.skeleton
        self.ports, self.free, self.known_nodes = sk.ports, dynamics.free, sk.own.known_nodes
        parameters = sk.parameters(dynamics.parameters, rate)
        linear = sk.linear(dynamics.parameters, rate)
        self.laws = Laws(sk.whole, sk.ports, parameters)
        self.charge_free = (dynamics.capacitance[self.free] * rate).tocsr()
        feed = dynamics.feed[self.free] - linear.to_known @ dynamics.known
        self.feed = np.asarray(feed.todense())
        self.known_controls = np.asarray((self.ports.read_known @ dynamics.known).todense())
        self.reduced = self.whole = None
        if self.ports.n_out <= PORT_LIMIT:
            try:
                self.reduced = Reduced(linear, self.ports)
            except np.linalg.LinAlgError:
                self.reduced = None
        if self.reduced is None:
            large = len(self.free) > DENSE_LIMIT
            self.whole = (Batched if large else Full)(sk.whole, linear, self.ports)
        else:
            self._eliminate()

    def _eliminate(self):
        inverse = self.reduced.factor.inverse
        self.spread = self.reduced.spread.T.copy()
        self.z = self.reduced.z.T.copy()
        self.carry = None
        if inverse is not None:
            self.carry = np.ascontiguousarray((self.charge_free.T @ inverse.T))
        self.fed = self.reduced.factor.solve(np.ascontiguousarray(self.feed.T))
        small = self.ports.n_in * len(self.free) <= 40_000
        self.read = np.asarray(self.ports.read_free.todense()).T.copy() if small else None
        self.static, self.static_of = None, None
        self.inverses: np.ndarray | None = None

    # -- one stage -----------------------------------------------------------------------------------------

    def solve(self, t: float, star: np.ndarray | None, guess: np.ndarray, tolerance: Tolerance, charges=None, rows=None):
        """The state with d q/dt = rate (q - q*) at time t.

        Parameters
        ----------
        star : ndarray (B, n + 1), or None
            x* with C x* = q* of the linear charges; None where `rows` gives those charges.
        guess : ndarray (B, n_in)
            Port voltages to begin at.
        charges : list of ndarray (B, n), optional
            q* of the nonlinear charges.
        rows : ndarray (B, n + 1), optional
            q* of the linear charges, by row.

        Returns
        -------
        x (B, n + 1), u (B, n_in), currents (B, n_out) into the ports, ok (B,)
        """
        dynamics = self.dynamics
        s = dynamics.sources.at(t)
        dynamics.set_time(self.laws, t)
        batch = len(guess)
        pushed = None
        if charges:
            pushed = np.zeros((batch, self.ports.n_out))
            for place, q in zip(dynamics.skeleton.charged, charges):
                pushed += _apply(self.rate * q, self.laws.sum_out[place])
        known_controls = s @ self.known_controls.T
        if self.reduced is not None:
            x_free, u, i, ok = self._reduced(t, s, star, rows, pushed, known_controls, guess, tolerance)
        else:
            x_free, u, i, ok = self._whole(t, s, star, rows, pushed, known_controls, guess, tolerance)
        if pushed is not None:
            i = i - pushed
        x = np.zeros((batch, dynamics.n + 1))
        x[:, self.free] = x_free
        if len(self.known_nodes):
            x[:, self.known_nodes] = (dynamics.known @ s.T).T
        return x, u, i, ok

    def _right(self, t, s, star, rows):
        b = self.dynamics.static(t)[:, self.free] + s @ self.feed.T
        if star is not None:
            b = b + (self.charge_free @ star.T).T
        if rows is not None:
            b = b + self.rate * rows[:, self.free]
        return b

    def _linear(self, t, s, star, rows, pushed, batch):
        """x without the nonlinear currents."""
        static = self.dynamics.static(t)
        if self.static_of is not static:
            self.static, self.static_of = self.reduced.factor.solve(static[:, self.free]), static
        if self.carry is not None and rows is None:
            x0 = star @ self.carry
            x0 += self.static + s @ self.fed
        else:
            x0 = self.reduced.factor.solve(np.broadcast_to(self._right(t, s, star, rows), (batch, len(self.free))))
        return x0 if pushed is None else x0 + pushed @ self.spread

    def _reduced(self, t, s, star, rows, pushed, known_controls, guess, tolerance):
        batch = len(guess)
        x0 = self._linear(t, s, star, rows, pushed, batch)
        if not self.ports.n_out:
            return x0, guess, np.zeros((batch, 0)), np.ones(batch, dtype=bool)
        u0 = (x0 @ self.read if self.read is not None else (self.ports.read_free @ x0.T).T) + known_controls
        u, i, ok = self._chords(u0, guess, tolerance)
        if not ok.all():
            bad = np.flatnonzero(~ok)
            _, done, found, _ = iterate(
                self.reduced, self.laws, (x0[bad], u0[bad]), guess[bad], MAX_STEPS, tolerance=_loose(tolerance)
            )
            u[bad], ok[bad] = found, done
            tangent = self.laws.tangent(self.laws.element_controls(found))
            i[bad] = tangent.offset + self.laws.times(tangent, found)
        return x0 - i @ self.spread, u, i, ok

    def _chords(self, u0, guess, tolerance):
        """Newton's method with kept matrices on u = u0 - Z i(u)."""
        laws, batch, k = self.laws, len(guess), self.ports.n_in
        if self.inverses is None or len(self.inverses) != batch:
            self.inverses = np.empty((batch, k, k))
            self.stale = np.ones(batch, dtype=bool)
            self.contraction = np.full(batch, 0.5)
        weight = tolerance.weight(guess)
        u, size = guess, None
        done = np.zeros(batch, dtype=bool)
        with np.errstate(all="ignore"):
            for _ in range(MAX_CHORDS):
                tangent = laws.tangent(laws.element_controls(u))
                i = tangent.offset + laws.times(tangent, u)
                residual = u - u0 + i @ self.z
                if self.stale.any():
                    self._renew(tangent)
                delta = -(self.inverses @ residual[:, :, None])[:, :, 0]
                u = u + delta
                past, size = size, np.max(np.abs(delta) / weight, axis=1)
                finite = np.isfinite(size)
                if past is not None:
                    self.contraction = np.where(finite, size / np.maximum(past, 1e-300), 1.0)
                    self.stale = (self.contraction > CONTRACTION) & (size > 1e-3)
                left = size * np.minimum(self.contraction, 1.0)
                done = finite & (left < 1.0)
                if done.all() or not finite.all():
                    break
            i = i + laws.times(tangent, delta)
        return u, i, done & finite

    def _renew(self, tangent):
        rows = np.flatnonzero(self.stale)
        if self.ports.square:
            m = self.reduced.z * self.laws.diagonal(tangent)[rows, None, :]
        else:
            m = self.reduced.z @ self.laws.matrix(tangent)[rows]
        m += self.reduced.identity
        bad = ~np.isfinite(m).all(axis=(1, 2))
        m[bad] = self.reduced.identity
        try:
            self.inverses[rows] = np.linalg.inv(m)
        except np.linalg.LinAlgError:
            self.inverses[rows] = self.reduced.identity
        self.stale[rows] = False

    def _whole(self, t, s, star, rows, pushed, known_controls, guess, tolerance):
        batch = len(guess)
        b = np.array(np.broadcast_to(self._right(t, s, star, rows), (batch, len(self.free))))
        if pushed is not None:
            b += (self.ports.inject_free @ pushed.T).T
        known = np.broadcast_to(known_controls, (batch, self.ports.n_in))
        state = self.whole.begin(b, known)
        x, ok, u, _ = iterate(self.whole, self.laws, state, guess, MAX_STEPS, tolerance=_loose(tolerance))
        tangent = self.laws.tangent(self.laws.element_controls(u))
        return x, u, tangent.offset + self.laws.times(tangent, u), ok

    # -- errors --------------------------------------------------------------------------------------------

    def filtered(self, error: np.ndarray, u: np.ndarray) -> np.ndarray:
        """(A + rate C + S D C)^-1 rate C error: what of an error estimate is not damped at once.

        Without it stiff nodes would cut the step for errors that the method itself does not make.
        """
        out = np.zeros_like(error)
        if self.reduced is None:
            return error
        if self.carry is not None:
            free = error @ self.carry
        else:
            free = self.reduced.factor.solve((self.charge_free @ error.T).T)
        if self.ports.n_out and self.inverses is not None:
            e = free @ self.read if self.read is not None else (self.ports.read_free @ free.T).T
            e = (self.inverses @ e[:, :, None])[:, :, 0]
            tangent = self.laws.tangent(self.laws.element_controls(u))
            free = free - self.laws.times(tangent, e) @ self.spread
        out[:, self.free] = free
        return out


def _loose(tolerance: Tolerance) -> float:
    """Agreement of controls whose square over 2 nVt is below the tolerance."""
    return float(np.sqrt(0.05 * tolerance.absolute + 1e-6 * tolerance.relative).clip(1e-9, 1e-4))
