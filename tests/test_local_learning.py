"""Physical local learning and forward-forward: each stage's own loss, its exact gradient, nothing across a buffer."""

import numpy as np
import pytest
from families import estimate, off

from analogpnn import Circuit, Netlist, Newton
from analogpnn.circuit.cascade import cascade
from analogpnn.engines import adjoint
from analogpnn.errors import ExperimentError, NetlistError
from analogpnn.gradients import ForwardForward, PhysicalLocalLearning, make_rule
from analogpnn.gradients.cascade import find_buffers
from analogpnn.gradients.forward_forward import liveliness
from analogpnn.gradients.labels import told
from analogpnn.gradients.physical_local_learning import contrast, drawn_partners
from analogpnn.gradients.stages import activities, stages_backward
from analogpnn.testing import LATTICE
from analogpnn.training.train import train


@pytest.fixture(scope="module")
def circuit():
    return Circuit.from_netlist(cascade((2, 4, 3, 2), labels=2, seed=1))


def samples(count=6):
    rng = np.random.default_rng(3)
    x = rng.uniform(-2, 2, (count, 2))
    classes = np.arange(count) % 2
    return np.concatenate([x, -x], axis=1), np.where(classes[:, None] == np.arange(2), 0.1, -0.1), classes


def stage_of(circuit):
    """Stage of every trainable, from its name."""
    return np.array([int(t.name[1]) for t in circuit.trainable])


def differences(circuit, loss, chosen):
    """d loss/d theta by central differences, for some trainables."""
    found = []
    for k in chosen:
        step = np.zeros(circuit.n_trainable)
        step[k] = 1e-4 * circuit.theta[k]
        found.append((loss(circuit.theta + step) - loss(circuit.theta - step)) / (2 * step[k]))
    return np.array(found)


def test_slopes_of_the_losses_are_derivatives():
    rng = np.random.default_rng(0)
    h, g = rng.standard_normal((2, 5, 3))
    partners = drawn_partners(np.array([0, 1, 0, 1, 2]), rng)
    assert list(partners[0]) == [2, 3, 0, 1, -1]  # the third class has one sample
    loss, slope = contrast(h, *partners, 0.3)
    assert loss[4] == 0 and (loss[:4] > 0).all()
    threshold = np.mean(np.mean(h**2, axis=1) + np.mean(g**2, axis=1)) / 2
    lively, (up, down) = liveliness(h, g, 0.3)
    for i, k in np.ndindex(h.shape):
        d = np.zeros_like(h)
        d[i, k] = 1e-6
        numeric = (contrast(h + d, *partners, 0.3)[0] - contrast(h - d, *partners, 0.3)[0]).sum() / 2e-6
        assert slope[i, k] == pytest.approx(numeric, abs=1e-8)
        # By hand, at a threshold that stands still.
        good, bad = np.mean(h[i] ** 2), np.mean(g[i] ** 2)
        assert lively[i] == pytest.approx(
            np.log1p(np.exp(-(good / threshold - 1) / 0.3)) + np.log1p(np.exp((bad / threshold - 1) / 0.3))
        )
        scale = 2 / 3 / 0.3 / threshold
        assert up[i, k] == pytest.approx(-scale * h[i, k] / (1 + np.exp((good / threshold - 1) / 0.3)))
        assert down[i, k] == pytest.approx(scale * g[i, k] / (1 + np.exp(-(bad / threshold - 1) / 0.3)))


def test_physical_local_learning_descends_each_stages_own_loss(circuit):
    x, y, classes = samples()
    rule, buffers = PhysicalLocalLearning(temperature=0.3), find_buffers(circuit)
    partners = drawn_partners(classes, np.random.default_rng(0))  # what `estimate` draws with its seed 0
    found = estimate(rule, circuit, x, y).update
    stages = np.unique(buffers.goal)
    assert len(stages) == 2
    first = np.flatnonzero(stage_of(circuit) == 1)[::7]
    (own,) = [s for s in stages if (buffers.goal == s).sum() == 8]  # four nodes in both signs

    def loss(theta):
        h = activities(Newton().equilibrium(circuit, theta, x), buffers)[:, buffers.goal == own]
        return contrast(h, *partners, 0.3)[0].mean()

    np.testing.assert_allclose(found[first], -differences(circuit, loss, first), rtol=1e-4, atol=1e-3)


