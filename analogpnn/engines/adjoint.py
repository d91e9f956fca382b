"""The exact gradient, by the adjoint of the circuit's equations: the yardstick of every local rule."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg as spl
from numpy.typing import ArrayLike

from analogpnn.circuit.arrays import add_columns
from analogpnn.circuit.circuit import Circuit
from analogpnn.circuit.operating_point import OperatingPoint
from analogpnn.devices.diode import IDEAL_DIODE
from analogpnn.engines.newton import Newton

DENSE_LIMIT = 300
SHORT = 1e12
"""What stands for the slope of a conducting ideal diode [S]."""


def gradient(
    circuit: Circuit,
    theta: ArrayLike | None,
    inputs: ArrayLike | None,
    cost: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]],
    *,
    engine=None,
    start: OperatingPoint | None = None,
) -> tuple[float, np.ndarray]:
    """Mean cost over the samples and its exact derivative by theta.

    With the residual F(x; theta) = 0 of modified nodal analysis and its Jacobian J = dF/dx at the operating point,

        J^T lambda = dC/dx,        dC/dtheta = -lambda^T dF/dtheta.

    Parameters
    ----------
    circuit : Circuit
    theta : array_like, shape (n_trainable,)
    inputs : array_like, shape (n_samples, n_inputs) or (n_inputs,)
        [V or A]
    cost : callable
        ``outputs (..., n_outputs) -> (cost (...,), d cost / d outputs (..., n_outputs))``.
    engine : Engine, optional
        Finds the operating point; `Newton()` if left out. With an engine that stands for hardware this is the
        model's gradient at the measured operating point.

    Returns
    -------
    cost : float
    gradient : ndarray, shape (n_trainable,)

    Examples
    --------
    >>> from analogpnn import Circuit, Netlist
    >>> text = '''divider
    ... *@ input V1
    ... *@ output v(out)
    ... *@ train R1 min=1u max=1
    ... V1 in 0 1
    ... R1 in out 1
    ... R2 out 0 1
    ... '''
    >>> circuit = Circuit.from_netlist(Netlist.from_text(text))
    >>> value, slope = gradient(circuit, [1.0], [[1.0]], lambda o: (o[..., 0], np.ones_like(o)))
    >>> round(value, 12), np.round(slope, 12)         # v = g/(1+g), dv/dg = 1/(1+g)^2
    (0.5, array([0.25]))

    References
    ----------
    Director and Rohrer, IEEE Trans. Circuit Theory 16, 318 (1969).
    """
    engine = engine or Newton()
    op = engine.equilibrium(circuit, theta, inputs) if start is None else start
    value, slope = cost(op.outputs)
    batch = op.node_voltages.shape[:-1]
    samples = int(np.prod(batch))
    n = circuit.n_unknowns
    x = op.unknowns.reshape(samples, n + 1)
    parameters = circuit.parameters(op.theta.reshape(-1))
    right = np.zeros((samples, n + 1))
    a, b = circuit.output_numbers
    slope = np.broadcast_to(slope, op.outputs.shape).reshape(samples, -1)
    add_columns(right, a, slope)
    add_columns(right, b, -slope)
    multipliers = np.zeros((samples, n + 1))
    multipliers[:, :n] = solve_transposed(circuit, x, parameters, right[:, :n])
    return float(np.mean(value)), pull_back(circuit, x, parameters, multipliers)


def pull_back(circuit: Circuit, x: np.ndarray, parameters, multipliers: np.ndarray) -> np.ndarray:
    """``-lambda^T dF/dtheta``, mean over the samples, from unknowns and multipliers (samples, n + 1)."""
    samples = len(x)
    total = np.zeros(circuit.n_trainable)
    for g, q, places, columns in (*circuit.train_slots, *circuit.state_slots):
        group = circuit.groups[g]
        controls = [c[:, places] for c in group.controls(x)]
        name = list(group.device.parameters)[q]
        values = [v[places] for v in parameters[g]]
        slope_theta = group.device.parameter_law(name)(*controls, *values)[0]
        if group.branch is None:
            across = multipliers[:, group.positive[places]] - multipliers[:, group.negative[places]]
        else:
            across = -multipliers[:, group.branch[places]]
        total[columns] -= (across * slope_theta).sum(axis=0) / samples
    return total


def jacobian(circuit: Circuit, x: np.ndarray, parameters) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """J at unknowns x (samples, n + 1) as triplets: rows (m,), columns (m,), values (samples, m)."""
    rows, columns, values = [], [], []

    def put(r, c, v):
        rows.append(r)
        columns.append(c)
        values.append(np.broadcast_to(v, (len(x), len(r))))

    for g, group_values in zip(circuit.groups, parameters):
        controls = g.controls(x)
        slopes = g.device.law(*controls, *group_values)[1:]
        if g.device is IDEAL_DIODE:  # no drop at all: it conducts
            slopes = (np.where(controls[0] == 0.0, SHORT, slopes[0]),)
        if g.branch is not None:
            for r, c, v in ((g.branch, g.positive, 1.0), (g.branch, g.negative, -1.0),
                            (g.positive, g.branch, 1.0), (g.negative, g.branch, -1.0)):  # fmt: skip
                put(r, c, v)
        into = ((g.positive, 1.0), (g.negative, -1.0)) if g.branch is None else ((g.branch, -1.0),)
        for row, sign in into:
            for slope, p, m in zip(slopes, g.control_positive, g.control_negative):
                put(row, p, sign * slope)
                put(row, m, -sign * slope)
    return np.concatenate(rows), np.concatenate(columns), np.concatenate(values, axis=1)


def solve_transposed(circuit: Circuit, x: np.ndarray, parameters, right: np.ndarray) -> np.ndarray:
    """J(x)^T lambda = right for every sample (samples, n)."""
    n = circuit.n_unknowns
    rows, columns, values = jacobian(circuit, x, parameters)
    keep = (rows < n) & (columns < n)
    rows, columns, values = rows[keep], columns[keep], values[:, keep]
    if n <= DENSE_LIMIT:
        place = sp.csr_matrix(
            (np.ones(len(rows)), (columns * n + rows, np.arange(len(rows)))), shape=(n * n, len(rows))
        )
        transposed = (place @ values.T).T.reshape(-1, n, n)
        return np.linalg.solve(transposed, right[..., None])[..., 0]
    out = np.empty_like(right)
    for k in range(len(x)):
        matrix = sp.csc_matrix((values[k], (columns, rows)), shape=(n, n))
        out[k] = spl.splu(matrix).solve(right[k])
    return out
