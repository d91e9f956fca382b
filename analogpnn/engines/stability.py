"""Whether a circuit stays at an operating point: the sign of the Jacobian's determinant, and the poles.

With a capacitance at every node, J dx + M d(dx)/dt = 0 for a small deviation dx from an operating point. Whenever a
real pole crosses zero, det J changes its sign; so the wrong sign means an odd number of growing modes, whatever the
capacitances are. The right sign and a pole in the right half plane is an oscillation: that depends on capacitances,
and those on the netlist's cards are taken if there are any, else equal ones at all nodes.

References
----------
M. M. Green, A. N. Willson, How to identify unstable dc operating points, IEEE Trans. Circuits Syst. I 39, 820 (1992).
"""

from __future__ import annotations

import numpy as np

from analogpnn.circuit.boundary import Clamp
from analogpnn.circuit.operating_point import OperatingPoint
from analogpnn.engines.fast.solver import Solver

RESOLVED = 1e-11
"""Time constants below this part of the longest are rounding."""


def jacobian(point: OperatingPoint) -> tuple[np.ndarray, np.ndarray]:
    """Kirchhoff's law and the laws of branches, linearised at operating points; what sources fix is left out.

    Parameters
    ----------
    point : OperatingPoint
        A batch of one theta.

    Returns
    -------
    j : ndarray, shape (B, n_free, n_free)
        Siemens where row and column are nodes; B is the flattened batch.
    nodes : ndarray, shape (n_free,), of bool
        Which rows are Kirchhoff's law; the others are laws of voltage branches.
    """
    theta = point.theta[(0,) * (point.theta.ndim - 1)]
    solver = Solver(point.circuit, theta, isinstance(point.boundary, Clamp))
    s, p, laws = solver.structure, solver.ports, solver.laws
    x = np.zeros((int(np.prod(point.node_voltages.shape[:-1])), s.n + 1))
    x[:, : point.circuit.n_unknowns + 1] = point.unknowns.reshape(len(x), -1)
    _, _, signs = s.nonlinear_triplets
    slopes = np.zeros((0, len(x)))
    if laws.groups:
        u = (p.read_free @ x[:, s.free].T).T + (p.read_known @ x[:, s.known_nodes].T).T
        slopes = signs[:, None] * laws.triplet_slopes(laws.tangent(laws.element_controls(u)))
    rows = [s.jacobian.dense(np.concatenate([solver.linear.values, column])) for column in slopes.T]
    return np.array(rows).reshape(len(x), len(s.free), len(s.free)), s.free < point.circuit.n_nodes


def index(point: OperatingPoint) -> np.ndarray:
    """(...) of int: +1 where the determinant has the sign of a damped circuit, -1 where it hasn't, 0 where it is 0.

    -1 is unstable for every choice of capacitances at nodes and inductances in voltage branches. Where a circuit is
    passive at large voltages, the indices of all its operating points add up to +1 (the degree of the map).

    Examples
    --------
    >>> from analogpnn import Circuit, Netlist, Newton
    >>> latch = "tunnelling\\nV1 a 0 0\\nR1 a b 1k\\nB1 b 0 i=2m*(v(b)*v(b)*v(b)-v(b))\\n"
    >>> index(Newton().equilibrium(Circuit.from_netlist(Netlist.from_text(latch))))  # at 0 V, between two stable points
    array(-1)
    """
    j, nodes = jacobian(point)
    with np.errstate(all="ignore"):
        signs = np.linalg.slogdet(j)[0] * (-1.0) ** np.sum(~nodes)
    return np.nan_to_num(signs).astype(int).reshape(point.node_voltages.shape[:-1])


def growth(point: OperatingPoint) -> np.ndarray:
    """(...): the largest real part of the poles [1/s], at equal capacitances of 1 F if the netlist has none.

    Positive where a small deviation grows.
    """
    if any(g.device.charge_expression != 0 for g in point.circuit.groups):
        from analogpnn.engines.ode.settling import slowest_pole

        return slowest_pole(point).real
    j, nodes = jacobian(point)
    rates = [_modes(one, nodes)[0].real.max(initial=-np.inf) for one in j]
    return np.array(rates).reshape(point.node_voltages.shape[:-1])


def escape(point: OperatingPoint) -> np.ndarray | None:
    """Along which unknowns (n_free,) one operating point is left fastest, the largest 1; None where it is stable."""
    j, nodes = jacobian(point)
    rates, shapes = _modes(j[0], nodes)
    if not rates.real.max(initial=-np.inf) > 0:
        return None
    way = shapes[:, np.argmax(rates.real)].real
    largest = np.abs(way[nodes]).max(initial=0.0)
    return way / largest if largest > 0 else None


def _modes(j: np.ndarray, nodes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Poles [1/s] at 1 F from every node to ground, and their shapes as columns."""
    try:
        times, shapes = np.linalg.eig(np.linalg.solve(j, -np.diag(nodes.astype(float))))
    except np.linalg.LinAlgError:
        return np.zeros(1), np.zeros((len(j), 1))  # a pole at zero: nothing brings the deviation back
    # Amplifiers without a time constant give times of zero, up to rounding.
    kept = np.abs(times) > RESOLVED * np.abs(times).max(initial=0.0)
    return 1.0 / times[kept], shapes[:, kept]


def is_stable(point: OperatingPoint) -> np.ndarray:
    """(...) of bool: whether the circuit comes back after a small push."""
    return (index(point) > 0) & (growth(point) < 0)
