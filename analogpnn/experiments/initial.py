"""Where theta starts: as the netlist says, or at random."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from analogpnn.errors import ExperimentError
from analogpnn.learning.registry import suggestion
from analogpnn.seeds import stream
from analogpnn.units import parse_number

EXAMPLES = 'init = "netlist", or {low = 1e-7, high = 1e-6} for all, or by element {"R1_*" = {low = 1e-7, high = 1e-6}}.'


def initial_theta(circuit, spec: Any, seed: int) -> np.ndarray:
    """Start values of the trainables.

    Parameters
    ----------
    circuit : Circuit
    spec : str or mapping
        ``"netlist"``: the values on the cards. ``{"low": a, "high": b}``: random between a and b [unit of
        theta], uniform in the logarithm for conductances (unless a is 0) and uniform for everything else;
        ``"spacing": "linear" | "logarithmic"`` chooses. A table of such by globs of element names; what fits
        none stays as on its card.
    seed : int

    Returns
    -------
    ndarray, shape (n_trainable,)
        Within the bounds, and such that a netlist's text can carry it.

    Raises
    ------
    ExperimentError
    """
    theta = np.array(circuit.theta, dtype=float)
    if spec == "netlist":
        return theta
    if not isinstance(spec, Mapping):
        raise ExperimentError(f"init can't be {spec!r}", cure=EXAMPLES)
    parts = {"*": spec} if {"low", "high"} & set(spec) else spec
    random = stream(seed, "initial").random(theta.shape)  # one number each, whatever the table says
    left = np.ones(len(theta), dtype=bool)
    for glob, part in parts.items():
        names = [(t.element.lower(), t.name.lower()) for t in circuit.trainable]
        fits = np.array([any(fnmatchcase(n, glob.lower()) for n in pair) for pair in names], dtype=bool)
        if not fits.any():
            cure = suggestion(glob, dict.fromkeys(element for element, _ in names))
            raise ExperimentError(f"init: '{glob}' fits no trainable element", cure=cure)
        for k in np.flatnonzero(fits & left):
            if part != "netlist":
                theta[k] = _between(part, random[k], circuit.trainable[k].quantity == "G")
        left &= ~fits
    return circuit.snap(circuit.clip(theta))


def _between(part: Any, share: float, conductance: bool) -> float:
    if not isinstance(part, Mapping) or not {"low", "high"} <= set(part) <= {"low", "high", "spacing"}:
        raise ExperimentError(f"init needs low and high, not {part!r}", cure=EXAMPLES)
    low, high = _number(part["low"]), _number(part["high"])
    if not low <= high:
        raise ExperimentError(f"init: low = {low:g} is above high = {high:g}")
    spacing = part.get("spacing", "logarithmic" if conductance and low > 0 else "linear")
    if spacing == "linear":
        return low + (high - low) * share
    if spacing != "logarithmic":
        raise ExperimentError(f"init: spacing is 'linear' or 'logarithmic', not {spacing!r}")
    if not low > 0:
        raise ExperimentError(f"init: low = {low:g} has no logarithm", cure='Take spacing = "linear".')
    return low * (high / low) ** share


def _number(value: Any) -> float:
    try:
        return parse_number(value) if isinstance(value, str) else float(value)
    except (TypeError, ValueError):
        raise ExperimentError(f"init: {value!r} is not a number", cure=EXAMPLES) from None
