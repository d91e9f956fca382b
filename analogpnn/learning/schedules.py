"""Learning rates: constant, decaying, one per group of elements.

A rate turns an update [cost per unit of theta] into a change of theta: its unit is that of theta squared per
unit of cost, so it is small for small conductances.
"""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from analogpnn.errors import ExperimentError
from analogpnn.learning.checks import positive, within
from analogpnn.learning.registry import from_table, suggestion


class Schedule(Protocol):
    """A rate that depends on the epoch."""

    def at(self, epoch: int, epochs: int) -> float:
        """The rate in `epoch` (counted from 0) of a run of `epochs`."""
        ...


@dataclass(frozen=True)
class Constant:
    """The same rate all along."""

    rate: float

    def __post_init__(self):
        _check_rate(self.rate)

    def at(self, epoch: int, epochs: int) -> float:
        """``rate``."""
        return self.rate


@dataclass(frozen=True)
class Exponential:
    """``rate * decay^epoch``."""

    rate: float
    decay: float = 0.99

    def __post_init__(self):
        _check_rate(self.rate)
        positive("exponential schedule", "decay", self.decay, "The factor per epoch: decay = 0.99 say.")

    def at(self, epoch: int, epochs: int) -> float:
        """``rate * decay^epoch``."""
        return self.rate * self.decay**epoch


@dataclass(frozen=True)
class Cosine:
    """Half a cosine from `rate` in the first epoch to `final` at the end of the run.

    ``final + (rate - final) (1 + cos(pi epoch / epochs)) / 2``

    References
    ----------
    I. Loshchilov, F. Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017 (one period).
    """

    rate: float
    final: float = 0.0

    def __post_init__(self):
        _check_rate(self.rate)
        _check_rate(self.final)

    def at(self, epoch: int, epochs: int) -> float:
        """The rate on the cosine; `final` from epoch `epochs` on."""
        turn = min(epoch / epochs, 1.0) if epochs > 0 else 1.0
        return self.final + (self.rate - self.final) * (1 + math.cos(math.pi * turn)) / 2


@dataclass(frozen=True)
class Inverse:
    """``rate / (1 + decay * epoch)``: slow enough to reach any place, fast enough to average noise out."""

    rate: float
    decay: float = 0.1

    def __post_init__(self):
        _check_rate(self.rate)
        within("inverse schedule", "decay", self.decay, 0.0, math.inf, "decay = 0.1 say.")

    def at(self, epoch: int, epochs: int) -> float:
        """``rate / (1 + decay * epoch)``."""
        return self.rate / (1 + self.decay * epoch)


