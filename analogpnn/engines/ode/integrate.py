"""The integration itself: stretch by stretch between corners, every sample with steps of its own.

All samples advance in one array operation per stage, each at its own time and step size; step sizes are powers of two
of the stretch, so samples that share one share its matrices.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from analogpnn.engines.ode.chords import Tolerance
from analogpnn.engines.ode.dense import SHARE, History, Recorder
from analogpnn.engines.ode.dynamics import Dynamics
from analogpnn.engines.ode.ladder import SAFETY, Ladder
from analogpnn.engines.ode.level import Team, together
from analogpnn.engines.ode.method import Method
from analogpnn.engines.ode.stage import Stage
from analogpnn.errors import ConvergenceError

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
    """A point of the solution of every sample.

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

    def arrays(self) -> list[np.ndarray]:
        return [self.x, self.k, self.u, self.injected, *self.q, *self.qk]

    def take(self, rows: np.ndarray) -> State:
        """Some samples."""
        if len(rows) == len(self.x):
            return self
        return State(
            self.x[rows], self.k[rows], self.u[rows], self.injected[rows],
            [q[rows] for q in self.q], [q[rows] for q in self.qk],
        )  # fmt: skip

    def put(self, rows: np.ndarray, other: State, chosen: np.ndarray) -> None:
        """Replace samples `rows` by the `chosen` ones of another state."""
        for mine, theirs in zip(self.arrays(), other.arrays()):
            mine[rows] = theirs[chosen]


@dataclass(eq=False)
class Counts:
    """What a run has cost: steps (the most that a sample needed), rejected ones, matrices."""

    steps: int = 0
    rejected: int = 0
    factorisations: int = 0


class _Guess:
    """Where Newton's method starts in each stage: the polynomial through the last points and the last stage.

    With p the polynomial through the points and w(t) the product of (t - point), the stage j found before corrects the
    prediction at t by (u_j - p(t_j)) w(t)/w(t_j): Newton's form of one node more.
    """

    def __init__(self, history: History, rows, times, u, rate):
        self.weights, self.products = history.weights(rows, times)
        points = history.values[0][rows]
        self.polynomial = np.matmul(self.weights, points)
        fresh = history.count[rows] == 1
        if fresh.any():
            # But one point so far: a straight line.
            line = u[:, None, :] + (times - times[:, :1])[:, :, None] * rate[:, None, :]
            self.polynomial = np.where(fresh[:, None, None], line, self.polynomial)
        self.last, self.surprise = 0, None

    def __call__(self, i: int) -> np.ndarray:
        """For stage i."""
        if self.surprise is None:
            return self.polynomial[:, i]
        with np.errstate(all="ignore"):
            ratio = self.products[:, i] / self.products[:, self.last]
        ratio[~np.isfinite(ratio)] = 0.0
        return self.polynomial[:, i] + ratio[:, None] * self.surprise

    def learn(self, i: int, u: np.ndarray) -> None:
        """What stage i has become."""
        self.last, self.surprise = i, u - self.polynomial[:, i]


