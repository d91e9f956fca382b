"""Does each mistake get a sentence that names the right line, node or sample, and a cure?"""

import numpy as np
import pytest
from circuits import read

from analogpnn import Circuit, Clamp, ConvergenceError, Inject, NetlistError, Newton, Ngspice
from analogpnn.cli.main import main
from analogpnn.errors import ExperimentError, IgnoredWarning

GOOD = """a small circuit
*@ input V1
*@ output v(out)
*@ train R1 min=1u max=10m
.model dd D(IS=1e-12)
.model m3 NMOS(LEVEL=3 VTO=0.7)
V1 in 0 1
R1 in out 1k
R2 out 0 1k
D1 out 0 dd
"""
LINE = 1 + GOOD.count("\n")
"""Where the mistake goes: behind the others."""


@pytest.mark.parametrize(
    ("mistake", "what", "cure"),
    [
        ("R3 c d 1k", "node 'c' has no DC path to ground", "check the spelling of 'c'"),
        ("C1 out c 1u", "node 'c' has no DC path to ground", "large resistor"),
        ("G1 out 0 c 0 1m", "'g1' reads node 'c', which does not exist", "correct the name"),
        ("I1 0 c 1m", "node 'c' has no DC path to ground", "large resistor"),
        ("V2 in 0 2", "'v2' closes a loop of voltage sources", "small resistance"),
        ("E1 in 0 out 0 2", "'e1' closes a loop of voltage sources", "small resistance"),
        ("N1 out 0 diode Is=1e-9", "no device for 'N1'", "known cards: "),
        ("R3 out 0 {rx}", "parameter 'rx' is not defined", ".param rx="),
        ("B1 out 0 i=gain*v(out)", "parameter 'gain' is not defined", ".param gain="),
        ("D2 out 0 ddd", "no .model 'ddd'", "Did you mean 'dd'?"),
        ("R2 out 0 2k", "two elements called 'r2'", "The first is at line 9"),
        ("M1 out in 0 0 m3", "level 3", "fit a level-1 card"),
        ("M1 out in 0 0 dd", "needs a model of type NMOS or PMOS", ".model name NMOS(LEVEL=1"),
        ("R3 out 0", "needs 2 nodes and a value", "Write: r3"),
        ("R3 out 0 1k 2k", "one value too many", "Keep one"),
        ("B1 out 0 i=(v(in)", "'(' has no partner", "pairs"),
        ("B1 out 0 i=sine(v(in))", "no function 'sine'", "sin"),
        ("F1 out 0 R1 2", "'r1', which is not a voltage source", "0 V source in series"),
        ("X1 out 0 amplifier", "no subcircuit and no device called 'amplifier'", ".subckt"),
        ("D2 out 0 dd foo=2", "no parameter 'foo'", "known: area"),
        ("E1 e 0 out 0 2 m=3", "no parameter 'm'", "known: gain"),
        ("*@ train Q* min=1u max=1", "no element matches 'q*'", "globs match element names"),
        ("*@ input Vx*", "no V or I source matches 'vx*'", "independent sources"),
        ("*@ train R2 min=1u max=10u", "'r2' starts at 0.001 S (R = 1000 ohm), outside min=1e-06 max=1e-05", "bounds"),
        ("*@ train R2", "needs bounds", "min=0.1u max=10u"),
        ("*@ train R2 min=1 max=1u", "min=1 is not below max=1u", ""),
        ("*@ train R2 min=1x max=1", "", ""),
        ("*@ train V1", "'v1' is an input", ""),
        ("*@ train D1 min=1f max=1", "say what of 'd1' is to be trained", "d1.IS"),
        ("*@ output v(uot)", "there is no node 'uot'", "nodes: "),
        ("*@ output v(out,out)", "always 0 V", ""),
        ("*@ output out", "no output", "v(node)"),
        ("*@ trian R2 min=1u max=1", "no directive 'trian'", "Did you mean '*@ train'?"),
        (".model d2 D(IS=1e-12 IKF=1m)\nD2 out 0 d2", "IKF is not part of the D law", "leave it out"),
        (".model q NMOS(RD=0 RSH=10)\nM1 out in 0 0 q", "RD=0 beside RSH", "leave RD out"),
    ],
)
def test_mistakes_in_a_netlist(mistake, what, cure):
    read(GOOD)
    with pytest.raises(NetlistError) as caught:
        read(GOOD + mistake + "\nR9 out 0 1meg\n")
    error, line = caught.value, LINE + mistake.count("\n")
    said = str(error)
    assert error.line == line and f"line {line}: " in said
    assert mistake.splitlines()[-1].split()[0].lower() in said.lower()  # the offending line is shown
    assert what in said and cure in said


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("title\nV1 a b 1\nR1 a b 1k\n", "no element is connected to ground"),
        ("title\n", "no elements"),
        ("", "no elements"),
        (GOOD + ".options rshunt=1e9\n", "write the resistors as cards"),
        ("title\nV1 a 0 1\nR1 a 0 1k\n.subckt s a\nR1 a 0 1k\n", ".ends"),
    ],
)
def test_mistakes_of_a_whole_netlist(text, says):
    with pytest.raises(NetlistError, match=says):
        read(text)


