"""Feedback alignment: errors go back stage by stage, through fixed random weights."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

from analogpnn.gradients.cascade import by_feedback, needs_buffers, stagewise_feedback
from analogpnn.gradients.method import Estimate
from analogpnn.learning.costs import Cost, SquaredError


@dataclass(frozen=True)
class FeedbackAlignment:
    r"""The transposed transfer of each stage is replaced by random numbers.

    .. math:: \delta^l = B^l\, \delta^{l+1}, \quad \delta^L = \frac{\partial C}{\partial o}, \qquad
              \Delta\theta^l = -\left(\frac{\partial h^l}{\partial\theta^l}\right)^T \delta^l

    As `DirectFeedbackAlignment`, which see, but errors pass from stage to stage. With one stage of buffers both are of
    one kind.

    Parameters
    ----------
    seed : int
        Which B.
    cost : Cost

    Notes
    -----
    For cascades without circles. Departures from the paper: stages are circuits.

    References
    ----------
    T. P. Lillicrap, D. Cownden, D. B. Tweed, C. J. Akerman, "Random synaptic feedback weights support error
    backpropagation for deep learning", Nat. Commun. 7, 13276 (2016).
    """

    seed: int = 0
    cost: Cost = field(default_factory=SquaredError)

    start = needs_buffers

    def estimate(self, circuit, engine, theta, inputs, targets, *, cost, rng, rate, memory) -> Estimate:
        """Each stage's own pull-back of the error it is given."""
        feedback = partial(stagewise_feedback, seed=int(self.seed))
        return by_feedback(circuit, engine, theta, inputs, targets, cost, feedback)
