"""Hyper-parameters are refused where they are given, not where they bite."""

from __future__ import annotations

import math

from analogpnn.errors import ExperimentError


def positive(owner: str, name: str, value: float, cure: str | None = None) -> None:
    """Refuse what is not a finite number above zero."""
    if not (math.isfinite(value) and value > 0):
        raise ExperimentError(f"{owner}: {name} must be a positive number, not {value!r}", cure=cure)


def nonzero(owner: str, name: str, value: float, cure: str | None = None) -> None:
    """Refuse what is not a finite number other than zero."""
    if not (math.isfinite(value) and value != 0):
        raise ExperimentError(f"{owner}: {name} must be a number other than zero, not {value!r}", cure=cure)


def within(owner: str, name: str, value: float, low: float, high: float, cure: str | None = None) -> None:
    """Refuse what is not in low <= value < high."""
    if not low <= value < high:
        what = f"{owner}: {name} must be at least {low:g} and below {high:g}, not {value!r}"
        raise ExperimentError(what, cure=cure)
