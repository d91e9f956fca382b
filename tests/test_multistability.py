"""Circuits with several operating points: are all of them found, and is each told to be what it is?"""

import json

import numpy as np
import pytest
from circuits import read
from scipy.optimize import brentq

from analogpnn import Clamp, ExperimentError, Inject, Newton, Transient
from analogpnn.cli.main import main
from analogpnn.engines.multistability import certain, operating_points
from analogpnn.engines.stability import growth, index, is_stable

NMOS = """two NMOS, each holding the other
.model n NMOS(VTO=1 KP=1m)
VDD d 0 5
R1 d a 10k
R2 d b 10k
M1 a b 0 0 n W=1u L=1u
M2 b a 0 0 n W=1u L=1u
"""
BIPOLAR = """Eccles and Jordan's latch
.model q NPN(IS=1e-15 BF=100)
VCC c 0 5
R1 c a 1k
R2 c b 1k
R3 a x 10k
R4 b y 10k
Q1 a y 0 q
Q2 b x 0 q
"""
SCHMITT = """emitter-coupled Schmitt trigger
*@ input VIN
.model q NPN(IS=1e-15 BF=100)
VCC c 0 10
VIN in 0 1.6
R1 c a 4.7k
R2 c b 1k
R3 a x 10k
R4 x 0 10k
RE e 0 220
Q1 a in e q
Q2 b x e q
"""
COMPARATOR = """comparator with positive feedback: v(o) = 5 tanh(100 v(p)), v(p) = (10 v(i) + v(o)) / 11
*@ input Vi
*@ output v(o)
Vi i 0 0.1
R1 i p 1k
R2 o p 10k
B1 o 0 v=5*tanh(100*v(p))
"""
RING = """three inverting stages in a ring, each with a small-signal gain of g
.param g={g}
B1 x1 0 v=-tanh({{g}}*v(c))
R1 x1 a 1k
B2 x2 0 v=-tanh({{g}}*v(a))
R2 x2 b 1k
B3 x3 0 v=-tanh({{g}}*v(b))
R3 x3 c 1k
"""


@pytest.mark.parametrize("text", [NMOS, BIPOLAR])
def test_a_latch_has_two_stable_states_and_one_between(text):
    circuit = read(text)
    found = operating_points(circuit, starts=16)
    assert len(found) == 3 and found.stable.sum() == 2 and found.complete and not found.certain
    assert str(found).startswith("3 operating points (2 stable: bistable)")
    assert found.points.residual.max() < 1e-12
    a, b = found.points.voltage("a"), found.points.voltage("b")
    saddle, *states = np.argsort(np.abs(a - b))
    assert not found.stable[saddle] and found.index[saddle] == -1 and a[saddle] == pytest.approx(b[saddle], abs=1e-9)
    np.testing.assert_allclose(a[states], b[states[::-1]], rtol=1e-6)  # mirror images


def test_the_middle_of_an_nmos_latch_by_hand():
    # Both in saturation at v: 5 - v = 10k * 0.5m * (v - 1)^2, up to gmin.
    middle = brentq(lambda v: 5 - v - 5 * (v - 1) ** 2, 1, 5)
    point = Newton().equilibrium(read(NMOS))  # from 0 V the symmetric one
    assert float(point.voltage("a")) == pytest.approx(middle, abs=1e-6)
    assert int(index(point)) == -1 and not is_stable(point)
    # Two equal modes: g = 1/R + 0 for the common one, and gm - 1/R grows for the differential one, at 1 F.
    gm = 1e-3 * (middle - 1)
    assert float(growth(point)) == pytest.approx(gm - 1e-4, rel=1e-6)


@pytest.mark.parametrize(("volts", "count"), [(0.5, 1), (1.6, 3), (4.0, 1)])
def test_a_schmitt_trigger_within_its_hysteresis_and_outside(volts, count):
    found = operating_points(read(SCHMITT), inputs=[volts], starts=16)
    assert len(found) == count and found.stable.sum() == (count + 1) // 2


