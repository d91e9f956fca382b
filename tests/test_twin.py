"""Does a circuit that learns by itself learn what the rule says, in our engine and in ngspice?"""

from __future__ import annotations

import numpy as np
import pytest

from analogpnn import Circuit, Clamp, CoupledLearning, Netlist, NetlistError, Newton, Ngspice, Transient, twin
from analogpnn.circuit import local

DIVIDER = """divider
*@ input V1
*@ output v(out)
*@ train R1 R2 min=1u max=10m
V1 in 0 1
R1 in out 1k
R2 out 0 1k
.end
"""


def circuit_of(text: str) -> Circuit:
    return Circuit.from_netlist(Netlist.from_text(text))


def test_a_divider_learns_and_ngspice_says_the_same(ngspice):
    t = twin(circuit_of(DIVIDER), [[1.0]], [[0.3]], eta=0.1, rate=1.0, dwell=20e-3, node_capacitance=1e-9)
    circuit = circuit_of(t.text)
    ours = Transient().simulate(circuit, stop=t.stop, step=t.stop / 10)
    np.testing.assert_allclose(ours.voltage("out_f")[-1], 0.3, atol=1e-3)
    theta = t.theta(ours)
    np.testing.assert_allclose(theta[0], [1e-3, 1e-3], rtol=1e-9)
    np.testing.assert_allclose(theta[-1, 0] / theta[-1].sum(), ours.voltage("out_f")[-1], rtol=1e-6)
    theirs = Ngspice().simulate(circuit, stop=t.stop, step=t.stop / 10)
    np.testing.assert_allclose(ours.voltage("out_f"), theirs.voltage("out_f"), rtol=1e-4)


@pytest.mark.parametrize(("name", "rate"), [("regression", 1.0), ("nmos-xor", 1e3)])
def test_slow_learning_starts_along_the_discrete_rule(name, rate):
    circuit = Circuit.from_netlist(f"netlists/{name}.cir")
    if name == "nmos-xor":
        circuit = circuit.with_theta(np.random.default_rng(0).uniform(2, 5, circuit.n_trainable))
    inputs = np.array([[0.1, 0.3], [0.4, 0.2]])
    free = Newton().equilibrium(circuit, None, inputs)
    targets = free.outputs + 0.02
    t = twin(circuit, inputs, targets, eta=0.1, rate=rate)
    waves = Transient(rtol=1e-8, atol=1e-11).simulate(circuit_of(t.text), stop=1e-4, times=[0.0, 1e-4])
    drift = np.diff(t.theta(waves), axis=0)[0] / (1e-4 * rate)
    rule = CoupledLearning(eta=0.1)
    (boundary,) = rule.boundaries(free.outputs, targets)
    assert isinstance(boundary, Clamp)
    clamped = Newton().equilibrium(circuit, None, inputs, boundary, free)
    if name == "regression":
        expected = rule.update(local.measure(free), local.measure(clamped)).mean(axis=0)
    else:  # the laboratory's rule: squares across the whole transistor, series resistances included
        cards = {card.name: card for card in circuit.flat.cards}
        ends = [cards[f"m{k + 1}"].nodes[::2][:2] for k in range(circuit.n_trainable)]
        squares = [np.stack([op.voltage(*e) ** 2 for e in ends], axis=-1) for op in (free, clamped)]
        expected = (squares[0] - squares[1]).mean(axis=0) / 0.2
    np.testing.assert_allclose(drift, expected, rtol=2e-3, atol=1e-4 * np.abs(expected).max())


def test_samples_shown_in_turn_are_all_learnt():
    circuit = Circuit.from_netlist("netlists/regression.cir")
    inputs = np.array([[0.4, 0.1], [0.1, 0.4]])
    targets = Newton().equilibrium(circuit, None, inputs).outputs * [1.1, 0.9]
    t = twin(circuit, np.tile(inputs, (15, 1)), np.tile(targets, (15, 1)), eta=0.1, rate=0.02, dwell=1.0)
    assert t.stop == 30.0
    engine = Transient(method="tr-bdf2", rtol=1e-4, atol=1e-5, max_step=1.0)
    theta = t.theta(engine.simulate(circuit_of(t.text), stop=t.stop, times=[0.0, t.stop]))
    before, after = (np.abs(Newton().equilibrium(circuit, th, inputs).outputs - targets).max() for th in theta)
    assert after < 0.3 * before


def test_learning_faster_than_relaxation_overshoots_and_still_learns():
    circuit = Circuit.from_netlist("netlists/regression.cir")
    x = np.array([[0.4, 0.2]])
    target = Newton().equilibrium(circuit, None, x).outputs + [[0.05, -0.05]]
    rises = []
    for rate in (1e3, 2e5):  # about 5e3/s and 1e6/s, where the slowest pole of the network is near 1e6/s
        t = twin(circuit, x, target, eta=0.1, rate=rate, node_capacitance=1e-9)
        stop = 4.0 / rate
        times = np.linspace(0, stop, 401)
        waves = Transient(rtol=1e-5, atol=1e-7).simulate(circuit_of(t.text), stop=stop, times=times)
        error = np.linalg.norm(waves.outputs - target, axis=-1)
        rises.append(int((np.diff(error) > 1e-6).sum()))
        assert error[-1] < 1e-3 < error[0]
    assert rises[0] == 0 < rises[1]


def test_memories_stay_within_their_bounds():
    text = DIVIDER.replace("max=10m", "max=1.1m")
    t = twin(circuit_of(text), [[1.0]], [[0.9]], eta=0.1, rate=1.0)
    waves = Transient().simulate(circuit_of(t.text), stop=0.2, step=0.02)
    assert t.theta(waves)[-1].max() < 1.1e-3 * 1.01


def test_what_can_not_learn_is_said():
    diode = DIVIDER.replace("R1 R2 min=1u max=10m", "D1.is\n.model d D").replace("R2 out 0 1k", "D1 out 0 d")
    with pytest.raises(NetlistError, match="d1.*only resistors and voltage sources"):
        twin(circuit_of(diode), [[1.0]], [[0.3]], eta=0.1, rate=1.0)
    with pytest.raises(NetlistError, match="do not fit"):
        twin(circuit_of(DIVIDER), [[1.0, 2.0]], [[0.3]], eta=0.1, rate=1.0)
    with pytest.raises(NetlistError, match="eta 0"):
        twin(circuit_of(DIVIDER), [[1.0]], [[0.3]], eta=0, rate=1.0)
    held = circuit_of(
        DIVIDER.replace("train R1 R2 min=1u max=10m", "train V2").replace("R2 out 0 1k", "R2 out b 1k\nV2 b 0 1")
    )
    with pytest.raises(NetlistError, match="holds no gate"):
        twin(held, [[1.0]], [[0.3]], eta=0.1, rate=1.0)
