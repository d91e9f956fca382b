"""One implicit stage for samples that have each their own time and step size."""

from __future__ import annotations

import numpy as np

from analogpnn.engines.fast.batched import Batched
from analogpnn.engines.fast.laws import Tangent, summed
from analogpnn.engines.ode.chords import MAX_STEPS, Chords, Tolerance
from analogpnn.engines.ode.dynamics import Dynamics
from analogpnn.engines.ode.level import Team
from analogpnn.engines.ode.together import together


class Stage:
    """Solves d q/dt + f(x, t) = 0 with d q/dt = rate (q - q*).

    Parameters
    ----------
    dynamics : Dynamics
    batch : int
    """

    def __init__(self, dynamics: Dynamics, batch: int):
        self.dynamics, self.ports, self.free = dynamics, dynamics.skeleton.ports, dynamics.free
        self.known_nodes = dynamics.skeleton.own.known_nodes
        self.chords = Chords(dynamics.laws, batch)
        self.known_controls = np.asarray((self.ports.read_known @ dynamics.known).todense()).T
        self.known = np.asarray(dynamics.known.todense()).T
        small = self.ports.n_in * len(self.free) <= 40_000
        self.read = np.asarray(self.ports.read_free.todense()).T.copy() if small else None
        self.charged = dynamics.skeleton.charged
        self.storing = (*self.charged, *(k for k, _ in dynamics.skeleton.displaced))

    def to_ports(self, free: np.ndarray) -> np.ndarray:
        """What ports see of the free unknowns."""
        return free @ self.read if self.read is not None else (self.ports.read_free @ free.T).T

    def solve(self, rates, teams: list[Team], rows, times, star, guess, tolerance: Tolerance, charges=(), given=None):
        """The state at `times`.

        Parameters
        ----------
        rates : ndarray (B,)
            1/(gamma h) of each sample.
        rows : ndarray (B,)
            Places of the samples in the whole batch.
        star : ndarray (B, n + 1)
            x* with C x* = q* of the linear charges.
        guess : ndarray (B, n_in)
            Port voltages to begin at.
        charges : list of ndarray (B, n)
            q* of the nonlinear charges.
        given : ndarray (B, n + 1), optional
            q* of the linear charges by row, instead of `star`.

        Returns
        -------
        x (B, n + 1), u (B, n_in), currents (B, n_out) into the ports, ok (B,)
        """
        d = self.dynamics
        s = d.sources.at(times, rows)
        d.set_rate(d.laws, rates[:, None])
        d.set_time(d.laws, times)
        d.set_past(d.laws, star)
        static = d.static(times, rows)[:, self.free]
        pushed = None
        if charges:
            pushed = np.zeros((len(rows), self.ports.n_out))
            for place, q in zip(self.charged, charges):
                pushed += summed(rates[:, None] * q, d.laws.sum_out[place])
        known = s @ self.known_controls
        solve = self._whole if teams[0].level.whole is not None else self._ports
        free, u, i, ok = solve(teams, rows, static, s, star, given, pushed, known, guess, tolerance)
        x = np.zeros((len(rows), d.n + 1))
        x[:, self.free] = free
        if len(self.known_nodes):
            x[:, self.known_nodes] = s @ self.known
        return x, u, i if pushed is None else i - pushed, ok

    def _ports(self, teams, rows, static, s, star, given, pushed, known, guess, tolerance):
        x = np.empty((len(rows), len(self.free)))
        for team in teams:
            m, level = team.part, team.level
            q = None if given is None else given[m][:, self.free]
            mine = x[m]
            level.linear(static[m] if len(static) > 1 else static, s[m], star[m], mine, q)
            if pushed is not None:
                mine += pushed[m] @ level.spread
            if not isinstance(m, slice):
                x[m] = mine
        if not self.ports.n_out:
            return x, guess, np.zeros((len(rows), 0)), np.ones(len(rows), dtype=bool)
        u, i, ok = self.chords.solve(teams, rows, self.to_ports(x) + known, guess, tolerance)
        for team in teams:
            x[team.part] -= i[team.part] @ team.level.spread
        return x, u, i, ok

    def _whole(self, teams, rows, static, s, star, given, pushed, known, guess, tolerance):
        laws = self.dynamics.laws
        x, u = np.empty((len(rows), len(self.free))), np.array(guess)
        i, ok = np.zeros((len(rows), self.ports.n_out)), np.zeros(len(rows), dtype=bool)
        # Agreement whose square over 2 nVt is below the tolerance.
        near = float(np.clip(np.sqrt(tolerance.absolute / 20.0), 1e-9, 1e-5))
        for team in teams:
            m = team.members
            q = None if given is None else given[m][:, self.free]
            b = team.level.right(static[m] if len(static) > 1 else static, s[m], star[m], q)
            if pushed is not None:
                b = b + (self.ports.inject_free @ pushed[m].T).T
            with team.alone(m), np.errstate(all="ignore"):
                system = team.level.whole
                state = system.begin(b, known[m])
                if isinstance(system, Batched) and all(np.ndim(v) == 1 for vs in laws.parameters for v in vs):
                    from analogpnn.engines.fast.fused import settle  # numba loads only where it is used

                    x[m], ok[m] = settle(system, laws, state, guess[m], MAX_STEPS, near)
                    u[m] = (self.ports.read_free @ x[m].T).T + known[m]
                else:
                    x[m], ok[m], u[m] = together(system, laws, state, guess[m], MAX_STEPS, near)
                tangent = laws.tangent(laws.element_controls(u[m]))
                i[m] = tangent.offset + laws.times(tangent, u[m])
        return x, u, i, ok

    def filtered(self, teams: list[Team], rows, error: np.ndarray, u: np.ndarray) -> np.ndarray:
        """(A + rate C + S D C)^-1 rate C error: what of an error estimate is not damped at once.

        Without it stiff nodes would cut the step for errors that the method itself does not make.
        """
        free = np.empty((len(rows), len(self.free)))
        whole = teams[0].level.whole is not None
        for team in teams:
            m = team.members
            free[m] = self._filtered_whole(team, error[m], u[m]) if whole else team.level.damped(error[m])
        if self.ports.n_out and not whole:
            with np.errstate(all="ignore"):
                _, slopes = self.chords.currents(u)
                if self.storing:
                    extra = self._charged(slopes, error)
                    for team in teams:
                        free[team.members] += extra[team.members] @ team.level.spread
                answer = self.chords.times(slopes, self.chords.respond(rows, self.to_ports(free)))
            for team in teams:
                free[team.members] -= answer[team.members] @ team.level.spread
        out = np.zeros_like(error)
        out[:, self.free] = free
        return out

    def _filtered_whole(self, team: Team, error, u):
        """The same on all unknowns at once."""
        laws, system = self.dynamics.laws, team.level.whole
        assert system is not None
        with team.alone(team.members), np.errstate(all="ignore"):
            slopes = laws.tangent(laws.element_controls(u)).slopes
            right = (team.level.charge_free @ error.T).T
            if self.storing:
                right = right + (self.ports.inject_free @ self._charged(slopes, error).T).T
            state = system.begin(right, np.zeros_like(u))
            nothing = np.zeros((len(u), self.ports.n_out))
            system.step(state, laws, Tangent(nothing, slopes), np.arange(len(u)))
        return system.finish(state, nothing, None)

    def _charged(self, slopes, error):
        """rate dq of the nonlinear charges and capacitances for a change of the unknowns, at the ports."""
        laws = self.dynamics.laws
        out = np.zeros((len(error), self.ports.n_out))
        controls = laws.element_controls(self.dynamics.ports_of(error))
        for k in self.storing:
            out += summed(sum(d * c for d, c in zip(slopes[k], controls[k])), laws.sum_out[k])
        return out
