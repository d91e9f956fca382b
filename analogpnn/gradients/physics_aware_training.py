"""Physics-aware training: forward through the hardware, backward through the model."""

from __future__ import annotations

from dataclasses import dataclass, field

from analogpnn.gradients.method import Estimate, no_memory
from analogpnn.gradients.stages import stages_backward
from analogpnn.learning.costs import Cost, SquaredError


@dataclass(frozen=True)
class PhysicsAwareTraining:
    r"""The gradient of the model, taken where the hardware really is.

    .. math:: x_p = f_p(\theta) \text{ (hardware)}, \qquad
              J_m(x_p)^T \lambda = \frac{\partial C}{\partial x}\Big|_{x_p}, \qquad
              \Delta\theta = \lambda^T \frac{\partial F_m}{\partial\theta}\Big|_{x_p}

    The error is the hardware's own, so what is descended has its zero where the hardware has it; the model's mistakes
    turn the direction only. All node voltages and source currents of the free state are measured and put into the
    model's Jacobian.

    Order: exact if the model is; else biased by its Jacobian's error. Needs from the hardware: one state, every node
    voltage; a digital twin for the way back.

    Parameters
    ----------
    cost : Cost

    Notes
    -----
    Departures from the paper: one equilibrium instead of a cascade of layers, hence the adjoint of the whole circuit
    instead of layer by layer.

    References
    ----------
    L. G. Wright et al., "Deep physical neural networks trained with backpropagation", Nature 601, 549 (2022).
    """

    cost: Cost = field(default_factory=SquaredError)

    start = no_memory

    def estimate(self, circuit, engine, theta, inputs, targets, *, cost, rng, rate, memory) -> Estimate:
        """The model's gradient at the measured operating point."""
        op = engine.equilibrium(circuit, theta, inputs)
        return stages_backward(circuit, op, None, cost.gradient(op.outputs, targets))
