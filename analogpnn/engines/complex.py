"""Equilibria under complex nudges: the circuit's own laws, continued into the complex plane.

Holomorphic equilibrium propagation asks for the state as a function of a complex nudge strength, frequency propagation
for its derivative along the imaginary axis. sympy's laws are analytic piece by piece, and the functions generated from
them take complex numbers; a condition (``v >= -3 nVt``) is decided by the real part.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg as spl

from analogpnn.circuit.arrays import add_columns
from analogpnn.circuit.boundary import Inject
from analogpnn.circuit.circuit import Circuit
from analogpnn.circuit.operating_point import OperatingPoint
from analogpnn.devices.diode import IDEAL_DIODE
from analogpnn.engines.adjoint import DENSE_LIMIT, jacobian
from analogpnn.errors import ConvergenceError, ExperimentError

STEPS = 40
"""Newton steps per stage; from a free equilibrium three to five are enough."""
STAGES = 12
"""How often the nudge is halved before giving up."""


def equilibrium(circuit: Circuit, theta, inputs, boundary: Inject, free: OperatingPoint) -> OperatingPoint:
    """Where a circuit settles under complex currents, by Newton's method from its free equilibrium.

    Solves ``A^T i(A v; theta) = j`` with the branch equations of sources for complex v and j. The nudge is applied in
    stages where it can't be applied at once.

    Parameters
    ----------
    boundary : Inject
        Complex currents, shape (..., n_outputs) [A].
    free : OperatingPoint
        The equilibrium without them.

    Returns
    -------
    OperatingPoint
        With complex `node_voltages` and `source_currents`.

    Raises
    ------
    ConvergenceError
        Naming the sample.
    ExperimentError
        The circuit has ideal diodes.
    """
    if any(group.device is IDEAL_DIODE for group in circuit.groups):
        raise ExperimentError(
            "ideal diodes bend at a point, so the circuit's response has no continuation into the complex plane",
            path=circuit.path,
            cure="Use centred-equilibrium-propagation, or real diodes.",
        )
    n = circuit.n_unknowns
    theta, inputs = np.asarray(theta, dtype=float), np.asarray(inputs, dtype=float)
    currents = np.asarray(boundary.currents, dtype=complex)
    batch = np.broadcast_shapes(free.node_voltages.shape[:-1], inputs.shape[:-1], currents.shape[:-1])
    x = np.broadcast_to(free.unknowns, (*batch, n + 1)).reshape(-1, n + 1).astype(complex)
    flat = np.broadcast_to(inputs, (*batch, circuit.n_inputs)).reshape(len(x), -1)
    parameters = circuit.parameters(theta.reshape(-1), flat)
    a, b = circuit.output_numbers
    push = np.zeros((len(x), n + 1), dtype=complex)
    flat_currents = np.broadcast_to(currents, (*batch, circuit.n_outputs)).reshape(len(x), -1)
    add_columns(push, a, flat_currents)
    add_columns(push, b, -flat_currents)
    done, stride = 0.0, 1.0
    while done < 1.0:
        share = min(1.0, done + stride)
        new, worst = _newton(circuit, x, parameters, share * push)
        if worst is None:
            x, done = new, share
            stride *= 2.0
        elif stride > 2.0**-STAGES:
            stride *= 0.5
        else:
            raise ConvergenceError(
                f"no complex operating point beyond {100 * done:.0f} % of the nudge: sample {worst}",
                sample=worst,
                cure="Lower beta: it has come near a singularity of the circuit's response.",
            )
    x = x[:, :n].reshape(*batch, n)
    return OperatingPoint(circuit, theta, inputs, boundary, x[..., : circuit.n_nodes], x[..., circuit.n_nodes :])


def _newton(circuit: Circuit, x: np.ndarray, parameters, push: np.ndarray) -> tuple[np.ndarray, int | None]:
    """New unknowns, and the sample that didn't settle, or None."""
    x = x.copy()
    n = circuit.n_unknowns
    for _ in range(STEPS):
        change = _solve(circuit, x, parameters, push[:, :n] - _residual(circuit, x, parameters)[:, :n])
        x[:, :n] += change
        size = np.abs(change[:, : circuit.n_nodes]).max(axis=1, initial=0.0)
        if not np.isfinite(size).all():
            return x, int(np.argmin(np.isfinite(size)))
        if (size <= 1e-12 * (1.0 + np.abs(x[:, : circuit.n_nodes]).max(axis=1, initial=0.0))).all():
            return x, None
    return x, int(np.argmax(size))


def _residual(circuit: Circuit, x: np.ndarray, parameters) -> np.ndarray:
    """What leaves each node, and what each source's law is off by."""
    out = np.zeros_like(x)
    for g, values in zip(circuit.groups, parameters):
        law = g.device.law(*g.controls(x), *values)[0]
        if g.branch is None:
            through = np.broadcast_to(law, (len(x), len(g.names)))
        else:
            through = x[:, g.branch]
            out[:, g.branch] = x[:, g.positive] - x[:, g.negative] - law
        add_columns(out, g.positive, through)
        add_columns(out, g.negative, -through)
    return out


def _solve(circuit: Circuit, x: np.ndarray, parameters, right: np.ndarray) -> np.ndarray:
    """J(x) change = right for every sample."""
    n = circuit.n_unknowns
    rows, columns, values = jacobian(circuit, x, parameters)
    keep = (rows < n) & (columns < n)
    rows, columns, values = rows[keep], columns[keep], values[:, keep]
    if n <= DENSE_LIMIT:
        matrix = np.zeros((len(x), n * n), dtype=complex)
        add_columns(matrix, rows * n + columns, values)
        try:
            return np.linalg.solve(matrix.reshape(-1, n, n), right[..., None])[..., 0]
        except np.linalg.LinAlgError:
            return np.full_like(right, np.nan)
    out = np.empty_like(right)
    for k in range(len(x)):
        out[k] = spl.splu(sp.csc_matrix((values[k], (rows, columns)), shape=(n, n))).solve(right[k])
    return out
