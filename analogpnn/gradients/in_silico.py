"""In-silico training: the exact gradient of the model, deployed afterwards."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from analogpnn.gradients.method import Estimate, no_memory
from analogpnn.gradients.stages import stages_backward
from analogpnn.learning.costs import Cost, SquaredError


@dataclass(frozen=True)
class InSilico:
    r"""Descend the gradient of the *model's* cost; the hardware is not asked until the end.

    .. math:: \Delta\theta = -\frac{dC_m}{d\theta} = \lambda^T \frac{\partial F}{\partial\theta},
              \qquad J^T \lambda = \frac{\partial C}{\partial x}

    F is Kirchhoff's law of the netlist as written, J its Jacobian. What was learned is as good on hardware as the
    model: mismatch, offsets and noise of the engine under training appear only when it is tested.

    Order: exact for the model. Needs from the hardware: nothing; a digital twin, and its arithmetic. In the counts the
    equilibria are `simulated`, all of them.

    Parameters
    ----------
    cost : Cost

    References
    ----------
    A. Momeni et al., "Training of physical neural networks", Nature 645, 53 (2025), section on in-silico training;
    S. W. Director, R. A. Rohrer, IEEE Trans. Circuit Theory 16, 318 (1969) for the adjoint.
    """

    cost: Cost = field(default_factory=SquaredError)
    _model: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    start = no_memory

    def estimate(self, circuit, engine, theta, inputs, targets, *, cost, rng, rate, memory) -> Estimate:
        """The model's gradient; `engine` isn't asked."""
        if not self._model:  # compiled on use: other methods don't pay for it
            from analogpnn.engines.newton import Newton

            self._model["engine"] = Newton()
        op = self._model["engine"].equilibrium(circuit, theta, inputs)
        found = stages_backward(circuit, op, None, cost.gradient(op.outputs, targets))
        return replace(found, measurements=0, simulated=len(inputs))
