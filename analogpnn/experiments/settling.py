"""How long the hardware takes to settle, where its capacitances are known: from operating points to joules."""

from __future__ import annotations

from math import log
from typing import Any

import numpy as np

PRECISION = 1e-3
"""Settled means: within this share of where it goes."""
SAMPLES = 8
"""Operating points looked at."""
LARGEST = 300
"""Unknowns up to which the poles are worth computing."""


def settling_time(circuit: Any, theta: np.ndarray, inputs: np.ndarray) -> float | None:
    """Time after which the slowest mode has decayed to `PRECISION` at the free operating points [s].

    ``t = log(1/PRECISION) / min |Re s|`` over the poles s of the circuit linearised at each of the first samples.
    None without capacitances or inductances, for circuits too large, and where a mode doesn't decay.
    """
    charged = any(group.device.charge_expression != 0 for group in circuit.groups)
    if not charged or circuit.n_unknowns > LARGEST:
        return None
    from analogpnn.engines.newton import Newton
    from analogpnn.engines.ode.settling import poles

    found = poles(Newton().equilibrium(circuit, theta, inputs[:SAMPLES]))
    rates = -found.real[np.isfinite(found.real)]
    if not rates.size or rates.min() <= 0:
        return None
    return log(1.0 / PRECISION) / float(rates.min())
