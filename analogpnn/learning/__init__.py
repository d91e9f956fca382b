"""Learning rules: what to impose on the outputs, and how each element then changes from what it measures.

====================================  ======  =========  =========================================
rule                                  order   phases     imposed on the outputs
====================================  ======  =========  =========================================
`CoupledLearning`                     1       2          voltages, towards the targets
`CentredCoupledLearning`              2       3          voltages, towards and away
`EquilibriumPropagation`              1       2          currents, down the cost
`CentredEquilibriumPropagation`       2       3          currents, down and up the cost
====================================  ======  =========  =========================================

One published idea, one file. A rule is any object with `boundaries` and `update` (see `rule.Rule`); nothing
in here knows of a circuit or an engine, and an update sees only what each element measures of itself.
"""

from __future__ import annotations

from typing import Any

from analogpnn.learning.centred_coupled_learning import CentredCoupledLearning
from analogpnn.learning.centred_equilibrium_propagation import CentredEquilibriumPropagation
from analogpnn.learning.costs import Cost, CrossEntropy, SquaredError, make_cost
from analogpnn.learning.coupled_learning import CoupledLearning
from analogpnn.learning.equilibrium_propagation import EquilibriumPropagation
from analogpnn.learning.registry import from_table, registry
from analogpnn.learning.rule import Rule
from analogpnn.learning.schedules import make_schedule, rates
from analogpnn.learning.steps import Adam, Momentum, Plain, make_step

RULES = registry(CoupledLearning, CentredCoupledLearning, EquilibriumPropagation, CentredEquilibriumPropagation)
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
    return from_table("rule", spec, RULES, folder=folder)


__all__ = [
    "RULES",
    "Adam",
    "CentredCoupledLearning",
    "CentredEquilibriumPropagation",
    "Cost",
    "CoupledLearning",
    "CrossEntropy",
    "EquilibriumPropagation",
    "Momentum",
    "Plain",
    "Rule",
    "SquaredError",
    "make_cost",
    "make_rule",
    "make_schedule",
    "make_step",
    "rates",
]
