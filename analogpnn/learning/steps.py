"""From the update to the change of theta: plain, momentum and Adam steps.

A step is a frozen record of its hyper-parameters. What evolves, its state, is a plain dict of arrays that is
passed in and handed back, so that it can be looked at, saved and restored.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from analogpnn.learning.checks import positive, within
from analogpnn.learning.registry import from_table

State = dict[str, np.ndarray]


class Step(Protocol):
    """Turns the batch average of a rule's update into a change of theta."""

    def start(self, theta: np.ndarray) -> State:
        """The state before the first step."""
        ...

    def step(self, state: State, update: np.ndarray, rate: np.ndarray | float) -> tuple[np.ndarray, State]:
        """The change of theta and the new state.

        Parameters
        ----------
        state : dict of ndarray
            What `start` or the last `step` gave; not written to.
        update : ndarray, shape (n_trainable,)
            Batch average of the rule's update: minus the gradient.
        rate : float or ndarray, shape (n_trainable,)
            Learning rate.

        Returns
        -------
        change : ndarray, shape (n_trainable,)
            What is added to theta (before the bounds) [unit of theta].
        state : dict of ndarray
        """
        ...


@dataclass(frozen=True)
class Plain:
    """Gradient descent: ``change = rate * update``. The one step that needs no memory in the hardware."""

    def start(self, theta: np.ndarray) -> State:
        """No state."""
        return {}

    def step(self, state: State, update: np.ndarray, rate: np.ndarray | float) -> tuple[np.ndarray, State]:
        """``rate * update``."""
        return rate * update, {}


@dataclass(frozen=True)
class Momentum:
    """Heavy ball: ``velocity = momentum * velocity + update``, ``change = rate * velocity``.

    In the long run it moves ``1 / (1 - momentum)`` times as fast as `Plain` at the same rate.

    References
    ----------
    B. T. Polyak, "Some methods of speeding up the convergence of iteration methods", USSR Comput. Math. Math.
    Phys. 4, 1 (1964); in this form (the rate outside the velocity) as in PyTorch.
    """

    momentum: float = 0.9

    def __post_init__(self):
        within("momentum step", "momentum", self.momentum, 0.0, 1.0, "0.9 is usual.")

    def start(self, theta: np.ndarray) -> State:
        """Velocity zero [cost per unit of theta]."""
        return {"velocity": np.zeros_like(theta)}

    def step(self, state: State, update: np.ndarray, rate: np.ndarray | float) -> tuple[np.ndarray, State]:
        """``rate * velocity``."""
        velocity = self.momentum * state["velocity"] + update
        return rate * velocity, {"velocity": velocity}


@dataclass(frozen=True)
class Adam:
    """Adaptive moments: every element moves by about `rate` [unit of theta], whatever its gradient's size.

    ``m = b1 m + (1 - b1) u``, ``s = b2 s + (1 - b2) u^2``, ``change = rate * m^ / (sqrt(s^) + epsilon)``,
    with m^ and s^ corrected for their start at zero. Three numbers of memory per element, so a digital
    helper.

    Parameters
    ----------
    beta1, beta2 : float
        Decay of the first and second moment.
    epsilon : float
        Least size of an update that counts [cost per unit of theta]. An element whose updates are exactly
        zero stays where it is.

    References
    ----------
    D. P. Kingma, J. Ba, "Adam: a method for stochastic optimization", ICLR 2015, algorithm 1.
    """

    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8

    def __post_init__(self):
        within("adam step", "beta1", self.beta1, 0.0, 1.0, "0.9 is usual.")
        within("adam step", "beta2", self.beta2, 0.0, 1.0, "0.999 is usual.")
        positive("adam step", "epsilon", self.epsilon, "1e-8 is usual.")

    def start(self, theta: np.ndarray) -> State:
        """Both moments and the count of steps zero."""
        return {"first": np.zeros_like(theta), "second": np.zeros_like(theta), "steps": np.zeros(())}

    def step(self, state: State, update: np.ndarray, rate: np.ndarray | float) -> tuple[np.ndarray, State]:
        """``rate * m^ / (sqrt(s^) + epsilon)``."""
        steps = state["steps"] + 1
        first = self.beta1 * state["first"] + (1 - self.beta1) * update
        second = self.beta2 * state["second"] + (1 - self.beta2) * update**2
        mean = first / (1 - self.beta1**steps)
        size = np.sqrt(second / (1 - self.beta2**steps))
        state = {"first": first, "second": second, "steps": np.asarray(steps)}
        return rate * mean / (size + self.epsilon), state


STEPS = {"sgd": Plain, "plain": Plain, "momentum": Momentum, "adam": Adam}
"""Steps by the name they have in experiment files ('sgd' and 'plain' are one)."""


def make_step(spec: Any, folder: Any = None) -> Step:
    """A step from its name, from a table ``{"name": ..., option: ...}``, or the step itself.

    Examples
    --------
    >>> make_step({"name": "momentum", "momentum": 0.8})
    Momentum(momentum=0.8)
    """
    return from_table("optimiser", spec, STEPS, folder=folder)
