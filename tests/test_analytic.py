"""Is it the textbook number?"""

import numpy as np
import pytest
from circuits import read
from scipy.linalg import eigh, expm, solve_continuous_lyapunov
from scipy.special import lambertw

from analogpnn import Circuit, Clamp, Inject, Netlist, Newton
from analogpnn.circuit.generate import lattice
from analogpnn.engines import adjoint
from analogpnn.experiments.settling import settling_time
from analogpnn.units import BOLTZMANN, CHARGE


def settle(text, inputs=None, boundary=None):
    circuit = read(text)
    more = {} if boundary is None else {"boundary": boundary}
    return Newton().equilibrium(circuit, circuit.theta, inputs, **more)


def volts(op, node):
    return op.node_voltages[..., op.circuit.nodes.index(node)]


def amps(op, source):
    return op.source_currents[..., op.circuit.sources.index(source)]


DIVIDER = "divider\n*@ input V1\n*@ output v(out)\nV1 in 0 1\nR1 in out 3k\nR2 out 0 1k\n"


def test_divider():
    op = settle(DIVIDER, [[1.0], [-8.0]])
    np.testing.assert_allclose(op.outputs[:, 0], [0.25, -2.0], rtol=1e-14)
    np.testing.assert_allclose(amps(op, "v1"), [-0.25e-3, 2e-3], rtol=1e-14)  # delivered: out of n+
    np.testing.assert_allclose(op.power, [0.25e-3, 16e-3], rtol=1e-14)


def test_clamp_and_injection_of_a_divider():
    held = settle(DIVIDER, boundary=Clamp(np.array([0.7])))
    assert held.outputs[0] == pytest.approx(0.7, rel=1e-14)
    assert held.node_residuals[1] == pytest.approx(0.7 / 1e3 - 0.3 / 3e3, rel=1e-12)  # what the clamp supplies
    pushed = settle(DIVIDER, boundary=Inject(np.array([1e-3])))
    assert pushed.outputs[0] == pytest.approx(0.25 + 1e-3 * 750, rel=1e-14)  # 3k and 1k in parallel


def test_wheatstone_bridge():
    text = "bridge\nV1 in 0 1\nR1 in p 1k\nR2 p 0 2k\nR3 in q 3k\nR4 q 0 {r4}\nR5 p q 5k\n"
    balanced = settle(text.format(r4="6k"))
    assert volts(balanced, "p") == pytest.approx(2 / 3, rel=1e-14) == volts(balanced, "q")
    op = settle(text.format(r4="4k"))  # 1.7 p - 0.2 q = 1,  -0.2 p + 47/60 q = 1/3
    determinant = 1.7 * 47 / 60 - 0.2**2
    assert volts(op, "p") == pytest.approx((47 / 60 + 0.2 / 3) / determinant, rel=1e-13)
    assert volts(op, "q") == pytest.approx((1.7 / 3 + 0.2) / determinant, rel=1e-13)


def test_capacitors_open_and_inductors_short():
    op = settle("rlc\nI1 0 a 1m\nR1 a b 1k\nL1 b c 1m\nR2 c 0 2k\nC1 c d 1u\nR3 d 0 1k\n")
    np.testing.assert_allclose([volts(op, n) for n in "abcd"], [3.0, 2.0, 2.0, 0.0], atol=1e-14)
    assert amps(op, "l1") == pytest.approx(1e-3, rel=1e-14)


@pytest.mark.parametrize("celsius", [27.0, 85.0])
def test_diode_behind_a_resistor(celsius):
    """(V - v)/R = Is (exp(v/nVt) - 1) + gmin v is solved by Lambert's W."""
    text = f"diode\n*@ input V1\n.options temp={celsius} tnom={celsius}\n.model dd D(IS=1e-12 N=1.3)\n"
    drive, ohms, isat, gmin = np.array([0.1, 0.4, 0.7, 1.0, 10.0]), 1e3, 1e-12, 1e-12
    slope = 1.3 * BOLTZMANN * (celsius + 273.15) / CHARGE
    siemens = 1 / ohms + gmin
    top = (drive / ohms + isat) / siemens
    exact = top - slope * lambertw(isat / (slope * siemens) * np.exp(top / slope)).real
    op = settle(text + "V1 a 0 1\nR1 a d 1k\nD1 d 0 dd\n", drive[:, None])
    np.testing.assert_allclose(volts(op, "d"), exact, rtol=1e-12)


