"""What strangers' netlists use: conditionals, library sections, the many forms of controlled sources."""

import math
from pathlib import Path

import pytest

from analogpnn import Circuit, Netlist, Newton, Ngspice
from analogpnn.circuit.deck import deck
from analogpnn.circuit.supported import supported
from analogpnn.errors import NetlistError
from analogpnn.netlist.flatten import flatten


def volts(text, engine=None, **more):
    circuit = Circuit.from_netlist(Netlist.from_text(text, **more))
    point = (engine or Newton()).equilibrium(circuit)
    names = [*circuit.nodes, *(f"i({name})" for name in circuit.sources)]
    return dict(zip(names, map(float, [*point.node_voltages, *point.source_currents])))


IF = """conditionals
.param corner=2 q=1
.subckt cell a b k=1
.if (k==1)
R1 a b 1k
.elseif (k==2)
R1 a b 2k
.else
R1 a b 3k
.model inner D(IS=1e-12)
.endif
.ends
V1 a 0 1
.if (corner==1)
.model dm D(IS=1e-15)
.elseif (corner==2)
.model dm D(IS=1e-12)
  .if (q)
  R7 a 0 7k
  .endif
.else
.model dm D(IS=1e-9)
R8 a 0 8k
.endif
X1 a 0 cell k=2
X2 a 0 cell k=5
D1 0 a dm
"""


def test_conditionals():
    flat = flatten(Netlist.from_text(IF))
    values = {card.name: card.values.get("r") for card in flat.cards}
    assert values == {"v1": None, "r7": 7e3, "r.x1.r1": 2e3, "r.x2.r1": 3e3, "d1": None}
    assert next(card for card in flat.cards if card.letter == "d").model.values["is"] == 1e-12
    other = flatten(Netlist.from_text(IF), {"corner": 3})
    assert next(card for card in other.cards if card.letter == "d").model.values["is"] == 1e-9
    assert "r8" in {card.name for card in other.cards}


def test_values_of_conditional_elements_are_not_guessed():
    netlist = Netlist.from_text("t\nV1 a 0 1\n.if (1)\nR1 a 0 1k\n.else\nR1 a 0 2k\n.endif\n.end\n")
    with pytest.raises(NetlistError, match="several branches"):
        netlist.with_values({("r1", "r"): 5.0})


LIBRARY = """* corners
.lib tt
.param rr=1k
.lib 'common.lib' base
.endl tt
.lib ff
.param rr=500
.endl
"""


def test_library_sections(tmp_path):
    (tmp_path / "corners.lib").write_text(LIBRARY)
    (tmp_path / "common.lib").write_text(".lib base\nR9 a 0 9k\n.endl base\n")
    (tmp_path / "whole.lib").write_text(".model dd D(IS=1e-12)\n")
    text = "t\n.lib 'corners.lib' {}\n.lib whole.lib\nV1 a 0 1\nR1 a b {{rr}}\nD1 b 0 dd\n"
    path = tmp_path / "top.cir"
    path.write_text(text.format("tt"))
    cards = {card.name: card for card in flatten(Netlist.from_file(path)).cards}
    assert (
        cards["r1"].values["r"] == 1000 and cards["r9"].values["r"] == 9000 and cards["d1"].model.values["is"] == 1e-12
    )
    path.write_text(text.format("FF"))
    cards = {card.name: card for card in flatten(Netlist.from_file(path)).cards}
    assert cards["r1"].values["r"] == 500 and "r9" not in cards
    path.write_text(text.format("ss"))
    with pytest.raises(NetlistError, match="no .lib section 'ss'.*corners.lib") as caught:
        Netlist.from_file(path)
    assert caught.value.line == 2 and "tt ff" in caught.value.cure
    (tmp_path / "common.lib").write_text(".lib base\n.lib common.lib base\n.endl base\n")
    path.write_text(text.format("tt"))
    with pytest.raises(NetlistError, match="includes itself"):
        Netlist.from_file(path)


