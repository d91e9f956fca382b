"""Transients: analytic answers at the declared order, ngspice on all netlists with dynamics, batches, starts."""

from pathlib import Path

import numpy as np
import pytest

from analogpnn import Circuit, Clamp, ConvergenceError, Inject, Netlist, NetlistError, Newton, Ngspice, Transient
from analogpnn.devices.device import Device
from analogpnn.engines.ode.bridge import solve_ivp
from analogpnn.engines.ode.method import METHODS
from analogpnn.engines.ode.settling import poles, settling_time, slowest_pole
from analogpnn.engines.ode.sources import held

NETLISTS = Path(__file__).resolve().parent.parent / "netlists"
DYNAMIC = {"rc": 12e-3, "rlc": 1e-3, "rectifier": 4e-3, "regression-rc": 2e-5, "memristor": 2.0}
TOLERANCE = 1e-4
"""Agreement with ngspice, relative to each node's largest voltage."""

RC = """RC
*@ input V1
*@ output v(out)
V1 in 0 PWL(0 0 1u 1)
R1 in out 1k
C1 out 0 1u
"""
CLIPPER = """clipper
*@ input V1
*@ output v(b)
*@ train R2 min=1u max=10m
.model dd D(IS=1e-12)
V1 in 0 SIN(0 3 20k)
R1 in a 1k
C1 a 0 1n
D1 a 0 dd
R2 a b 1k
C2 b 0 1n
"""


def read(text, **more):
    return Circuit.from_netlist(Netlist.from_text(text), **more)


def ramped(t, tau=1e-3, rise=1e-6):
    """The RC's answer to a ramp of length `rise`."""
    early = (t - tau * (1 - np.exp(-t / tau))) / rise
    return np.where(t < rise, early, 1 - tau / rise * np.expm1(rise / tau) * np.exp(-t / tau))


def order_conditions(a, b, c):
    yield 1, b.sum() - 1
    yield 2, b @ c - 1 / 2
    yield 3, b @ c**2 - 1 / 3
    yield 3, b @ (a @ c) - 1 / 6
    yield 4, b @ c**3 - 1 / 4
    yield 4, (b * c) @ (a @ c) - 1 / 8
    yield 4, b @ (a @ c**2) - 1 / 12
    yield 4, b @ (a @ (a @ c)) - 1 / 24
    yield 5, b @ c**4 - 1 / 5
    yield 5, (b * c**2) @ (a @ c) - 1 / 10
    yield 5, b @ (a @ c) ** 2 - 1 / 20
    yield 5, (b * c) @ (a @ c**2) - 1 / 15
    yield 5, b @ (a @ c**3) - 1 / 20
    yield 5, (b * c) @ (a @ (a @ c)) - 1 / 30
    yield 5, b @ (a @ (c * (a @ c))) - 1 / 40
    yield 5, b @ (a @ (a @ c**2)) - 1 / 60
    yield 5, b @ (a @ (a @ (a @ c))) - 1 / 120


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_tableaus(method):
    """Order conditions of the method and of the embedded one, stiff accuracy, L-stability, stages within the step."""
    b, c, s = method.a[-1], method.c, method.stages
    for weights, order in ((b, method.order), (b - method.e, method.exponent - 1)):
        wrong = [abs(r) for p, r in order_conditions(method.a, weights, c) if p <= order]
        assert max(wrong) < 1e-13
    assert c[-1] == pytest.approx(1.0) and c.min() >= 0 and c.max() <= 1 + 1e-12

    def grows(z):
        return abs(1 + z * b @ np.linalg.solve(np.eye(s) - z * method.a, np.ones(s)))

    assert max(grows(1j * y) for y in np.geomspace(1e-2, 1e4, 500)) <= 1 + 1e-9
    assert grows(-1e9) < 1e-6


