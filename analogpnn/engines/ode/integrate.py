"""The integration itself: stretch by stretch, step by step, a batch at a common step."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from analogpnn.engines.ode.dense import SHARE, Recorder, weights
from analogpnn.engines.ode.dynamics import Dynamics
from analogpnn.engines.ode.ladder import SAFETY, Ladder
from analogpnn.engines.ode.chords import Tolerance
from analogpnn.engines.ode.level import Level
from analogpnn.engines.ode.method import Method
from analogpnn.errors import ConvergenceError

ITERATION_SHARE = 0.03
"""How much of the tolerance Newton's method may use."""
INSTANT = 1e-9
"""The two steps that find the right-hand limits at a corner, as a share of the stretch."""

TIGHT = Tolerance(1e-12, 1e-14)


@dataclass(frozen=True, eq=False)
class Accuracy:
    """Local error allowed: rtol |x| + atol, for voltages and for currents of inductors."""

    rtol: float
    atol: float
    current_atol: float


@dataclass(eq=False)
class State:
    """A point of the solution.

    x, k : ndarray (B, n + 1)
        Unknowns, and their rates as the method has them (C k is d/dt of the linear charges).
    u : (B, n_in) port voltages; injected : (B, n_out) currents into the ports
    q, qk : lists of (B, n)
        Nonlinear charges and their rates.
    """

    x: np.ndarray
    k: np.ndarray
    u: np.ndarray
    injected: np.ndarray
    q: list[np.ndarray] = field(default_factory=list)
    qk: list[np.ndarray] = field(default_factory=list)


@dataclass(eq=False)
class Counts:
    """What a run has cost."""

    steps: int = 0
    rejected: int = 0
    factorisations: int = 0