FORMS = """controlled sources in all forms
V1 a 0 0.9
V2 b 0 0.5
E1 o1 0 POLY(2) a 0 b 0 0.1 1 2 3 4 5
E2 o2 0 POLY(1) (a,0) 0.1 1 2
F1 0 o3 POLY(1) V1 1m 2
H1 o4 0 POLY(2) V1 V2 0 1k 100 1 2
G1 0 o5 POLY(1) a 0 0 1m
E7 o7 0 POLY(1) a 0 7
E8 o8 0 TABLE {v(a)+0.12} = (0,0) (1,2) (1.5,1) (3,7)
G9 0 o9 TABLE {v(a)*9} (0,0) (1,2m)
E10 o10 0 VALUE {3*v(a)}
E11 o11 0 value='2*v(a,b)'
G12 0 o12 cur='1m*v(a)'
R13 a o13 r='1k*(1+v(a))' m=2 tc1=1e-2
C1 a 0 c='1n*(1+v(a))'
L1 a o14 l='1u*(1+v(a))'
L2 b o15 1u
L3 L2x L2y 1u
R3 L2y 0 2k
K1 L2 L3 0.9
R2 L2x 0 1k
V3 L2x 0 1
B16 o16 0 v=pwl(v(a)*3,0,0,1,2,2,2)
B17 o17 0 v=u2(v(a)*5)+temper+hertz
F18 0 o18 V1 2 m=2
B19 o19 0 v=i(H1)*1k
""" + "".join(f"Ro{k} o{k} 0 1k\n" for k in (*range(1, 6), *range(7, 20))) + ".options temp=40\n.end\n"  # fmt: skip


def test_forms_of_controlled_sources(ngspice):
    fast, slow = volts(FORMS), volts(FORMS, Ngspice())
    for name, value in slow.items():
        assert fast[name] == pytest.approx(value, rel=1e-6, abs=1e-12), name
    # SPICE 2's order: x x, x y, y y after the linear terms
    assert fast["o1"] == pytest.approx(0.1 + 0.9 + 1.0 + 3 * 0.81 + 4 * 0.45 + 5 * 0.25)
    assert fast["o7"] == 7 and fast["o9"] == pytest.approx(2.0)


def test_a_rounded_table_is_what_ngspice_computes():
    # the value next to the corner at 1, from ngspice 39's own code model
    text = "t\nV1 a 0 {}\nE1 o 0 TABLE {{v(a)}} = (0,0) (1,2) (2,3)\nR1 o 0 1k\n"
    assert volts(text.format(1.02))["o"] == pytest.approx(2.004, rel=1e-12)
    assert volts(text.format(0.9))["o"] == pytest.approx(1.8)
    assert volts(text.format(5))["o"] == 3 and volts(text.format(-5))["o"] == 0


def test_couplings_do_nothing_at_an_operating_point():
    text = "t\nV1 a 0 1\nR1 a b 1k\nL1 b 0 1m\nL2 d 0 1m\nR2 d 0 1k\nK1 L1 L2 0.9\n"
    assert volts(text)["i(l1)"] == pytest.approx(1e-3)
    circuit = Circuit.from_netlist(Netlist.from_text(text))
    assert "k1 l1 l2 0.9" in deck(circuit)
    assert Circuit.from_netlist(Netlist.from_text(deck(circuit))).nodes == circuit.nodes


def test_scale_option(ngspice):
    text = """scaled
.options scale=1e-6
V1 g 0 1
V2 dx 0 5
R2 dx d 10
V3 bb 0 -0.5
M1 d g 0 bb nm W=10 L=2 AD=10 AS=10 PD=4
.model nm nmos(level=1 kp=1e-4 vto=0.5 ld=0.1u js=1)
.model rm R(rsh=10 narrow=0.2u)
R1 g 0 rm L=10 W=2
"""
    fast, slow = volts(text), volts(text, Ngspice())
    assert fast["i(v1)"] == pytest.approx(-0.016)
    for name, value in slow.items():
        assert fast[name] == pytest.approx(value, rel=1e-6, abs=1e-14), name


