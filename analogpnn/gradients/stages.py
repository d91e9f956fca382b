"""The way back: the adjoint of a circuit, or of the stages of a cascade, whose buffers then copy nothing."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg as spl

from analogpnn.circuit.arrays import add_columns
from analogpnn.devices import linear as laws
from analogpnn.gradients.method import Estimate

if TYPE_CHECKING:
    from analogpnn.gradients.cascade import Buffers

DENSE_LIMIT = 300
"""Free unknowns up to which every sample's matrix is dense."""


def activities(op: Any, buffers: Buffers) -> np.ndarray:
    """What the buffers read, shape (batch, K) [V]."""
    x = op.unknowns.reshape(-1, op.circuit.n_unknowns + 1)
    return x[:, buffers.positive] - x[:, buffers.negative]


def stages_backward(
    circuit: Any, op: Any, buffers: Buffers | None, slope: np.ndarray, error: Any = None, *, linear: bool = False
) -> Estimate:
    """Minus the pull-back, stage by stage, of errors at the outputs and at what the buffers read.

    ``J_cut^T lambda = r`` with J_cut the Jacobian whose buffers copy nothing: it falls apart into the stages.

    Parameters
    ----------
    op : OperatingPoint
        Where the model is linearised: what was measured.
    buffers : Buffers, optional
        None: nothing is cut, the whole circuit is one stage and what comes is its exact gradient.
    slope : ndarray, shape (batch, n_outputs)
        Error at the outputs [cost per V].
    error : ndarray, shape (batch, K), optional
        Error at what the buffers read [cost per V].
    linear : bool
        Linearise at rest instead: the model then knows no nonlinearity.
    """
    from analogpnn.engines import adjoint

    x = op.unknowns.reshape(-1, circuit.n_unknowns + 1)
    parameters = circuit.parameters(op.theta.reshape(-1))
    right, cut = np.zeros_like(x), [list(values) for values in parameters]
    a, b = circuit.output_numbers
    ends, width = [(a, b, slope)], 0
    if buffers is not None:
        place = list(circuit.groups[buffers.group].device.parameters).index("gain")
        gain = np.array(cut[buffers.group][place], dtype=float)
        gain[buffers.places] = 0.0
        cut[buffers.group][place] = gain
        ends.append((buffers.positive, buffers.negative, error))
        width = error.shape[1] * slope.shape[1]
    for first, second, pull in ends:
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
        multiply_adds=len(x) * (m**3 // 3 + m**2 + circuit.n_trainable + width),
        stored=circuit.n_trainable + m + width,
    )


@lru_cache(maxsize=4)  # asked for at every update
def _free(circuit: Any, buffers: Buffers | None) -> np.ndarray:
    """Unknowns whose multiplier isn't zero beforehand.

    A node held against ground by a source, by a copy of such a node, or by a buffer that copies nothing, has
    multiplier zero; and nobody asks for that of the current unless the source itself learns or its current controls
    something.
    """
    ground = circuit.n_unknowns
    asked = {int(k) for group in circuit.groups for k in np.ravel(group.control_positive)}
    for g, _, places, _ in circuit.train_slots:
        if circuit.groups[g].branch is not None:
            asked |= {int(k) for k in circuit.groups[g].branch[places]}
    known = {ground}
    for _ in range(2):  # sources, then what copies them
        for g, group in enumerate(circuit.groups):
            copies = group.device is laws.VCVS
            if not copies and group.device is not laws.VOLTAGE_SOURCE:
                continue
            cut = set(buffers.places.tolist()) if buffers is not None and g == buffers.group else set()
            for k, (p, n, branch) in enumerate(zip(group.positive, group.negative, group.branch)):
                told = k in cut or not copies
                told |= copies and known.issuperset(
                    (int(group.control_positive[0][k]), int(group.control_negative[0][k]))
                )
                if told and n == ground and int(branch) not in asked:
                    known |= {int(p), int(branch)}
    return np.array([k for k in range(ground) if k not in known], dtype=int)


def _solved(circuit: Any, x: np.ndarray, parameters: Any, right: np.ndarray, free: np.ndarray) -> np.ndarray:
    """J(x)^T lambda = right in the free unknowns, for each sample, shape (samples, m) like `right`."""
    if len(free) <= DENSE_LIMIT:
        return np.linalg.solve(_transposed(circuit, x, parameters, free), right[..., None])[..., 0]
    from analogpnn.engines import adjoint

    samples, m = right.shape
    rows, columns, values = _kept(adjoint.jacobian(circuit, x, parameters), circuit, free)
    shift = m * np.arange(samples)[:, None]  # all samples as one sparse system: they don't touch each other
    place = ((columns + shift).ravel(), (rows + shift).ravel())
    matrix = sp.csc_matrix((values.ravel(), place), shape=(samples * m, samples * m))
    # Patterns are symmetric but for controlled sources: little fill in this order, much in the default one.
    return spl.splu(matrix, permc_spec="MMD_AT_PLUS_A").solve(right.ravel()).reshape(samples, m)


def _transposed(circuit: Any, x: np.ndarray, parameters: Any, free: np.ndarray) -> np.ndarray:
    """J(x)^T between the free unknowns, shape (samples, m, m).

    What is affine, by far most of a layered network, has the same slopes in every sample and is summed once.
    """
    from analogpnn.engines import adjoint

    samples, m = len(x), len(free)
    total = np.zeros((samples, m * m))
    for affine, at in ((True, x[:1]), (False, x)):
        chosen = [g for g, group in enumerate(circuit.groups) if group.device.is_affine == affine]
        if not chosen:
            continue
        part = replace(circuit, groups=tuple(circuit.groups[g] for g in chosen))
        found = adjoint.jacobian(part, at, [parameters[g] for g in chosen])
        rows, columns, values = _kept(found, circuit, free)
        place = columns * m + rows
        for k, slopes in enumerate(values):
            added = np.bincount(place, slopes, minlength=m * m)
            total[slice(None) if affine else k] += added
    return total.reshape(samples, m, m)


def _kept(found: Any, circuit: Any, free: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The triplets of a Jacobian between free unknowns, which are numbered anew."""
    new = np.full(circuit.n_unknowns + 1, -1)
    new[free] = np.arange(len(free))
    rows, columns, values = found
    keep = (new[rows] >= 0) & (new[columns] >= 0)
    return new[rows[keep]], new[columns[keep]], values[:, keep]