def test_a_file_that_is_not_there_and_one_included_that_is_not_there(tmp_path):
    with pytest.raises(NetlistError, match=r"none\.cir"):
        Circuit.from_netlist(tmp_path / "none.cir")
    (tmp_path / "a.cir").write_text(GOOD + ".include none.inc\n")
    with pytest.raises(NetlistError, match=r"none\.inc") as caught:
        Circuit.from_netlist(tmp_path / "a.cir")
    assert caught.value.line == LINE


def test_a_clamp_on_a_held_output():
    circuit = read("held\n*@ output v(a)\nV1 a 0 1\nR1 a b 1k\nR2 b 0 1k\n")
    with pytest.raises(NetlistError, match=r"v\(a,0\).*can't be clamped"):
        Newton().equilibrium(circuit, boundary=Clamp(np.array([0.5])))


@pytest.mark.parametrize("engine", [Newton(), Ngspice()])
@pytest.mark.parametrize(
    ("theta", "inputs", "boundary", "says"),
    [
        ([1e-3, 1e-3], [1.0], None, "theta has shape (2,)"),
        ([1e-3], [1.0, 2.0], None, "inputs has shape (2,)"),
        ([1e-3], 1.0, None, "inputs has shape ()"),
        ([1e-3], [[1.0], [np.nan]], None, "not finite"),
        ([np.inf], [1.0], None, "not finite"),
        ([1e-3], [1.0], Clamp(np.zeros((3, 2))), "voltages has shape (3, 2)"),
        ([1e-3], [1.0], Inject(np.zeros(0)), "currents has shape (0,)"),
        ([1e-3], np.zeros((4, 1)), Inject(np.zeros((3, 1))), "don't broadcast"),
    ],
)
def test_arrays_of_the_wrong_shape(engine, theta, inputs, boundary, says):
    more = {} if boundary is None else {"boundary": boundary}
    with pytest.raises(ExperimentError) as caught:
        engine.equilibrium(read(GOOD), theta, inputs, **more)
    assert says in str(caught.value)


NO_ROOT = "no root\n*@ input V1\nV1 a 0 0.1\nRa a x 1k\nRx x 0 1k\nR1 c 0 1k\nB1 0 c i=(v(a)+v(c)^2)/1k\n"
"""v(c) = v(a) + v(c)^2 has a solution up to v(a) = 1/4."""


def test_no_operating_point_names_sample_and_node():
    circuit = read(NO_ROOT)
    inputs = np.array([[0.1], [0.2], [0.3], [0.4]])
    op = Newton().equilibrium(circuit, inputs=inputs[:2])
    np.testing.assert_allclose(op.node_voltages[:, circuit.nodes.index("c")], (1 - np.sqrt([0.6, 0.2])) / 2, rtol=1e-9)
    with pytest.raises(ConvergenceError) as caught:
        Newton().equilibrium(circuit, inputs=inputs)
    error = caught.value
    assert (error.sample, error.node) == (2, "c") and error.residual > 1e-6
    assert "sample 2, node 'c'" in str(error) and "check" in str(error)


@pytest.mark.usefixtures("ngspice")
def test_no_operating_point_in_ngspice_names_the_sample():
    with pytest.raises(ConvergenceError) as caught:
        Ngspice().equilibrium(read(NO_ROOT), inputs=np.array([[0.1], [0.2], [0.3], [0.4]]))
    assert caught.value.sample == 2


def test_what_ngspice_ignores_is_ignored_with_a_word(tmp_path, capsys):
    text = GOOD + ".model q NMOS(VTO=0.7 TT=161n)\nM1 out in 0 0 q\nM2 in out 0 0 q\n"
    with pytest.warns(IgnoredWarning, match="model 'q': TT is no NMOS parameter, and ignored"):
        read(text)
    deck = tmp_path / "deck.cir"
    deck.write_text(text + ".end\n")
    with pytest.raises(SystemExit) as end:
        main(["op", str(deck)])
    assert end.value.code == 0
    assert capsys.readouterr().err.count("TT is no NMOS parameter") == 1
    with pytest.raises(SystemExit):
        main(["check", str(deck)])
    said = capsys.readouterr()
    assert said.out.count("TT is no NMOS parameter") == 1 and not said.err
    with pytest.warns(IgnoredWarning, match=r"did you mean VTO\?"):
        read(text.replace("TT=161n", "VTOO=1"))
