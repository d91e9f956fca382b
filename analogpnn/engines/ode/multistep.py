"""Backward differentiation of order 1 to 5, for circuits whose poles are all real: one stage a step.

Numerical differentiation formulas in backward differences, as in Shampine and Reichelt, SIAM J. Sci. Comput. 18, 1
(1997), every sample with an order and a step of its own. From order 3 on these are not A-stable, but stiffly stable
along the negative real axis, where RC networks with two-terminal nonlinear elements have all their poles: their
Jacobian and their capacitance matrix are symmetric. There a step costs a sixth of a Runge-Kutta step.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from analogpnn.engines.ode.dense import SHARE, Recorder
from analogpnn.engines.ode.dynamics import KEPT_LEVELS
from analogpnn.engines.ode.integrate import Integrator, State
from analogpnn.engines.ode.ladder import Ladder
from analogpnn.engines.ode.level import Level, Team

MAX_ORDER = 5
SAFETY = 0.97
KAPPA = np.array([0.0, -0.1850, -1 / 9, -0.0823, -0.0415, 0.0])
GAMMA = np.hstack([0.0, np.cumsum(1.0 / np.arange(1, MAX_ORDER + 1))])
ALPHA = (1.0 - KAPPA) * GAMMA
ERROR = KAPPA * GAMMA + 1.0 / np.arange(1, MAX_ORDER + 2)
ROWS = MAX_ORDER + 3
_UP_TO = np.arange(ROWS) <= np.arange(MAX_ORDER + 1)[:, None]
PREDICTIONS = np.stack([_UP_TO, _UP_TO * (1.0 - np.pad(GAMMA, (0, 2)) / np.maximum(ALPHA, 1e-300)[:, None])], axis=1)
"""Order -> what the extrapolation and x* take of each difference."""


@cache
def _change(order: int, halvings: int) -> np.ndarray:
    """Backward differences at another step size: new = M old; beyond `order` they stay."""

    def ratio(f: float) -> np.ndarray:
        i, j = np.arange(1, order + 1)[:, None], np.arange(1, order + 1)
        m = np.zeros((order + 1, order + 1))
        m[1:, 1:] = (i - 1 - f * j) / i
        m[0] = 1.0
        return np.cumprod(m, axis=0)

    out = np.eye(ROWS)
    out[: order + 1, : order + 1] = (ratio(0.5**halvings) @ ratio(1.0)).T
    return out


class Multistep(Integrator):
    """Integrates by backward differentiation; everything but the steps themselves is the Runge-Kutta integrator's."""

    iteration_share = 0.3
    """How much of the tolerance Newton's method may use: measured, less of it makes no smaller errors."""

    def _stretch(self, state: State, ladder: Ladder, recorder: Recorder, asked: np.ndarray) -> None:
        n, batch = state.x.shape[1], self.batch
        splits = np.cumsum([q.shape[1] for q in state.q])[:-1]
        width = n + sum(q.shape[1] for q in state.q)
        d = np.zeros((batch, ROWS, width))
        d[:, 0, :n], d[:, 1, :n] = state.x, state.k * ladder.steps[:, None]
        if state.q:
            d[:, 0, n:] = np.concatenate(state.q, axis=1)
            d[:, 1, n:] = np.concatenate(state.qk, axis=1) * ladder.steps[:, None]
        order, equal = np.ones(batch, dtype=np.int64), np.zeros(batch, dtype=np.int64)
        self.history.start(ladder.start, ladder.length, state.u, state.x[:, self.watched])
        self.stage.chords.stale[:] = True
        self._levels: dict[int, Level] = {}  # of this stretch, by order and rung
        while len(rows := ladder.active):
            # Samples of one matrix side by side.
            rows = rows[np.argsort(ladder.rung[rows] * ROWS + order[rows], kind="stable")]
            k, h, ends, rung = order[rows], ladder.steps[rows], ladder.ends[rows], ladder.rung[rows]
            predicted, star = self._predict(d, order, rows)
            rates = ALPHA[k] / h
            teams = self._teams(rung, k, ladder, ends)
            guess = self.dynamics.ports_of(predicted[:, :n])
            stars = np.split(star[:, n:], splits, axis=1) if state.q else []
            x, u, injected, ok = self.stage.solve(rates, teams, rows, ends, star[:, :n], guess, self.iteration, stars)
            new = np.concatenate([x, *self.dynamics.charges(u)], axis=1) if state.q else x
            change = new - predicted
            allowed = np.maximum(np.abs(x[:, self.watched]), np.abs(state.x[rows][:, self.watched]))
            allowed *= self.accuracy.rtol
            allowed += self.absolute
            error = ERROR[k] * self._size(change, allowed)
            near = self._near(asked, rows, ends - h, ends) & (self.history.count[rows] >= self.history.size)
            if near.any():
                weights, _ = self.history.weights(rows, ends[:, None])
                surprise = x[:, self.watched] - np.matmul(weights, self.history.values[1][rows])[:, 0, :]
                error = np.maximum(error, SHARE * near * (np.abs(surprise) / allowed).max(axis=1, initial=0.0))
            error[~ok | ~np.isfinite(error)] = np.inf
            good = error <= 1.0
            if good.any():
                accepted, chosen = rows[good], np.flatnonzero(good)
                rate = (new - star) * rates[:, None]
                point = State(x, rate[:, :n], u, injected, np.split(new[:, n:], splits, axis=1) if state.q else [],
                              np.split(rate[:, n:], splits, axis=1) if state.q else [])  # fmt: skip
                state.put(accepted, point, chosen)
                recorder.add(accepted, ends[good], self._complete(point.take(chosen), accepted, ends[good]))
                self.history.add(accepted, ends[good], u[good], x[good][:, self.watched])
                self._push(d, accepted, change[chosen], order)
            self._plan(d, rows, good, error, allowed, order, equal, ladder)
            self.counts.steps += 1
            self.counts.rejected += int(np.count_nonzero(~good))
            # Half or twice the rate is another matrix; another order's rate is near enough to contract.
            self.stage.chords.stale[rows[ladder.rung[rows] != rung]] = True

    def _predict(self, d: np.ndarray, order: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The new point by extrapolation, and x* of the formula (x - x*) alpha/h = dx/dt, for some samples."""
        everyone = len(rows) == len(d)
        both = np.matmul(PREDICTIONS[order if everyone else order[rows]], d if everyone else d[rows])
        return (both[rows, 0], both[rows, 1]) if everyone else (both[:, 0], both[:, 1])

    def _teams(self, rung: np.ndarray, k: np.ndarray, ladder: Ladder, ends: np.ndarray) -> list[Team]:
        code = rung * ROWS + k  # rising
        edges = [0, *(np.flatnonzero(np.diff(code)) + 1).tolist(), len(code)]
        teams = []
        for first, last, c in zip(edges[:-1], edges[1:], code[edges[:-1]].tolist()):
            if c not in self._levels:
                if len(self._levels) >= KEPT_LEVELS:
                    self._levels.clear()
                rate = float(ALPHA[c % ROWS]) / ladder.step(c // ROWS)
                self._levels[c] = self.dynamics.level(rate)
            teams.append(Team(self._levels[c], self.everyone[first:last], ends))
        return teams

    def _size(self, change: np.ndarray, allowed: np.ndarray) -> np.ndarray:
        return (np.abs(change[:, self.watched]) / allowed).max(axis=1, initial=0.0)

    def _push(self, d: np.ndarray, rows: np.ndarray, change: np.ndarray, order: np.ndarray) -> None:
        """The differences at the new point."""
        for k in np.unique(order[rows]).tolist():
            chosen = np.flatnonzero(order[rows] == k)
            r = rows[chosen]
            mine, step = d[r], change[chosen]
            mine[:, k + 2] = step - mine[:, k + 1]
            mine[:, k + 1] = step
            for i in range(k, -1, -1):
                mine[:, i] += mine[:, i + 1]
            d[r] = mine

    def _plan(self, d, rows, good, error, allowed, order, equal, ladder) -> None:
        """Orders and steps for what comes next."""
        k = order[rows]
        with np.errstate(divide="ignore"):
            factor = np.maximum(error, 1e-12) ** (-1.0 / (k + 1))
            factor[~np.isfinite(error)] = 0.25 / SAFETY
            equal[rows[good]] += 1
            ready = np.flatnonzero(good & (equal[rows] > k))
            if len(ready):  # (others keep order and step)
                r, kk = rows[ready], k[ready]
                allowed = allowed[ready]
                lower = np.abs(ERROR[kk - 1]) * self._size(d[r, kk], allowed)
                upper = np.abs(ERROR[np.minimum(kk + 1, MAX_ORDER)]) * self._size(d[r, kk + 2], allowed)
                factors = np.stack([
                    np.where(kk > 1, np.maximum(lower, 1e-12) ** (-1.0 / kk), 0.0),
                    factor[ready],
                    np.where(kk < MAX_ORDER, np.maximum(upper, 1e-12) ** (-1.0 / (kk + 2)), 0.0),
                ])  # fmt: skip
                best = factors.argmax(axis=0)
                order[r] = kk + best - 1
                factor[ready] = factors.max(axis=0)
                equal[r[best != 1]] = 0
        before = ladder.rung[rows].copy()
        wanted = SAFETY * factor
        # A longer step only where the differences are settled.
        settled = ~good
        settled[ready] = True
        wanted[~settled] = 1.0
        if not ladder.judge(rows, np.minimum(wanted, np.where(good, np.inf, 0.5)), good):
            worst = rows[int(np.argmax(ladder.rung[rows]))]
            raise self._stuck(ladder.times[worst], ladder.steps[worst], int(worst))
        shift = ladder.rung[rows] - before
        moved = np.flatnonzero(shift)
        if len(moved):
            r = rows[moved]
            changes = [_change(*pair) for pair in zip(order[r].tolist(), shift[moved].tolist())]
            d[r] = np.matmul(np.stack(changes), d[r])
            equal[r] = 0
