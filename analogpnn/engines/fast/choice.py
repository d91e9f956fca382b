"""Which algorithm a circuit gets: decided from its structure alone, and said in a sentence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from analogpnn.engines.fast.assembly import Linear, Structure
from analogpnn.engines.fast.batched import Batched, plan_of
from analogpnn.engines.fast.celled import Celled
from analogpnn.engines.fast.cells import condense
from analogpnn.engines.fast.factor import Factor
from analogpnn.engines.fast.full import Full
from analogpnn.engines.fast.ports import Ports
from analogpnn.engines.fast.reduced import MANY, Reduced

FEW_PORTS = 12
"""Nonlinear ports up to which a dense system on them, for each sample, is the fastest."""
SMALL, SMALL_PORTS = 64, 24
"""Unknowns and ports up to which it is nearly so: small circuits then need no compiler."""
MOST_PORTS = 6000
"""Ports up to which a dense matrix of them is formed: 300 MB."""
DENSE_LIMIT = 24
"""Unknowns up to which dense matrices, all samples at once, are."""


def choose(s: Structure, linear: Linear, p: Ports, parameters: list[list[np.ndarray]]) -> tuple[Any, str]:
    """The system to iterate on, and why.

    Returns
    -------
    system : Factor (linear circuits), Reduced, Celled, Batched or Full; None for a linear circuit that is singular
    reason : str
    """
    n, k = len(s.free), p.n_in
    if not s.nonlinear:
        return _regular(Factor, linear), f"linear: one factorisation of {n} unknowns, all samples as right-hand sides"
    laws = "diagonal" if p.square else "coupled"
    few = k <= FEW_PORTS or (k <= SMALL_PORTS and n <= SMALL)
    if few and (k <= 2 * n if p.square else 2 * k <= n):
        system = _regular(Reduced, linear, p)
        if system is not None:
            return system, f"reduced: Newton's method on {k} nonlinear ports of {n} unknowns, {laws} laws, dense"
    if n <= DENSE_LIMIT:
        return Full(s, linear, p), f"full: Newton's method on all {n} unknowns ({k} nonlinear controls), dense"
    condensed = condense(s)
    if condensed is not None:
        system = _regular(Celled, condensed, linear, p, parameters)
        if system is not None:
            cells = sum(len(f) for f in condensed.families)
            return system, (
                f"cells: {cells} devices with nodes inside eliminated one by one, sparse {_factors(s)} of the "
                f"{len(condensed.structure.free)} unknowns between them, eight samples at once"
            )
    plan = _regular(plan_of, s, linear, p)
    if plan is None:
        return None, "singular"
    if MANY <= k <= MOST_PORTS and p.square and _port_flops(k, plan.pattern.fill) < plan.pattern.flops:
        system = _regular(Reduced, linear, p)
        if system is not None:
            return system, (
                f"reduced: Newton's method on {k} nonlinear ports of {n} unknowns, "
                f"{'conjugate' if s.symmetric else 'biconjugate'} gradients in products "
                f"(a factor would fill to {plan.pattern.fill} entries)"
            )
    return Batched(s, linear, p), (
        f"batched: sparse {_factors(s)} of {n} unknowns ({plan.pattern.fill} entries), eight samples at once"
    )


def _factors(s: Structure) -> str:
    return "L D L^T" if s.symmetric else "L U"


def _port_flops(k: int, fill: int) -> float:
    """Matrix products on the ports, in flops of a factorisation: about 60 products a solve against 9 factorisations.

    Products run at three times the rate; setting Z up takes two solves a port, shared by some 60 samples. Without
    symmetry both the products and a factorisation are twice as many.
    """
    return 6.0 * k * k + k * fill / 30.0


def _regular(make: Callable, *arguments):
    """make(*arguments), or None where its matrix is singular."""
    try:
        return make(*arguments)
    except np.linalg.LinAlgError:
        return None
