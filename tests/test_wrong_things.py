"""From Python: is the thing of the wrong kind named, with the cure?"""

import numpy as np
import pytest
from circuits import FOLDER, read, shipped

from analogpnn import Circuit, Clamp, CoupledLearning, Netlist, Newton, Ngspice, train
from analogpnn.errors import ExperimentError, NetlistError

DATA = np.ones((2, 1)), 0.3 * np.ones((2, 1))


@pytest.mark.parametrize("engine", [Newton(), Ngspice()])
@pytest.mark.parametrize("circuit", [str(FOLDER / "divider.cir"), Netlist.from_file(FOLDER / "divider.cir"), None])
def test_what_is_no_circuit(engine, circuit):
    with pytest.raises(ExperimentError, match="is no circuit(?s:.*)Circuit.from_netlist"):
        engine.equilibrium(circuit, None, None)


@pytest.mark.parametrize("engine", [Newton(), Ngspice()])
def test_what_is_no_boundary(engine):
    with pytest.raises(ExperimentError, match="a float is no boundary"):
        engine.equilibrium(shipped("divider"), None, None, 0.3)


@pytest.mark.parametrize("engine", [Newton(), Ngspice()])
def test_what_are_no_numbers(engine):
    with pytest.raises(ExperimentError, match="inputs: not an array of numbers"):
        engine.equilibrium(shipped("divider"), None, ["one"])


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"rule": CoupledLearning}, "CoupledLearning is a class, not a rule"),
        ({"rule": Newton()}, "a Newton is no rule"),
        ({"engine": Newton}, "Newton is a class, not an engine"),
        ({"engine": CoupledLearning()}, "a CoupledLearning is no engine"),
        ({"engine": "spice"}, "no engine is called 'spice'"),
        ({"seed": 1.5}, "seed must be a whole number"),
    ],
)
def test_train_says_what_it_cannot_use(wrong, says):
    with pytest.raises(ExperimentError, match=says):
        train(shipped("divider"), DATA, rate=1e-6, epochs=1, **wrong)


class Single:
    def boundaries(self, outputs, targets):
        return Clamp(targets)

    def update(self, free, clamped):
        return free.force - clamped.force


class Summed(Single):
    def boundaries(self, outputs, targets):
        return (Clamp(targets),)

    def update(self, free, clamped):
        return (free.force - clamped.force).sum()


@pytest.mark.parametrize(
    ("rule", "says"),
    [(Single(), "Single.boundaries returned a single boundary"), (Summed(), r"shape \(\), not \(2, 1\)")],
)
def test_a_rule_that_returns_something_else(rule, says):
    with pytest.raises(ExperimentError, match=says):
        next(train(shipped("divider"), DATA, rate=1e-6, epochs=1, rule=rule))


def test_inputs_of_a_circuit_that_names_none():
    circuit = Circuit.from_netlist(Netlist.from_text("r\nV1 a 0 1\nR1 a 0 1k\n"))
    with pytest.raises(ExperimentError, match="0 inputs(?s:.*)Name them in the netlist"):
        Newton().equilibrium(circuit, inputs=[[1.0]])


def test_train_wants_a_circuit():
    with pytest.raises(ExperimentError, match="a str is no circuit"):
        train("divider.cir", DATA, rate=1e-6, epochs=1)


def test_an_engine_by_its_name(ngspice):
    thetas = [
        list(train(shipped("divider"), DATA, rate=1e-6, epochs=2, engine=engine))[-1].theta
        for engine in (None, "fast", "ngspice")
    ]
    assert np.array_equal(thetas[0], thetas[1]) and np.allclose(thetas[0], thetas[2], rtol=1e-9)


def test_a_text_where_a_file_is_expected():
    with pytest.raises(NetlistError, match="this is a netlist's text(?s:.*)Netlist.from_text"):
        Circuit.from_netlist("* divider\nV1 a 0 1\nR1 a 0 1k\n.end\n")


@pytest.mark.parametrize(
    ("cards", "says"),
    [
        ("S1 a b a 0 m\nR1 b 0 1k\n.model m SW(RON=0 VT=0.5)", "ron=0: a switch is never quite a short"),
        ("R0 a b 1k\nR4 b 0 r='10k+v(b)*1k'\n*@ train R* min=1u max=10m\n*@ output v(b)", "has a formula"),
    ],
)
def test_what_fuzzing_found(cards, says):
    with pytest.raises(NetlistError, match=says):
        read(f"found\nV1 a 0 1\n{cards}\n")
