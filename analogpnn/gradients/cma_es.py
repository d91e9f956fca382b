"""Evolution: covariance matrix adaptation."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from analogpnn.errors import ExperimentError
from analogpnn.gradients.method import Estimate, Memory
from analogpnn.learning.costs import Cost, SquaredError


@dataclass(frozen=True)
class CMAES:
    r"""A cloud of candidates; its mean, width and shape follow the better half.

    .. math:: \theta_k = m + \sigma R\, y_k, \quad y_k \sim N(0, K), \qquad
              m \leftarrow m + \sigma R \sum_{k\le\mu} w_k y_k

    (candidates sorted by cost), with cumulation for the width sigma and rank-one and rank-mu updates of the covariance
    K. One generation is one batch. `rate` is the initial standard deviation R of each trainable [unit of theta]: no
    update is ever a gradient, and the optimiser is left out.

    Needs from the hardware: `population` evaluations of the cost per update, all elements written each time; a digital
    controller with P^2 numbers of memory and P^3 operations now and then. No model, no smoothness.

    Parameters
    ----------
    population : int
        Candidates per generation; 0: ``4 + floor(3 log P)``.
    cost : Cost

    Notes
    -----
    Written out here, instead of using a library, so that its state is a handful of arrays and a run goes on bit for
    bit from its checkpoint. Departures from the tutorial: candidates end at the bounds, and are ranked as they were
    measured there; costs of different batches are never compared.

    References
    ----------
    N. Hansen, "The CMA evolution strategy: a tutorial", arXiv:1604.00772 (2016), figure 6 and table 1, with c_m = 1
    and positive weights.
    """

    population: int = 0
    cost: Cost = field(default_factory=SquaredError)

    def __post_init__(self):
        if int(self.population) != self.population or self.population < 0 or self.population in (1, 2, 3):
            what = f"cma-es: population must be a whole number from 4, or 0, not {self.population!r}"
            raise ExperimentError(what, cure="0 chooses 4 + 3 log(number of trainables).")

    def start(self, circuit: Any, theta: np.ndarray) -> Memory:
        """Paths zero, covariance the unit matrix, width 1 (in units of the rate)."""
        n = len(theta)
        return {
            "covariance": np.eye(n),
            "path": np.zeros(n),
            "width_path": np.zeros(n),
            "width": np.ones(()),
            "generation": np.zeros(()),
            "basis": np.eye(n),
            "lengths": np.ones(n),
        }

    def estimate(self, circuit, engine, theta, inputs, targets, *, cost, rng, rate, memory) -> Estimate:
        """One generation; the update is the step of the mean."""
        n = len(theta)
        size = int(self.population) or 4 + int(3 * np.log(n))
        weights, effective, c = _constants(n, size)
        basis, lengths, width = memory["basis"], memory["lengths"], float(memory["width"])
        z = rng.standard_normal((size, n))
        y = (z * lengths) @ basis.T
        costs, outputs = np.empty(size), []
        for k in range(size):
            candidate = circuit.clip(theta + width * rate * y[k])
            y[k] = np.divide(candidate - theta, width * rate, out=np.zeros(n), where=rate > 0)
            seen = engine.equilibrium(circuit, candidate, inputs).outputs
            costs[k] = np.mean(cost.value(seen, targets))
            outputs.append(seen)
        best = np.argsort(costs, kind="stable")[: len(weights)]
        mean = weights @ y[best]
        generation = float(memory["generation"]) + 1
        whitened = basis @ ((basis.T @ mean) / lengths)
        width_path = (1 - c["s"]) * memory["width_path"] + np.sqrt(c["s"] * (2 - c["s"]) * effective) * whitened
        expected = np.sqrt(n) * (1 - 1 / (4 * n) + 1 / (21 * n * n))
        reach = np.linalg.norm(width_path) / np.sqrt(1 - (1 - c["s"]) ** (2 * generation)) / expected
        steady = reach < 1.4 + 2 / (n + 1)
        path = (1 - c["c"]) * memory["path"] + steady * np.sqrt(c["c"] * (2 - c["c"]) * effective) * mean
        old = memory["covariance"]
        kept = 1 - c["1"] - c["mu"] + (not steady) * c["1"] * c["c"] * (2 - c["c"])
        covariance = kept * old + c["1"] * np.outer(path, path) + c["mu"] * (y[best].T * weights) @ y[best]
        wider = width * np.exp(min(1.0, c["s"] / c["d"] * (np.linalg.norm(width_path) / expected - 1)))
        if generation % max(1, int(1 / (10 * n * (c["1"] + c["mu"])))) == 0:
            covariance = (covariance + covariance.T) / 2
            values, basis = np.linalg.eigh(covariance)
            lengths = np.sqrt(np.maximum(values, 1e-14 * values.max()))
        new = {
            "covariance": covariance,
            "path": path,
            "width_path": width_path,
            "width": np.asarray(wider),
            "generation": np.asarray(generation),
            "basis": basis,
            "lengths": lengths,
        }
        seen = np.einsum("k,kbo->bo", weights, np.array(outputs)[best])
        work = size * n * n + len(weights) * n * n
        return Estimate(width * rate * mean, seen, new, direct=True, stored=size * n, multiply_adds=work)


def _constants(n: int, size: int) -> tuple[np.ndarray, float, dict[str, float]]:
    """Recombination weights, their effective number, and the learning rates of the tutorial's table 1."""
    weights = np.log((size + 1) / 2) - np.log(np.arange(1, size // 2 + 1))
    weights /= weights.sum()
    mu = float(1 / np.sum(weights**2))
    s = (mu + 2) / (n + mu + 5)
    one = 2 / ((n + 1.3) ** 2 + mu)
    c = {
        "s": s,
        "d": 1 + 2 * max(0.0, np.sqrt((mu - 1) / (n + 1)) - 1) + s,
        "c": (4 + mu / n) / (n + 4 + 2 * mu / n),
        "1": one,
        "mu": min(1 - one, 2 * (mu - 2 + 1 / mu) / ((n + 2) ** 2 + mu)),
    }
    return weights, mu, c
