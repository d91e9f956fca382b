"""What the tests of training families share: a few samples, the exact gradient, one update of anything."""

import numpy as np

from analogpnn import Newton
from analogpnn.engines import adjoint
from analogpnn.learning import SquaredError
from analogpnn.training.meter import Meter
from analogpnn.training.phases import Phases

CASCADES = (
    "feedback-alignment",
    "direct-feedback-alignment",
    "augmented-physics-aware-training",
    "physical-local-learning",
    "forward-forward",
)
"""Methods for stages joined by buffers."""


def data(samples=5):
    rng = np.random.default_rng(2)
    return rng.uniform(-1, 1, (samples, 2)), rng.uniform(-0.2, 0.2, (samples, 2))


def exact(circuit, x, y, cost=SquaredError()):  # noqa: B008
    return -adjoint.gradient(circuit, circuit.theta, x, lambda o: (cost.value(o, y), cost.gradient(o, y)))[1]


def estimate(method, circuit, x, y, engine=None, seed=0, theta=None, memory=None):
    method = method if hasattr(method, "estimate") else Phases(method)
    theta = np.array(circuit.theta) if theta is None else theta
    return method.estimate(
        circuit, Meter(engine or Newton()), theta, x, y, cost=SquaredError(), rng=np.random.default_rng(seed),
        rate=np.full(len(theta), 1e-5), memory=method.start(circuit, theta) if memory is None else memory,
    )  # fmt: skip


def off(found, wanted):
    return np.linalg.norm(found - wanted) / np.linalg.norm(wanted)
