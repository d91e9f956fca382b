"""An engine that counts what is asked of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from analogpnn.circuit.boundary import Boundary, Free
from analogpnn.training.evaluation import settler


class Meter:
    """The hardware as a training method sees it: every equilibrium counts.

    Parameters
    ----------
    engine : Engine
        What is metered.

    Attributes
    ----------
    points : int
        Operating points settled.
    energy : float
        Power dissipated, summed over them [W].
    outputs : int
        Output voltages read.
    """

    def __init__(self, engine: Any, settle: Callable[..., Any] | None = None):
        self.engine = engine
        self._settle = settler(engine) if settle is None else settle
        self.points, self.outputs = 0, 0
        self.energy = 0.0

    def equilibrium(
        self,
        circuit: Any,
        theta: Any,
        inputs: Any,
        boundary: Boundary = Free(),  # noqa: B008  (a frozen record)
        start: Any = None,
    ) -> Any:
        """That of the engine, counted."""
        op = self._settle(circuit, theta, inputs, boundary, start)
        power = np.asarray(op.power)
        self.points += power.size
        self.outputs += power.size * circuit.n_outputs
        self.energy += float(power.sum())
        return op
