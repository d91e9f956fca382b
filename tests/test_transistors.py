"""Bipolar transistors, JFETs and switches: every region against ngspice, and the parts their cards become."""

import numpy as np
import pytest

from analogpnn import Circuit, Netlist, Newton, Ngspice
from analogpnn.devices import bjt, jfet
from analogpnn.errors import NetlistError

BIPOLAR = {
    "bf": (20, 500),
    "br": (0.3, 20),
    "is": (1e-18, 1e-13),
    "nf": (0.95, 1.3),
    "nr": (0.95, 1.3),
    "vaf": (10, 200),
    "var": (5, 50),
    "ikf": (1e-4, 1),
    "ikr": (1e-4, 1),
    "ise": (1e-16, 1e-12),
    "ne": (1.2, 2.5),
    "isc": (1e-16, 1e-12),
    "nc": (1.2, 2.5),
    "rb": (1, 1e3),
    "rbm": (0.1, 1),
    "irb": (1e-6, 1e-3),
    "rc": (0.1, 100),
    "re": (0.01, 10),
    "xtb": (-1, 2),
    "eg": (0.7, 1.3),
    "xti": (2, 4),
    "iss": (1e-17, 1e-13),
    "ns": (1, 1.5),
    "tnom": (0, 50),
}
FIELD = {
    "vto": (-6, -0.5),
    "beta": (1e-5, 1e-2),
    "lambda": (1e-3, 0.1),
    "is": (1e-16, 1e-12),
    "rd": (1, 100),
    "rs": (1, 100),
    "b": (0.5, 1.2),
    "pb": (0.6, 1.2),
    "tcv": (-1e-3, 1e-3),
    "bex": (-2, 1),
    "xti": (1, 4),
    "tnom": (0, 50),
}


def some(rng, ranges):
    """A random part of the parameters, each within its range (logarithmically where it spans decades)."""
    words = []
    for name, (low, high) in ranges.items():
        if rng.random() < 0.5:
            wide = low > 0 and high / low > 20
            x = np.exp(rng.uniform(np.log(low), np.log(high))) if wide else rng.uniform(low, high)
            if name not in ("rbm", "irb") or any(word.startswith("rb=") for word in words):
                words.append(f"{name}={x:.6g}")
    return " ".join(words)


def deck(seed, letter, count):
    rng = np.random.default_rng(seed)
    polarities, ranges = (("npn", "pnp"), BIPOLAR) if letter == "q" else (("njf", "pjf"), FIELD)
    lines = [f"{letter} in all regions", f".options temp={rng.uniform(-20, 90):.4g}"]
    for k in range(count):
        polarity = polarities[rng.integers(2)]
        reach = 2.0 if letter == "q" else 8.0
        for node in "abc":
            ohms = 10 ** rng.uniform(1, 5)
            lines += [
                f"v{node}{k} {node}x{k} 0 {rng.uniform(-reach, reach):.5g}",
                f"r{node}{k} {node}x{k} {node}{k} {ohms:.5g}",
            ]
        size = rng.choice(["", " area=2.5", " 0.5 m=3", " area=2 dtemp=10"])
        substrate = f" s{k}" if letter == "q" and rng.random() < 0.3 else ""
        if substrate:
            lines.append(f"rs{k} s{k} 0 1k")
        lines.append(f"{letter}{k} a{k} b{k} c{k}{substrate} m{k}{size}")
        lines.append(f".model m{k} {polarity}({some(rng, ranges)})")
    return "\n".join([*lines, ".end", ""])


def compare(text):
    circuit = Circuit.from_netlist(Netlist.from_text(text))
    fast, slow = Newton().equilibrium(circuit), Ngspice().equilibrium(circuit)
    v, w = fast.node_voltages, slow.node_voltages
    off = np.abs(v - w) - (1e-6 * np.abs(w) + 1e-6)
    assert off.max() < 0, f"{circuit.nodes[int(off.argmax())]}: {v[off.argmax()]} V, ngspice {w[off.argmax()]} V"
    i, j = fast.source_currents, slow.source_currents
    off = np.abs(i - j) - (1e-6 * np.abs(j) + 1e-12)
    assert off.max() < 0, f"{circuit.sources[int(off.argmax())]}: {i[off.argmax()]} A, ngspice {j[off.argmax()]} A"
    return circuit


