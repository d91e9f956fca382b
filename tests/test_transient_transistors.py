"""Transistors over time: their capacitances and charges against ngspice, against formulas, and in poles."""

import numpy as np
import pytest

from analogpnn import Circuit, Netlist, NetlistError, Newton, Ngspice, Transient
from analogpnn.engines.ode.settling import poles, settling_time
from analogpnn.units import thermal_voltage

TOLERANCE = 1e-4
"""Agreement with ngspice, relative to each node's largest voltage."""
TIGHT = {"reltol": 1e-6, "vntol": 1e-9, "abstol": 1e-13, "chgtol": 1e-17, "trtol": 7.0}
"""Tighter ones leave ngspice without a step at the corners of Meyer's capacitances; the steps' length does the rest."""


def read(text: str) -> Circuit:
    return Circuit.from_netlist(Netlist.from_text(text))


def lattice() -> str:
    """The transistors of netlists/nmos-xor.cir with capacitances, a load at every node, pulses at its inputs."""
    lines, nodes = [], set()
    for line in open("netlists/nmos-xor.cir").read().splitlines():
        words = line.split()
        if not words or line[0] in "*.":
            continue
        if words[0] in ("V1", "V2"):
            before, after = ("0", "0.45") if words[0] == "V1" else ("0.45", "0")
            line = f"{words[0]} {words[1]} 0 PULSE({before} {after} 20n 20n 20n 300n 700n)"
        elif words[0][0] == "M":
            nodes |= {words[1], words[3]}
        lines.append(line)
    free = sorted(nodes - {"x1", "x2", "vminus", "vplus", "0"})
    return "\n".join([
        ".model ncg NMOS(LEVEL=1 VTO=0.75 GAMMA=1.09 PHI=0.95 KP=62.496u LAMBDA=0.2 RSH=73.2 TOX=40n CGSO=0.2n",
        "+ CGDO=0.2n CBD=1p CBS=1p)", *lines, *(f"CL{n} {n} 0 1p" for n in free), "",
    ])  # fmt: skip