class Integrator:
    """Integrates one theta's dynamics for a batch.

    Parameters
    ----------
    dynamics : Dynamics
    method : Method
    accuracy : Accuracy
    longest : float
        Longest step [s].
    """

    iteration_share = 0.1
    """How much of the tolerance Newton's method may use."""

    def __init__(self, dynamics: Dynamics, method: Method, accuracy: Accuracy, longest: float):
        self.dynamics, self.method, self.accuracy, self.longest = dynamics, method, accuracy, longest
        self.batch = dynamics.sources.batch
        self.stage = Stage(dynamics, self.batch)
        self.everyone = np.arange(self.batch)
        self.counts = Counts()
        # Rounding alone moves ports by some 1e-14 of the largest voltage.
        share = self.iteration_share
        self.iteration = Tolerance(max(share * accuracy.rtol, 1e-13), max(share * accuracy.atol, 1e-13))
        circuit, free = dynamics.circuit, dynamics.free
        nodes = free[free < circuit.n_nodes]
        stored = np.unique(dynamics.capacitance.nonzero()[0])
        fluxes = stored[(stored >= circuit.n_nodes) & (stored < circuit.n_unknowns)]
        self.nodes = nodes
        self.watched = together(np.concatenate([nodes, fluxes]))
        self.absolute = np.concatenate(
            [np.full(len(nodes), accuracy.atol), np.full(len(fluxes), accuracy.current_atol)]
        )
        self.history = History(self.batch, method.order + 1, (dynamics.skeleton.ports.n_in, len(self.absolute)))

    # -- whole runs ----------------------------------------------------------------------------------------

    def run(self, state: State, corners: np.ndarray, stop: float, times: np.ndarray, charges=None):
        """Samples (B, T, n_unknowns) at `times`, and the last state.

        Parameters
        ----------
        charges : ndarray (B, n + 1), optional
            Of the linear elements, by row, to start with; where the state's x does not tell them.
        """
        circuit = self.dynamics.circuit
        recorder = Recorder(times, self.batch, circuit.n_unknowns, self.method.order)
        edges = np.concatenate([[0.0], corners, [stop]])
        exact = None if charges is not None else self._complete(state, self.everyone, np.zeros(self.batch))
        first = None
        for start, end in zip(edges[:-1].tolist(), edges[1:].tolist()):
            state = self._restart(state, start, end, charges)
            if exact is None:
                exact = self._complete(state, self.everyone, np.full(self.batch, start))
            recorder.start(start, exact)
            charges = exact = None
            asked = times[(times > start) & (times < end)]
            largest = min(self.longest, (end - start) / (8 if len(asked) else 2))
            if first is None:
                first = self._first_steps(state, end - start)
            ladder = Ladder(start, end, largest, first)
            self._stretch(state, ladder, recorder, asked)
            first = ladder.steps
            recorder.end()
        self.counts.factorisations = self.dynamics.factorisations
        self._hold(recorder)
        return recorder.samples, state

    def _hold(self, recorder: Recorder) -> None:
        """Samples of nodes that waveforms hold, as they are and not interpolated: no error control watches those."""
        known, sources = self.dynamics.skeleton.own.known_nodes, self.dynamics.sources
        if len(known) and sources.given is None:
            for b in self.everyone.tolist():
                s = sources.at(recorder.times, np.full(len(recorder.times), b))
                recorder.samples[b][:, known] = (self.dynamics.known @ s.T).T

    def _stretch(self, state: State, ladder: Ladder, recorder: Recorder, asked: np.ndarray) -> None:
        """Take every sample to the end of the stretch; `state` is changed in place."""
        self.history.start(ladder.start, ladder.length, state.u, state.x[:, self.watched])
        self.stage.chords.stale[:] = True
        rungs = ladder.rung.copy()
        while len(rows := ladder.active):
            changed = rows[rungs[rows] != ladder.rung[rows]]
            self.stage.chords.stale[changed] = True
            rungs[rows] = ladder.rung[rows]
            ends = ladder.ends[rows]
            new, error = self._step(state.take(rows), ladder, rows, ends, asked)
            good = error <= 1.0
            with np.errstate(divide="ignore"):
                factor = SAFETY * np.maximum(error, 1e-12) ** (-1.0 / self.method.exponent)
            factor[~np.isfinite(error)] = 0.25
            if good.any():
                accepted = rows[good]
                state.put(accepted, new, good)
                done = new.take(np.flatnonzero(good)) if not good.all() else new
                recorder.add(accepted, ends[good], self._complete(done, accepted, ends[good]))
                self.history.add(accepted, ends[good], done.u, done.x[:, self.watched])
            self.counts.steps += 1
            self.counts.rejected += int(np.count_nonzero(~good))
            if not ladder.judge(rows, factor, good):
                worst = rows[int(np.argmax(ladder.rung[rows]))]
                raise self._stuck(ladder.times[worst], ladder.steps[worst], int(worst))

    def _complete(self, state: State, rows: np.ndarray, times: np.ndarray) -> np.ndarray:
        return self.dynamics.complete(state.x, state.k, state.injected, times, rows)

    # -- one step ------------------------------------------------------------------------------------------

    def _step(self, state: State, ladder: Ladder, rows: np.ndarray, ends: np.ndarray, asked: np.ndarray):
        """States at `ends` and each sample's error as a multiple of what is allowed (infinite: a stage failed).

        Where samples are asked for in this step or next to it, the error of interpolating counts as well.
        """
        m, a, dynamics = self.method, self.method.a, self.dynamics
        h, t = ladder.steps[rows], ladder.times[rows]
        rates = 1.0 / (m.gamma * h)
        stages = t[:, None] + m.c * h[:, None]
        stages[:, -1] = ends
        guess = _Guess(self.history, rows, stages, state.u, self.dynamics.ports_of(state.k))
        levels = [
            (dynamics.level(1.0 / (m.gamma * ladder.step(rung))), np.flatnonzero(ladder.rung[rows] == rung))
            for rung in np.unique(ladder.rung[rows]).tolist()
        ]
        k = np.empty((m.stages, *state.x.shape))
        k[0] = state.k
        qk = [[r] for r in state.qk]
        x, u, injected, q = state.x, state.u, state.injected, state.q
        ok = np.ones(len(rows), dtype=bool)
        for i in range(1, m.stages):
            star = np.tensordot(a[i, :i], k[:i], 1)
            star *= h[:, None]
            star += state.x
            stars = [q0 + h[:, None] * sum(a[i, j] * r[j] for j in range(i)) for q0, r in zip(state.q, qk)]
            at = stages[:, i]
            teams = [Team(level, members, at) for level, members in levels]
            x, u, injected, fine = self.stage.solve(rates, teams, rows, at, star, guess(i), self.iteration, stars)
            guess.learn(i, u)
            ok &= fine
            k[i] = (x - star) * rates[:, None]
            if stars:
                q = dynamics.charges(u)
                for r, new, old in zip(qk, q, stars):
                    r.append((new - old) * rates[:, None])
        change = np.tensordot(m.e, k, 1)
        change *= h[:, None]
        estimate = self.stage.filtered(teams, rows, change, u)
        now, before = x[:, self.watched], state.x[:, self.watched]
        allowed = self.accuracy.rtol * np.maximum(np.abs(now), np.abs(before)) + self.absolute
        error = np.abs(estimate[:, self.watched])
        near = self._near(asked, rows, t, ends)
        if near.any():
            predicted = np.matmul(guess.weights[:, -1, None, :], self.history.values[1][rows])[:, 0, :]
            if (fresh := self.history.count[rows] == 1).any():
                line = before + h[:, None] * state.k[:, self.watched]
                predicted = np.where(fresh[:, None], line, predicted)
            error = np.maximum(error, SHARE * np.abs(now - predicted) * near[:, None])
        worst = (error / allowed).max(axis=1, initial=0.0)
        worst[~(ok & np.isfinite(worst))] = np.inf
        return State(x, k[-1], u, injected, q, [r[-1] for r in qk]), worst

    def _near(self, asked: np.ndarray, rows: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
        """Whether a sample is asked for in this step or next to it."""
        h = ends - starts
        return np.searchsorted(asked, ends + h) > np.searchsorted(asked, starts - h)

    # -- corners -------------------------------------------------------------------------------------------

    def _restart(self, state: State, start: float, end: float, charges) -> State:
        """The right-hand limits at a corner: two implicit Euler steps of an instant, taken back linearly.

        Charges stay, whatever hangs on jumping sources jumps. In the second step nothing jumps any more (not even
        the charge of a capacitor across a source), so its rates are those with which the stretch begins.
        """
        instant = INSTANT * (end - start)
        rate = 1.0 / instant
        level, rates = self.dynamics.level(rate), np.full(self.batch, rate)
        x, u, q = state.x, state.u, state.q
        for n in (1, 2):
            at = np.full(self.batch, start + n * instant)
            team = Team(level, self.everyone, at)
            star, q_star = x, q
            given = charges if n == 1 else None
            self.stage.chords.stale[:] = True
            x, u, injected, ok = self.stage.solve(rates, [team], self.everyone, at, star, u, TIGHT, q_star, given)
            if not ok.all():
                raise self._stuck(start, instant, int(np.flatnonzero(~ok)[0]))
            q = self.dynamics.charges(u)
        k = (x - star) * rate
        qk = [(new - old) * rate for new, old in zip(q, q_star)]
        x = x - 2 * instant * k
        q = [new - 2 * instant * r for new, r in zip(q, qk)]
        return State(x, k, self.dynamics.ports_of(x), injected, q, qk)

    def _first_steps(self, state: State, length: float) -> np.ndarray:
        """Steps over which the fastest node changes by about tolerance**(1/order) of the largest voltage."""
        size = np.abs(state.x[:, self.nodes]).max(axis=1, initial=100 * self.accuracy.atol)
        speed = np.abs(state.k[:, self.nodes]).max(axis=1, initial=0.0)
        share = min(0.1, self.accuracy.rtol ** (1.0 / self.method.exponent))
        with np.errstate(divide="ignore"):
            return np.maximum(np.minimum(length / 64, share * size / speed), length * 1e-9)

    def _stuck(self, t: float, h: float, sample: int | None = None) -> ConvergenceError:
        return ConvergenceError(
            f"the transient can't go on at {t:.6g} s: the step has become {h:.1e} s (sample {sample})",
            sample=sample, path=self.dynamics.circuit.path,
            cure="look for a jump that no capacitor smooths (a comparator, a step in an expression); "
            "give that node a small capacitor",
        )  # fmt: skip
