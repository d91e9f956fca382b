"""One step size: the matrix A + rate C, eliminated once and shared by all samples, stages and steps of that size."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from analogpnn.engines.fast.batched import Batched
from analogpnn.engines.fast.factor import Factor
from analogpnn.engines.fast.full import Full
from analogpnn.engines.fast.iteration import iterate
from analogpnn.engines.fast.laws import Laws, _apply
from analogpnn.engines.ode.chords import MAX_STEPS, Chords, Tolerance
from analogpnn.errors import NetlistError

if TYPE_CHECKING:
    from analogpnn.engines.ode.dynamics import Dynamics

PORT_LIMIT = 120
"""Nonlinear ports up to which dense systems on them are kept, one for each sample."""
DENSE_LIMIT = 24
"""Unknowns up to which dense matrices of them all are the faster ones, where the ports alone won't do."""


class Level:
    """Solves stages of one step size.

    Parameters
    ----------
    dynamics : Dynamics
    rate : float
        1/(gamma h) [1/s]
    """

    def __init__(self, dynamics: Dynamics, rate: float):
        self.dynamics, self.rate = dynamics, rate
        sk = dynamics.skeleton
        self.ports, self.free, self.known_nodes = sk.ports, dynamics.free, sk.own.known_nodes
        self.laws = Laws(sk.whole, sk.ports, sk.parameters(dynamics.parameters, rate))
        linear = sk.linear(dynamics.parameters, rate)
        self.charge_free = (dynamics.capacitance[self.free] * rate).tocsr()
        self.feed = np.asarray((dynamics.feed[self.free] - linear.to_known @ dynamics.known).todense())
        self.known_controls = np.asarray((self.ports.read_known @ dynamics.known).todense())
        self.factor = self._factor(linear)
        if self.factor is None:
            self.whole = (Batched if len(self.free) > DENSE_LIMIT else Full)(sk.whole, linear, self.ports)
            return
        spread = self.factor.columns(self.ports.inject_free)
        self.spread = np.ascontiguousarray(spread.T)
        self.chords = Chords(self.laws, self.ports, np.asarray(self.ports.read_free @ spread))
        self.static, self.static_of = None, None

    def _factor(self, linear) -> Factor | None:
        if self.ports.n_out > PORT_LIMIT:
            return None
        try:
            return Factor(linear)
        except np.linalg.LinAlgError:
            if self.ports.n_out:
                return None
        raise NetlistError(
            "the circuit's equations are singular", path=self.dynamics.circuit.path,
            cure="look for a loop of ideal sources, or a node that nothing but capacitors reach",
        )  # fmt: skip

    @cached_property
    def carry(self) -> np.ndarray | None:
        """(n + 1, n_free): x* to the x without sources and nonlinear currents; None where it would be too large."""
        inverse = self.factor.inverse
        return None if inverse is None else np.ascontiguousarray(self.charge_free.T @ inverse.T)

    @cached_property
    def fed(self) -> np.ndarray:
        """(n_sources, n_free)"""
        return self.factor.solve(np.ascontiguousarray(self.feed.T))

    @cached_property
    def read(self) -> np.ndarray | None:
        """(n_free, n_in): free unknowns to ports, dense where that is the faster one."""
        small = self.ports.n_in * len(self.free) <= 40_000
        return np.asarray(self.ports.read_free.todense()).T.copy() if small else None

    # -- one stage -----------------------------------------------------------------------------------------

    def solve(self, t: float, star: np.ndarray, guess: np.ndarray, tolerance: Tolerance, charges=(), rows=None):
        """The state with d q/dt = rate (q - q*) at time t.

        Parameters
        ----------
        star : ndarray (B, n + 1)
            x* with C x* = q* of the linear charges.
        guess : ndarray (B, n_in)
            Port voltages to begin at.
        charges : list of ndarray (B, n)
            q* of the nonlinear charges.
        rows : ndarray (B, n + 1), optional
            q* of the linear charges by row, instead of `star`.

        Returns
        -------
        x (B, n + 1), u (B, n_in), currents (B, n_out) into the ports, ok (B,)
        """
        dynamics = self.dynamics
        s = dynamics.sources.at(t)
        dynamics.set_time(self.laws, t)
        pushed = None
        if charges:
            pushed = np.zeros((len(guess), self.ports.n_out))
            for place, q in zip(dynamics.skeleton.charged, charges):
                pushed += _apply(self.rate * q, self.laws.sum_out[place])
        known = s @ self.known_controls.T
        solve = self._whole if self.factor is None else self._ports
        x_free, u, i, ok = solve(t, s, star, rows, pushed, known, guess, tolerance)
        x = np.zeros((len(guess), dynamics.n + 1))
        x[:, self.free] = x_free
        if len(self.known_nodes):
            x[:, self.known_nodes] = (dynamics.known @ s.T).T
        return x, u, i if pushed is None else i - pushed, ok

    def _right(self, t, s, star, rows):
        b = self.dynamics.static(t)[:, self.free] + s @ self.feed.T
        if rows is not None:
            return b + self.rate * rows[:, self.free]
        return b + (self.charge_free @ star.T).T

    def _linear(self, t, s, star, rows, pushed):
        """x without the nonlinear currents."""
        static = self.dynamics.static(t)
        if self.static_of is not static:
            self.static, self.static_of = self.factor.solve(static[:, self.free]), static
        if self.carry is not None and rows is None:
            x0 = star @ self.carry
            x0 += self.static + s @ self.fed
        else:
            x0 = self.factor.solve(self._right(t, s, star, rows))
        return x0 if pushed is None else x0 + pushed @ self.spread

    def _to_ports(self, free):
        return free @ self.read if self.read is not None else (self.ports.read_free @ free.T).T

    def _ports(self, t, s, star, rows, pushed, known, guess, tolerance):
        x0 = self._linear(t, s, star, rows, pushed)
        if not self.ports.n_out:
            return x0, guess, np.zeros((len(guess), 0)), np.ones(len(guess), dtype=bool)
        u, i, ok = self.chords.solve(self._to_ports(x0) + known, guess, tolerance)
        return x0 - i @ self.spread, u, i, ok

    def _whole(self, t, s, star, rows, pushed, known, guess, tolerance):
        batch = len(guess)
        b = np.array(np.broadcast_to(self._right(t, s, star, rows), (batch, len(self.free))))
        if pushed is not None:
            b += (self.ports.inject_free @ pushed.T).T
        state = self.whole.begin(b, np.broadcast_to(known, (batch, self.ports.n_in)))
        # Agreement whose square over 2 nVt is below the tolerance.
        near = float(np.clip(np.sqrt(tolerance.absolute / 20.0), 1e-9, 1e-5))
        x, ok, u, _ = iterate(self.whole, self.laws, state, guess, MAX_STEPS, tolerance=near)
        tangent = self.laws.tangent(self.laws.element_controls(u))
        return x, u, tangent.offset + self.laws.times(tangent, u), ok

    # -- errors --------------------------------------------------------------------------------------------

    def filtered(self, error: np.ndarray, u: np.ndarray) -> np.ndarray:
        """(A + rate C + S D C)^-1 rate C error: what of an error estimate is not damped at once.

        Without it stiff nodes would cut the step for errors that the method itself does not make.
        """
        if self.factor is None:
            return error
        free = error @ self.carry if self.carry is not None else self.factor.solve((self.charge_free @ error.T).T)
        if self.ports.n_out:
            tangent = self.laws.tangent(self.laws.element_controls(u))
            if self.dynamics.skeleton.charged:
                free = free + self._charged(tangent, error) @ self.spread
            free = free - self.chords.respond(tangent, self._to_ports(free)) @ self.spread
        out = np.zeros_like(error)
        out[:, self.free] = free
        return out

    def _charged(self, tangent, error):
        """rate dq of the nonlinear charges for a change of the unknowns, at the ports."""
        out = np.zeros((len(error), self.ports.n_out))
        controls = self.laws.element_controls(self.dynamics.ports_of(error))
        for k in self.dynamics.skeleton.charged:
            change = sum(d * c for d, c in zip(tangent.slopes[k], controls[k]))
            out += _apply(change, self.laws.sum_out[k])
        return out
