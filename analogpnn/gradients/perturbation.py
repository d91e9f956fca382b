"""What SPSA and weight perturbation share: move all trainables at once, correlate the cost with where they went."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from analogpnn.gradients.method import Estimate, costs_at, perturbation_scale
from analogpnn.learning.costs import Cost


def perturbed(
    circuit: Any,
    engine: Any,
    theta: np.ndarray,
    inputs: np.ndarray,
    targets: np.ndarray,
    cost: Cost,
    *,
    step: float,
    repeats: int,
    draw: Callable[[int], np.ndarray],
    weigh: Callable[[np.ndarray, np.ndarray], np.ndarray],
    centred: bool,
) -> Estimate:
    """Minus the mean over some perturbations of ``weigh(moved, scale) * (cost there - cost here)``.

    Parameters
    ----------
    step : float
        Perturbation as a share of each trainable's scale.
    repeats : int
        Perturbations averaged.
    draw : callable
        n_trainable -> a direction of components about 1.
    weigh : callable
        ``(moved, scale)``, what theta moved by within its bounds and its size of a perturbation, -> the factor of the
        difference of costs [1/unit of theta].
    centred : bool
        From the perturbation backward to the one forward; else from theta itself, which is settled once. Outputs are
        those of theta, or the mean of both sides.
    """
    scale = step * perturbation_scale(circuit, theta)
    update, seen = np.zeros(len(theta)), []
    here, low = theta, 0.0
    if not centred:
        low, outputs = costs_at(engine, circuit, theta, inputs, targets, cost)
        seen.append(outputs)
    for _ in range(repeats):
        h = scale * draw(len(theta))
        there = circuit.clip(theta + h)
        high, above = costs_at(engine, circuit, there, inputs, targets, cost)
        if centred:
            here = circuit.clip(theta - h)
            low, below = costs_at(engine, circuit, here, inputs, targets, cost)
            seen += [above, below]
        update -= (high - low) * weigh(there - here, scale)
    work = 2 * repeats * len(theta)
    return Estimate(update / repeats, np.mean(seen, axis=0), stored=len(theta), multiply_adds=work)
