"""The SPICE text written from a compiled circuit: exact numbers, and the same circuit when read back."""

import re
import shutil
import subprocess

import numpy as np
import pytest

from analogpnn.circuit.bsource import expression_text
from analogpnn.circuit.circuit import Circuit
from analogpnn.circuit.deck import deck
from analogpnn.devices.device import Device
from analogpnn.expression import evaluate, parse
from analogpnn.netlist.netlist import Netlist

EVERYTHING = """everything a deck may hold
*@ input  Vin Iin
*@ output v(o) v(o,x1.m)
*@ train  R* min=1u max=1m
*@ train  Vb min=-1 max=1
*@ train  M1.VTO min=0 max=2
*@ task   demo answer=42
.param vt=0.025864917007157463 is=1e-13
.options temp=35 tnom=35 gmin=1e-13
.model dd D(IS=1e-12 N=1.1 RS=5)
.model nn NMOS(LEVEL=1 VTO=0.5 KP=1e-4 GAMMA=0.3 LAMBDA=0.02)
.subckt cell a b r=2k
R1 a m {r}
D1 m b dd
.ends
Vin in 0 0.5
Iin 0 o 1u
Vb b 0 DC 0.3
R1 in o 3.3k
R2 o 0 10k tc1=0
X1 o b cell r=4k7
M1 o b 0 0 nn W=10u L=1u
E1 e 0 o b 2
Re e 0 1Meg
G1 o 0 in b 1u
F1 o 0 Vb 0.1
H1 h 0 Vb 100
Rh h 0 1Meg
C1 o 0 1n IC=0.1
L1 o l 1u
Rl l 0 12k
B1 o 0 i=is*(exp(v(o)/vt/20)-1)+0.12345678901234567m*v(in)
.ic v(o)=0.1
.nodeset v(h)=0.2
.end
"""


def read(text, **params):
    return Circuit.from_netlist(Netlist.from_text(text), **params)


@pytest.fixture(scope="module")
def everything():
    return read(EVERYTHING)


def test_deck_reads_back_to_the_same_circuit(everything):
    rng = np.random.default_rng(0)
    theta = everything.clip(everything.snap(everything.theta * rng.uniform(0.7, 1.4, everything.theta.shape)))
    again = read(deck(everything, theta))
    assert again.nodes == everything.nodes
    assert again.elements == everything.elements
    assert again.inputs == everything.inputs and again.outputs == everything.outputs
    assert [t.name for t in again.trainable] == [t.name for t in everything.trainable]
    assert np.array_equal(again.theta, theta)  # bit for bit
    assert np.array_equal(again.bounds, everything.bounds)
    assert np.array_equal(again.input_values, everything.input_values)
    assert (again.temperature, again.gmin) == (everything.temperature, everything.gmin)
    assert again.initial == everything.initial and again.flat.nodeset == everything.flat.nodeset
    assert again.title == everything.title


def test_deck_of_a_deck_is_the_same_text(everything):
    text = deck(everything)
    assert deck(read(text)) == text


def test_numbers_are_written_exactly():
    circuit = read("t\n*@ train R1 min=1u max=1m\nV1 a 0 0.1\nR1 a 0 3k\n.end\n")
    for g in np.random.default_rng(1).uniform(1e-6, 1e-3, 200):
        theta = circuit.snap(np.array([g]))
        assert read(deck(circuit, theta)).theta[0] == theta[0]


def test_a_trained_model_parameter_gets_a_model_of_its_own():
    text = """t
*@ train M1.VTO min=0 max=2
.model nn NMOS(LEVEL=1 VTO=0.5 KP=1e-4)
V1 a 0 1
M1 a a 0 0 nn
M2 a a 0 0 nn
.end
"""
    circuit = read(text)
    lines = deck(circuit, np.array([0.75])).splitlines()
    models = [line for line in lines if line.startswith(".model")]
    assert len(models) == 2 and sum("vto=0.75" in m for m in models) == 1
    (own,) = [m.split()[1] for m in models if "vto=0.75" in m]
    assert [line for line in lines if line.endswith(own)][0].startswith("m1 ")


def test_constants_in_expressions_keep_their_digits():
    text = expression_text(parse("0.1*v(a)+0.12345678901234567"), {}, lambda x, name: f"<{x!r}>")[0]
    assert text == "((0.1*v(a))+<0.12345678901234566>)"


@pytest.mark.parametrize(
    "expression",
    ["7 % 4", "-7 % 4", "int(-2.5)", "int(2.5)", "if(1 > 2, 3, 4)", "2^3^2", "min(3,1,2)", "max(3,1,2,9)",
     "sqr(-3)", "1 < 2 && !(3 < 2) || 0", "-2^2", "5 - 3 - 1", "16/4/2", "atan2(1,-2)", "atan2(-1,-2)",
     "atan2(1,2)", "atan2(-3,0)", "2 - -3", "1e-12*2.5", "(1 ? 2 : 3)*2", "log(10)", "arctan(1)", "sgn(-2)"],
)  # fmt: skip
def test_expressions_keep_their_value(expression):
    text, _ = expression_text(parse(expression), {}, lambda x, name: repr(x))
    assert evaluate(text, {}) == pytest.approx(evaluate(expression, {}), rel=1e-15)


def test_titles_cannot_be_commands():
    circuit = read("t\nV1 a 0 1\nR1 a 0 1k\n.end\n")
    for title in ("*ng_script", "a\n.control\nshell true\n.endc", "*#shell true"):
        first, second = deck(circuit, title=title).splitlines()[:2]
        assert not re.match(r"\*(ng_script|#)", first) and second.startswith(".options")
    assert deck(circuit, title="").splitlines()[0]


def test_analysis_lines_come_last():
    circuit = read("t\nV1 a 0 1\nR1 a 0 1k\n.end\n")
    assert deck(circuit, analysis=(".tran 1u 1m",)).splitlines()[-2:] == [".tran 1u 1m", ".end"]


def test_a_users_device_becomes_a_source_with_its_law():
    saturating = Device("saturating", current="G*vs*tanh(v/vs)", parameters={"G": None, "vs": 0.3})
    text = "t\n*@ train X1 min=0 max=1\nV1 a 0 1\nX1 a 0 saturating G=1m\n.end\n"
    circuit = read(text, devices=[saturating])
    (line,) = [x for x in deck(circuit, np.array([0.002])).splitlines() if x.startswith("b")]
    assert line.startswith("b.x1 a 0 i=") and "tanh" in line
    assert ".param g=0.002" in deck(circuit, np.array([0.002]))
    assert read(deck(circuit)).trainable == ()


@pytest.mark.skipif(shutil.which("ngspice") is None, reason="the ngspice program is not installed")
def test_ngspice_runs_the_deck(everything, tmp_path):
    path = tmp_path / "deck.cir"
    path.write_text(deck(everything))
    done = subprocess.run(["ngspice", "-b", str(path)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not re.search(r"^\s*(error|warning)", done.stdout + done.stderr, re.MULTILINE | re.IGNORECASE)
    assert re.search(r"^\s*(v\(o\)|o)\s+\S+", done.stdout, re.MULTILINE | re.IGNORECASE)