DECKS = {
    "inverter": (
        """.model nn NMOS(LEVEL=1 VTO=0.7 KP=1e-4 GAMMA=0.5 PHI=0.65 LAMBDA=0.02 TOX=20n CGSO=0.3n CGDO=0.25n CGBO=0.4n
+ CJ=0.3m MJ=0.45 CJSW=0.2n MJSW=0.3 PB=0.75 FC=0.5 LD=0.1u)
.model pp PMOS(LEVEL=1 VTO=-0.8 KP=4e-5 GAMMA=0.4 PHI=0.6 LAMBDA=0.03 TOX=20n CGSO=0.3n CGDO=0.3n CBD=20f CBS=15f)
Vdd d 0 3
V1 in 0 PULSE(0 3 0.2n 0.5n 0.6n 1n 5n)
Rg in g 2k
M1 out g 0 0 nn W=10u L=1u AD=20p AS=20p PD=24u PS=24u
M2 out g d d pp W=25u L=1u
R1 out 0 1meg
C1 out 0 50f
""",
        4e-9,
    ),
    "common emitter": (
        """.model q NPN(IS=1e-15 BF=120 BR=2 VAF=60 IKF=20m RB=80 RE=1 CJE=2p VJE=0.7 MJE=0.35 CJC=1.5p VJC=0.6 MJC=0.4
+ XCJC=0.6 CJS=2p VJS=0.6 MJS=0.4 TF=0.3n XTF=2 VTF=4 ITF=30m TR=10n FC=0.5 RC=8)
Vcc vcc 0 10
V1 in 0 SIN(0 0.5 5meg)
Rs in x 600
Cc x b 10n
R1 vcc b 47k
R2 b 0 10k
Rc vcc c 2.2k
Re e 0 470
Ce e 0 1n
Q1 c b e q
CL c 0 5p
""",
        2e-7,
    ),
    "saturated pnp": (
        """.options temp=60
.model q PNP(IS=2e-15 BF=80 BR=3 RB=50 RC=20 RE=2 CJE=2p CJC=1.5p TF=0.5n TR=20n CJS=1p)
Vcc vcc 0 5
V1 in 0 PULSE(5 3 10n 5n 5n 40n 400n)
Rb in b 2k
Q1 c b vcc q area=2
Rc c 0 1k
CL c 0 2p
""",
        1e-7,
    ),
    "transistor with its own temperature coefficients": (
        """.options temp=70 tnom=25
.model q NPN(IS=1e-15 BF=100 RB=20 CJE=2p CJC=3p CJS=4p MJS=0.4 TLEVC=1 CTE=2m CTC=3m CTS=1m TVJE=2m TVJC=1.5m TVJS=1m)
Vcc vcc 0 5
V1 in 0 PULSE(-1 1.5 5n 5n 5n 40n 200n)
Rb in b 5k
Q1 c b 0 q
Rc vcc c 2k
""",
        1e-7,
    ),
    "diode with side walls": (
        """.options temp=60 tnom=35
.model d D(IS=1e-14 N=1.1 RS=5 CJO=4p VJ=0.8 M=0.4 CJSW=1p PHP=0.7 MJSW=0.25 FCS=0.9 TT=20n TTT1=1m TTT2=10u TM1=0.5m)
V1 in 0 SIN(-1 3 2meg)
R1 in a 20k
D1 a 0 d area=2 pj=5
""",  # where their forward bias is linearised, ngspice's side walls jump: it stops there
        1e-6,
    ),
    "diode with its own temperature coefficients": (
        """.options temp=90 tnom=35
.model d D(IS=1e-14 CJO=4p CJSW=1p TLEVC=1 CTA=2m CTP=3m TPB=1m TPHP=2m)
V1 in 0 PULSE(-4 0.6 5n 5n 10n 40n 200n)
R1 in a 2k
D1 a 0 d pj=5
""",
        1e-7,
    ),
    "source follower": (
        """.model j NJF(VTO=-2 BETA=1.3m LAMBDA=0.02 CGS=4p CGD=3p PB=0.9 FC=0.4 RD=10 RS=15)
Vdd d 0 10
V1 in 0 PULSE(-3 3 20n 10n 10n 60n 300n)
Rg in g 10k
J1 d g s j
Rs s 0 2k
CL s 0 5p
""",
        1.5e-7,
    ),
    "p-channel follower in the heat": (
        """.options temp=80 tnom=20
.model j PJF(VTO=-1.5 BETA=1m CGS=4p CGD=2p)
Vdd d 0 -5
V1 in 0 SIN(0 2.5 10meg)
Rg in g 2k
J1 d g s j area=2
Rs s 0 2k
""",
        1e-7,
    ),
    "lattice": (lattice(), 1.2e-7),
    "JFET stage": (
        """* gate leak, source resistor bypassed, driven by a sine
.model jn NJF(VTO=-2.8 BETA=1.2m LAMBDA=2m RD=2 RS=2 IS=20f PB=0.9 FC=0.5 CGD=1.5p CGS=2.5p)
Vdd top 0 15
Vin in 0 SIN(0 0.2 10k)
Cin in g 10n
Rg g 0 1meg
J1 d g s jn
Rd top d 2.4k
Rs s 0 700
Cs s 0 47u
""",
        1.5e-4,
    ),
    "CMOS ring": (
        """* three inverters with gate, overlap and junction capacitances
.model nn NMOS(LEVEL=1 VTO=0.7 KP=120u LAMBDA=0.05 TOX=15n CGSO=0.3n CGDO=0.3n CJ=0.5m CJSW=0.3n PB=0.8)
.model pp PMOS(LEVEL=1 VTO=-0.8 KP=40u LAMBDA=0.06 TOX=15n CGSO=0.3n CGDO=0.3n CJ=0.5m CJSW=0.3n PB=0.8)
.subckt inv i o p
MP o i p p pp W=5u L=0.6u AD=5p AS=5p PD=12u PS=12u
MN o i 0 0 nn W=2u L=0.6u AD=2p AS=2p PD=6u PS=6u
.ends
Vdd p 0 3.3
X1 a b p inv
X2 b c p inv
X3 c a p inv
CL a 0 20f
.ic v(a)=0 v(b)=3.3
""",
        1e-10,
    ),
}


