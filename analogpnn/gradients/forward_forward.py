"""Forward-forward: every stage is to be livelier with the right label than with a wrong one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from analogpnn.gradients.cascade import find_buffers
from analogpnn.gradients.labels import classes_of, told
from analogpnn.gradients.method import Estimate, Memory
from analogpnn.gradients.stages import activities, stages_backward
from analogpnn.learning.checks import positive
from analogpnn.learning.costs import Cost, SquaredError


@dataclass(frozen=True)
class ForwardForward:
    r"""Two forward passes, one with the right label among the inputs and one with a wrong label; no backward pass.

    .. math:: g = \frac1K \sum_k h_k^2, \qquad
              L^l = \log(1 + e^{-(g_+ - \theta_g)/T}) + \log(1 + e^{(g_- - \theta_g)/T})

    h are the voltages that the buffers behind a stage read. The label is given by sources of its own, one per class:
    `swing` volts on that of the label, nothing on the others. In use, and for the stage before the outputs, which goes
    down on the cost itself, no label is given: a third pass.

    Order: the gradient of each stage's own loss, exactly (the threshold held fixed); of the global cost, none. Needs
    from the hardware: three states per sample; per stage, a sum of squares; the label as an input. Within a stage h's
    derivative by theta comes from a model's adjoint at the measured operating point (one layer deep; a stage that has
    a co-content could measure it by a nudge at its own buffers).

    Parameters
    ----------
    labels : str
        Glob of the label sources: V cards that aren't inputs, one per class, in card order. What their cards say, 0 V
        as a rule, is no label.
    swing : float
        What a label adds to its source [V].
    temperature : float
        T as a share of the threshold, which is half-way between the mean goodness of the two passes.
    middle : float
        With a single output: what parts the targets of the two classes [V].
    cost : Cost
        Of the last stage.

    Notes
    -----
    For cascades (`analogpnn.gradients.cascade`). Departures from the paper: the threshold moves with the batch instead
    of being a constant; activities are not normalised on their way to the next stage; of the paper's two ways to
    classify, this is the one with a neutral label and a trained last layer.

    References
    ----------
    G. Hinton, "The forward-forward algorithm: some preliminary investigations", arXiv:2212.13345 (2022), section 3.3.
    """

    labels: str = "VL*"
    swing: float = 1.0
    temperature: float = 0.3
    middle: float = 0.0
    cost: Cost = field(default_factory=SquaredError)

    def __post_init__(self):
        positive("forward-forward", "temperature", self.temperature, "A share of the threshold: 0.3 say.")

    def start(self, circuit: Any, theta: np.ndarray) -> Memory:
        """No memory; there must be buffers, and sources for the labels."""
        find_buffers(circuit)
        told(circuit, self.labels)
        return {}

    def estimate(self, circuit, engine, theta, inputs, targets, *, cost, rng, rate, memory) -> Estimate:
        """Three states per sample."""
        taught, neutral = told(circuit, self.labels)
        buffers = find_buffers(circuit)
        right = classes_of(targets, self.middle)
        wrong = (right + rng.integers(1, len(neutral), len(right))) % len(neutral)
        states = []
        for label in (right, wrong):
            given = neutral + self.swing * (label[:, None] == np.arange(len(neutral)))
            states.append(engine.equilibrium(taught, theta, np.concatenate([inputs, given], axis=1)))
        free = engine.equilibrium(circuit, theta, inputs)
        seen = [activities(op, buffers) for op in states]
        errors = [np.zeros_like(h) for h in seen]
        for stage in np.unique(buffers.goal):  # buffers that feed one stage are the end of the one before
            ends = buffers.goal == stage
            slopes = liveliness(seen[0][:, ends], seen[1][:, ends], self.temperature)[1]
            for error, slope in zip(errors, slopes):
                error[:, ends] = slope
        nothing = np.zeros_like(free.outputs)
        parts = [stages_backward(circuit, op, buffers, nothing, error) for op, error in zip(states, errors)]
        ends_on = cost.gradient(free.outputs, targets)
        parts.append(stages_backward(circuit, free, buffers, ends_on, np.zeros_like(seen[0])))
        return Estimate(
            update=np.sum([part.update for part in parts], axis=0),
            outputs=free.outputs,
            measurements=sum(part.measurements for part in parts),
            multiply_adds=sum(part.multiply_adds for part in parts),
            stored=max(part.stored for part in parts),
        )


def liveliness(right: np.ndarray, wrong: np.ndarray, share: float) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Loss of each sample, shape (batch,), and the derivatives of their sum by both activities, (batch, K) [1/V]."""
    good, bad = (np.mean(h * h, axis=1) for h in (right, wrong))
    threshold = max(float(np.mean(good + bad)) / 2, 1e-12)
    up, down = (good - threshold) / (share * threshold), (bad - threshold) / (share * threshold)
    loss = np.logaddexp(0.0, -up) + np.logaddexp(0.0, down)
    scale = 2.0 / (right.shape[1] * share * threshold)
    falls, rises = -scale / (1.0 + np.exp(up)), scale / (1.0 + np.exp(-down))
    return loss, (falls[:, None] * right, rises[:, None] * wrong)
