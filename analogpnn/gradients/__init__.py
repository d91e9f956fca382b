"""Floor 4. Training methods that are not local: they need a model, the global cost, or digital memory.

===============================  =====================  =========================================================
method                           evaluations            needs
===============================  =====================  =========================================================
`InSilico`                       0 (the model's: 1)     a model; the hardware only to deploy on
`PhysicsAwareTraining`           1                      a model for the way back; every node measured
`FiniteDifferences`              2 P + 1                the cost, one element written at a time
`SPSA`                           2                      the cost, broadcast; signs at each element
`WeightPerturbation`             2                      the cost, broadcast; noise at each element
`MultiplexedGradientDescent`     1 per step + 1         the cost, broadcast; a code and an integrator each
`CMAES`                          4 + 3 log P            the cost, a controller with P^2 memory
`FeedbackAlignment`              1                      a cascade; a model of each stage
`DirectFeedbackAlignment`        1                      a cascade; a model of each stage, the error broadcast
`AugmentedPhysicsAwareTraining`  1                      a cascade; a linear model of each stage, the error broadcast
`PhysicalLocalLearning`          1                      a cascade; a model within each stage, two remembered activities
`ForwardForward`                 3                      a cascade; a model within each stage, labels as inputs
===============================  =====================  =========================================================

Evaluations per sample and update, P trainables. In experiment files they are rules like all others, by name.
"""

from __future__ import annotations

from typing import Any

from analogpnn import learning
from analogpnn.gradients.augmented_physics_aware_training import AugmentedPhysicsAwareTraining
from analogpnn.gradients.cma_es import CMAES
from analogpnn.gradients.direct_feedback_alignment import DirectFeedbackAlignment
from analogpnn.gradients.feedback_alignment import FeedbackAlignment
from analogpnn.gradients.finite_differences import FiniteDifferences
from analogpnn.gradients.forward_forward import ForwardForward
from analogpnn.gradients.in_silico import InSilico
from analogpnn.gradients.method import Estimate, Method
from analogpnn.gradients.multiplexed_gradient_descent import MultiplexedGradientDescent
from analogpnn.gradients.physical_local_learning import PhysicalLocalLearning
from analogpnn.gradients.physics_aware_training import PhysicsAwareTraining
from analogpnn.gradients.spsa import SPSA
from analogpnn.gradients.weight_perturbation import WeightPerturbation
from analogpnn.learning.registry import from_table

METHODS = {
    "in-silico": InSilico,
    "physics-aware-training": PhysicsAwareTraining,
    "finite-differences": FiniteDifferences,
    "spsa": SPSA,
    "weight-perturbation": WeightPerturbation,
    "multiplexed-gradient-descent": MultiplexedGradientDescent,
    "cma-es": CMAES,
    "feedback-alignment": FeedbackAlignment,
    "direct-feedback-alignment": DirectFeedbackAlignment,
    "augmented-physics-aware-training": AugmentedPhysicsAwareTraining,
    "physical-local-learning": PhysicalLocalLearning,
    "forward-forward": ForwardForward,
}
"""Methods by the name they have in experiment files and on the command line."""

RULES = {**learning.RULES, **METHODS}
"""All that ``rule = ...`` may name."""


def make_rule(spec: Any, folder: Any = None) -> Any:
    """A rule or a method from its name, from a table ``{"name": ..., option: ...}``, or the thing itself.

    Examples
    --------
    >>> make_rule({"name": "spsa", "step": 0.02})
    SPSA(step=0.02, repeats=1, cost=SquaredError())
    >>> make_rule("coupled-learning")
    CoupledLearning(eta=0.1, half=True, cost=SquaredError())
    """
    name = spec.get("name") if hasattr(spec, "keys") else spec
    if isinstance(name, str) and name in METHODS:
        if hasattr(spec, "keys") and "cost" in spec:
            spec = {**spec, "cost": learning.make_cost(spec["cost"], folder)}
        return from_table("rule", spec, METHODS, folder=folder)
    if isinstance(name, str) and ":" not in name and name not in RULES:
        return from_table("rule", spec, RULES, folder=folder)  # the error that knows all names
    return learning.make_rule(spec, folder)


__all__ = ["METHODS", "RULES", "Estimate", "Method", "make_rule", *sorted(c.__name__ for c in METHODS.values())]