@pytest.mark.usefixtures("ngspice")
@pytest.mark.parametrize("name", DECKS)
def test_agrees_with_ngspice(name):
    body, stop = DECKS[name]
    circuit = read(f"{name.replace(' ', '-')}\n{body}")
    times = np.linspace(0, stop, 41)
    ours = Transient().simulate(circuit, stop=stop, times=times)
    theirs = Ngspice().simulate(circuit, stop=stop, times=times, max_step=stop / 2500, **TIGHT)
    scale = np.abs(ours.node_voltages).max(axis=0)
    assert (np.abs(ours.node_voltages - theirs.node_voltages) / scale).max() < TOLERANCE
    assert (np.ptp(ours.node_voltages, axis=0) > 0.1).any(), "something moves"


@pytest.mark.parametrize("name", ["common emitter", "inverter"])
def test_methods_agree(name):
    """Families of methods that have nothing in common but the equations."""
    body, stop = DECKS[name]
    circuit, times = read(f"methods\n{body}"), np.linspace(0, stop / 4, 11)
    runs = [
        Transient(method=m, rtol=1e-6, atol=1e-8).simulate(circuit, stop=stop / 4, times=times)
        for m in ("esdirk4", "bdf")
    ]
    assert np.abs(runs[0].node_voltages - runs[1].node_voltages).max() < 2e-4


def test_a_batch_is_its_samples():
    body, _ = DECKS["inverter"]
    circuit, engine = read(f"batch\n*@ input V1\n{body}"), Transient(rtol=1e-5, atol=1e-7)
    times, levels = np.linspace(0, 2e-9, 11), np.array([1.0, 2.0, 3.0])

    def drive(t, k=slice(None)):
        return (levels[k] * np.sin(2 * np.pi * 0.2e9 * t) ** 2)[..., None]

    together = engine.simulate(circuit, inputs=drive, stop=2e-9, times=times)
    for k in range(3):
        alone = engine.simulate(circuit, inputs=lambda t, k=k: drive(t, k), stop=2e-9, times=times)
        assert np.abs(alone.node_voltages - together.node_voltages[k]).max() < 1e-3


def slowest(text: str) -> float:
    circuit = read(text)
    point = Newton().equilibrium(circuit, circuit.theta, circuit.input_values)
    found = poles(point)
    assert settling_time(point, np.exp(-1)) == pytest.approx(-1 / found[0].real)
    return float(-1 / found[0].real)


@pytest.mark.parametrize("gate", [-3.0, 0.55, 2.0])
def test_gate_capacitance_in_the_time_constant(gate):
    """Drain and source at ground: cut off, the whole oxide lies to the bulk; on, two thirds of it to the channel."""
    w, l, tox, vto, phi = 20e-6, 2e-6, 25e-9, 0.7, 0.6
    oxide = 3.9 * 8.854214871e-12 / tox * w * l
    # At vds = 0 source and drain have equal parts: 1 - (1/2)**2 of 2/3 each.
    weak = max(0.0, 2 / 3 + (gate - vto) / (0.75 * phi)) if gate < vto else 2 / 3
    channel, bulk = 2 * 0.75 * weak * oxide, min(max((vto - gate) / phi, 0.0), 1.0) * oxide
    overlaps = w * (0.3e-9 + 0.2e-9) + l * 0.1e-9
    found = slowest(
        f".\n.model n NMOS(LEVEL=1 VTO={vto} PHI={phi} TOX={tox} CGSO=0.3n CGDO=0.2n CGBO=0.1n KP=1e-4)\n"
        f"V1 a 0 {gate}\nR1 a g 10k\nM1 0 g 0 0 n W={w} L={l}\n"
    )
    assert found == pytest.approx(1e4 * (channel + bulk + overlaps), rel=1e-9)


def test_junction_capacitances_in_the_time_constant():
    """Reverse bias v: CJ (1 + v/VJ)**-MJ of each junction that hangs on the node."""
    found = slowest(".\n.model j NJF(CGS=4p CGD=3p PB=0.8 VTO=-2)\nV1 a 0 -5\nR1 a g 10k\nJ1 0 g 0 j\n")
    assert found == pytest.approx(1e4 * 7e-12 / np.sqrt(1 + 5 / 0.8), rel=1e-6)
    found = slowest(
        ".\n.model q NPN(CJE=2p VJE=0.7 MJE=0.4 CJC=3p VJC=0.6 MJC=0.3 XCJC=0.5 TF=1n)\n"
        "V1 a 0 -2\nR1 a b 10k\nQ1 0 b 0 q\n"
    )
    assert found == pytest.approx(1e4 * (2e-12 * (1 + 2 / 0.7) ** -0.4 + 3e-12 * (1 + 2 / 0.6) ** -0.3), rel=1e-6)
    found = slowest(
        ".\n.model n NMOS(LEVEL=1 VTO=1 CJ=1m MJ=0.6 CJSW=1n MJSW=0.2 PB=0.7)\n"
        "V1 a 0 3\nR1 a d 10k\nM1 d 0 0 0 n W=1u L=1u AD=10p PD=14u\n"
    )
    assert found == pytest.approx(1e4 * (1e-14 * (1 + 3 / 0.7) ** -0.6 + 1.4e-14 * (1 + 3 / 0.7) ** -0.2), rel=1e-6)


