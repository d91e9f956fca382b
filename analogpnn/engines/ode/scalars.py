"""Laws of a lone sample, one number at a time.

NumPy takes a microsecond for an operation however few the numbers; Python's own arithmetic takes a twentieth of that.
So the few elements of one sample go through the same generated text with `numpy` standing for scalar functions; where
plain numbers raise (a division by zero in a branch that `where` drops), NumPy's own answer is taken.
"""

from __future__ import annotations

from functools import lru_cache
from math import ceil, copysign, exp, floor, fmod, inf, log, nan, sqrt, tanh
from types import SimpleNamespace

import numpy as np

from analogpnn.devices.device import Device
from analogpnn.devices.generate import function_of
from analogpnn.engines.fast.laws import Laws

FEW = 12
"""Elements of one law up to which numbers are faster than arrays."""


def _exp(x):
    try:
        return exp(x)
    except OverflowError:
        return inf


def _sqrt(x):
    return sqrt(x) if x >= 0.0 else nan


def _maximum(a, b):
    return a if a >= b or a != a else b


def _minimum(a, b):
    return a if a <= b or a != a else b


_NUMBERS = SimpleNamespace(
    exp=_exp, sqrt=_sqrt, log=log, tanh=tanh, fmod=fmod, abs=abs, maximum=_maximum, minimum=_minimum,
    floor=floor, ceil=ceil, sign=lambda x: copysign(1.0, x) if x else 0.0,
    heaviside=lambda x, middle: 1.0 if x > 0 else 0.0 if x < 0 else middle,
    where=lambda condition, a, b: a if condition else b,
    greater=lambda a, b: a > b, greater_equal=lambda a, b: a >= b, less=lambda a, b: a < b,
    less_equal=lambda a, b: a <= b, equal=lambda a, b: a == b, not_equal=lambda a, b: a != b,
    logical_and=SimpleNamespace(reduce=all), logical_or=SimpleNamespace(reduce=any), logical_not=lambda a: not a,
)  # fmt: skip
_RAISED = (ArithmeticError, ValueError, TypeError, AttributeError)


@lru_cache(maxsize=256)
def scalar_law(device: Device):
    """The law of a device for plain numbers."""
    return function_of(device.law.text, _NUMBERS)


def evaluate(device: Device, controls: list[np.ndarray], values: list[np.ndarray]):
    """What ``device.law(*controls, *values)`` returns."""
    if not controls or len(controls[0]) != 1 or controls[0].shape[-1] > FEW:
        return device.law(*controls, *values)
    law, n = scalar_law(device), controls[0].shape[-1]
    columns = [c[0].tolist() for c in controls]
    for v in values:
        last = v.reshape(-1, v.shape[-1])[-1].tolist() if np.ndim(v) else [float(v)]
        columns.append(last if len(last) == n else last * n)
    try:
        rows = [law(*column) for column in zip(*columns)]
        found = np.array(rows, dtype=float).T
    except _RAISED:
        return device.law(*controls, *values)
    return tuple(found[:, None, :])


class LoneLaws(Laws):
    """Laws of which one sample may be asked for often."""

    def law(self, g: int, controls: list[np.ndarray]) -> tuple[np.ndarray, ...]:
        return evaluate(self.groups[g].device, controls, self.parameters[g])