@pytest.mark.parametrize("letter", ["q", "j"])
@pytest.mark.parametrize("seed", range(3))
def test_every_region(letter, seed, ngspice):
    compare(deck(seed, letter, 25))


SWITCHES = """switches
V1 a 0 1
V2 c 0 2
S1 a o1 c 0 plain
S2 a o2 c 0 wide on
S3 a o3 c 0 wide off
S4 a o4 c 0 high
.model plain SW
.model wide SW(VT=2.5 VH=1 RON=10 ROFF=1meg)
.model high SW(VT=3)
Vm m 0 0
Im 0 m 2m
W1 a o5 Vm wm
.model wm CSW(IT=1m IH=0.1m RON=1 ROFF=1e9)
R1 o1 0 1k
R2 o2 0 1k
R3 o3 0 1k
R4 o4 0 1k
R5 o5 0 1k
* two inverters
V9 v9 0 5
R6 v9 p 1k
S6 p 0 c 0 plain2
R7 v9 q 1k
S7 q 0 p 0 plain2
.model plain2 SW(VT=1 RON=10)
"""


def test_switches(ngspice):
    circuit = compare(SWITCHES)
    volts = dict(zip(circuit.nodes, Newton().equilibrium(circuit).node_voltages))
    assert volts["o2"] == pytest.approx(1000 / 1010)  # within the hysteresis: as it starts
    assert volts["o3"] == pytest.approx(1e3 / 1.001e6)
    assert volts["o4"] == pytest.approx(1e-9, rel=1e-6)  # off: gmin
    assert volts["q"] == pytest.approx(5.0, rel=1e-6)


def test_parts_are_named_as_in_ngspice():
    models = ".model m npn(rb=10 rc=1 re=2)\n.model j njf(rd=1 rs=1)\n"
    text = f"t\nV1 c 0 1\nQ1 c b 0 m\nR1 c b 1k\nJ1 c b s j\nR2 s 0 1k\n{models}"
    circuit = Circuit.from_netlist(Netlist.from_text(text))
    assert {"q1#base", "q1#collector", "q1#emitter", "j1#drain", "j1#source"} <= set(circuit.nodes)


def test_the_textbook_transistor():
    # Ic = Is exp(vbe/vt) and Ib = Ic/bf, with gmin small
    text = "t\nVb b 0 0.65\nRb b x 1\nVc c 0 5\nQ1 c x 0 m\n.model m npn(is=1e-15 bf=80)\n.options gmin=1e-30\n"
    circuit = Circuit.from_netlist(Netlist.from_text(text))
    point = Newton().equilibrium(circuit)
    amps = dict(zip(circuit.sources, point.source_currents))
    vbe = dict(zip(circuit.nodes, point.node_voltages))["x"]
    expected = 1e-15 * np.exp(vbe / 0.025864917007157463)
    assert -amps["vc"] == pytest.approx(expected, rel=1e-9)
    assert amps["vc"] / amps["vb"] == pytest.approx(80, rel=1e-7)


def test_the_textbook_jfet():
    text = "t\nVg g 0 -1\nRg g x 1\nVd d 0 10\nJ1 d x 0 m\n.model m njf(vto=-3 beta=1m lambda=0.01 is=1e-30)\n"
    circuit = Circuit.from_netlist(Netlist.from_text(text))
    amps = dict(zip(circuit.sources, Newton().equilibrium(circuit).source_currents))
    assert -amps["vd"] == pytest.approx(1e-3 * 2**2 * (1 + 0.01 * 10), rel=1e-8)