def test_transit_time_is_charge_over_current():
    """A diode-connected transistor driven by a current: tau = (TF gm + CJE')/(gm + ...), all of it from TF here."""
    found = slowest(".\n.model q NPN(IS=1e-15 BF=1e9 TF=2n)\nI1 0 c 1m\nQ1 c c 0 q\n")
    assert found == pytest.approx(2e-9, rel=1e-3)
    # Through 1 ohm of source resistance the slope of the charge alone counts.
    gm = 1e-3 / thermal_voltage(27.0)
    found = slowest(".\n.model q NPN(IS=1e-15 BF=1e9 TF=2n)\nI1 0 c 1m\nQ1 c c 0 q\nR1 c 0 1meg\n")
    assert found == pytest.approx(2e-9 * gm / (gm + 1e-6), rel=1e-3)


def test_parameters_that_learn_move_their_capacitances():
    """A trained width is the width of the gate's capacitances too."""
    text = (
        ".\n*@ train M1.w min=1u max=100u\n.model n NMOS(LEVEL=1 VTO=0.7 TOX=25n CGSO=0.3n)\nV1 a 0 2\nR1 a g 10k\n"
        "M1 0 g 0 0 n W={w} L=2u\n"
    )
    narrow, wide = (read(text.replace("{w}", w)) for w in ("10u", "20u"))
    found = [
        slowest_of(narrow, wide.theta),
        slowest_of(wide, wide.theta),
        slowest_of(narrow, narrow.theta),
    ]
    assert found[0] == pytest.approx(found[1], rel=1e-12) and found[0] == pytest.approx(2 * found[2], rel=1e-9)


def slowest_of(circuit: Circuit, theta) -> float:
    return float(-1 / poles(Newton().equilibrium(circuit, theta, circuit.input_values))[0].real)


@pytest.mark.parametrize("bias", [-3.0, 0.2])
def test_side_walls_in_the_time_constant(bias):
    """CJO area (1 - v/VJ)**-M + CJSW PJ (1 - v/PHP)**-MJSW, and both at their own temperature."""
    card = "CJO=4p VJ=0.9 M=0.4 CJSW=1p PHP=0.7 MJSW=0.2 IS=1e-20"
    floor, wall = 8e-12 * (1 - bias / 0.9) ** -0.4, 5e-12 * (1 - bias / 0.7) ** -0.2
    body = f"V1 a 0 {bias}\nR1 a b 10k\nD1 b 0 d area=2 pj=5\n"
    assert slowest(f".\n.model d D({card})\n{body}") == pytest.approx(1e4 * (floor + wall), rel=1e-6)
    floor, wall = 8e-12 * 1.1 * (1 - bias / 0.85) ** -0.4, 5e-12 * 1.05 * (1 - bias / 0.6) ** -0.2
    hot = f".\n.options temp=77\n.model d D({card} TLEVC=1 CTA=2m CTP=1m TPB=1m TPHP=2m)\n{body}"
    assert slowest(hot) == pytest.approx(1e4 * (floor + wall), rel=1e-6)


@pytest.mark.parametrize(("model", "what"), [("NPN(TF=1n PTF=30)", "PTF"), ("NPN(CJE=1p TLEVC=2)", "TLEVC=2")])
def test_what_is_refused(model, what):
    with pytest.raises(NetlistError, match=what):
        Transient().simulate(read(f".\n.model q {model}\nV1 c 0 1\nQ1 c c 0 q\n"), stop=1e-6)


def test_excess_phase_of_no_transit_time_is_none():
    Transient().simulate(read(".\n.model q NPN(PTF=30)\nV1 c 0 1\nQ1 c c 0 q\n"), stop=1e-6)
