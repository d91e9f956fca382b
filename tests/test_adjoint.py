"""Is the adjoint gradient the derivative of the cost? Central differences on every shipped netlist."""

import numpy as np
import pytest
from circuits import LEARNING, draw_inputs, draw_theta, read, shipped

from analogpnn import Newton
from analogpnn.engines.adjoint import gradient
from analogpnn.learning.costs import CrossEntropy, SquaredError

SAMPLED = 20
"""Of circuits with more trainables than 60 so many, drawn at random, are differenced."""


def differences(circuit, theta, inputs, value, places, step):
    """Five-point central differences of the mean cost."""
    engine = Newton()
    start = engine.equilibrium(circuit, theta, inputs)

    def at(k, change):
        moved = theta.copy()
        moved[k] += change
        return np.mean(value(engine.equilibrium(circuit, moved, inputs, start=start).outputs))

    sizes = step * np.abs(theta)
    return np.array([(8 * (at(k, h) - at(k, -h)) - (at(k, 2 * h) - at(k, -2 * h))) / (12 * h)
                     for k, h in zip(places, sizes[places])])  # fmt: skip


def compare(circuit, theta, inputs, targets, cost, places, step):
    mean, exact = gradient(circuit, theta, inputs, lambda o: (cost.value(o, targets), cost.gradient(o, targets)))
    assert mean == pytest.approx(np.mean(cost.value(Newton().equilibrium(circuit, theta, inputs).outputs, targets)))
    found = differences(circuit, theta, inputs, lambda o: cost.value(o, targets), places, step)
    assert np.abs(exact).max() > 0
    np.testing.assert_allclose(exact[places], found, rtol=1e-6, atol=1e-7 * np.abs(exact).max())


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("name", LEARNING)
def test_shipped_netlists(name, seed):
    circuit, rng = shipped(name), np.random.default_rng(seed)
    theta, inputs = draw_theta(circuit, rng), draw_inputs(name, circuit, 4, rng)
    places = np.arange(circuit.n_trainable)
    if len(places) > 60:
        places = rng.choice(places, SAMPLED, replace=False)
    # A transistor's second derivative jumps at the ends of its regions: small steps there.
    step = 1e-5 if name.startswith("nmos") else 1e-3
    targets = rng.uniform(-0.3, 0.3, (4, circuit.n_outputs))
    compare(circuit, theta, inputs, targets, SquaredError(), places, step)
    if name == "iris":
        compare(circuit, theta, inputs, np.eye(3)[rng.integers(0, 3, 4)], CrossEntropy(0.05), places, step)


def test_every_kind_of_trainable():
    circuit = read(
        "kinds\n*@ input V1\n*@ output v(d) v(m,b)\n*@ train R* min=1u max=1\n*@ train VB I1\n*@ train D1.IS\n"
        "*@ train M1.VTO\n*@ train B1.K E1.GAIN F1.GAIN\n"
        ".model dd D(IS=1e-9 N=1.2)\n.model mm NMOS(VTO=0.5 KP=1m GAMMA=0.3 LAMBDA=0.02)\n.param k=2m\n"
        "V1 a 0 1\nVB b 0 0.3\nI1 0 c 0.1m\nR1 a c 1k\nR2 c d 2k m=2\nD1 d 0 dd\nRm b m 3k\nM1 a c m 0 mm W=10u L=2u\n"
        "B1 d m i=k*tanh(v(d,m)/0.5)\nE1 e 0 c 0 0.7\nVS e f 0\nR3 f m 1k\nF1 d 0 VS 0.2\n"
    )
    rng = np.random.default_rng(0)
    inputs, targets = rng.uniform(0.5, 1.5, (4, 1)), rng.uniform(-0.3, 0.3, (4, 2))
    assert {t.parameter for t in circuit.trainable} == {"r", "dc", "is", "vto", "k", "gain"}
    compare(circuit, circuit.theta, inputs, targets, SquaredError(), np.arange(circuit.n_trainable), 1e-4)


def test_dense_and_sparse_solutions_are_the_same(monkeypatch):
    circuit, rng = shipped("xor"), np.random.default_rng(0)
    inputs = draw_inputs("xor", circuit, 3, rng)

    def slope():
        return gradient(circuit, circuit.theta, inputs, lambda o: (o[..., 0] ** 2, 2 * o))[1]

    dense = slope()
    monkeypatch.setattr("analogpnn.engines.adjoint.DENSE_LIMIT", 0)
    np.testing.assert_allclose(slope(), dense, rtol=1e-10, atol=1e-12 * np.abs(dense).max())
