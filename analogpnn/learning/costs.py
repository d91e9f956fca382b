"""How wrong the outputs are, and in which direction: the costs that rules and the adjoint descend."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from analogpnn.errors import ExperimentError
from analogpnn.learning.registry import from_table, registry


class Cost(Protocol):
    """A cost of one sample's outputs; the physical axis is last, the batch in front."""

    def value(self, outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Cost per sample, shape (...,)."""
        ...

    def gradient(self, outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """d cost/d outputs, shape (..., n_outputs) [cost per V]."""
        ...


@dataclass(frozen=True)
class SquaredError:
    """Half the squared distance to the targets: ``C = 1/2 sum_k (o_k - y_k)^2`` [V^2].

    The mean square error of an output is therefore ``2 C / n_outputs``.

    Examples
    --------
    >>> import numpy as np
    >>> SquaredError().value(np.array([[0.5, 0.25]]), np.array([[0.0, 0.25]]))
    array([0.125])
    """

    def value(self, outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """``1/2 sum_k (o_k - y_k)^2``, shape (...,) [V^2]."""
        error = np.asarray(outputs) - np.asarray(targets)
        return 0.5 * np.sum(error * error, axis=-1)

    def gradient(self, outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """``o - y``, shape (..., n_outputs) [V]."""
        return np.asarray(outputs) - np.asarray(targets)


@dataclass(frozen=True)
class CrossEntropy:
    """Cross-entropy of the class on the softmax of the output voltages.

    ``C = -log p_c`` with ``p = softmax(o / temperature)`` and ``c`` the output with the highest target, so
    that targets may be given in volts (0 V and 0.3 V, or -0.1 V and 0.1 V) as well as one-hot. Soft targets
    (probabilities of several classes) are not a case that this cost knows.

    The gradient ``(p - onehot(c)) / temperature`` is bounded by 1/temperature, so the largest nudge is known
    beforehand: `beta / temperature` for a current, `eta / temperature` for a clamp.

    Parameters
    ----------
    temperature : float
        Voltage difference that makes one output e times as likely as another [V].

    Examples
    --------
    >>> import numpy as np
    >>> CrossEntropy(0.1).gradient(np.array([0.0, 0.0]), np.array([0.0, 0.3]))
    array([ 5., -5.])
    """

    temperature: float = 0.05

    def __post_init__(self):
        if not (math.isfinite(self.temperature) and self.temperature > 0):
            raise ExperimentError(
                f"the temperature of a cross-entropy must be a positive voltage, not {self.temperature!r}",
                cure="Take about a tenth of the output swing, temperature = 0.05 say.",
            )

    def value(self, outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """``-log p_c``, shape (...,), no unit."""
        return -np.sum(self._onehot(targets) * self._log_softmax(outputs), axis=-1)

    def gradient(self, outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """``(p - onehot) / temperature``, shape (..., n_outputs) [1/V]."""
        return (np.exp(self._log_softmax(outputs)) - self._onehot(targets)) / self.temperature

    def _log_softmax(self, outputs: np.ndarray) -> np.ndarray:
        z = np.asarray(outputs) / self.temperature
        z = z - np.max(z, axis=-1, keepdims=True)  # exp(z) can't overflow
        return z - np.log(np.sum(np.exp(z), axis=-1, keepdims=True))

    @staticmethod
    def _onehot(targets: np.ndarray) -> np.ndarray:
        targets = np.asarray(targets)
        if targets.shape[-1] < 2:
            raise ExperimentError(
                "cross-entropy compares outputs with each other, and the circuit has only one",
                cure="Use the squared error, or one output per class.",
            )
        return (np.argmax(targets, axis=-1)[..., None] == np.arange(targets.shape[-1])).astype(float)


COSTS = registry(SquaredError, CrossEntropy)
"""Costs by the name they have in experiment files."""


def make_cost(spec: Any, folder: Any = None) -> Cost:
    """A cost from its name, from a table ``{"name": ..., option: ...}``, or the cost itself.

    Examples
    --------
    >>> make_cost({"name": "cross-entropy", "temperature": 0.1})
    CrossEntropy(temperature=0.1)
    """
    return from_table("cost", spec, COSTS, folder=folder)
