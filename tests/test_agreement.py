"""Do the fast engine and ngspice find the same operating points? Every shipped netlist, every boundary."""

import numpy as np
import pytest
from circuits import SHIPPED, draw_inputs, draw_theta, network, read, scale, shipped

from analogpnn import Clamp, Free, Inject, Newton, Ngspice

pytestmark = pytest.mark.usefixtures("ngspice")


def agree(circuit, inputs, boundary=None, theta=None):
    """Node voltages within 1e-6 relative + 1 uV, source currents within 1e-6 relative + 1 pA."""
    fast, spice = (e.equilibrium(circuit, theta, inputs, boundary or Free()) for e in (Newton(), Ngspice()))
    np.testing.assert_allclose(fast.node_voltages, spice.node_voltages, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(fast.source_currents, spice.source_currents, rtol=1e-6, atol=1e-12)
    return fast


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_netlists_free_clamped_and_injected(name):
    circuit, rng = shipped(name), np.random.default_rng(len(name))
    inputs, theta = draw_inputs(name, circuit, 12, rng), draw_theta(circuit, rng)
    free = agree(circuit, inputs, theta=theta)
    if not circuit.outputs:
        return
    agree(circuit, inputs, Clamp(free.outputs + rng.uniform(-0.05, 0.05, free.outputs.shape)), theta)
    agree(circuit, inputs, Inject(scale(name, circuit) * rng.uniform(-1, 1, free.outputs.shape)), theta)


@pytest.mark.parametrize(
    ("nodes", "diodes", "samples"), [(10, 3, 8), (10, 10, 8), (100, 30, 8), (100, 100, 8), (1000, 300, 2)]
)
def test_random_networks_of_diodes_and_resistors(nodes, diodes, samples):
    rng = np.random.default_rng(nodes)
    circuit = read(network(rng, nodes, diodes, sources=3))
    inputs = rng.uniform(-5, 5, (samples, 3))
    free = agree(circuit, inputs)
    agree(circuit, inputs, Clamp(free.outputs + 0.1))
    agree(circuit, inputs, Inject(np.array([1e-5, -2e-5])))


LADDER = """resistors around a formula
*@ input V1 V2
V1 a 0 1
V2 b 0 0.5
Ra a c 1k
Rb b d 2k
Rcd c d 3k
Vs c f 0
Rf f 0 4k
"""


@pytest.mark.parametrize(
    "cards",
    [
        "E1 e 0 c d 3\nRe e d 1k",
        "E1 e c c d -0.5\nRe e 0 1k",
        "G1 c 0 d 0 1m m=3",
        "F1 d 0 Vs 2 m=2",
        "H1 h 0 Vs 500\nRh h d 1k",
        "H1 h 0 V1 500\nRh h d 1k",
        "E1 e 0 c 0 4\nVe e g 0\nRg g d 1k\nF1 c 0 Ve 0.25",
        "E1 e 0 vol=v(c)+0.02*v(d)^2 m=2\nRe e d 1k",
        "G1 c 0 cur=1e-4*v(d)*v(c)",
        "B1 c 0 i=1e-3*tanh(v(c)/0.3)",
        "B1 e 0 v=v(c)*v(d)\nRe e 0 1k",
        "B1 d 0 i=2*i(Vs)+1e3*i(Vs)^2",
        "B1 c 0 i=1e-6*(exp(v(c,d)/0.2)-1)",
        "B1 c 0 i=v(c)>0.1 ? 1e-3*v(c) : 1e-4*v(c)",
        "B1 c 0 i=1e-3*pwr(v(c),1.5)+1e-4*uramp(v(d))",
        "B1 c 0 i=1e-3*max(v(c),v(d))+1e-3*min(v(c),0.2)+1e-4*abs(v(d))",
        "B1 c 0 i=1e-3*ln(1+v(c)^2)+1e-4*log10(2+v(d)**2)",
        "B1 e 0 v=sin(v(a))+cos(v(b))+tan(v(a)/3)+atan(v(a))+sinh(v(b))+cosh(v(b))+asinh(v(a))\nRe e d 1k",
        "B1 e 0 v=asin(v(a)/3)+acos(v(b)/3)+atanh(v(a)/3)+acosh(2+v(b)/3)+atan2(v(a),v(b))\nRe e d 1k",
        "B1 e 0 v=floor(v(a)*3)+ceil(v(b))+int(v(a)*3)+sgn(v(a))+u(v(b))\nRe e d 1k",
        "B1 e 0 v=(v(a)>v(b))+(v(a)<=0)+(v(a)>0 && v(b)>0)+!(v(a)>0)+(v(a)!=0)\nRe e d 1k",
        "B1 e 0 v=-v(a)^2+2*v(b)-3/2*v(a)+2^-1-2^3^0.5+pow(v(a),3)\nRe e d 1k",
        ".options temp=50 tnom=27\nB1 c 0 i=1e-3*v(c) m=2 tc1=1m tc2=2u\nB2 e 0 v=temper*v(a)/50 m=2 dtemp=5 tc1=1m "
        "reciproctc=1\nRe e d 1k\nB3 d 0 i=1e-4*v(d) m=3 reciprocm=1",
        ".options temp=50 tnom=27\n.model rr R(tc1=1m tnom=30)\nR1 c 0 1k tc=1m,1u\nR2 d 0 rr 2k m=2\n"
        "R3 c 0 5k scale=2",
        ".subckt amp i o k=2\nE1 o 0 i 0 {k}\nB1 i 0 i=1e-4*v(i)\n.ends\nX1 c e amp k=3 m=2\nRe e d 1k",
        ".func f(x) {x*2}\n.param g=3\nR1 c 0 {f(500)*g}\nI1 d 0 1m m=2\nL1 d e 1m\nRe e 0 1k\nC1 e 0 1u",
        "V3 e 0 sin(0.3 1 1k)\nRe e c 1k\nV4 g 0 pulse(0.2 1 0 1n)\nRg g d 1k\nI1 c 0 dc 1m ac 1 sin(0 1 1k)",
    ],
)
def test_sources_formulas_and_passives(cards):
    agree(read(LADDER + cards + "\n"), np.random.default_rng(0).uniform(-2, 2, (8, 2)))


def test_a_power_is_even_as_in_ngspice():
    """x^3 of a B source is |x|^3."""
    agree(read(LADDER + "B1 c 0 i=1e-3*v(c)^3+1e-3*pow(v(d),3)\n"), np.random.default_rng(0).uniform(0, 2, (8, 2)))