@pytest.mark.parametrize(
    "device", [bjt.TRANSPORT, bjt.BASE_JUNCTION, bjt.BASE_RESISTANCE, bjt.CROWDED_BASE_RESISTANCE, jfet.CHANNEL]
)
def test_slopes(device):
    rng = np.random.default_rng(3)
    values = {
        "is": 1e-15,
        "isc": 2e-15,
        "nfvt": 0.026,
        "nrvt": 0.027,
        "nvt": 0.026,
        "vt": 0.0258,
        "beta": 80.0,
        "bf": 90.0,
        "br": 3.0,
        "rb": 100.0,
        "rbm": 10.0,
        "irb": 1e-5,
        "ivaf": 0.02,
        "ivar": 0.1,
        "iikf": 50.0,
        "iikr": 20.0,
        "ile": 1e-14,
        "nevt": 0.04,
        "ilc": 1e-14,
        "ncvt": 0.05,
        "vto": -2.0,
        "b": 0.8,
        "bfac": 0.06,
        "lambda": 0.02,
        "gmin": 1e-12,
        "m": 2.0,
    }
    for p in (1.0, -1.0):
        parameters = [{**values, "p": p}[name] for name in device.parameters]
        for _ in range(30):
            at = [p * rng.uniform(-1.0, 0.75) for _ in device.controls]
            slopes = device.law(*at, *parameters)[1:]
            for k, slope in enumerate(slopes):
                h = 1e-6
                up, down = list(at), list(at)
                up[k] += h
                down[k] -= h
                change = device.law(*up, *parameters)[0] - device.law(*down, *parameters)[0]
                assert float(slope) == pytest.approx(float(change / (2 * h)), rel=1e-4, abs=1e-6)


@pytest.mark.parametrize(
    ("card", "what"),
    [
        ("Q1 a a 0 m\n.model m npn(level=4)", "level 4"),
        ("Q1 a a 0 m\n.model m npn(rco=10)", "RCO"),
        ("Q1 a a 0 m\n.model m nmos(level=1)", "type nmos"),
        ("J1 a a 0 m\n.model m njf(level=2)", "level 2"),
        ("S1 a 0 a 0 m maybe\n.model m sw", "'maybe'"),
        ("K1 L1 L9 0.5\nL1 a b 1u\nR1 b 0 1", "'l9'"),
        ("W1 a 0 V9 m\n.model m csw", "'v9'"),
    ],
)
def test_mistakes(card, what):
    with pytest.raises(NetlistError, match=what):
        Circuit.from_netlist(Netlist.from_text(f"t\nV1 a 0 1\n{card}\n"))


HOT = ".\n.options temp=1e32\nV1 d 0 1\n{}\n"


@pytest.mark.parametrize(
    "cards",
    [
        ".model n NMOS(VTO=1 GAMMA=1)\nM1 d d 0 0 n",
        ".model q NPN(XTI=20)\nQ1 d d 0 q",
        ".model j NJF(BETATCE=1)\nJ1 d 0 0 j",
    ],
)
def test_temperatures_without_meaning_are_named(cards):
    """Found by fuzzing: a formula of temperature overflows, or takes the root of something negative."""
    with pytest.raises(NetlistError, match=r"line 5: .* at 1e\+32 Celsius"):
        Newton().equilibrium(Circuit.from_netlist(Netlist.from_text(HOT.format(cards))))


def test_labels_of_a_part_are_skipped():
    """LTspice's models say who makes them; PSpice calls NKF also NK."""
    text = ".\n.model q NPN(BF=100 NK=0.5 Vceo=40 Icrating=200m mfg=NXP)\nV1 c 0 1\nQ1 c c 0 q\n"
    plain = text.replace(" NK=0.5 Vceo=40 Icrating=200m mfg=NXP", "")
    found = [Newton().equilibrium(Circuit.from_netlist(Netlist.from_text(t))).branch_currents for t in (text, plain)]
    assert np.array_equal(*found)
