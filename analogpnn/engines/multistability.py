"""All operating points that can be found: a latch has three, and an oscillator's only one isn't stable.

Newton's method and a pseudo-transient (capacitors at all nodes, and let go) start at many places: at 0 V, at the
supplies, at random; then halfway between what was found, and beside what is unstable. Indices of operating points add
up to +1 where a circuit is passive at large voltages; if they don't, one is missing, and the search goes on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from analogpnn.circuit.boundary import Boundary, Clamp, Free
from analogpnn.circuit.circuit import Circuit
from analogpnn.circuit.operating_point import OperatingPoint
from analogpnn.devices import diode, linear
from analogpnn.engines.arguments import prepare
from analogpnn.engines.fast import continuation
from analogpnn.engines.fast.deflation import deflated
from analogpnn.engines.fast.full import Full
from analogpnn.engines.fast.laws import Laws
from analogpnn.engines.fast.restrained import newton
from analogpnn.engines.fast.solver import Solver
from analogpnn.engines.newton import Newton
from analogpnn.engines.stability import escape, growth, index
from analogpnn.errors import ConvergenceError, ExperimentError

SAME = 1e-5
"""Operating points this near are one: relative, and in volts."""
ROUNDS, STEPS = 3, 60
DEFLATED = 64
"""Starts of Newton's method away from what is known, at least."""
BETWEEN = (0.5, 0.25, 0.75)
"""Where on the way from one operating point to another a third is looked for."""
PUSH = 0.05
"""How far beside an unstable operating point the circuit is let go [V]."""
MOST = 100
"""Operating points after which the search ends: some circuits have a continuum of them."""
_MONOTONE = (
    linear.RESISTOR, linear.CAPACITOR, linear.INDUCTOR, linear.VOLTAGE_SOURCE, linear.CURRENT_SOURCE, diode.DIODE,
    diode.BREAKDOWN_DIODE,
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class OperatingPoints:
    """What a search has found for one sample.

    Parameters
    ----------
    points : OperatingPoint
        A batch of K: the one that the engine finds by itself first, then stable ones, then unstable ones.
    stable : ndarray, shape (K,), of bool
        Whether a small deviation dies away: see `stability`.
    index : ndarray, shape (K,), of int
        See `stability.index`.
    settled : ndarray, shape (K,), of int
        How many of the starts settled there when let go.
    starts : int
    certain : bool
        Whether there can be no other: see `certain`.
    """

    points: OperatingPoint
    stable: np.ndarray
    index: np.ndarray
    settled: np.ndarray
    starts: int
    certain: bool

    def __len__(self) -> int:
        return len(self.stable)

    @property
    def complete(self) -> bool:
        """Whether the indices add up to +1; if not, and the circuit is passive at large voltages, some are missing."""
        return self.certain or int(self.index.sum()) == 1

    def __str__(self) -> str:
        count, stable = len(self), int(self.stable.sum())
        several = f"{stable} stable{': bistable' if stable == 2 else ': multistable' if stable > 2 else ''}"
        kind = several if count > 1 else "stable" if stable else "unstable: it oscillates, or another was not found"
        how = "there can be no other" if self.certain else f"from {self.starts} starts"
        missing = "" if self.complete else "; their indices don't add up to 1, so there may be more"
        return f"{count} operating point{'s' if count > 1 else ''} ({kind}), {how}{missing}"


def certain(circuit: Circuit) -> bool:
    """Whether theory leaves no room for a second operating point.

    Linear circuits have one; so have resistors, diodes and independent sources, whose currents never fall when their
    voltages rise (Duffin, Bull. Amer. Math. Soc. 53, 963 (1947)).
    """
    if all(group.device.is_affine for group in circuit.groups):
        return True
    return all(
        group.device in _MONOTONE and (group.device is not linear.RESISTOR or bool(np.all(values[0] > 0)))
        for group, values in zip(circuit.groups, circuit.parameters(circuit.theta))
    )


def operating_points(
    circuit: Circuit,
    theta: ArrayLike | None = None,
    inputs: ArrayLike | None = None,
    boundary: Boundary = Free(),  # noqa: B008  (a frozen record)
    *,
    starts: int = 64,
    seed: int = 0,
) -> OperatingPoints:
    """Search for all operating points of one sample.

    Parameters
    ----------
    circuit : Circuit
    theta : array_like, shape (n_trainable,), optional
    inputs : array_like, shape (n_inputs,), optional
        [V or A]; the cards' values if left out.
    boundary : Free, Clamp or Inject
    starts : int
        How many places to start from; three times as many where the indices don't add up.
    seed : int
        For the random ones.

    Returns
    -------
    OperatingPoints
        At least one. That there are no others is certain only where it says so.

    Raises
    ------
    ConvergenceError
        None was found.
    ExperimentError
        A batch was given.

    Examples
    --------
    >>> from analogpnn import Circuit, Netlist
    >>> text = "two tunnels\\nV1 a 0 0\\nR1 a b 1k\\nB1 b 0 i=2m*(v(b)*v(b)*v(b)-v(b))\\n"
    >>> found = operating_points(Circuit.from_netlist(Netlist.from_text(text)))
    >>> print(found)
    3 operating points (2 stable: bistable), from 64 starts
    """
    theta, inputs, boundary, batch = prepare(circuit, theta, inputs, boundary)
    if int(np.prod(batch)) != 1:
        raise ExperimentError(f"operating points are searched for one sample, not for a batch of shape {batch}")
    if starts < 1:
        raise ExperimentError(f"{starts} starts: at least one is needed")
    engine = Newton()
    try:
        first = [engine.equilibrium(circuit, theta, inputs, boundary)]
    except ConvergenceError:
        if certain(circuit):
            raise
        first = []
    if certain(circuit):
        return _record(first, np.ones(1, dtype=int), 1, True)
    problem = _Problem.of(circuit, theta, inputs, boundary)
    found = [problem.free_of(point) for point in first]
    rng = np.random.default_rng(seed)
    settled: list[int] = [0] * len(found)
    used = 0
    for _ in range(ROUNDS):
        begin = problem.scatter(rng, starts, found)
        used += starts
        for place in problem.arrive(begin, settle=True, found=found):
            settled += [0] * (len(found) - len(settled))
            settled[place] += 1
        problem.arrive(begin, settle=False, found=found)
        _between(problem, found)
        problem.arrive(problem.beside([problem.refined(engine, x) for x in found]), settle=True, found=found)
        points = [problem.refined(engine, x) for x in found]
        if points and sum(int(index(p)) for p in points) != 1:
            problem.deflate(problem.scatter(rng, max(starts, DEFLATED), found), found)
            points = [problem.refined(engine, x) for x in found]
        if len(found) >= MOST or (points and sum(int(index(p)) for p in points) == 1):
            break
    if not found:
        raise ConvergenceError(f"no operating point found from {used} starts", path=circuit.path)
    settled += [0] * (len(found) - len(settled))
    return _record(points, np.array(settled), used, False)


def _between(problem: _Problem, found: list[np.ndarray]) -> None:
    """Look halfway between all pairs, those with new ones as well."""
    asked = 0
    while asked < len(found) <= MOST:
        last = len(found)
        pairs = [(a, b) for b in range(asked, last) for a in range(b)]
        asked = last
        if pairs:
            begin = [found[a] + part * (found[b] - found[a]) for a, b in pairs for part in BETWEEN]
            problem.arrive(np.array(begin[: 3 * MOST]), settle=False, found=found)


def _record(points: list[OperatingPoint], settled: np.ndarray, starts: int, sure: bool) -> OperatingPoints:
    signs = np.array([int(index(p)) for p in points])
    stable = np.array([bool(s > 0 and growth(p) < 0) for s, p in zip(signs, points)])
    order = [0, *(k for want in (True, False) for k in range(1, len(points)) if stable[k] == want)]
    one, n = points[0], points[0].circuit
    batch = OperatingPoint(
        n, one.theta, one.inputs, one.boundary,
        np.array([points[k].node_voltages.reshape(n.n_nodes) for k in order]),
        np.array([points[k].source_currents.reshape(len(n.sources)) for k in order]),
    )  # fmt: skip
    return OperatingPoints(batch, stable[order], signs[order], settled[order], starts, sure)


@dataclass(frozen=True, eq=False)
class _Problem:
    """One sample's equations: see `continuation`."""

    like: OperatingPoint
    """With no voltages yet."""
    full: Full
    laws: Laws
    b: np.ndarray
    known: np.ndarray
    held: np.ndarray
    held_nodes: np.ndarray
    free: np.ndarray

    @classmethod
    def of(cls, circuit: Circuit, theta: np.ndarray, inputs: np.ndarray, boundary: Boundary) -> _Problem:
        theta, inputs = theta.reshape(circuit.n_trainable), inputs.reshape(circuit.n_inputs)
        solver = Solver(circuit, theta, isinstance(boundary, Clamp))
        s, p = solver.structure, solver.ports
        imposed = None
        if not isinstance(boundary, Free):
            values = boundary.voltages if isinstance(boundary, Clamp) else boundary.currents
            imposed = np.asarray(values).reshape(1, circuit.n_outputs)
        b, held = solver.equations(inputs[None], imposed)
        like = OperatingPoint(
            circuit, theta, inputs, boundary, np.zeros(circuit.n_nodes), np.zeros(len(circuit.sources))
        )
        full, right, known = Full(s, solver.linear, p), solver.free_right(b, held), solver.known_controls(held)
        return cls(like, full, solver.laws, right, known, held[0], s.known_nodes, s.free)

    def free_of(self, point: OperatingPoint) -> np.ndarray:
        """The free unknowns of an operating point (n_free,); currents of clamps are left at 0."""
        x = np.zeros(max(int(self.free.max(initial=0)), self.like.circuit.n_unknowns) + 1)
        x[: self.like.circuit.n_unknowns + 1] = point.unknowns.ravel()
        return x[self.free]

    @property
    def nodes(self) -> np.ndarray:
        return self.free < self.like.circuit.n_nodes

    def scatter(self, rng: np.random.Generator, starts: int, found: list[np.ndarray]) -> np.ndarray:
        """Starts (B, n_free): 0 V, the highest and the lowest supply, then corners and the inside of what they span."""
        levels = np.concatenate([[0.0], self.held, *(x[self.nodes] for x in found)])
        low, high = float(levels.min()), float(levels.max())
        middle, half = (low + high) / 2, max((high - low) / 2, 0.5)
        shape = (starts, int(self.nodes.sum()))
        inside = middle + 1.2 * half * rng.uniform(-1.0, 1.0, shape)
        corners = middle + half * rng.choice([-1.0, 1.0], shape)
        volts = np.where(rng.random((starts, 1)) < 0.5, corners, inside)
        for k, level in enumerate((0.0, high, low)[:starts]):
            volts[k] = level
        x = np.zeros((starts, len(self.free)))
        x[:, self.nodes] = volts
        return x

    def beside(self, points: list[OperatingPoint]) -> np.ndarray:
        """Starts on either side of unstable operating points, along the mode that grows fastest."""
        starts = [np.zeros((0, len(self.free)))]
        for point in points:
            way = escape(point)
            if way is not None:
                middle = self.free_of(point)
                starts.append(middle + PUSH * np.array([[1.0], [-1.0]]) * way * self.nodes)
        return np.concatenate(starts)

    def arrive(self, begin: np.ndarray, settle: bool, found: list[np.ndarray]) -> list[int]:
        """Where the starts lead, let go or by Newton's method; what is new joins `found`. Numbers in `found`."""
        if not len(begin):
            return []
        b, known = np.repeat(self.b, len(begin), axis=0), np.repeat(self.known, len(begin), axis=0)
        zero = np.zeros(len(begin))
        if settle:
            x, done = continuation.pseudo_transient(self.full, self.laws, b, known, begin)
        else:
            x, done, _ = newton(self.full, self.laws, b, known, begin, zero, begin, STEPS)
        if done.any():  # once more from there: to rounding
            x[done], again, _ = newton(self.full, self.laws, b[done], known[done], x[done], zero[done], x[done], STEPS)
            done[done] = again
        return [place for one in x[done] if (place := self._place(one, found)) < MOST]

    def deflate(self, begin: np.ndarray, found: list[np.ndarray]) -> None:
        """Where the starts lead if what is known already is kept out."""
        b, known = np.repeat(self.b, len(begin), axis=0), np.repeat(self.known, len(begin), axis=0)
        x, done = deflated(self.full, self.laws, b, known, begin, np.array(found), STEPS)
        self.arrive(x[done], settle=False, found=found)

    def _place(self, x: np.ndarray, found: list[np.ndarray]) -> int:
        volts = x[self.nodes]
        for k, other in enumerate(found):
            if (np.abs(volts - other[self.nodes]) <= SAME * (1.0 + np.abs(volts))).all():
                return k
        if len(found) < MOST:
            found.append(x)
            return len(found) - 1
        return MOST

    def refined(self, engine: Newton, x: np.ndarray) -> OperatingPoint:
        """An operating point by the engine, from where one was found."""
        circuit, like = self.like.circuit, self.like
        full = np.zeros(max(int(self.free.max(initial=0)), circuit.n_unknowns) + 1)
        full[self.free] = x
        full[self.held_nodes] = self.held
        n = circuit.n_nodes
        start = OperatingPoint(circuit, like.theta, like.inputs, like.boundary, full[:n], full[n : circuit.n_unknowns])
        return engine.equilibrium(circuit, like.theta, like.inputs, like.boundary, start=start)
