"""Physical local learning: every stage makes samples of one class alike and samples of two classes different."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from analogpnn.gradients.cascade import find_buffers, needs_buffers
from analogpnn.gradients.labels import classes_of
from analogpnn.gradients.method import Estimate
from analogpnn.gradients.stages import activities, stages_backward
from analogpnn.learning.checks import positive
from analogpnn.learning.costs import Cost, SquaredError


@dataclass(frozen=True)
class PhysicalLocalLearning:
    r"""Forward passes only: a stage compares what it reads of a sample with a positive and with a negative sample.

    .. math:: L^l = \log\left(1 + \exp\frac{\cos(h^l, h^l_-) - \cos(h^l, h^l_+)}{T}\right), \qquad
              \Delta\theta^l = -\left(\frac{\partial h^l}{\partial\theta^l}\right)^T \frac{\partial L^l}{\partial h^l}

    h are the voltages that the buffers behind stage l read, less their mean over the batch (else a stage that does
    nothing but hold its bias has all cosines 1, and stays there); the positive sample is of the same class, the
    negative one of another, both drawn from the batch. The stage before the outputs goes down on the cost itself. No
    error passes a buffer, in either direction; B of feedback alignment isn't needed either.

    Order: the gradient of each stage's own loss, exactly; of the global cost, none. Needs from the hardware: one state
    per sample; per stage, memory for the activities of two other samples, and one bit of the teacher's: same class or
    not. Within a stage h's derivative by theta comes from a model's adjoint at the measured operating point (one layer
    deep; a stage that has a co-content could measure it by a nudge at its own buffers).

    Parameters
    ----------
    temperature : float
        T, in units of a cosine.
    middle : float
        With a single output: what parts the targets of the two classes [V].
    cost : Cost
        Of the last stage.

    Notes
    -----
    For cascades (`analogpnn.gradients.cascade`). Departures from the paper: there positive and negative passes carry
    the right and a wrong label as part of the input, and the trained part is a digital matrix next to an untrained
    physical layer; here a pass carries the sample alone, so that training and use are the same pass, and the physical
    stage itself is trained. The goodness is the paper's cosine of two activities; its exact loss was not at hand.

    References
    ----------
    A. Momeni, B. Rahmani, M. Mallejac, P. del Hougne, R. Fleury, "Backpropagation-free training of deep physical neural
    networks", Science 382, 1297 (2023), arXiv:2304.11042.
    """

    temperature: float = 0.5
    middle: float = 0.0
    cost: Cost = field(default_factory=SquaredError)

    def __post_init__(self):
        positive("physical local learning", "temperature", self.temperature, "A share of a cosine: 0.5 say.")

    start = needs_buffers

    def estimate(self, circuit, engine, theta, inputs, targets, *, cost, rng, rate, memory) -> Estimate:
        """One state per sample, each stage's own pull-back of its own loss."""
        op = engine.equilibrium(circuit, theta, inputs)
        buffers = find_buffers(circuit)
        seen, partners = activities(op, buffers), drawn_partners(classes_of(targets, self.middle), rng)
        error = np.zeros_like(seen)
        for stage in np.unique(buffers.goal):  # buffers that feed one stage are the end of the one before
            ends = buffers.goal == stage
            error[:, ends] = contrast(seen[:, ends], *partners, self.temperature)[1]
        return stages_backward(circuit, op, buffers, cost.gradient(op.outputs, targets), error)


def drawn_partners(classes: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """For each sample the place of another of its class and of one of another, (batch,) each; -1: there is none."""
    same = classes[:, None] == classes[None, :]
    lots = rng.random(same.shape)
    found = []
    for allowed in (same & ~np.eye(len(classes), dtype=bool), ~same):
        found.append(np.where(allowed.any(axis=1), np.argmax(np.where(allowed, lots, -1.0), axis=1), -1))
    return found[0], found[1]


def contrast(h: np.ndarray, alike: np.ndarray, other: np.ndarray, temperature: float) -> tuple[np.ndarray, np.ndarray]:
    """Loss of each sample, shape (batch,), and the derivative of their sum by h, shape (batch, K) [1/V].

    Angles are seen from the batch's mean; samples that lack a partner have no loss.
    """
    h = h - h.mean(axis=0)
    length = np.maximum(np.linalg.norm(h, axis=1), 1e-12)
    unit = h / length[:, None]
    (i,) = np.nonzero((alike >= 0) & (other >= 0))
    cosines = [np.sum(unit[i] * unit[j[i]], axis=1) for j in (alike, other)]
    margin = (cosines[1] - cosines[0]) / temperature
    loss, slope = np.zeros(len(h)), np.zeros_like(h)
    loss[i] = np.logaddexp(0.0, margin)
    pull = 1.0 / (1.0 + np.exp(-margin)) / temperature
    for sign, j, cosine in ((-1.0, alike[i], cosines[0]), (1.0, other[i], cosines[1])):
        for one, two in ((i, j), (j, i)):
            along = (unit[two] - cosine[:, None] * unit[one]) / length[one, None]
            np.add.at(slope, one, sign * pull[:, None] * along)
    return loss, slope - slope.mean(axis=0)
