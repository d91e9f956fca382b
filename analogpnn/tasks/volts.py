"""Samples as voltages: scaled, doubled in sign, classes as levels of outputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from analogpnn.errors import ExperimentError
from analogpnn.learning.registry import suggestion
from analogpnn.tasks.datasets import Samples, split
from analogpnn.tasks.options import Numbers, Switch
from analogpnn.tasks.problems import GATES


def data_in_volts(
    name: str,
    samples: Samples,
    circuit: Any,
    seed: int,
    *,
    test_fraction: float = 0.3,
    scale: str = "minmax",
    amplitude: float = 1.0,
    offset: float = 0.0,
    doubled: Switch = "auto",
    levels: Numbers = (),
    limit: int = 0,
) -> Samples:
    """Data as voltages: ``offset + amplitude * scaled``; doubled, ``offset - amplitude * scaled`` too.

    Parameters
    ----------
    test_fraction : float
        Share of the samples set apart, each class with its share (unless the data come with a test set).
    scale : {'minmax', 'symmetric', 'standard', 'none'}
        To 0..1, to -1..1, to mean 0 and standard deviation 1, or not at all; by the training set, each
        feature by itself.
    amplitude, offset : float
        [V]
    doubled : true, false, 'pairs' or 'auto'
        Inputs are [x, -x]: all features, then all their negatives (mirrored at `offset`); with 'pairs' each
        feature is followed by its negative. 'auto': as true, if the circuit has twice as many inputs as
        there are features.
    levels : (low, high)
        Of a class's output, for the other classes and for itself; for two classes with one output, its
        voltages for the first and for the second; default 0 and 1 V. Of a regression: the range that targets
        are scaled to; by default they are volts already.
    limit : int
        Use no more than so many training samples (drawn by the seed; each class with its share); 0: all.
    """
    samples = split(samples, test_fraction, seed)
    if 0 < limit < len(samples.features):
        few = split(replace(samples, test=None), 1 - limit / len(samples.features), seed)
        samples = replace(few, test=samples.test)
    low, span = _fit(name, samples.features, scale)

    def in_volts(features: np.ndarray) -> np.ndarray:
        return offset + amplitude * ((features - low) / span)

    if samples.targets is not None and levels:
        samples = _rescaled(samples, _two(name, levels))
        levels = ()
    return _for_circuit(name, samples, circuit, in_volts, offset, doubled, levels)


def gate_in_volts(
    name: str, samples: Samples, circuit: Any, seed: int, *, levels: Numbers = (), doubled: Switch = "auto"
) -> Samples:
    """Truth tables: inputs are volts already; `levels` are the output's voltages for 0 and 1 (0 and 1 V)."""
    return _for_circuit(name, samples, circuit, lambda x: x, 0.0, doubled, levels)


def as_they_are(name: str, samples: Samples, circuit: Any, seed: int, *, doubled: Switch = "auto") -> Samples:
    """Problems whose inputs and targets are volts already."""
    return _for_circuit(name, samples, circuit, lambda x: x, 0.0, doubled, ())


def _for_circuit(
    name: str,
    samples: Samples,
    circuit: Any,
    in_volts: Callable[[np.ndarray], np.ndarray],
    mirror: float,
    doubled: str,
    levels: tuple[float, ...],
) -> Samples:
    """Inputs doubled or not, classes as target voltages."""
    count = samples.features.shape[1]
    twice = doubled in ("true", "pairs")
    if doubled == "auto":
        twice = circuit is not None and circuit.n_inputs == 2 * count
    single, low, high = False, 0.0, 1.0
    if samples.labels is not None:
        low, high = _two(name, levels or (low, high))
        outputs = circuit.n_outputs if circuit is not None else 1 if name in GATES else len(samples.classes)
        single = outputs == 1 and len(samples.classes) == 2

    def convert(part: Samples) -> Samples:
        x, targets = in_volts(part.features), part.targets
        if twice:
            both = np.stack([x, 2 * mirror - x], axis=2 if doubled == "pairs" else 1)
            x = both.reshape(len(x), -1)
        if part.labels is not None:
            # A single output tells class 1 from class 0; otherwise each class has its own.
            which = 1 if single else np.arange(len(samples.classes))
            targets = np.where(part.labels[:, None] == which, high, low)
        return replace(part, features=x, targets=targets, levels=(low, high) if single else ())

    return replace(convert(samples), test=None if samples.test is None else convert(samples.test))


def _fit(name: str, features: np.ndarray, scale: str) -> tuple[np.ndarray, np.ndarray]:
    """What to take off and divide by; features that never change become 0 (or the lower end)."""
    least, most = features.min(axis=0), features.max(axis=0)
    if scale == "minmax":
        low, span = least, most - least
    elif scale == "symmetric":
        low, span = (least + most) / 2, (most - least) / 2
    elif scale == "standard":
        low, span = features.mean(axis=0), features.std(axis=0)
    elif scale == "none":
        low, span = np.zeros_like(least), np.ones_like(least)
    else:
        cure = suggestion(scale, ("minmax", "symmetric", "standard", "none"))
        raise ExperimentError(f"task '{name}': no scale is called '{scale}'", cure=cure)
    return low, np.where(most > least, span, 1.0)


def _rescaled(samples: Samples, levels: tuple[float, float]) -> Samples:
    """Regression targets onto a range of volts, by the training set, per target."""
    assert samples.targets is not None
    least, span = samples.targets.min(axis=0), np.ptp(samples.targets, axis=0)
    span = np.where(span > 0, span, 1.0)

    def rescale(part: Samples) -> Samples:
        return replace(part, targets=levels[0] + (levels[1] - levels[0]) * (part.targets - least) / span)

    return replace(rescale(samples), test=None if samples.test is None else rescale(samples.test))


def _two(name: str, levels: tuple[float, ...]) -> tuple[float, float]:
    if len(levels) != 2 or not all(np.isfinite(levels)) or levels[0] == levels[1]:
        raise ExperimentError(f"task '{name}': levels must be two different voltages, not {list(levels)}")
    return levels[0], levels[1]