def test_forward_forward_descends_each_stages_own_loss(circuit):
    x, y, classes = samples()
    rule, buffers = ForwardForward(swing=1.5, temperature=0.5), find_buffers(circuit)
    taught, neutral = told(circuit, "VL*")
    np.testing.assert_array_equal(neutral, [0.0, 0.0])
    assert taught.inputs == (*circuit.inputs, "vl1", "vl2")
    found = estimate(rule, circuit, x, y).update
    first = np.flatnonzero(stage_of(circuit) == 1)[::7]
    ends = np.flatnonzero([name[2:].startswith("1_") for name in names_of(circuit, buffers)])
    right, wrong = (1.5 * (c[:, None] == np.arange(2)) for c in (classes, 1 - classes))  # two classes: no draw

    def seen(theta, label):
        op = Newton().equilibrium(taught, theta, np.concatenate([x, label], axis=1))
        return activities(op, buffers)[:, ends]

    fixed = np.mean([np.mean(seen(circuit.theta, label) ** 2) for label in (right, wrong)])

    def loss(theta):
        good, bad = (np.mean(seen(theta, label) ** 2, axis=1) / fixed - 1 for label in (right, wrong))
        return np.mean(np.logaddexp(0, -good / 0.5) + np.logaddexp(0, bad / 0.5))

    np.testing.assert_allclose(found[first], -differences(circuit, loss, first), rtol=1e-4, atol=1e-3)


def names_of(circuit, buffers):
    return [circuit.groups[buffers.group].names[k] for k in buffers.places]


@pytest.mark.parametrize("rule", [PhysicalLocalLearning(), ForwardForward()])
def test_no_error_passes_a_buffer(rule, circuit):
    # Other targets of the same classes reach the last stage, and no other; the last stage gets its exact gradient.
    x, y, _ = samples()
    one, other = (estimate(rule, circuit, x, t).update for t in (y, 3 * y))
    last = stage_of(circuit) == 3
    np.testing.assert_array_equal(one[~last], other[~last])
    assert off(one[last], other[last]) > 0.1
    exact = adjoint.gradient(circuit, circuit.theta, x, lambda o: (np.sum((o - y) ** 2, axis=1) / 2, o - y))[1]
    np.testing.assert_allclose(one[last], -exact[last], rtol=1e-8)


def test_the_way_back_inside_stages_is_the_transposed_system_whatever_is_left_out(circuit, monkeypatch):
    # All unknowns kept against those whose multiplier is known to be zero.
    x, y, _ = samples()
    op, buffers = Newton().equilibrium(circuit, circuit.theta, x), find_buffers(circuit)
    error = np.random.default_rng(0).standard_normal((len(x), len(buffers.places)))
    few = stages_backward(circuit, op, buffers, op.outputs - y, error).update
    monkeypatch.setattr("analogpnn.gradients.stages._free", lambda c, b: np.arange(c.n_unknowns))
    np.testing.assert_allclose(stages_backward(circuit, op, buffers, op.outputs - y, error).update, few, rtol=1e-9)


@pytest.mark.parametrize(("name", "points"), [("physical-local-learning", 1), ("forward-forward", 3)])
def test_local_learning_solves_xor_at_its_price(name, points):
    circuit = Circuit.from_netlist(cascade((2, 12, 1), labels=2, seed=0))
    x = 2 * np.array([[-1.0, -1], [-1, 1], [1, -1], [1, 1]])
    y = np.array([[-0.05], [0.05], [0.05], [-0.05]])
    data = np.concatenate([x, -x], axis=1), y
    records = list(train(circuit, data, rule=name, rate=3e-6, optimiser="adam", epochs=400, evaluate_every=0))
    outputs = Newton().equilibrium(circuit, records[-1].theta, data[0]).outputs
    np.testing.assert_array_equal(np.sign(outputs), np.sign(y))
    assert records[-1].counts.operating_points == 400 * 4 * points


def test_what_is_missing_is_said():
    plain = Circuit.from_netlist(Netlist.from_text(LATTICE))
    unlabelled = Circuit.from_netlist(cascade((2, 3, 1)))
    data = np.zeros((1, 4)), np.zeros((1, 1))
    for name, circuit, says in (
        ("physical-local-learning", plain, "no buffers"),
        ("forward-forward", unlabelled, "no sources for labels"),
    ):
        with pytest.raises(ExperimentError, match=says):
            list(train(circuit, data if circuit is unlabelled else (data[0][:, :2],) * 2, rule=name, rate=1, epochs=1))
    with pytest.raises(ExperimentError, match="temperature must be"):
        make_rule({"name": "forward-forward", "temperature": 0.0})
    with pytest.raises(NetlistError, match="layers of a cascade"):
        cascade((2, 1))
