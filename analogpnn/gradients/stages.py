"""The way back inside the stages of a cascade: the adjoint of the circuit whose buffers copy nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg as spl

from analogpnn.circuit.arrays import add_columns
from analogpnn.devices import linear as laws
from analogpnn.gradients.method import Estimate

if TYPE_CHECKING:
    from analogpnn.gradients.cascade import Buffers


def activities(op: Any, buffers: Buffers) -> np.ndarray:
    """What the buffers read, shape (batch, K) [V]."""
    x = op.unknowns.reshape(-1, op.circuit.n_unknowns + 1)
    return x[:, buffers.positive] - x[:, buffers.negative]


def stages_backward(
    circuit: Any, op: Any, buffers: Buffers, slope: np.ndarray, error: np.ndarray, *, linear: bool = False
) -> Estimate:
    """Minus the pull-back, stage by stage, of errors at the outputs and at what the buffers read.

    ``J_cut^T lambda = r`` with J_cut the Jacobian whose buffers copy nothing: it falls apart into the stages.

    Parameters
    ----------
    op : OperatingPoint
        Where the model is linearised: what was measured.
    slope : ndarray, shape (batch, n_outputs)
        Error at the outputs [cost per V].
    error : ndarray, shape (batch, K)
        Error at what the buffers read [cost per V].
    linear : bool
        Linearise at rest instead: the model then knows no nonlinearity.
    """
    from analogpnn.engines import adjoint

    x = op.unknowns.reshape(-1, circuit.n_unknowns + 1)
    parameters = circuit.parameters(op.theta.reshape(-1))
    cut = [list(values) for values in parameters]
    names = list(circuit.groups[buffers.group].device.parameters)
    gain = np.array(cut[buffers.group][names.index("gain")], dtype=float)
    gain[buffers.places] = 0.0
    cut[buffers.group][names.index("gain")] = gain
    right = np.zeros_like(x)
    a, b = circuit.output_numbers
    for first, second, pull in ((a, b, slope), (buffers.positive, buffers.negative, error)):
        add_columns(right, first, pull)
        add_columns(right, second, -pull)
    free = _free(circuit, buffers)
    multipliers = np.zeros_like(x)
    multipliers[:, free] = _solved(circuit, np.zeros_like(x) if linear else x, cut, right[:, free], free)
    m = len(free)
    return Estimate(
        update=-adjoint.pull_back(circuit, x, parameters, multipliers),
        outputs=op.outputs,
        measurements=len(x) * circuit.n_unknowns,
        multiply_adds=len(x) * (m**3 // 3 + m**2 + circuit.n_trainable + error.shape[1] * slope.shape[1]),
        stored=circuit.n_trainable + m + error.shape[1] * slope.shape[1],
    )


def _free(circuit: Any, buffers: Buffers) -> np.ndarray:
    """Unknowns whose multiplier isn't zero beforehand.

    A node held against ground by a source, or by a buffer that copies nothing, has multiplier zero; and nobody asks
    for that of the source's current unless the source itself learns or its current controls something.
    """
    ground = circuit.n_unknowns
    asked = {int(k) for group in circuit.groups for k in np.ravel(group.control_positive)}
    for g, _, places, _ in circuit.train_slots:
        if circuit.groups[g].branch is not None:
            asked |= {int(k) for k in circuit.groups[g].branch[places]}
    known: set[int] = set()
    for g, group in enumerate(circuit.groups):
        if group.device is laws.VOLTAGE_SOURCE:
            places = np.arange(len(group.names))
        elif g == buffers.group:
            places = buffers.places
        else:
            continue
        for p, n, branch in zip(group.positive[places], group.negative[places], group.branch[places]):
            if n == ground and int(branch) not in asked:
                known |= {int(p), int(branch)}
    return np.array([k for k in range(ground) if k not in known], dtype=int)


def _solved(circuit: Any, x: np.ndarray, parameters: Any, right: np.ndarray, free: np.ndarray) -> np.ndarray:
    """J(x)^T lambda = right in the free unknowns, all samples as one sparse system: stages don't touch each other."""
    from analogpnn.engines import adjoint

    samples, m = right.shape
    new = np.full(circuit.n_unknowns + 1, -1)
    new[free] = np.arange(m)
    rows, columns, values = adjoint.jacobian(circuit, x, parameters)
    keep = (new[rows] >= 0) & (new[columns] >= 0)
    shift = m * np.arange(samples)[:, None]
    place = ((new[columns[keep]] + shift).ravel(), (new[rows[keep]] + shift).ravel())
    matrix = sp.csc_matrix((values[:, keep].ravel(), place), shape=(samples * m, samples * m))
    return spl.splu(matrix).solve(right.ravel()).reshape(samples, m)