def test_a_comparator_by_hand():
    found = operating_points(read(COMPARATOR))
    law = [
        brentq(lambda v: (1.0 + 5 * np.tanh(100 * v)) / 11 - v, *ends)
        for ends in ((-1, -0.05), (-0.05, 0.05), (0.05, 1))
    ]
    np.testing.assert_allclose(np.sort(found.points.voltage("p")), law, atol=1e-9)
    assert found.stable[np.argsort(found.points.voltage("p"))].tolist() == [True, False, True]


def test_stable_states_are_where_a_transient_ends():
    circuit = read(COMPARATOR + "C1 p 0 1n\n")
    found = operating_points(circuit)
    low, high = found.points.outputs[found.stable, 0].min(), found.points.outputs[found.stable, 0].max()
    unstable = found.points.node_voltages[~found.stable][0]
    for push, end in ((-1e-3, low), (1e-3, high)):
        waves = Transient().simulate(circuit, stop=1e-4, initial=unstable + push * np.array([0, 1, 0]))
        assert float(waves.outputs[-1, 0]) == pytest.approx(end, abs=1e-4)


# Each stage is a lag: three of them in a ring oscillate from a gain of 2 on (1 / cos(60 degrees)).
@pytest.mark.parametrize(("gain", "stable"), [(1.9, True), (2.1, False)])
def test_a_ring_oscillator_has_one_operating_point_and_leaves_it(gain, stable):
    found = operating_points(read(RING.format(g=gain)))
    assert len(found) == 1 and found.stable.tolist() == [stable] and found.index.tolist() == [1]
    assert ("oscillates" in str(found)) == (not stable)


def test_one_where_there_can_be_no_other():
    circuit = read("one diode\n.model d D(IS=1e-14)\nV1 a 0 1\nR1 a b 1k\nD1 b 0 d\n")
    assert certain(circuit)
    assert str(operating_points(circuit)) == "1 operating point (stable), there can be no other"
    assert not certain(read(NMOS))
    assert not certain(read("one diode\n.model d D(IS=1e-14)\nV1 a 0 1\nR1 a b -1k\nD1 b 0 d\n"))


def test_one_where_there_could_be_others():
    inverter = read("inverter\n.model n NMOS(VTO=1 KP=1m)\nVDD d 0 5\nVIN g 0 2\nR1 d a 10k\nM1 a g 0 0 n\n")
    assert str(operating_points(inverter, starts=8)) == "1 operating point (stable), from 8 starts"


def test_boundaries():
    circuit = read(COMPARATOR)
    assert len(operating_points(circuit, boundary=Inject([0.0]))) == 3
    pushed = operating_points(circuit, inputs=[5.0], boundary=Inject([1e-3]))
    assert len(pushed) == 1 and pushed.points.outputs[0, 0] == pytest.approx(5.0)
    follower = read("*\n*@ output v(b)\nV1 a 0 0\nR1 a b 1k\nB1 b 0 i=2m*(v(b)*v(b)*v(b)-v(b))\n")
    held = operating_points(follower, boundary=Clamp([0.25]))
    assert len(held) == 1 and held.stable.all() and held.points.outputs[0, 0] == pytest.approx(0.25)


def test_wrong_things():
    with pytest.raises(ExperimentError, match="for one sample"):
        operating_points(read(COMPARATOR), inputs=[[0.1], [0.2]])
    with pytest.raises(ExperimentError, match="at least one"):
        operating_points(read(COMPARATOR), starts=0)


def test_command_line(tmp_path, capsys):
    deck = tmp_path / "latch.cir"
    deck.write_text(NMOS + ".end\n")
    with pytest.raises(SystemExit) as end:
        main(["op", str(deck)])
    assert end.value.code == 0 and "unstable" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["op", str(deck), "--starts", "4"])
    out = capsys.readouterr().out
    assert out.startswith("3 operating points (2 stable: bistable), from 4 starts") and out.count(" unstable") == 1
    with pytest.raises(SystemExit):
        main(["op", str(deck), "--starts", "4", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert [one["stable"] for one in told["operating_points"]] == [False, True, True]
    assert told["nodes"] == told["operating_points"][0]["nodes"]
    with pytest.raises(SystemExit) as end:
        main(["op", str(deck), "--starts", "4", "--engine", "ngspice"])
    assert end.value.code == 2
