"""Learning rules: what to impose on the outputs, and how each element then changes from what it measures.

=====================================  ======  ========  =======================================
rule                                   order   phases    imposed on the outputs
=====================================  ======  ========  =======================================
`CoupledLearning`                      1       2         voltages, towards the targets
`CentredCoupledLearning`               2       3         voltages, towards and away
`ContrastiveLearning`                  -       2         voltages, the targets themselves
`OverclampedCoupledLearning`           -       2         voltages, past the targets
`PowerRegularisedCoupledLearning`      1       2         voltages, towards the targets
`ComparatorCoupledLearning`            -       2         voltages, towards the targets
`EquilibriumPropagation`               1       2         currents, down the cost
`NegativeEquilibriumPropagation`       1       2         currents, up the cost
`CentredEquilibriumPropagation`        2       3         currents, down and up the cost
`RandomSignEquilibriumPropagation`     1       2         currents, down or up the cost
`ProductEquilibriumPropagation`        1       2         currents, down the cost
`HolomorphicEquilibriumPropagation`    N       2 + N/2   complex currents on a circle
`AgnosticEquilibriumPropagation`       1       2         currents, down the cost; theta drifts
`FrequencyPropagation`                 2       2         an oscillating current
`Desynchronous`                                          wraps another rule
=====================================  ======  ========  =======================================

One published idea, one file. A rule is any object with `boundaries` and `update` (see `rule.Rule`); nothing
in here knows of a circuit or an engine, and an update sees only what each element measures of itself.
"""

from __future__ import annotations

from typing import Any

from analogpnn.learning.agnostic_equilibrium_propagation import AgnosticEquilibriumPropagation
from analogpnn.learning.centred_coupled_learning import CentredCoupledLearning
from analogpnn.learning.centred_equilibrium_propagation import CentredEquilibriumPropagation
from analogpnn.learning.comparator_coupled_learning import ComparatorCoupledLearning
from analogpnn.learning.contrastive_learning import ContrastiveLearning
from analogpnn.learning.costs import Cost, CrossEntropy, SquaredError, make_cost
from analogpnn.learning.coupled_learning import CoupledLearning
from analogpnn.learning.desynchronous import Desynchronous
from analogpnn.learning.equilibrium_propagation import EquilibriumPropagation
from analogpnn.learning.frequency_propagation import FrequencyPropagation
from analogpnn.learning.holomorphic_equilibrium_propagation import HolomorphicEquilibriumPropagation
from analogpnn.learning.negative_equilibrium_propagation import NegativeEquilibriumPropagation
from analogpnn.learning.overclamped_coupled_learning import OverclampedCoupledLearning
from analogpnn.learning.power_regularised_coupled_learning import PowerRegularisedCoupledLearning
from analogpnn.learning.product_equilibrium_propagation import ProductEquilibriumPropagation
from analogpnn.learning.random_sign_equilibrium_propagation import RandomSignEquilibriumPropagation
from analogpnn.learning.registry import from_table, registry
from analogpnn.learning.rule import Rule
from analogpnn.learning.schedules import make_schedule, rates
from analogpnn.learning.steps import Adam, Momentum, Plain, make_step

RULES = registry(
    CoupledLearning,
    CentredCoupledLearning,
    ContrastiveLearning,
    OverclampedCoupledLearning,
    PowerRegularisedCoupledLearning,
    ComparatorCoupledLearning,
    EquilibriumPropagation,
    NegativeEquilibriumPropagation,
    CentredEquilibriumPropagation,
    RandomSignEquilibriumPropagation,
    ProductEquilibriumPropagation,
    HolomorphicEquilibriumPropagation,
    AgnosticEquilibriumPropagation,
    FrequencyPropagation,
    Desynchronous,
)
"""Rules by the name they have in experiment files and on the command line."""


def make_rule(spec: Any, folder: Any = None) -> Rule:
    """A rule from its name, from a table ``{"name": ..., option: ...}``, or the rule itself.

    Parameters
    ----------
    spec : str, mapping or Rule
        A name in kebab-case, or 'module:ClassName' for one of the user's own. In a table, `cost` may itself
        be a name or a table.
    folder : path, optional
        Where the user's module may lie, besides the places Python looks at.

    Examples
    --------
    >>> make_rule({"name": "coupled-learning", "eta": 1.0})
    CoupledLearning(eta=1.0, half=True, cost=SquaredError())
    """
    if hasattr(spec, "keys") and "cost" in spec:
        spec = {**spec, "cost": make_cost(spec["cost"], folder)}
    if hasattr(spec, "keys") and "rule" in spec:
        spec = {**spec, "rule": make_rule(spec["rule"], folder)}
    return from_table("rule", spec, RULES, folder=folder)


__all__ = [
    "RULES",
    "Adam",
    "AgnosticEquilibriumPropagation",
    "CentredCoupledLearning",
    "CentredEquilibriumPropagation",
    "ComparatorCoupledLearning",
    "ContrastiveLearning",
    "Cost",
    "CoupledLearning",
    "CrossEntropy",
    "Desynchronous",
    "EquilibriumPropagation",
    "FrequencyPropagation",
    "HolomorphicEquilibriumPropagation",
    "Momentum",
    "NegativeEquilibriumPropagation",
    "OverclampedCoupledLearning",
    "Plain",
    "PowerRegularisedCoupledLearning",
    "ProductEquilibriumPropagation",
    "RandomSignEquilibriumPropagation",
    "Rule",
    "SquaredError",
    "make_cost",
    "make_rule",
    "make_schedule",
    "make_step",
    "rates",
]
