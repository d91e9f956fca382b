"""Feedback alignment on circuits joined by buffers: exact where it should be, random before, and it learns."""

import numpy as np
import pytest
from families import CASCADES, estimate, exact, off

from analogpnn import Circuit, Netlist, Newton
from analogpnn.errors import ExperimentError
from analogpnn.gradients import make_rule
from analogpnn.testing import LATTICE
from analogpnn.training.train import train


def cascade(stages=1, hidden=6, seed=0):
    """Two inputs and their negatives, `stages` layers of diode nodes behind buffers, one differential output."""
    rng = np.random.default_rng(seed)
    lines = ["cascade", "*@ input Vx1 Vx2 Vn1 Vn2", "*@ output v(op,on)", "*@ train R* min=1u max=1m"]
    lines += [".model dd D(IS=1e-9 N=1)", "VP p 0 0.3", "VM m 0 -0.3", "VB b 0 0.5"]
    lines += [f"V{x} {x} 0 0" for x in ("x1", "x2", "n1", "n2")]
    feeds = ["x1", "x2", "n1", "n2", "b"]
    for s in range(stages):
        heads = [f"h{s}_{j}" for j in range(hidden)]
        for j, node in enumerate(heads):
            lines += [f"R{s}_{j}_{f} {f} {node} {10 ** rng.uniform(4, 5):.5g}" for f in feeds]
            lines += [
                f"Dp{s}_{j} {node} {'p' if j % 2 else '0'} dd",
                f"Dm{s}_{j} m {node} dd",
                f"E{s}_{j} a{s}_{j} 0 {node} 0 2",
            ]
        feeds = [f"a{s}_{j}" for j in range(hidden)] + ["b"]
    lines += [f"Ro_{f}_{o} {f} {o} {10 ** rng.uniform(4, 5):.5g}" for f in feeds for o in ("op", "on")]
    return Circuit.from_netlist(Netlist.from_text("\n".join(lines) + "\n"))


def xor():
    x = np.array([[-1.0, -1], [-1, 1], [1, -1], [1, 1]])
    return np.concatenate([x, -x], axis=1), np.array([[-0.1], [0.1], [0.1], [-0.1]])


@pytest.mark.parametrize("name", CASCADES[:2])
@pytest.mark.parametrize("stages", [1, 2])
def test_feedback_alignment_is_exact_for_the_last_stage_and_random_before(name, stages):
    circuit, (x, y) = cascade(stages), xor()
    found, wanted = estimate(make_rule(name), circuit, x, y).update, exact(circuit, x, y)
    last = np.array([t.name.startswith("ro_") for t in circuit.trainable])
    np.testing.assert_allclose(found[last], wanted[last], rtol=1e-8)
    assert off(found[~last], wanted[~last]) > 0.3
    other = estimate(make_rule({"name": name, "seed": 1}), circuit, x, y).update
    np.testing.assert_array_equal(other[last], found[last])
    assert not np.allclose(other[~last], found[~last])


def test_alignment_with_the_true_weights_is_the_gradient(monkeypatch):
    # Errors at the buffers as the outputs' stage really sends them back: then the cut cascade gives the whole gradient.
    from analogpnn.gradients import direct_feedback_alignment as dfa

    circuit, (x, y) = cascade(1), xor()
    free = Newton().equilibrium(circuit, circuit.theta, x)
    theta = dict(zip([t.name for t in circuit.trainable], circuit.theta))
    total = {o: sum(g for n, g in theta.items() if n.startswith("ro_") and n.endswith(o)) for o in ("op", "on")}
    weights = [[2 * (theta[f"ro_a0_{j}_op"] / total["op"] - theta[f"ro_a0_{j}_on"] / total["on"])] for j in range(6)]
    monkeypatch.setattr(dfa, "direct_feedback", lambda buffers, slope, seed: slope @ np.array(weights).T)
    found = estimate(make_rule("direct-feedback-alignment"), circuit, x, y).update
    np.testing.assert_allclose(found, exact(circuit, x, y), rtol=1e-7, atol=1e-12)
    assert free.outputs.shape == (4, 1)


@pytest.mark.parametrize("name", CASCADES[:3])
def test_cascades_learn_xor_by_random_feedback(name):
    x, y = xor()
    circuit = cascade(1, hidden=10, seed=3)
    records = list(train(circuit, (x, y), rule=name, rate=1e-5, optimiser="adam", epochs=250, evaluate_every=0))
    assert records[-1].train_loss < 0.3 * records[0].train_loss
    assert records[-1].counts.operating_points == 250 * 4


def test_without_buffers_there_is_nothing_to_align():
    circuit = Circuit.from_netlist(Netlist.from_text(LATTICE))
    with pytest.raises(ExperimentError, match="no buffers"):
        list(train(circuit, (np.zeros((1, 2)), np.zeros((1, 2))), rule="feedback-alignment", rate=1e-6, epochs=1))