def test_many_points_of_a_pwl():
    points = ",".join(f"{k},{k * k}" for k in range(400))
    other = ",".join(f"{k},{-k}" for k in range(30))
    text = f"t\nV1 a 0 37.25\nB1 o 0 v=pwl(v(a),{points})\nR1 o 0 1\nB2 q 0 v=pwl(v(a),{other})\nR2 q 0 1\nR3 q o 1\n"
    found = volts(text)
    assert found["o"] == pytest.approx(37**2 + 0.25 * 75) and found["q"] == pytest.approx(-37.25)
    # where it meets a resistor: v/1k = 1m - i(v)
    text = f"t\nI1 0 a 20\nB1 a 0 i=pwl(v(a),{points})/100\nR1 a 0 10\n"
    v = volts(text)["a"]
    k = int(v)
    assert (k * k + (v - k) * (2 * k + 1)) / 100 + v / 10 == pytest.approx(20)


def test_deck_reads_back_with_every_kind_of_card():
    text = """t
V1 a 0 1
Q1 a b 0 0 qm 2 off m=3
R1 a b 10k
J1 a b s jm area=2
R2 s 0 1k
S1 a c b 0 sm on
R3 c 0 1k
W1 a d V1 wm
R4 d 0 1k
E1 e 0 POLY(1) a 0 1 2 3
R5 e 0 1k
.model qm npn(bf=100 rb=10 rc=1 subs=1)
.model jm njf(vto=-1)
.model sm sw(vt=0.5 vh=0.1)
.model wm csw(it=1m)
.end
"""
    circuit = Circuit.from_netlist(Netlist.from_text(text))
    again = Circuit.from_netlist(Netlist.from_text(deck(circuit)))
    assert again.nodes == circuit.nodes and again.elements == circuit.elements
    assert [c.values for c in again.flat.cards if c.letter != "e"] == [
        c.values for c in circuit.flat.cards if c.letter != "e"
    ]


def test_a_parameter_called_like_a_control():
    text = "t\n.param c0=2 number0=3\nV1 a 0 1.5\nB1 o 0 v=c0*v(a)+number0*0.5\nR1 o 0 1\n"
    assert volts(text)["o"] == pytest.approx(4.5)


def test_sources_that_differ_in_numbers_share_a_law():
    text = "t\nV1 a 0 0.5\n" + "".join(f"B{k} o{k} 0 v=0.{k}*tanh(v(a)*1.{k})\nR{k} o{k} 0 1\n" for k in range(1, 9))
    circuit = Circuit.from_netlist(Netlist.from_text(text))
    assert len([g for g in circuit.groups if g.device.name.startswith("behavioural")]) == 1
    assert volts(text)["o3"] == pytest.approx(0.3 * math.tanh(0.65))


def test_the_page_of_what_is_supported_is_up_to_date():
    page = Path(__file__).resolve().parent.parent / "docs" / "reference" / "supported.md"
    assert page.read_text() == supported(), "python -m analogpnn.circuit.supported > docs/reference/supported.md"


def test_circuits_that_grow_end_with_a_sentence():
    levels = "".join(f".subckt s{k + 1} p\n" + f"Xa p s{k}\nXb p s{k}\n" + ".ends\n" for k in range(40))
    text = f"t\n.subckt s0 p\nR1 p 0 1\n.ends\n{levels}V1 a 0 1\nX1 a s40\n"
    with pytest.raises(NetlistError, match="more than .* elements|too large"):
        flatten(Netlist.from_text(text))
    with pytest.raises(NetlistError, match="contains itself"):
        flatten(Netlist.from_text("t\n.subckt s p\nX1 p s\n.ends\nX1 a s\n"))
    with pytest.raises(NetlistError, match=".if blocks"):
        flatten(Netlist.from_text("t\n" + ".if (1)\n" * 60 + ".endif\n" * 60))
