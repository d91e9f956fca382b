"""What a learning rule is: two methods, nothing to inherit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from analogpnn.circuit.boundary import Boundary


class Rule(Protocol):
    """What to do to the outputs, and how each element then changes from what it alone can measure.

    One training sample goes like this. The circuit settles freely and its outputs are read; `boundaries`
    says what to impose on them next, one entry per extra phase; the circuit settles once under each of
    these; `update` turns what every element measured of itself in the free phase and in the others into the
    change of its own parameter. Nothing here knows the circuit, the engine or another element.

    The names of the phases are the rule's own: ``update(free, clamped)``, ``update(free, plus, minus)``.

    Attributes
    ----------
    update : callable, ``(free: Local, *others: Local) -> ndarray, shape (..., n_trainable)``
        What is *added* to theta, before the learning rate: minus the gradient of the cost [cost per unit of
        theta]. `others` come in the order of `boundaries`. The batch average is taken by the caller.
    """

    def boundaries(self, outputs: np.ndarray, targets: np.ndarray) -> tuple[Boundary, ...]:
        """What is imposed on the outputs, one boundary per phase after the free one.

        Parameters
        ----------
        outputs : ndarray, shape (..., n_outputs)
            Output voltages of the free phase [V].
        targets : ndarray, shape (..., n_outputs)
            Wanted output voltages [V].
        """
        ...

    # A property, so that implementations may name their phases instead of taking `*others`.
    @property
    def update(self) -> Callable[..., np.ndarray]: ...