@dataclass(frozen=True)
class Staircase:
    """``rate * factor^(epoch // every)``: the rate drops by `factor` every so many epochs."""

    rate: float
    every: int = 10
    factor: float = 0.5

    def __post_init__(self):
        _check_rate(self.rate)
        within("step schedule", "every", self.every, 1, math.inf, "A number of epochs.")
        positive("step schedule", "factor", self.factor, "factor = 0.5 halves it.")

    def at(self, epoch: int, epochs: int) -> float:
        """``rate * factor^(epoch // every)``."""
        return self.rate * self.factor ** (epoch // self.every)


SCHEDULES = {
    "constant": Constant,
    "exponential": Exponential,
    "cosine": Cosine,
    "inverse": Inverse,
    "step": Staircase,
}
"""Schedules by the name they have in experiment files."""

EXAMPLES = (
    'rate = 1e-8, or {schedule = "cosine", rate = 1e-8, final = 1e-9}, or by element {"R1_*" = 1e-8, "R2_*" = 1e-9}.'
)


def make_schedule(spec: Any, folder: Any = None) -> Schedule:
    """A schedule from a number, from a table ``{"schedule": ..., "rate": ...}``, or the schedule itself.

    Examples
    --------
    >>> make_schedule(1e-8)
    Constant(rate=1e-08)
    >>> make_schedule({"schedule": "step", "rate": 1.0, "every": 5}).at(11, 40)
    0.25
    """
    if isinstance(spec, int | float | np.number) and not isinstance(spec, bool):
        return Constant(float(spec))
    if isinstance(spec, str | bool) or spec is None:
        raise ExperimentError(f"a learning rate must be a number, not {spec!r}", cure=EXAMPLES)
    if isinstance(spec, Mapping):
        options = dict(spec)
        name = options.pop("schedule", options.pop("name", None))
        if not isinstance(name, str):
            raise ExperimentError("a learning-rate schedule needs its kind", cure=EXAMPLES)
        spec = {"name": name, **options}
    return from_table("schedule", spec, SCHEDULES, folder=folder)


def rates(spec: Any, trainable: Sequence[Any], folder: Any = None) -> Callable[[int, int], np.ndarray]:
    """The rate of every trainable as a function of the epoch.

    Parameters
    ----------
    spec : number, table, schedule or ndarray of shape (n_trainable,)
        A table without the key 'schedule' maps globs of element names ('r1_*') or of trainables ('m*.vto') to
        rates or schedules; case doesn't matter, the first that matches counts.
    trainable : sequence
        The circuit's trainables: anything with `.name` and `.element`.

    Returns
    -------
    rate_at : callable, ``(epoch, epochs) -> ndarray, shape (n_trainable,)``

    Raises
    ------
    ExperimentError
        A glob that matches nothing or nothing new, an element without a rate.

    Examples
    --------
    >>> from types import SimpleNamespace as T
    >>> rate_at = rates({"r2": 3.0, "*": 1.0}, [T(name="r1", element="r1"), T(name="r2", element="r2")])
    >>> rate_at(0, 40)
    array([1., 3.])
    """
    count = len(trainable)
    if isinstance(spec, np.ndarray | list | tuple):
        fixed = np.asarray(spec, dtype=float)
        if fixed.shape not in ((), (count,)) or not np.all(np.isfinite(fixed)) or np.any(fixed < 0):
            what = f"{fixed.size} learning rates for {count} trainables, or one of them below 0"
            raise ExperimentError(what, cure=EXAMPLES)
        fixed = np.broadcast_to(fixed, (count,))
        return lambda epoch, epochs: fixed
    if isinstance(spec, Mapping) and "schedule" not in spec and "name" not in spec:
        schedules, which = _by_glob(spec, trainable, folder)
        return lambda epoch, epochs: np.array([s.at(epoch, epochs) for s in schedules])[which]
    schedule = make_schedule(spec, folder)
    return lambda epoch, epochs: np.broadcast_to(np.float64(schedule.at(epoch, epochs)), (count,))


def _by_glob(spec: Mapping[str, Any], trainable: Sequence[Any], folder: Any) -> tuple[list[Schedule], np.ndarray]:
    """The schedules in the table's order, and which one each trainable has."""
    names = [(t.element.lower(), t.name.lower()) for t in trainable]
    which = np.full(len(names), -1)
    schedules = []
    for k, (glob, value) in enumerate(spec.items()):
        schedules.append(make_schedule(value, folder))
        matches = np.array([any(fnmatch.fnmatchcase(n, glob.lower()) for n in pair) for pair in names], dtype=bool)
        if not matches.any():
            known = list(dict.fromkeys(element for element, _ in names))
            cure = suggestion(glob, known) if len(known) <= 12 else f"There are {_few(known)}. {EXAMPLES}"
            raise ExperimentError(f"the learning rate for '{glob}' fits no trainable element", cure=cure)
        if not (matches & (which < 0)).any():
            raise ExperimentError(
                f"the learning rate for '{glob}' is never used: earlier ones take all that it fits",
                cure=f"The first glob that fits counts; put '{glob}' further up.",
            )
        which[matches & (which < 0)] = k
    if (which < 0).any():
        left = [names[i][1] for i in np.flatnonzero(which < 0)]
        raise ExperimentError(
            f"no learning rate for {_few(left)}",
            cure='Add "*" = ... for the others; 0 keeps them as they are.',
        )
    return schedules, which


def _few(names: Sequence[str]) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"


def _check_rate(rate: float) -> None:
    if not (math.isfinite(rate) and rate >= 0):
        raise ExperimentError(f"a learning rate must be a number of at least 0, not {rate!r}", cure=EXAMPLES)
