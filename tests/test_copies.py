"""Do records survive pickle and copy, as joblib and notebooks need, and give the same numbers to the last bit?"""

import copy
import pickle

import numpy as np
import pytest
from circuits import read, shipped

from analogpnn import Circuit, CoupledLearning, Device, Newton, Ngspice, Transient, train
from analogpnn.circuit.generate import deep_resistive_network
from analogpnn.devices import diode, linear

WAYS = {"pickle": lambda thing: pickle.loads(pickle.dumps(thing)), "copy": copy.copy, "deepcopy": copy.deepcopy}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["iris", "xor", "nmos-xor", "regression"])
def test_a_copied_circuit_is_the_same_circuit(name, way):
    circuit = shipped(name)
    inputs = np.random.default_rng(0).uniform(-0.3, 0.3, (4, circuit.n_inputs))
    before = Newton().equilibrium(circuit, circuit.theta, inputs)
    other = WAYS[way](circuit)
    assert np.array_equal(Newton().equilibrium(other, other.theta, inputs).node_voltages, before.node_voltages)
    assert np.array_equal(other.force_scales, circuit.force_scales)
    texts = [c.netlist.with_values(c.card_values(c.theta)).text for c in (circuit, other)]
    assert texts[0] == texts[1]
    assert np.array_equal(WAYS[way](before).power, before.power)


@pytest.mark.parametrize("way", WAYS)
def test_our_devices_stay_themselves_and_others_keep_their_law(way):
    assert WAYS[way](diode.DIODE) is diode.DIODE and WAYS[way](linear.RESISTOR) is linear.RESISTOR
    own = Device("saturating", current="G*vs*tanh(v/vs)", parameters={"G": None, "vs": 0.3}, units={"G": "S"})
    own.law(0.1, 1e-3, 0.3)
    other = WAYS[way](own)
    assert other.expression == own.expression and other.units == own.units
    assert np.array_equal(other.law(0.1, 1e-3, 0.3), own.law(0.1, 1e-3, 0.3))


def test_a_circuit_with_a_device_and_an_expression_of_the_users():
    own = Device("cubic", current="G*v*(1 + v^2)", parameters={"G": None}, units={"G": "S"})
    circuit = read("V1 a 0 1\nX1 a b cubic G=1m\nB1 b 0 i=1m*v(b)*v(b)*v(b)\nR1 b 0 1k\n", devices=[own])
    other = WAYS["pickle"](circuit)
    points = [Newton().equilibrium(c, c.theta, c.input_values).node_voltages for c in (circuit, other)]
    assert np.array_equal(*points)


@pytest.mark.parametrize("thing", [Newton(), Ngspice(workers=2), Transient(), CoupledLearning(eta=0.2)])
def test_settings(thing):
    assert repr(WAYS["pickle"](thing)) == repr(thing)


def test_records_of_training():
    circuit = Circuit.from_netlist(shipped("divider").netlist)
    epoch = list(train(circuit, (np.ones((2, 1)), 0.3 * np.ones((2, 1))), rate=1e-6, epochs=2))[-1]
    other = WAYS["pickle"](epoch)
    assert np.array_equal(other.theta, epoch.theta) and other.counts == epoch.counts


@pytest.mark.parametrize("way", ["pickle", "deepcopy"])
def test_a_network_that_was_made_is_made_again(way):
    made = deep_resistive_network([3, 4, 2], gain=10)
    circuit = made.with_theta(made.theta * np.linspace(1, 2, made.n_trainable))
    other = WAYS[way](circuit)
    inputs = np.random.default_rng(0).uniform(-1, 1, (5, 3))
    points = [Newton().equilibrium(c, c.theta, inputs) for c in (circuit, other)]
    assert np.array_equal(points[0].node_voltages, points[1].node_voltages)
    assert np.array_equal(other.theta, circuit.theta) and other.netlist.text == circuit.netlist.text
    assert list(other.trainable) == list(circuit.trainable)
    assert np.array_equal(WAYS[way](points[0]).outputs, points[0].outputs)
