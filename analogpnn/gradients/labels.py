"""Classes as local learning needs them: which sample is of which, and sources that tell a circuit what a sample is."""

from __future__ import annotations

from dataclasses import replace
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any

import numpy as np

from analogpnn.devices import linear
from analogpnn.errors import ExperimentError


def classes_of(targets: np.ndarray, middle: float = 0.0) -> np.ndarray:
    """Numbers of the classes that targets stand for, shape (batch,): the highest, or the side of `middle` [V].

    Examples
    --------
    >>> classes_of(np.array([[-0.1, 0.1], [0.1, -0.1]])), classes_of(np.array([[-0.1], [0.1]]))
    (array([1, 0]), array([0, 1]))
    """
    targets = np.asarray(targets)
    return np.argmax(targets, axis=-1) if targets.shape[-1] > 1 else (targets[..., 0] > middle).astype(int)


@lru_cache(maxsize=4)
def told(circuit: Any, labels: str) -> tuple[Any, np.ndarray]:
    """The circuit with its label sources among the inputs, and what they give when nothing is told [V].

    Parameters
    ----------
    circuit : Circuit
    labels : str
        Glob of voltage sources that aren't inputs, one for each class, in card order.

    Raises
    ------
    ExperimentError
        No such sources.
    """
    group = next((g for g in circuit.groups if g.device is linear.VOLTAGE_SOURCE), None)
    names = () if group is None else group.names
    taken = {*circuit.inputs, *(t.element for t in circuit.trainable)}
    chosen = [k for k, name in enumerate(names) if fnmatchcase(name, labels.lower()) and name not in taken]
    if len(chosen) < 2:
        raise ExperimentError(
            f"the circuit has no sources for labels: fewer than two V cards fit '{labels}'",
            path=circuit.path,
            cure="One V card at 0 V for each class, not among *@ input, with resistors into the first stage.",
        )
    assert group is not None
    neutral = np.array([group.values[0][k] for k in chosen])
    inputs = (*circuit.inputs, *(names[k] for k in chosen))
    return replace(circuit, inputs=inputs, input_values=np.concatenate([circuit.input_values, neutral])), neutral