class Integrator:
    """Integrates one theta's dynamics.

    Parameters
    ----------
    dynamics : Dynamics
    method : Method
    accuracy : Accuracy
    longest : float
        Longest step [s].
    """

    def __init__(self, dynamics: Dynamics, method: Method, accuracy: Accuracy, longest: float):
        self.dynamics, self.method, self.accuracy, self.longest = dynamics, method, accuracy, longest
        self.counts = Counts()
        self.iteration = Tolerance(ITERATION_SHARE * accuracy.rtol, ITERATION_SHARE * accuracy.atol)
        circuit = dynamics.circuit
        free = dynamics.free
        nodes = free[free < circuit.n_nodes]
        stored = np.unique(dynamics.capacitance.nonzero()[0])
        fluxes = stored[(stored >= circuit.n_nodes) & (stored < circuit.n_unknowns)]
        self.watched = np.concatenate([nodes, fluxes])
        self.absolute = np.concatenate(
            [np.full(len(nodes), accuracy.atol), np.full(len(fluxes), accuracy.current_atol)]
        )
        self._history: list[tuple[float, np.ndarray, np.ndarray]] = []

    # -- whole runs ----------------------------------------------------------------------------------------

    def run(self, state: State, corners: np.ndarray, stop: float, times: np.ndarray, rows=None):
        """Samples (B, T, n_unknowns) at `times`, and the last state.

        Parameters
        ----------
        rows : ndarray (B, n + 1), optional
            Charges of the linear elements to start with, where the state's x does not tell them.
        """
        circuit, dynamics = self.dynamics.circuit, self.dynamics
        recorder = Recorder(times, (len(state.x), circuit.n_unknowns), self.method.order)
        first = 0.0
        edges = np.concatenate([[0.0], corners, [stop]])
        exact = None if rows is not None else dynamics.complete(state.x, state.k, state.injected, 0.0)
        for start, end in zip(edges[:-1], edges[1:]):
            state = self._restart(state, start, end, rows)
            here = dynamics.complete(state.x, state.k, state.injected, start)
            recorder.start(start, here if exact is None else exact)
            rows = exact = None
            sampled = recorder.next < len(times) and times[recorder.next] < end
            largest = min(self.longest, (end - start) / (8 if sampled else 2))
            first = first or self._first_step(state, end - start)
            ladder = Ladder(start, end, largest, first)
            state = self._stretch(state, ladder, recorder, sampled)
            first = ladder.step
            recorder.end()
        self.counts.factorisations = dynamics.factorisations
        return recorder.samples, state

    def _stretch(self, state: State, ladder: Ladder, recorder: Recorder, sampled: bool) -> State:
        method, dynamics = self.method, self.dynamics
        self._history = [(ladder.time, state.u, state.x)]
        power = 1.0 / method.exponent
        while not ladder.done:
            t, h, end = ladder.time, ladder.step, ladder.next_time
            new, error = self._step(dynamics.level(1.0 / (method.gamma * h)), state, t, h, end, sampled)
            factor = SAFETY * max(error, 1e-12) ** -power
            if error <= 1.0:
                ladder.accepted(factor)
                state = new
                self.counts.steps += 1
                recorder.add(end, dynamics.complete(state.x, state.k, state.injected, end))
                self._history.append((end, state.u, state.x))
                del self._history[: -(method.order + 1)]
            else:
                self.counts.rejected += 1
                if not ladder.rejected(factor if np.isfinite(error) else 0.25):
                    raise self._stuck(t, h)
        return state

    # -- one step ------------------------------------------------------------------------------------------

    def _step(self, level: Level, state: State, t: float, h: float, end: float, sampled: bool):
        """The state at `end` and the error as a multiple of what is allowed (infinite: a stage failed)."""
        m, a, c = self.method, self.method.a, self.method.c
        k = np.empty((m.stages, *state.x.shape))
        k[0] = state.k
        qk = [[r] for r in state.qk]
        x, u, injected, q = state.x, state.u, state.injected, state.q
        for i in range(1, m.stages):
            star = np.tensordot(h * a[i, :i], k[:i], 1)
            star += state.x
            stars = [q0 + h * sum(a[i, j] * r[j] for j in range(i)) for q0, r in zip(state.q, qk)]
            at = end if i == m.stages - 1 else t + c[i] * h
            x, u, injected, ok = level.solve(at, star, self._guess(state, at), self.iteration, stars)
            if not ok.all():
                return state, np.inf
            k[i] = (x - star) * level.rate
            if stars:
                q = self.dynamics.charges(u)
                for r, new, old in zip(qk, q, stars):
                    r.append((new - old) * level.rate)
        estimate = level.filtered(np.tensordot(h * m.e, k, 1), u)
        allowed = self.accuracy.rtol * np.maximum(np.abs(x), np.abs(state.x))[:, self.watched] + self.absolute
        error = np.abs(estimate[:, self.watched]) / allowed
        if sampled and len(self._history) > m.order:
            predicted = self._extrapolate(end, 2)
            error = np.maximum(error, SHARE * np.abs(x - predicted)[:, self.watched] / allowed)
        worst = float(error.max(initial=0.0))
        new = State(x, k[-1], u, injected, q, [r[-1] for r in qk])
        return new, worst if np.isfinite(worst) else np.inf

    def _guess(self, state: State, t: float) -> np.ndarray:
        if len(self._history) == 1:
            start = self._history[0][0]
            return state.u + (t - start) * self.dynamics.ports_of(state.k)
        return self._extrapolate(t, 1)

    def _extrapolate(self, t: float, what: int) -> np.ndarray:
        nodes = np.array([point[0] for point in self._history])
        w = weights(nodes, np.array([t]))[0]
        out = w[0] * self._history[0][what]
        for factor, point in zip(w[1:], self._history[1:]):
            out += factor * point[what]
        return out

    # -- corners -------------------------------------------------------------------------------------------

    def _restart(self, state: State, start: float, end: float, rows) -> State:
        """The right-hand limits at a corner: two implicit Euler steps of an instant, taken back linearly.

        Charges stay, whatever hangs on jumping sources jumps. In the second step nothing jumps any more (not even
        the charge of a capacitor across a source), so its rates are those with which the stretch begins.
        """
        instant = INSTANT * (end - start)
        level = self.dynamics.level(1.0 / instant)
        x, u, q = state.x, state.u, state.q
        for n in (1, 2):
            at = start + n * instant
            star, q_star = x, q
            given = rows if n == 1 else None
            x, u, injected, ok = level.solve(at, star, u, TIGHT, q_star, given)
            if not ok.all():
                raise self._stuck(start, instant, int(np.flatnonzero(~ok)[0]))
            q = self.dynamics.charges(u)
        k = (x - star) * level.rate
        qk = [(new - old) * level.rate for new, old in zip(q, q_star)]
        x = x - 2 * instant * k
        q = [new - 2 * instant * r for new, r in zip(q, qk)]
        return State(x, k, self.dynamics.ports_of(x), injected, q, qk)

    def _first_step(self, state: State, length: float) -> float:
        """A step over which the fastest node changes by about tolerance**(1/order) of its value."""
        watched = self.watched
        size = np.abs(state.x[:, watched]).max(initial=0.0)
        size = max(size, 100 * self.accuracy.atol)
        speed = np.abs(state.k[:, watched])[:, self.absolute == self.accuracy.atol].max(initial=0.0)
        share = min(0.1, self.accuracy.rtol ** (1.0 / self.method.exponent))
        return min(length / 64, share * size / speed) if speed > 0 else length / 64

    def _stuck(self, t: float, h: float, sample: int | None = None) -> ConvergenceError:
        return ConvergenceError(
            f"the transient can't go on at {t:.6g} s: the step has become {h:.1e} s", sample=sample,
            path=self.dynamics.circuit.path,
            cure="look for a jump that no capacitor smooths (a comparator, a step in an expression); "
            "give that node a small capacitor",
        )  # fmt: skip
