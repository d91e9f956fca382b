"""Do single native devices draw the same currents here and in ngspice, in every region and at any temperature?

Sources hold all terminals. Each point is an operating point of its own: in a sweep ngspice may stop at a transistor
whose limited voltages happen to give the currents of the point before.
"""

import numpy as np
import pytest
from circuits import read

from analogpnn import Newton, Ngspice

pytestmark = pytest.mark.usefixtures("ngspice")

LEVEL1 = {
    "plain": ("VTO={vto} KP=50u", "W=10u L=2u", 27),
    "body effect": ("VTO={vto} KP=50u GAMMA=0.5 PHI=0.7", "W=10u L=2u", 27),
    "channel length": ("VTO={vto} KP=50u GAMMA=0.5 LAMBDA=0.05 LD=0.2u", "W=10u L=2u m=3", 27),
    "sheet resistance": ("VTO={vto} KP=50u LAMBDA=0.02 GAMMA=0.4 RSH=50", "W=10u L=2u NRD=2 NRS=0.5 m=2", 27),
    "rd and rs": ("VTO={vto} KP=50u LAMBDA=0.02 GAMMA=0.4 RD=100 RSH=20", "W=10u L=2u nrs=3", 27),
    "hot": ("VTO={vto} KP=50u LAMBDA=0.02 GAMMA=0.4", "W=10u L=2u", 50),
    "hot, densities": ("VTO={vto} KP=50u GAMMA=0.4 PHI=0.8 RSH=20 JS=1e-6", "W=10u L=2u AD=1e-11 AS=2e-11", 85),
    "own temperatures": ("VTO={vto} KP=50u GAMMA=0.4 TNOM=40", "W=10u L=2u dtemp=10", 27),
    "from the process": ("TOX=20n NSUB=1e16 UO=500 NSS=1e10 TPG=-1", "W=10u L=2u", 50),
    "depletion": ("VTO={depleted} KP=50u GAMMA=0.3 IS=1e-12", "", 27),
}


def singles(circuit, points):
    spice = Ngspice()
    fast = Newton().equilibrium(circuit, circuit.theta, points)
    for k, x in enumerate(points):
        op = spice.equilibrium(circuit, circuit.theta, x)
        np.testing.assert_allclose(fast.node_voltages[k], op.node_voltages, rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(fast.source_currents[k], op.source_currents, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("kind", LEVEL1)
@pytest.mark.parametrize(("polarity", "sign"), [("NMOS", 1), ("PMOS", -1)])
def test_level_1_transistor_in_all_regions(kind, polarity, sign):
    model, card, celsius = LEVEL1[kind]
    circuit = read(
        f"{kind}\n*@ input VD VG VS VB\n.options temp={celsius} tnom=27\n"
        f".model mm {polarity}(LEVEL=1 {model.format(vto=0.7 * sign, depleted=-sign)})\n"
        f"VD d 0 1\nVG g 0 1\nVS s 0 0\nVB b 0 0\nM1 d g s b mm {card}\nRout d out 1k\nRload out 0 1k\n"
    )
    rng = np.random.default_rng(1)
    points = rng.uniform(-3, 3, (16, 4))
    # The bulk's junctions conduct at some points, by no more than 0.45 V.
    lowest = np.minimum(sign * points[:, 0], sign * points[:, 2])
    points[:, 3] = sign * (lowest + rng.uniform(-2, 0.45, len(points)))
    singles(circuit, points)


@pytest.mark.parametrize(
    ("model", "card", "celsius"),
    [
        ("IS=1e-14", "", 27),
        ("IS=1e-12 N=1.7 RS=10 CJO=1p TT=1n", "area=3 m=2", 27),
        ("JS=1e-12", "2", 27),
        ("IS=1e-12 BV=5 IBV=1e-4 N=1.2 RS=20", "area=2", 27),
        ("IS=1e-12 BV=5 IBV=1e-4 NBV=2 N=1.5 TCV=0.01 RS=5", "", 50),
        ("IS=1e-12 BV=5 TCV=0.001 TLEV=1 RS=1 LEVEL=3", "area=2", 50),
        ("IS=1e-9 BV=5 IBV=1e-10 RS=1", "", 27),
        ("IS=1e-12 RS=5 TRS1=0.01 TRS2=1e-5 EG=0.69 XTI=2 N=1.1", "", 80),
        ("IS=1e-12 TNOM=40", "temp=60", 27),
        ("IS=1e-30 N=0.5 RS=1", "", 27),
        ("IS=1e-6 N=1.05 EG=0.69 RS=1", "dtemp=20", 27),
        ("IS=1e-12 N=0.1 RS=1", "off", 27),
    ],
)
def test_diode_forward_reverse_and_in_breakdown(model, card, celsius):
    circuit = read(
        f"diode\n*@ input V1\n.options temp={celsius} tnom=27\n.model dd D({model})\n"
        f"V1 a 0 1\nD1 a 0 dd {card}\nR1 a b 1k\nR2 b 0 1k\n"
    )
    singles(circuit, np.array([[-6], [-5.2], [-4.9], [-2], [-0.2], [-0.0776], [-0.02], [0.01], [0.3], [0.55], [0.8]]))


@pytest.mark.parametrize("options", ["defw=20u defl=5u defad=1e-11 defas=1e-11", "gmin=1e-9"])
def test_options_that_change_devices(options):
    circuit = read(
        f"options\n*@ input V1\n.options {options}\n.model mm NMOS(VTO=0.5 JS=1e-5)\n.model dd D\n"
        "V1 d 0 1\nVG g 0 2\nM1 d g s 0 mm\nR1 s 0 1k\nR2 s x 1k\nD1 x d dd\n"
    )
    singles(circuit, np.array([[-0.3], [0.5], [2.0]]))


LATCH = """latch
*@ output v(a) v(b)
.model n NMOS(LEVEL=1 VTO=0.5 KP=100u LAMBDA=0.02)
VDD vdd 0 3
R1 vdd a 20k
R2 vdd b 20k
M1 a b 0 0 n W=10u L=1u
M2 b a 0 0 n W=10u L=1u
.nodeset v(a)={high} v(b)={low}
.end
"""


@pytest.mark.parametrize(("high", "low"), [("3", "0"), ("0", "3")])
def test_nodeset_chooses_the_state_of_a_latch(high, low):
    circuit = read(LATCH.replace("{high}", high).replace("{low}", low))
    ours, theirs = Newton().equilibrium(circuit).outputs, Ngspice().equilibrium(circuit).outputs
    np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-6)
    assert (ours[0] > 2.5) == (high == "3") and (ours[1] > 2.5) == (low == "3")