@pytest.mark.parametrize("method", [*METHODS, "bdf"])
def test_rc(method):
    waves = Transient(method=method).simulate(read(RC), stop=5e-3)
    limit = 3e-5 if method in ("tr-bdf2", "bdf") else 1e-6
    assert np.abs(waves.voltage("out") - ramped(waves.times)).max() < limit
    through = (waves.voltage("in") - waves.voltage("out")) / 1e3
    np.testing.assert_allclose(waves.current("V1"), -through, atol=1e-15)
    assert waves.outputs.shape == (101, 1)


def test_rlc():
    """Series RLC after a fast ramp: the analytic ringing."""
    r, l, c = 100.0, 10e-3, 0.1e-6
    waves = Transient(rtol=1e-8, atol=1e-10).simulate(Circuit.from_netlist(NETLISTS / "rlc.cir"), stop=1e-3)
    alpha = r / (2 * l)
    omega = np.sqrt(1 / (l * c) - alpha**2)

    def integral(t):
        """Integral of the step's answer from 0 to t."""
        decay = np.exp(-alpha * t)
        i1 = (alpha + decay * (omega * np.sin(omega * t) - alpha * np.cos(omega * t))) / (alpha**2 + omega**2)
        i2 = (omega - decay * (omega * np.cos(omega * t) + alpha * np.sin(omega * t))) / (alpha**2 + omega**2)
        return t - i1 - alpha / omega * i2

    t, rise = waves.times, 1e-6
    exact = (integral(t) - np.where(t > rise, integral(np.maximum(t - rise, 0)), 0)) / rise
    assert np.abs(waves.voltage("out")[1:] - exact[1:]).max() < 1e-7

    def step(t):
        return np.where(t > 0, 1 - np.exp(-alpha * t) * (np.cos(omega * t) + alpha / omega * np.sin(omega * t)), 0.0)

    np.testing.assert_allclose(waves.current("l1"), c * (step(t) - step(t - rise)) / rise, atol=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_declared_order(method):
    """With fixed steps the error falls as h**order."""
    circuit = read("RLC\nV1 in 0 SIN(0 1 1k)\nR1 in a 100\nL1 a b 10m\nC1 b 0 1u\nR2 b 0 1k\n")
    times = np.array([1e-3])
    exact = Transient(rtol=1e-12, atol=1e-12).simulate(circuit, stop=1e-3, times=times).node_voltages
    errors = []
    for count in (64, 128):
        engine = Transient(rtol=1e3, atol=1e3, method=method, max_step=1e-3 / count)
        errors.append(np.abs(engine.simulate(circuit, stop=1e-3, times=times).node_voltages - exact).max())
    assert np.log2(errors[0] / errors[1]) > METHODS[method].order - 0.35


@pytest.mark.usefixtures("ngspice")
@pytest.mark.parametrize("name", DYNAMIC)
def test_agrees_with_ngspice(name):
    circuit = Circuit.from_netlist(NETLISTS / f"{name}.cir")
    ours = Transient().simulate(circuit, stop=DYNAMIC[name])
    theirs = Ngspice().simulate(circuit, stop=DYNAMIC[name])
    np.testing.assert_array_equal(ours.times, theirs.times)
    scale = np.abs(ours.node_voltages).max(axis=0)
    assert (np.abs(ours.node_voltages - theirs.node_voltages) / scale).max() < TOLERANCE
    scale = np.abs(ours.source_currents).max(axis=0)
    assert (np.abs(ours.source_currents - theirs.source_currents) / scale).max() < TOLERANCE


CASES = {
    "coupled inductors": (
        "V1 in 0 SIN(0 1 1k)\nR1 in a 10\nL1 a 0 1m\nL2 b 0 4m\nK1 L1 L2 0.9\nR2 b 0 100\n",
        2e-3,
    ),
    "pulses": ("V1 in 0 PULSE(0 2 10u 1u 2u 20u 50u)\nR1 in a 1k\nC1 a b 2n\nR2 b 0 3k\nC2 a 0 1n\n", 2e-4),
    "exponentials": ("V1 in 0 EXP(0 2 10u 5u 60u 20u)\nR1 in a 1k\nC1 a 0 2n\n", 2e-4),
    "capacitor across a source": ("V1 in 0 PULSE(0 2 10u 1u 2u 20u 50u)\nC1 in 0 2n\nR1 in a 1k\nC2 a 0 1n\n", 1e-4),
    "level-1 inverter": (
        ".model nn NMOS(LEVEL=1 VTO=0.7 KP=1e-4)\nVdd d 0 3\nV1 g 0 PULSE(0 3 10u 5u 5u 30u 100u)\nR1 d out 20k\n"
        "M1 out g 0 0 nn W=10u L=1u\nC1 out 0 100p\n",
        1e-4,
    ),
    "an expression of time": ("B1 in 0 v=sin(6283.185307*time)*time*1000\nR1 in a 1k\nC1 a 0 0.1u\n", 2e-3),
    "frequency modulation": ("V1 in 0 SFFM(0 1 20k 2 2k)\nR1 in a 1k\nC1 a 0 5n\n", 5e-4),
    "hot diode with breakdown": (
        ".options temp=60 tnom=27\n.model z D(IS=1e-13 BV=5 IBV=1m CJO=50p VJ=0.7 M=0.4 TT=10n)\n"
        "V1 in 0 SIN(0 8 50k)\nR1 in a 1k\nD1 a 0 z\n",
        4e-5,
    ),
}


@pytest.mark.usefixtures("ngspice")
@pytest.mark.parametrize("name", CASES)
def test_agrees_with_ngspice_on(name):
    body, stop = CASES[name]
    circuit = read(f"{name.replace(' ', '-')}\n{body}")
    ours = Transient().simulate(circuit, stop=stop)
    theirs = Ngspice().simulate(circuit, stop=stop, max_step=stop / 20000)
    scale = np.abs(ours.node_voltages).max(axis=0)
    assert (np.abs(ours.node_voltages - theirs.node_voltages) / scale)[1:].max() < TOLERANCE


START = """starts
V1 in 0 1
R1 in a 1k
C1 a 0 1u
R2 a b 1k
C2 b 0 1u ic=0.7
L1 b c 1m ic=1m
R3 c 0 1k
.ic v(a)=0.3
"""


@pytest.mark.usefixtures("ngspice")
@pytest.mark.parametrize("start", ["op", "ic"])
def test_initial_conditions(start):
    circuit = read(START)
    ours, theirs = (e.simulate(circuit, stop=3e-3, initial=start) for e in (Transient(), Ngspice()))
    assert np.abs(ours.node_voltages - theirs.node_voltages)[1:].max() < 1e-6
    first = ours.node_voltages[0]
    expected = {"in": 1.0, "a": 0.3} | ({"b": 0.7, "c": 1.0} if start == "ic" else {"b": 0.15, "c": 0.15})
    np.testing.assert_allclose(first, [expected[n] for n in circuit.nodes], atol=1e-9)
    np.testing.assert_allclose(ours.current("v1")[0], -0.7e-3, atol=1e-9)


def test_starts_from_a_point():
    circuit = read(START)
    settled = Newton().equilibrium(circuit, circuit.theta, circuit.input_values)
    waves = Transient().simulate(circuit, stop=1e-3, initial=settled)
    assert np.ptp(waves.node_voltages, axis=0).max() < 1e-6
    volts = np.array([[1.0, 0.0, 0.0, 0.0], [1.0, 0.5, 0.2, 0.0]])
    waves = Transient().simulate(circuit, stop=1e-3, initial=volts)
    assert waves.node_voltages.shape == (2, 101, 4)
    np.testing.assert_allclose(waves.voltage("a")[:, 0], [0.0, 0.5], atol=1e-9)
    np.testing.assert_allclose(waves.voltage("b")[:, 0], [0.0, 0.2], atol=1e-9)


@pytest.mark.parametrize("method", ["esdirk5", "bdf"])
def test_a_batch_is_its_samples(method):
    """Every sample has its own steps, so a batch gives the very numbers of the single runs."""
    circuit, engine = read(CLIPPER), Transient(method=method, rtol=1e-5, atol=1e-7)
    amplitude = np.array([0.1, 1.0, 4.0])

    def drive(t, k=slice(None)):
        return (amplitude[k] * np.sin(2 * np.pi * 2e4 * t))[..., None]

    together = engine.simulate(circuit, inputs=drive, stop=5e-5)
    for k in range(3):
        alone = engine.simulate(circuit, inputs=lambda t, k=k: drive(t, k), stop=5e-5)
        assert np.abs(alone.node_voltages - together.node_voltages[k]).max() < 1e-4
        fine = Transient(rtol=1e-8, atol=1e-9).simulate(circuit, inputs=lambda t, k=k: drive(t, k), stop=5e-5)
        assert np.abs(fine.node_voltages - together.node_voltages[k]).max() < 1e-3


def test_functions_of_time_that_take_no_arrays():
    circuit = read(CLIPPER)
    plain = Transient().simulate(circuit, inputs=lambda t: [[float(np.sin(1e5 * t))], [0.5]], stop=2e-5)
    arrays = Transient().simulate(circuit, inputs=lambda t: np.array([[np.sin(1e5 * t)], [0.5 + 0 * t]]), stop=2e-5)
    assert np.abs(plain.node_voltages - arrays.node_voltages).max() < 1e-6
    jumps = Transient().simulate(
        read(RC), inputs=lambda t: [1.0 if t > 1e-3 else 0.0], stop=2e-3, corners=[1e-3], times=[1e-3, 2e-3]
    )
    np.testing.assert_allclose(jumps.voltage("out"), [0.0, 1 - np.exp(-1)], atol=1e-6)


def test_an_ensemble():
    circuit = read(CLIPPER)
    theta = np.array([[[0.5e-3]], [[2e-3]]])
    inputs = np.array([[0.3], [1.0], [2.0]])
    waves = Transient().simulate(circuit, theta, inputs, stop=2e-5, initial=np.zeros(3))
    assert waves.node_voltages.shape == (2, 3, 101, 3)
    one = Transient().simulate(circuit, theta[1, 0], inputs[2], stop=2e-5, initial=np.zeros(3))
    assert np.abs(one.node_voltages - waves.node_voltages[1, 2]).max() < 1e-6
    settled = Newton().equilibrium(circuit, theta, inputs)
    long = Transient().simulate(circuit, theta, inputs, stop=1e-3, times=[1e-3], initial=np.zeros(3))
    assert np.abs(long.node_voltages[..., 0, :] - settled.node_voltages).max() < 1e-6


def test_boundaries():
    circuit = read(CLIPPER)
    clamped = Transient().simulate(circuit, inputs=[1.0], stop=1e-5, boundary=Clamp([[0.2], [0.4]]))
    np.testing.assert_allclose(clamped.outputs[..., 0], np.repeat([[0.2], [0.4]], 101, axis=1), atol=1e-12)
    pushed = Transient().simulate(circuit, inputs=[0.0], stop=1e-4, boundary=Inject([1e-4]), initial=np.zeros(3))
    wanted = Newton().equilibrium(circuit, circuit.theta, [0.0], Inject([1e-4]))
    np.testing.assert_allclose(pushed.node_voltages[-1], wanted.node_voltages, atol=1e-6)


def test_steps_end_on_corners():
    """A pulse shorter than any step that would be taken without it is not missed."""
    text = "short\nV1 in 0 PULSE(0 1 3.3m 1n 1n 10n 1)\nR1 in out 1k\nC1 out 0 1u\n"
    waves = Transient().simulate(read(text), stop=10e-3, times=[3.3e-3, 3.30002e-3])
    np.testing.assert_allclose(waves.voltage("out"), [0.0, 11e-9 / 1e-3], rtol=1e-4, atol=1e-12)


def test_user_devices_store_charge():
    """q = c0 v + c1 v**2 at a node, flux = l i (1 - i/i0) in a branch: energy is kept by the LC."""
    varactor = Device("varactor", current="0*v", charge="c0*v + c1*v**2", parameters={"c0": None, "c1": 0.0})
    coil = Device("coil", voltage="0*l", charge="l*i", controls=(), parameters={"l": None})
    text = "tank\nX1 a 0 varactor c0=1n c1=0.2n\nX2 a 0 coil l=1m\nR1 a 0 1T\n.ic v(a)=1\n"
    circuit = read(text, devices=[varactor, coil])
    waves = Transient(rtol=1e-8, atol=1e-10).simulate(circuit, stop=2e-5, initial="ic")
    v, i = waves.voltage("a"), waves.current("x2")
    energy = 1e-9 * v**2 / 2 + 2 * 0.2e-9 * v**3 / 3 + 1e-3 * i**2 / 2
    np.testing.assert_allclose(energy, energy[0], rtol=1e-5)


def test_the_bridge():
    circuit = read(CLIPPER)
    ours = Transient(rtol=1e-8, atol=1e-9).simulate(circuit, stop=5e-5)
    for method in ("BDF", "Radau"):
        theirs = solve_ivp(circuit, stop=5e-5, method=method, rtol=1e-8, atol=1e-9)
        assert np.abs(theirs.node_voltages - ours.node_voltages).max() < 1e-5
        assert np.abs(theirs.source_currents - ours.source_currents).max() < 1e-8
    bare = read(CLIPPER.replace("C1 a 0 1n\n", ""))
    with pytest.raises(NetlistError, match="'a' has no capacitor"):
        solve_ivp(bare, stop=1e-5)
    linear = read("linear\nV1 in 0 SIN(0 1 1k)\nR1 in a 1k\nC0 in a 1n\nR2 a b 1k\nC1 b 0 1u\nL1 b c 1m\nR3 c 0 50\n")
    ours, theirs = Transient(rtol=1e-8).simulate(linear, stop=1e-3), solve_ivp(linear, stop=1e-3, rtol=1e-9)
    assert np.abs(theirs.node_voltages - ours.node_voltages).max() < 1e-5


def test_poles_and_settling():
    circuit = Circuit.from_netlist(NETLISTS / "rlc.cir")
    point = Newton().equilibrium(circuit, circuit.theta, circuit.input_values)
    found = poles(point)
    omega = np.sqrt(1e9 - 5e3**2)
    np.testing.assert_allclose(sorted(found[np.isfinite(found)], key=np.imag), [-5e3 - 1j * omega, -5e3 + 1j * omega])
    assert settling_time(point, 1e-3) == pytest.approx(np.log(1e3) / 5e3)
    clipper = read(CLIPPER)
    points = Newton().equilibrium(clipper, clipper.theta, [[0.0], [2.0]])
    slow = slowest_pole(points)
    assert slow.shape == (2,) and (slow.real < 0).all() and slow[1].real < slow[0].real
    plain = Newton().equilibrium(read("no capacitors\nV1 a 0 1\nR1 a b 1k\nR2 b 0 1k\n"))
    assert settling_time(plain) == 0


def test_relaxing_to_equilibrium():
    circuit = read(CLIPPER)
    inputs = np.array([[0.5], [3.0]])
    relaxed = Transient().equilibrium(circuit, circuit.theta, inputs)
    wanted = Newton().equilibrium(circuit, circuit.theta, inputs)
    np.testing.assert_allclose(relaxed.node_voltages, wanted.node_voltages, atol=1e-9)
    latch = read(
        "latch\nB1 x 0 v=tanh(5*v(b))\nR1 x a 1k\nC1 a 0 1n\nB2 y 0 v=tanh(5*v(a))\nR2 y b 1k\nC2 b 0 1n\nI1 0 a 1u\n"
    )
    up = Transient().equilibrium(latch)
    assert up.node_voltages[latch.nodes.index("a")] > 0.9  # where the hardware ends, not the saddle in the middle
    assert slowest_pole(up).real < 0


def test_a_junction_between_held_nodes_draws_its_charge():
    """No unknown is left: what is asked for is the source's current, of the bottom and of the sidewall."""
    model = ".model d D(IS=1e-30 CJO=1p CJSW=2p VJ=0.7 M=0.5 MJSW=0.5 PHP=0.7)"
    circuit = read(f"held\n{model}\nV1 c 0 PWL(0 0 1m -1)\nD1 c 0 d pj=3\n")
    waves = Transient().simulate(circuit, stop=1e-3)
    reverse = 1e3 * waves.times
    wanted = 7e-12 / np.sqrt(1 + reverse / 0.7) * 1e3 + 1e-12 * reverse  # C(v) dv/dt, and gmin
    np.testing.assert_allclose(waves.source_currents[1:, 0], wanted[1:], rtol=2e-2)
    np.testing.assert_allclose(waves.source_currents[2:, 0], wanted[2:], rtol=1e-5)


def test_the_last_sample_may_round_beyond_the_end():
    waves = Transient().simulate(read("rc\nV1 a 0 1\nR1 a b 1k\nC1 b 0 1n\n"), stop=2e-6, step=2e-9)
    assert 1000 * 2e-9 > 2e-6 and waves.times[-1] == 2e-6
    np.testing.assert_allclose(waves.node_voltages[-1], 1.0, rtol=1e-9)


def test_samples_within_the_first_steps():
    text = "sine\nCI i g 10n\n.model j NJF(VTO=-3 BETA=1m CGD=2p CGS=2p)\nVD d 0 15\nVI i 0 SIN(0 0.1 10k)\n"
    circuit = read(text + "RG g 0 1meg\nJ1 o g s j\nRD d o 2k\nRS s 0 680\nCS s 0 47u\n")
    times = 1e-6 * np.arange(101)
    fine = Transient(rtol=1e-8, atol=1e-11).simulate(circuit, stop=1e-4, times=times)
    for method in ("esdirk4", "bdf"):
        waves = Transient(method=method).simulate(circuit, stop=1e-4, times=times)
        np.testing.assert_allclose(waves.voltage("i"), 0.1 * np.sin(2e4 * np.pi * times), atol=1e-12)
        np.testing.assert_allclose(waves.node_voltages, fine.node_voltages, atol=1e-6)


def test_sources_can_be_held():
    circuit = held(read(CLIPPER), {"v1": 0.2})
    waves = Transient().simulate(circuit, stop=1e-5)
    assert np.ptp(waves.node_voltages, axis=0).max() < 1e-9 and waves.voltage("in")[0] == 0.2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("V1 a 0 1\nR1 a b 1k\nC1 b 0 c={1n*(1+v(b))}\n", "depends on voltages"),
        ("V1 a 0 1\nR1 a b 1k\nC1 b 0 1n\n.ic v(zz)=1\n", "zz"),
    ],
)
def test_what_is_refused(text, words):
    with pytest.raises(NetlistError, match=words):
        Transient().simulate(read(f"refused\n{text}"), stop=1e-6)


def test_a_jump_without_a_capacitor_is_named():
    text = "comparator\nB1 a 0 v=u(v(b)-0.5)\nR1 a b 1k\nR2 b c 1k\nV1 c 0 SIN(0 5 1k)\n"
    with pytest.raises(ConvergenceError, match="sample 0"):
        Transient().simulate(read(text), stop=1e-3)


def test_a_memristive_state_follows_its_law():
    from scipy.integrate import solve_ivp as scipy_ivp

    times = np.linspace(0, 2, 101)
    waves = Transient().simulate(Circuit.from_netlist("netlists/memristor.cir"), stop=2, times=times)

    def law(t, w):
        return 1e4 * np.sin(2 * np.pi * t) / (100 * w + 16e3 * (1 - w)) * (1 - (2 * w - 1) ** 2)

    exact = scipy_ivp(law, (0, 2), [0.1], t_eval=times, rtol=1e-10, atol=1e-12).y[0]
    np.testing.assert_allclose(waves.voltage("w"), exact, atol=2e-6)
    assert exact.max() > 2 * exact.min(), "its resistance changes"