def test_a_diode_in_reverse_carries_gmin_and_the_cubic_tail():
    op = settle(".title\n.options gmin=1e-9\n.model dd D(IS=1e-12)\nV1 a 0 -1\nR1 a d 1\nD1 d 0 dd\n")
    vt = BOLTZMANN * 300.15 / CHARGE
    tail = 1e-12 * (1 + (3 * vt / (np.e * -1.0)) ** 3)
    assert amps(op, "v1") == pytest.approx(1e-9 + tail, rel=1e-8)


TRANSISTOR = (
    "transistor\n*@ input VD VG VB\n.model mm {kind}(VTO={vto} KP=50u GAMMA=0.5 PHI=0.7 LAMBDA=0.05)\n"
    "VD d 0 1\nVG g 0 1\nVB b 0 0\nM1 d g s b mm W=10u L=2u\nRs s 0 1u\n"
)


@pytest.mark.parametrize(("kind", "sign"), [("NMOS", 1.0), ("PMOS", -1.0)])
def test_level_1_transistor_by_hand(kind, sign):
    """Threshold 0.7 + 0.5 (sqrt 1.7 - sqrt 0.7) = 0.933590 V; KP W/L = 250 uA/V^2; overdrive 1.066410 V at 2 V."""
    op = settle(
        TRANSISTOR.format(kind=kind, vto=0.7 * sign),
        sign * np.array([[0.1, 2.0, -1.0], [3.0, 2.0, -1.0], [3.0, 0.9, -1.0], [0.1, 2.0, 0.0]]),
    )
    triode = 250e-6 * 1.005 * (1.0664102 - 0.05) * 0.1
    saturation = 125e-6 * 1.15 * 1.0664102**2
    without_body_effect = 250e-6 * 1.005 * (1.3 - 0.05) * 0.1
    np.testing.assert_allclose(
        sign * amps(op, "vd"), [-triode, -saturation, 0.0, -without_body_effect], rtol=1e-6, atol=1e-11
    )
    np.testing.assert_allclose(amps(op, "vg"), 0.0, atol=1e-30)
    leak = 2e-14 + 1e-12 * (1.1 + 1.0)  # two bulk junctions in reverse, and gmin beside them
    assert sign * amps(op, "vb")[0] == pytest.approx(leak, rel=1e-4)


def test_controlled_sources():
    op = settle(
        "sources\nV1 a 0 2\nR1 a 0 1k\n"  # i(V1) = -2 mA
        "E1 e 0 a 0 3\nRe e 0 1k\n"
        "G1 g 0 a 0 1m\nRg g 0 1k\n"  # 2 mA out of node g
        "F1 f 0 V1 2\nRf f 0 1k\n"  # -4 mA out of node f
        "H1 h 0 V1 500\nRh h 0 1k\n"
        "B1 0 b i=v(a)^2*1e-3\nRb b 0 1k\n"
    )
    found = {n: float(volts(op, n)) for n in "efghb"}
    assert found == pytest.approx({"e": 6.0, "g": -2.0, "f": 4.0, "h": -1.0, "b": 4.0}, rel=1e-13)


@pytest.mark.parametrize("gain", [1.0, 4.0, 100.0])
def test_an_amplifier_pair_loads_its_input_like_a_resistor(gain):
    """Voltage times A forward and current over A backward: seen from h the load R2 is R2 itself."""
    op = settle(f"amplifier\nV1 in 0 1\nR1 in h 1k\nE1 e 0 h 0 {gain}\nVS e a 0\nR2 a 0 3k\nF1 h 0 VS {1 / gain!r}\n")
    assert volts(op, "h") == pytest.approx(0.75, rel=1e-13)
    assert volts(op, "a") == pytest.approx(0.75 * gain, rel=1e-13)


def test_a_formula_that_has_a_root():
    """i = v^2 / 1k from 6 V through 1k: v^2 + v = 6, v = 2."""
    op = settle("square\nV1 a 0 6\nR1 a b 1k\nB1 b 0 i=v(b)^2/1k\n")
    assert volts(op, "b") == pytest.approx(2.0, rel=1e-12)


