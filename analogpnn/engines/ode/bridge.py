"""Circuits that are plain ordinary differential equations, handed to `scipy.integrate.solve_ivp`.

For a cross-check, and for those who want SciPy's solvers. Unknowns without a charge must follow linearly from the
others; they are eliminated beforehand:

    C dx/dt = b(t) - A x - S i(C_u x),   x = the unknowns with a charge.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.integrate
import scipy.linalg
from numpy.typing import ArrayLike

from analogpnn.circuit.boundary import Free
from analogpnn.circuit.circuit import Circuit
from analogpnn.circuit.waveforms import Waveforms
from analogpnn.engines.arguments import prepare
from analogpnn.engines.ode.dynamics import Dynamics
from analogpnn.engines.ode.sources import Sources
from analogpnn.engines.ode.start import operating_point
from analogpnn.errors import ConvergenceError, NetlistError

NUDGE = 1e-7
"""Half the distance over which a waveform is differentiated, as a share of the run."""

ONE = np.zeros(1, dtype=np.intp)


@dataclass(frozen=True, eq=False)
class PlainOde:
    """dx/dt = rate(t, x) with its Jacobian, for one theta and one sample.

    Attributes
    ----------
    dynamic, algebraic : ndarray of int
        Unknowns that are integrated, and those that follow from them.
    """

    dynamics: Dynamics
    dynamic: np.ndarray
    algebraic: np.ndarray
    capacitance_inverse: np.ndarray
    a: np.ndarray
    b: np.ndarray
    follow: np.ndarray
    follow_b: np.ndarray
    read: np.ndarray
    inject: np.ndarray
    charge_known: np.ndarray
    stop: float

    def drive(self, t: float) -> np.ndarray:
        """b(t) of the free unknowns, held nodes and their charges moved to the right."""
        d = self.dynamics
        s = self.sources(t)
        right = d.static(np.full(1, t), ONE)[0, d.free] + self.b @ s
        if self.charge_known.any() and not d.sources.is_constant:
            half = NUDGE * self.stop
            low, high = max(t - half, 0.0), min(t + half, self.stop)
            slope = (self.sources(high) - self.sources(low)) / (high - low)
            right = right - self.charge_known @ slope
        return right

    def sources(self, t: float) -> np.ndarray:
        """(n_sources,)"""
        return self.dynamics.sources.at(np.full(1, t), ONE)[0]

    def _ports(self, t: float, x: np.ndarray):
        d = self.dynamics
        d.set_time(d.laws, t)
        known = d.skeleton.ports.read_known @ (d.known @ self.sources(t))
        u = (self.read @ x + known)[None, :]
        tangent = d.laws.tangent(d.laws.element_controls(u))
        return u, tangent

    def rate(self, t: float, x: np.ndarray) -> np.ndarray:
        """dx/dt."""
        d, right = self.dynamics, self.drive(t)
        out = right[self.dynamic] + self.follow_b @ right[self.algebraic] - self.a @ x
        if d.skeleton.ports.n_out:
            u, tangent = self._ports(t, x)
            out = out - self.inject @ (tangent.offset + d.laws.times(tangent, u))[0]
        return self.capacitance_inverse @ out

    def jacobian(self, t: float, x: np.ndarray) -> np.ndarray:
        """d rate/dx."""
        d, total = self.dynamics, self.a
        if d.skeleton.ports.n_out:
            _, tangent = self._ports(t, x)
            total = total + self.inject @ (d.laws.matrix(tangent)[0] @ self.read)
        return -self.capacitance_inverse @ total

    def whole(self, t: float, x: np.ndarray) -> np.ndarray:
        """All unknowns (1, n_unknowns) from the dynamic ones."""
        d = self.dynamics
        full = np.zeros((1, d.n + 1))
        full[0, d.skeleton.own.known_nodes] = d.known @ self.sources(t)
        full[0, d.free[self.dynamic]] = x
        if len(self.algebraic):
            full[0, d.free[self.algebraic]] = self.follow @ x + self._algebraic_inverse @ self.drive(t)[self.algebraic]
        k = np.zeros_like(full)
        k[0, d.free[self.dynamic]] = self.rate(t, x)
        injected = None
        if d.skeleton.ports.n_out:
            u, tangent = self._ports(t, x)
            injected = tangent.offset + d.laws.times(tangent, u)
        return d.complete(full, k, injected, np.full(1, t), ONE)

    @property
    def _algebraic_inverse(self) -> np.ndarray:
        return np.linalg.inv(self._a_aa)

    @property
    def _a_aa(self) -> np.ndarray:
        matrix = self.dynamics.skeleton.linear(self.dynamics.parameters, 0.0).dense
        return matrix[np.ix_(self.algebraic, self.algebraic)]


def plain_ode(dynamics: Dynamics, stop: float) -> PlainOde:
    """The circuit as an ordinary differential equation.

    Raises
    ------
    NetlistError
        If it is none: a nonlinear element touches a node without a capacitor, or a charge is nonlinear.
    """
    sk, free, path = dynamics.skeleton, dynamics.free, dynamics.circuit.path
    cure = "Transient() integrates such circuits as they are"
    if sk.charged or sk.displaced:
        raise NetlistError("nonlinear charges: the circuit is no plain ODE of its voltages", path=path, cure=cure)
    charge = dynamics.capacitance[free][:, free].toarray()
    matrix = sk.linear(dynamics.parameters, 0.0)
    a = matrix.dense
    stored = np.abs(charge).sum(axis=1) > 0
    dynamic, algebraic = np.flatnonzero(stored), np.flatnonzero(~stored)
    inject = np.asarray(sk.ports.inject_free.todense())
    read = np.asarray(sk.ports.read_free.todense())
    bare = np.flatnonzero((np.abs(inject).sum(axis=1) + np.abs(read).sum(axis=0))[algebraic])
    if len(bare):
        number = int(free[algebraic[bare[0]]])
        nodes = dynamics.circuit.nodes
        name = f"node '{nodes[number]}'" if number < len(nodes) else "a source's current"
        raise NetlistError(f"{name} has no capacitor and a nonlinear element on it: no plain ODE", path=path, cure=cure)
    c = charge[np.ix_(dynamic, dynamic)]
    if not len(dynamic) or np.linalg.cond(c / np.abs(c).max(axis=1, keepdims=True)) > 1e12:
        raise NetlistError("the capacitances leave some voltage undetermined: no plain ODE", path=path, cure=cure)
    follow_b = np.zeros((len(dynamic), 0))
    follow = np.zeros((0, len(dynamic)))
    reduced = a[np.ix_(dynamic, dynamic)]
    if len(algebraic):
        a_aa, a_ad, a_da = (a[np.ix_(p, q)] for p, q in ((algebraic,) * 2, (algebraic, dynamic), (dynamic, algebraic)))
        try:
            follow = -np.linalg.solve(a_aa, a_ad)
            follow_b = -np.linalg.solve(a_aa.T, a_da.T).T
        except np.linalg.LinAlgError:
            what = "the nodes without capacitors are not determined by the others"
            raise NetlistError(what, path=path, cure=cure) from None
        reduced = reduced + a_da @ follow
    own = sk.own
    feed = np.asarray((dynamics.feed[free] - matrix.to_known @ dynamics.known).todense())
    charge_known = np.asarray((dynamics.capacitance[free][:, own.known_nodes] @ dynamics.known).todense())
    return PlainOde(
        dynamics, dynamic, algebraic, np.linalg.inv(c), reduced, feed, follow, follow_b, read[:, dynamic],
        inject[dynamic], charge_known, stop,
    )  # fmt: skip


def solve_ivp(
    circuit: Circuit,
    theta: ArrayLike | None = None,
    inputs: ArrayLike | None = None,
    *,
    stop: float,
    step: float | None = None,
    times: ArrayLike | None = None,
    method: str = "BDF",
    rtol: float = 1e-6,
    atol: float = 1e-9,
    **options,
) -> Waveforms:
    """A transient by SciPy's solvers, one sample; arguments as of `Transient.simulate`, the rest goes to SciPy.

    Starts from the operating point and stops at every corner of the waveforms.
    """
    from analogpnn.engines.transient import sample_times

    times, step = sample_times(stop, step, times)
    given = inputs if callable(inputs) else None
    theta, fixed, boundary, batch = prepare(circuit, theta, None if given else inputs, Free())
    if batch:
        raise NetlistError("solve_ivp takes one sample at a time", path=circuit.path, cure="loop over the batch")
    values = given or (None if inputs is None else fixed[None, :])
    sources = Sources(circuit, theta, values, 1, step, stop)
    ode = plain_ode(Dynamics(circuit, theta, sources), stop)
    free = ode.dynamics.free[ode.dynamic]
    x = operating_point(circuit, theta, sources, boundary, 1)[0, free]
    out = np.empty((len(times), circuit.n_unknowns))
    edges = [0.0, *sources.corners(), stop]
    count = 0
    if method in ("BDF", "Radau", "LSODA"):
        options.setdefault("jac", ode.jacobian)
    for start, end in zip(edges[:-1], edges[1:]):
        here = times[(times > start) & (times <= end)] if start else times[times <= end]
        answer = scipy.integrate.solve_ivp(
            ode.rate, (start, end), x, method=method, rtol=rtol, atol=atol, t_eval=np.union1d(here, [end]), **options
        )
        if not answer.success:
            raise ConvergenceError(f"SciPy gave up: {answer.message}", path=circuit.path)
        for t, y in zip(here, answer.y.T):
            out[np.searchsorted(times, t)] = ode.whole(t, y)
        x, count = answer.y[:, -1], count + answer.nfev
    n = circuit.n_nodes
    return Waveforms(circuit, theta, boundary, times, out[:, :n], out[:, n:], {"evaluations": count})
