"""Devices with states of their own: against formulas, SciPy, the netlist way and ngspice; batches, gradients, decks."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from analogpnn import Circuit, Device, Netlist, NetlistError, Newton, Ngspice, Transient
from analogpnn.circuit.deck import deck
from analogpnn.engines.adjoint import gradient
from analogpnn.engines.ode.settling import slowest_pole
from analogpnn.testing import check_device

MEMRISTOR = Device(
    "memristor",
    current="v/(ron*w + roff*(1 - w))",
    states={"w": "k*v/(ron*w + roff*(1 - w))*(1 - (2*w - 1)**2)"},
    parameters={"ron": 100.0, "roff": 16e3, "k": 1e4, "w0": 0.1},
)
DRIVEN = """a memristor behind an RC
*@ input V1
*@ output v(a)
*@ train X1.w0 min=0 max=1
*@ train X1.roff min=1k max=100k
V1 in 0 DC 0.5 SIN(0 1 2)
R1 in a 1k
C1 a 0 20u
X1 a 0 memristor w0=0.3
.end
"""


def read(text: str, *devices: Device) -> Circuit:
    return Circuit.from_netlist(Netlist.from_text(text), devices=devices)


def rates(t, x, drive):
    v, w = x
    i = v / (100 * w + 16e3 * (1 - w))
    return [((drive(t) - v) / 1e3 - i) / 20e-6, 1e4 * i * (1 - (2 * w - 1) ** 2)]


def test_laws_have_their_slopes():
    check_device(MEMRISTOR, {"k": 2.0, "ron": 1.0, "roff": 3.0})


def test_follows_its_law():
    circuit, times = read(DRIVEN, MEMRISTOR), np.linspace(0, 1, 21)
    waves = Transient().simulate(circuit, stop=1.0, times=times)
    exact = solve_ivp(
        rates, (0, 1), [0.0, 0.3], t_eval=times, rtol=1e-10, atol=1e-12, method="LSODA",
        args=(lambda t: np.sin(4 * np.pi * t),),
    ).y  # fmt: skip
    np.testing.assert_allclose(waves.voltage("a"), exact[0], atol=2e-6)
    np.testing.assert_allclose(waves.voltage("x1#w"), exact[1], atol=2e-6)
    assert np.ptp(exact[1]) > 0.1


def test_two_states_have_their_formulas():
    """dx/dt = -x/T, dw/dt = (x - w)/T: w = (w0 + x0 t/T) exp(-t/T), whatever the circuit does."""
    pair = Device(
        "pair", current="g*w*v", states={"w": "(x - w)/T", "x": "-x/T"}, parameters={"g": 1e-3, "T": 1e-3, "x0": 2.0}
    )
    circuit = read(".\nI1 0 a 1m\nX1 a 0 pair w0=0.5\nR1 a 0 1k\n", pair)
    waves = Transient(rtol=1e-8, atol=1e-10).simulate(circuit, stop=3e-3)
    t = waves.times / 1e-3
    w = (0.5 + 2 * t) * np.exp(-t)
    np.testing.assert_allclose(waves.voltage("x1#w"), w, atol=1e-7)
    np.testing.assert_allclose(waves.voltage("x1#x"), 2 * np.exp(-t), atol=1e-7)
    np.testing.assert_allclose(waves.voltage("a"), 1 / (1 + w), atol=1e-7)


def test_stays_where_it_starts_at_an_operating_point():
    circuit = read(DRIVEN, MEMRISTOR)
    point = Newton().equilibrium(circuit, circuit.theta, [[0.5], [-1.0]])
    ohms = 100 * 0.3 + 16e3 * 0.7
    np.testing.assert_allclose(point.node_voltages[:, circuit.nodes.index("x1#w")], 0.3, rtol=1e-12)
    np.testing.assert_allclose(point.outputs[:, 0], np.array([0.5, -1.0]) * ohms / (ohms + 1e3), rtol=1e-12)


def test_gradient_by_the_start():
    circuit = read(DRIVEN, MEMRISTOR)

    def cost(theta):
        return gradient(circuit, theta, [[0.5], [1.0]], lambda o: (o[..., 0] ** 2, 2 * o))

    exact = cost(circuit.theta)[1]
    for k, h in enumerate(1e-5 * circuit.theta):
        step = np.eye(2)[k] * h
        numeric = (cost(circuit.theta + step)[0] - cost(circuit.theta - step)[0]) / (2 * h)
        assert exact[k] == pytest.approx(numeric, rel=1e-6)


def test_batches_and_ensembles():
    circuit, times = read(DRIVEN, MEMRISTOR), np.array([0.0, 0.1, 0.2])
    theta = np.array([[[0.1, 16e3]], [[0.6, 8e3]]])
    inputs = np.array([[0.5], [1.0], [-1.0]])
    waves = Transient().simulate(circuit, theta, inputs, stop=0.2, times=times)
    w = waves.voltage("x1#w")
    assert w.shape == (2, 3, 3)
    np.testing.assert_allclose(w[..., 0], [[0.1] * 3, [0.6] * 3], atol=1e-12)
    one = Transient().simulate(circuit, theta[1, 0], inputs[2], stop=0.2, times=times)
    np.testing.assert_allclose(one.node_voltages, waves.node_voltages[1, 2], atol=3e-6)
    assert w[0, 1, 2] > w[0, 0, 2] > 0.1 > w[0, 2, 2]


def test_starts():
    circuit, times = read(DRIVEN, MEMRISTOR), np.array([0.0, 0.01])
    rest = Transient().simulate(circuit, stop=0.01, times=times, initial="ic")
    np.testing.assert_allclose(rest.voltage("x1#w")[0], 0.3)
    given = np.zeros(circuit.n_nodes)
    given[circuit.nodes.index("x1#w")] = 0.8
    other = Transient().simulate(circuit, inputs=[1.0], stop=0.01, times=times, initial=given)
    assert other.voltage("x1#w")[0] == pytest.approx(0.8) and other.voltage("x1#w")[1] > 0.8


def test_settles_with_its_state():
    """dw/dt = (tanh(v) - w)/T: from w0 = 0 to tanh(v), at the rate 1/T."""
    slow = Device("slow", current="g*(1 + w)*v", states={"w": "(tanh(v) - w)/T"}, parameters={"g": 1e-3, "T": 1e-3})
    circuit = read(".\n*@ input V1\nV1 a 0 0.7\nX1 a 0 slow\n", slow)
    settled = Transient().equilibrium(circuit, inputs=[0.7])
    assert settled.node_voltages[circuit.nodes.index("x1#w")] == pytest.approx(np.tanh(0.7), abs=2e-6)
    assert slowest_pole(settled) == pytest.approx(-1e3, rel=1e-9)


@pytest.mark.usefixtures("ngspice")
def test_agrees_with_ngspice():
    circuit, times = read(DRIVEN, MEMRISTOR), np.linspace(0, 1, 11)
    ours, theirs = (e.simulate(circuit, stop=1.0, times=times) for e in (Transient(), Ngspice()))
    assert np.abs(ours.node_voltages - theirs.node_voltages).max() < 1e-5
    inputs = [[0.5], [1.0], [-0.2]]
    ours, theirs = (e.equilibrium(circuit, circuit.theta, inputs) for e in (Newton(), Ngspice()))
    np.testing.assert_allclose(ours.node_voltages, theirs.node_voltages, atol=1e-9)


@pytest.mark.usefixtures("ngspice")
def test_is_the_netlist_way():
    """The shipped netlist writes its state as a capacitor; ngspice runs that, we run the device."""
    written, times = Circuit.from_netlist("netlists/memristor.cir"), np.linspace(0, 2, 21)
    device = read(".\nV1 in 0 DC 0 SIN(0 1 1)\nX1 in 0 memristor w0=0.1\n", MEMRISTOR)
    ours = Transient().simulate(device, stop=2.0, times=times)
    theirs = Ngspice().simulate(written, stop=2.0, times=times)
    assert np.abs(ours.voltage("x1#w") - theirs.voltage("w")).max() < 1e-5
    assert np.abs(ours.current("v1") - theirs.current("v1")).max() < 1e-4 * np.abs(theirs.current("v1")).max()


def test_a_deck_reads_back():
    circuit, times = read(DRIVEN, MEMRISTOR), np.linspace(0, 0.5, 11)
    again = read(deck(circuit))
    theirs = Newton().equilibrium(again, [], [0.5])
    ours = Newton().equilibrium(circuit, circuit.theta, [0.5])
    np.testing.assert_allclose(theirs.node_voltages, ours.node_voltages, rtol=1e-12)
    a, b = (Transient().simulate(c, stop=0.5, times=times).node_voltages for c in (circuit, again))
    np.testing.assert_allclose(a, b, atol=1e-6)


def test_names_are_checked():
    with pytest.raises(NetlistError, match="'x', which is neither"):
        Device("wrong", current="w*v", states={"w": "x*v"})
