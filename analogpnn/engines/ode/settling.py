"""How fast a circuit settles: poles at an operating point, and equilibria reached by its own dynamics."""

from __future__ import annotations

from math import log

import numpy as np

from analogpnn.circuit.boundary import Clamp
from analogpnn.circuit.circuit import Circuit
from analogpnn.circuit.operating_point import OperatingPoint
from analogpnn.engines.newton import Newton
from analogpnn.engines.ode.companion import skeleton
from analogpnn.engines.ode.dynamics import Dynamics
from analogpnn.engines.ode.sources import Sources
from analogpnn.errors import ConvergenceError

DEEPEST = 40
"""Doublings of the time that `relax` waits."""


def poles(op: OperatingPoint) -> np.ndarray:
    """Natural frequencies of the circuit linearised at an operating point [1/s].

    A small deviation decays as exp(s t) with s C v = -(A + S D C_u) v, C the capacitances and inductances, the bracket
    the Jacobian of the elements' laws. Unknowns without a charge give no pole (infinite ones are left out).

    Returns
    -------
    ndarray, shape (..., n_free), complex
        By rising speed, the slowest first; filled up with ``-inf`` where there are fewer poles than unknowns.
    """
    batch = op.node_voltages.shape[:-1]
    count = int(np.prod(batch))
    thetas = np.broadcast_to(op.theta, (*batch, op.theta.shape[-1])).reshape(count, op.theta.shape[-1])
    x = op.unknowns.reshape(count, -1)
    rows = [_poles(op, thetas[k], x[k]) for k in range(count)]
    width = max((len(r) for r in rows), default=0)
    out = np.full((count, width), -np.inf, dtype=complex)
    for k, r in enumerate(rows):
        out[k, : len(r)] = r
    return out.reshape(*batch, width)


def _poles(op: OperatingPoint, theta: np.ndarray, x: np.ndarray) -> np.ndarray:
    circuit = op.circuit
    clamped = isinstance(op.boundary, Clamp)
    sources = Sources(circuit, theta, None, 1, 1.0, 1.0)
    dynamics = Dynamics(circuit, theta, sources, None, np.zeros((1, circuit.n_outputs)) if clamped else None)
    full = np.zeros((1, dynamics.n + 1))
    full[0, : len(x)] = x
    jacobian, charge = linearised(dynamics, full)
    try:
        inverse = np.linalg.solve(jacobian, charge)
    except np.linalg.LinAlgError:
        return np.zeros(1, dtype=complex)  # a pole at zero: nothing drives the charge away
    mu = np.linalg.eigvals(inverse)
    mu = mu[np.abs(mu) > 1e-11 * np.abs(mu).max(initial=0.0)]
    s = -1.0 / mu
    return s[np.argsort(-s.real, kind="stable")]


def linearised(dynamics: Dynamics, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Conductances [S] and capacitances [F] (n_free, n_free) at unknowns x (1, n + 1)."""
    sk, free = dynamics.skeleton, dynamics.free
    for laws in (dynamics.laws, dynamics.unit_laws):
        dynamics.set_time(laws, np.full(1, np.finfo(float).tiny))  # states of devices move
    jacobian = sk.linear(dynamics.parameters, 0.0).matrix.toarray()
    charge = dynamics.capacitance[free][:, free].toarray()
    if sk.ports.n_out:
        u = dynamics.ports_of(x)
        dynamics.set_past(dynamics.unit_laws, x)
        static = _spread(dynamics, dynamics.laws, u)
        jacobian += static
        charge += _spread(dynamics, dynamics.unit_laws, u) - static
    return jacobian, charge


def _spread(dynamics: Dynamics, laws, u: np.ndarray) -> np.ndarray:
    """S D C of the nonlinear laws, free rows and columns."""
    p = dynamics.skeleton.ports
    d = laws.matrix(laws.tangent(laws.element_controls(u)))[0]
    return np.asarray(p.inject_free @ (d @ p.read_free))


def slowest_pole(op: OperatingPoint) -> np.ndarray:
    """(...): the pole with the largest real part [1/s]; positive where the operating point is unstable."""
    found = poles(op)
    return found[..., 0] if found.shape[-1] else np.full(found.shape[:-1], -np.inf, dtype=complex)


def settling_time(op: OperatingPoint, fraction: float = 1e-3) -> np.ndarray:
    """(...): time after which a small deviation has shrunk to `fraction` [s]; infinite where it never does.

    From the slowest pole alone, so for the last part of the way; large steps through a nonlinear circuit may take
    longer or shorter.
    """
    speed = -slowest_pole(op).real
    with np.errstate(divide="ignore"):
        return np.where(speed > 0, log(1.0 / fraction) / np.where(speed > 0, speed, 1.0), np.inf)


def relax(engine, circuit: Circuit, theta, inputs, boundary, start: OperatingPoint | None) -> OperatingPoint:
    """Integrate until nothing moves, then take the rest with Newton's method."""
    newton = Newton()
    if not skeleton(circuit, False).origins:  # nothing stores anything
        return newton.equilibrium(circuit, theta, inputs, boundary, start)
    inputs = circuit.input_values if inputs is None else np.asarray(inputs, dtype=float)
    here = np.zeros(circuit.n_nodes) if start is None else start
    wait = _time_scale(circuit, circuit.theta if theta is None else np.asarray(theta, dtype=float))
    past = None
    for _ in range(DEEPEST):
        waves = engine.simulate(
            circuit, theta, inputs, stop=wait, times=[wait / 2, wait], initial=here, boundary=boundary
        )
        volts, last = waves.node_voltages[..., -1, :], waves.node_voltages[..., 0, :]
        here = OperatingPoint(circuit, waves.theta, inputs, boundary, volts, waves.source_currents[..., -1, :])
        allowed = 10 * (engine.rtol * np.abs(volts) + engine.atol) + 1e-6
        if past is not None and np.all(np.abs(volts - last) <= allowed) and np.all(np.abs(volts - past) <= allowed):
            if circuit.states:  # an operating point would have them where they start
                return here
            return newton.equilibrium(circuit, theta, inputs, boundary, start=here)
        past, wait = volts, 2 * wait
    raise ConvergenceError(
        f"the circuit has not settled within {wait:.1e} s: it oscillates, or it is slower than that",
        path=circuit.path, cure="look at it with simulate(), or ask slowest_pole() of an operating point",
    )  # fmt: skip


def _time_scale(circuit: Circuit, theta: np.ndarray) -> float:
    """A guess to begin with: the largest C over the largest G [s], or L times G."""
    member = theta.reshape(-1, theta.shape[-1])[0] if theta.size else np.zeros(0)
    dynamics = Dynamics(circuit, member, Sources(circuit, member, None, 1, 1.0, 1.0))
    conductances, capacitances = linearised(dynamics, np.zeros((1, dynamics.n + 1)))
    c, g = (np.abs(m.diagonal()).max(initial=0.0) for m in (capacitances, conductances))
    return float(c / g) if c > 0 and g > 0 else 1e-6