def rc_lattice(farads=1e-12):
    """A periodic 4 x 4 lattice about 1 uS with three held nodes, about 1 pF at each of its 13 free nodes.

    The lattice of the published numbers isn't known; drawn like this, one in forty has all three of them.
    """
    rng = np.random.default_rng(95)
    held, g = ("n0_0", "n1_2", "n3_1"), rng.uniform(0.5e-6, 1.5e-6, 32)
    net = lattice(4, 4, periodic=True, inputs=held, outputs=["n2_2"], conductances=g, bounds=(1e-7, 1e-5))
    free = [f"n{r}_{c}" for r in range(4) for c in range(4) if f"n{r}_{c}" not in held]
    sizes = farads * rng.uniform(0.5, 1.5, len(free))
    cards = [f"C{k} {n} 0 {float(c)!r}" for k, (n, c) in enumerate(zip(free, sizes), 1)]
    circuit = Circuit.from_netlist(Netlist.from_text(net.text.replace(".end", "\n".join([*cards, ".end"]))))
    return circuit, [circuit.numbers[n] for n in free], np.diag(sizes)


def test_fact_7_nodes_settle_with_the_slowest_mode_and_their_noise_knows_no_conductance():
    """t = ln(1/eps)/lambda_min of G x = lambda C x; Johnson noise 2kTG leaves the covariance kT/C at the nodes."""
    circuit, free, c = rc_lattice()
    op = Newton().equilibrium(circuit, circuit.theta)
    x = op.unknowns[None]
    rows, columns, values = adjoint.jacobian(circuit, x, circuit.parameters(circuit.theta))
    g = np.zeros((circuit.n_unknowns + 1,) * 2)
    np.add.at(g, (rows, columns), values[0])
    g = g[np.ix_(free, free)]
    rates = eigh(g, c, eigvals_only=True)
    assert 1 / rates[-1] == pytest.approx(0.12e-6, abs=0.005e-6) and 1 / rates[0] == pytest.approx(1.4e-6, abs=0.05e-6)
    found = settling_time(circuit, circuit.theta, np.zeros((1, 3)))
    assert found == pytest.approx(np.log(1e3) / rates[0], rel=1e-9)
    assert found == pytest.approx(9.5e-6, abs=0.05e-6)  # to a thousandth
    slowest = eigh(g, c)[1][:, 0]
    left = expm(-np.linalg.solve(c, g) * float(found)) @ slowest
    np.testing.assert_allclose(left, 1e-3 * slowest, rtol=1e-6, atol=1e-9 * np.abs(slowest).max())
    kelvin = 300.0
    kt, flow = BOLTZMANN * kelvin, -np.linalg.solve(c, g)
    noise = 2 * kt * np.linalg.inv(c) @ g @ np.linalg.inv(c)
    covariance = solve_continuous_lyapunov(flow, -noise)
    np.testing.assert_allclose(covariance, kt * np.linalg.inv(c), rtol=1e-9, atol=1e-12 * kt / c[0, 0])
    assert np.sqrt(kt / 1e-12) == pytest.approx(64e-6, abs=0.5e-6)
    assert np.sqrt(kt / 1e-15) == pytest.approx(2.0e-3, abs=0.05e-3)


def test_a_clamped_state_is_the_same_after_its_free_state_and_alone():
    rng = np.random.default_rng(4)
    net = lattice(6, 6, inputs=["n0_0", "n5_5"], outputs=["n2_2", "n3_4"], ground=["n0_5"])
    circuit = Circuit.from_netlist(net)
    x, other = rng.uniform(-1, 1, (2, 7, 2))
    engine, volts = Newton(), rng.uniform(-1, 1, (7, 2))
    first = engine.equilibrium(circuit, None, x)
    engine.equilibrium(circuit, None, x, Clamp(volts), first)
    free = engine.equilibrium(circuit, None, other)
    used = other.copy()
    used_again = engine.equilibrium(circuit, None, used, Clamp(volts), free)
    np.testing.assert_array_equal(used_again.node_voltages,
                                  Newton().equilibrium(circuit, None, other, Clamp(volts)).node_voltages)  # fmt: skip
    used[:] = x  # the caller's own array may change
    after = engine.equilibrium(circuit, None, used, Clamp(volts))
    np.testing.assert_array_equal(after.node_voltages,
                                  Newton().equilibrium(circuit, None, x, Clamp(volts)).node_voltages)  # fmt: skip
    np.testing.assert_allclose(after.outputs, volts, rtol=0, atol=1e-12)
