"""What training reports after every epoch, and what the physics had to do for it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Counts:
    """What the physics had to do for training since its start; evaluations are not in it.

    Parameters
    ----------
    operating_points : int
        States settled: phases times samples for a local rule, evaluations times samples for other methods.
    measurements : int
        Quantities read: by a local rule every output in the free phase and every trainable element in every phase,
        else every output in every state; physics-aware training reads every node too.
    updates : int
        Element writes: trainables that changed, summed over all steps.
    energy : float
        Power dissipated, summed over the operating points [W]: times the settling time, joules.
    simulated : int
        Those of the operating points that a model settled instead of the hardware.
    multiply_adds : int
        Digital arithmetic of the method (not of the simulation that stands for the hardware).
    memory : int
        Most numbers held digitally at any time, optimiser's state included. Local rules need none.
    """

    operating_points: int = 0
    measurements: int = 0
    updates: int = 0
    energy: float = 0.0
    simulated: int = 0
    multiply_adds: int = 0
    memory: int = 0

    def __add__(self, other: Counts) -> Counts:
        mine, theirs = vars(self), vars(other)
        total = {name: value + theirs[name] for name, value in mine.items()}
        return Counts(**{**total, "memory": max(self.memory, other.memory)})


@dataclass(frozen=True, eq=False)
class Epoch:
    """What an epoch left behind.

    Parameters
    ----------
    epoch : int
        Epochs done, this one included.
    theta : ndarray, shape (n_trainable,)
        The parameters after it, rounded to what a netlist's text carries: exactly what an export holds.
    train_loss : float
        Mean cost of the free phases of the epoch, each before its update ("online").
    train_accuracy : float or None
        Share of the same samples that were read out right; None without classes.
    test_loss, test_accuracy : float or None
        The same of the test set at `theta`; None in epochs that were not evaluated or without a test set.
    counts : Counts
        Since the start of the run.
    seconds : float
        Wall time of this epoch, evaluation included [s].
    """

    epoch: int
    theta: np.ndarray
    train_loss: float
    train_accuracy: float | None
    test_loss: float | None
    test_accuracy: float | None
    counts: Counts
    seconds: float

    def row(self) -> dict[str, float | int | None]:
        """Everything but theta, flat: a row of a history table."""
        names = ("epoch", "train_loss", "train_accuracy", "test_loss", "test_accuracy")
        own = {name: getattr(self, name) for name in names}
        return own | dataclasses.asdict(self.counts) | {"seconds": self.seconds}
