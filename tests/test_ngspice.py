"""The ngspice engine: textbook numbers, batches, and what happens when things go wrong."""

import os
import runpy
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.special import lambertw

from analogpnn.circuit.boundary import Clamp, Free, Inject
from analogpnn.circuit.circuit import Circuit
from analogpnn.circuit.sweep import Sweep, sweep
from analogpnn.devices.device import Device
from analogpnn.engines.ngspice import pool, words
from analogpnn.engines.ngspice.engine import Ngspice
from analogpnn.errors import ConvergenceError, SimulatorError
from analogpnn.netlist.netlist import Netlist
from analogpnn.units import thermal_voltage

pytestmark = pytest.mark.usefixtures("ngspice")
ROOT = Path(__file__).resolve().parent.parent

DIVIDER = """divider, with the word error in its title
*@ input  Vin
*@ output v(out)
*@ train  R1 min=1u max=1m
Vin in 0 1
R1 in out 10k
R2 out 0 10k
.end
"""
DIODE = """diode
*@ input V1
*@ output v(d)
.model dd D(IS=1e-12 N=1.3)
V1 a 0 1
R1 a d 1k
D1 d 0 dd
.end
"""
BRIDGE = """bridge of diodes and resistors, differential output
*@ input  Va Vb
*@ output v(p,q) v(r)
*@ train  R* min=1u max=1m
.model dd D(IS=1e-12 N=1 RS=2)
Va a 0 1
Vb b 0 0.4
R1 a p 10k
R2 p b 22k
R3 a q 33k
R4 q b 47k
R5 p r 10k
R6 r 0 15k
D1 p q dd
D2 r 0 dd
.end
"""


def read(text, **more):
    return Circuit.from_netlist(Netlist.from_text(text), **more)


@pytest.fixture(scope="module")
def bridge():
    return read(BRIDGE)


def test_info_names_the_library(ngspice):
    assert "ngspice" in ngspice.library
    assert ngspice.version is None or ngspice.version >= 30
    assert ngspice.library in str(Ngspice().info())


def test_divider():
    circuit = read(DIVIDER)
    op = Ngspice().equilibrium(circuit, circuit.theta, [[1.0], [-3.0]])
    assert op.outputs.shape == (2, 1)
    np.testing.assert_allclose(op.outputs[:, 0], [0.5, -1.5], rtol=1e-11)
    np.testing.assert_allclose(op.source_currents[:, 0], [-5e-5, 1.5e-4], rtol=1e-10)
    assert op.residual.max() < 1e-15


@pytest.mark.parametrize("temperature", [27.0, 80.0])
def test_diode_and_resistor(temperature):
    """(1/R + gmin) v + Is exp(v/nVt) = V/R + Is: Lambert's W."""
    circuit = read(DIODE.replace(".model", f".options temp={temperature} tnom={temperature}\n.model"))
    volts = np.array([0.3, 0.7, 1.0, 5.0])
    slope, nvt, isat = 1e-3 + 1e-12, 1.3 * thermal_voltage(temperature), 1e-12
    a = (volts / 1e3 + isat) / slope
    exact = a - nvt * lambertw(isat / (nvt * slope) * np.exp(a / nvt)).real
    op = Ngspice().equilibrium(circuit, circuit.theta, volts[:, None])
    np.testing.assert_allclose(op.outputs[:, 0], exact, rtol=1e-10)


def test_batch_equals_singles(bridge):
    rng = np.random.default_rng(0)
    inputs = rng.uniform(-2, 2, (3, 4, 2))
    engine = Ngspice()
    batch = engine.equilibrium(bridge, bridge.theta, inputs)
    assert batch.node_voltages.shape == (3, 4, bridge.n_nodes)
    assert batch.outputs.shape == (3, 4, 2)
    for k in np.ndindex(3, 4):
        single = engine.equilibrium(bridge, bridge.theta, inputs[k])
        assert single.node_voltages.shape == (bridge.n_nodes,)
        np.testing.assert_allclose(batch.node_voltages[k], single.node_voltages, rtol=1e-9, atol=1e-12)


def test_laws_hold_at_the_answer(bridge):
    """Kirchhoff's current law by our own laws of the devices, internal nodes included."""
    inputs = np.random.default_rng(1).uniform(-2, 2, (20, 2))
    op = Ngspice().equilibrium(bridge, bridge.theta, inputs)
    assert op.residual.max() < 1e-12
    assert "d1#internal" in bridge.nodes


def test_clamp_holds_the_outputs(bridge):
    targets = np.array([[0.1, 0.2], [-0.1, 0.3]])
    op = Ngspice().equilibrium(bridge, bridge.theta, [1.0, 0.4], Clamp(targets))
    np.testing.assert_allclose(op.outputs, targets, rtol=1e-11, atol=1e-13)
    assert op.residual.max() < 1e-12


def test_injected_current_flows_into_the_positive_node():
    circuit = read(DIVIDER)
    engine = Ngspice()
    free = engine.equilibrium(circuit, circuit.theta, [1.0], Free())
    pushed = engine.equilibrium(circuit, circuit.theta, [1.0], Inject(np.array([[1e-6], [-2e-6]])))
    np.testing.assert_allclose(pushed.outputs[:, 0] - free.outputs, [5e-3, -1e-2], rtol=1e-8)
    assert pushed.residual.max() < 1e-14


def test_clamp_on_the_free_answer_changes_nothing(bridge):
    engine = Ngspice()
    free = engine.equilibrium(bridge, bridge.theta, [1.3, -0.2])
    held = engine.equilibrium(bridge, bridge.theta, [1.3, -0.2], Clamp(free.outputs))
    np.testing.assert_allclose(held.node_voltages, free.node_voltages, rtol=1e-9, atol=1e-12)


def test_ensemble_of_thetas(bridge):
    rng = np.random.default_rng(2)
    theta = bridge.theta * rng.uniform(0.5, 2, (3, 1, bridge.n_trainable))
    inputs = rng.uniform(-1, 1, (4, 2))
    engine = Ngspice()
    op = engine.equilibrium(bridge, theta, inputs)
    assert op.node_voltages.shape == (3, 4, bridge.n_nodes)
    for r in range(3):
        row = engine.equilibrium(bridge, theta[r, 0], inputs)
        np.testing.assert_allclose(op.node_voltages[r], row.node_voltages, rtol=1e-9, atol=1e-12)


def test_workers_share_a_batch(bridge):
    inputs = np.random.default_rng(3).uniform(-2, 2, (40, 2))
    one = Ngspice(workers=1).equilibrium(bridge, bridge.theta, inputs)
    two = Ngspice(workers=2).equilibrium(bridge, bridge.theta, inputs)
    np.testing.assert_allclose(two.node_voltages, one.node_voltages, rtol=1e-9, atol=1e-12)


def test_start_and_empty_batch(bridge):
    engine = Ngspice()
    free = engine.equilibrium(bridge, bridge.theta, [[1.0, 0.4]])
    warm = engine.equilibrium(bridge, bridge.theta, [[1.0, 0.4]], start=free)
    np.testing.assert_allclose(warm.node_voltages, free.node_voltages, rtol=1e-9, atol=1e-12)
    assert engine.equilibrium(bridge, bridge.theta, np.empty((0, 2))).outputs.shape == (0, 2)


def test_inputs_reach_ngspice_with_all_their_digits():
    circuit = read("t\n*@ input V1 I1\n*@ output v(a) v(b)\nV1 a 0 1\nRa a 0 1k\nI1 0 b 1\nRb b 0 1\n.end\n")
    inputs = np.random.default_rng(4).uniform(-1, 1, (50, 2))
    op = Ngspice().equilibrium(circuit, circuit.theta, inputs)
    np.testing.assert_allclose(op.outputs, inputs, rtol=0, atol=1e-13)


def test_controlled_and_behavioural_sources():
    text = """t
*@ input V1
*@ output v(e) v(h) v(b) v(g) v(f)
.param k=0.12345678901234567
V1 a 0 1
R1 a m 1k
Vs m 0 0
E1 e 0 a 0 2
Re e 0 1k
H1 h 0 Vs 3k
Rh h 0 1k
B1 b 0 v=k*v(a)^2 + 1k*i(Vs) + (v(a) > 0.5 ? 1 : 0)
Rb b 0 1k
G1 0 g a 0 1m
Rg g 0 1k
F1 0 f Vs 2
Rf f 0 1k
.end
"""
    circuit = read(text)
    op = Ngspice().equilibrium(circuit, circuit.theta, [[2.0], [-0.5]])
    k = 0.12345678901234567
    expected = [[4.0, 6.0, 4 * k + 2 + 1, 2.0, 4.0], [-1.0, -1.5, 0.25 * k - 0.5, -0.5, -1.0]]
    np.testing.assert_allclose(op.outputs, expected, rtol=1e-10)


def test_users_device():
    device = Device("saturating", current="G*vs*tanh(v/vs)", parameters={"G": None, "vs": 0.3})
    circuit = read(
        "t\n*@ input V1\n*@ output v(b)\n*@ train X1 min=0 max=1\nV1 a 0 1\nR1 a b 1k\nX1 b 0 saturating G=1m\n.end\n",
        devices=[device],
    )
    op = Ngspice().equilibrium(circuit, [2e-3], [[1.0], [-4.0]])
    v = op.outputs[:, 0]
    np.testing.assert_allclose(([1.0, -4.0] - v) / 1e3, 2e-3 * 0.3 * np.tanh(v / 0.3), rtol=1e-9)


def test_node_names_that_would_crash_ngspice():
    circuit = read(DIVIDER.replace("(out)", "(temper)").replace(" out ", " temper "))
    assert "temper" in circuit.nodes
    op = Ngspice().equilibrium(circuit, circuit.theta, [[1.0]])
    assert op.outputs[0, 0] == pytest.approx(0.5, rel=1e-11)


def test_names_in_other_alphabets():
    text = """t
*@ input Vα
*@ output v(é) v(f)
.model dd D(IS=1e-12 RS=10)
Vα in 0 1
Ré in é 1k
Dé é 0 dd
F1 0 f Vα 1
Rf f 0 1k
.end
"""
    foreign, plain = read(text), read(text.replace("α", "a").replace("é", "e"))
    one = Ngspice().equilibrium(foreign, foreign.theta, [[1.0], [0.5]])
    two = Ngspice().equilibrium(plain, plain.theta, [[1.0], [0.5]])
    np.testing.assert_allclose(one.unknowns, two.unknowns, rtol=1e-10)


# -- when things go wrong ------------------------------------------------------------------------------------


def test_a_spiceinit_is_not_run(tmp_path, monkeypatch):
    (tmp_path / ".spiceinit").write_text("shell touch executed\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    pool.close()
    pool.info()
    assert not (tmp_path / "executed").exists()


def refused(lines):
    answer = pool.run(lines)
    assert not answer.plot
    return answer


def test_a_bad_deck_is_refused_with_ngspices_words_and_the_next_job_works(bridge):
    lines = ["t", "v1 a 0 1", "b1 a 0 i=nosuch(v(a))", ".op", ".end"]
    answer = refused(lines)
    card = next(c for c in bridge.flat.cards if c.name == "d1")
    deck = Sweep(tuple(lines), (), (), (), {"b1": card}, {})
    error = words.refused([*answer.loading, *answer.running], deck)
    assert isinstance(error, SimulatorError)
    assert "no such function 'nosuch'" in str(error)
    assert error.line == card.line and card.text in str(error)
    assert Ngspice().equilibrium(bridge, bridge.theta, [1.0, 0.0]).outputs.shape == (2,)


def test_a_poisoned_library_is_replaced(bridge):
    before = pool.acquire(None)
    pool.release(before, None)
    answer = refused(["t", "v1 a 0 1", "r1 a 0 {undefined}", ".op", ".end"])
    assert any("undefined" in word.lower() for word in answer.loading)
    after = pool.acquire(None)
    pool.release(after, None)
    assert after.pid != before.pid
    assert Ngspice().equilibrium(bridge, bridge.theta, [1.0, 0.0]).outputs.shape == (2,)


@pytest.mark.parametrize("bad", [["r1 temper 0 1k", "v1 temper 0 1"], ["b1 a 0 v=v(1", "r1 a 0 1k"]])
def test_decks_that_crash_the_library_do_no_harm(bad, bridge):
    """Whether they do is chance (they write past an array); what they must not do is return or hang."""
    for _ in range(3):
        try:
            refused(["t", *bad, ".op", ".end"])
        except pool.WorkerDied as death:
            error = words.died(death.how, death.words, Sweep((), (), (), (), {}, {}))
            assert "ngspice died" in str(error) and "next job" in str(error)
    assert Ngspice().equilibrium(bridge, bridge.theta, [1.0, 0.0]).outputs.shape == (2,)


@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
def test_a_killed_worker_is_an_error_and_the_next_job_works(bridge, monkeypatch):
    engine = Ngspice()
    job = pool.Worker.job

    def killed(self, *arguments):
        os.kill(self.pid, signal.SIGKILL)
        return job(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(pool.Worker, "job", killed)
        with pytest.raises(SimulatorError, match="died"):
            engine.equilibrium(bridge, bridge.theta, [1.0, 0.0])
    assert engine.equilibrium(bridge, bridge.theta, [1.0, 0.0]).outputs.shape == (2,)


def test_a_worker_that_died_while_idle_is_replaced(bridge):
    worker = pool.acquire(None)
    pool.release(worker, None)
    worker._process.kill()
    worker._process.wait()
    assert Ngspice().equilibrium(bridge, bridge.theta, [1.0, 0.0]).outputs.shape == (2,)


def test_timeout(bridge):
    with pytest.raises(SimulatorError, match=r"no progress within .*(\n.*)*timeout="):
        Ngspice(timeout=1e-4).equilibrium(bridge, bridge.theta, np.zeros((400, 2)))
    assert Ngspice().equilibrium(bridge, bridge.theta, [1.0, 0.0]).outputs.shape == (2,)


def test_no_convergence_names_the_sample():
    """A comparator that switches off what switched it on: no operating point once the input is high."""
    text = """t
*@ input V1
*@ output v(a)
V1 in 0 0
Rin in 0 1k
R1 a 0 1k
B1 a 0 i=v(in)*(u(v(a)-0.5)-0.6)*1m
.end
"""
    circuit = read(text)
    inputs = np.array([[0.0], [0.1], [0.2], [4.0], [0.1]])
    with pytest.raises(ConvergenceError) as caught:
        Ngspice(max_steps=50).equilibrium(circuit, circuit.theta, inputs)
    assert caught.value.sample == 3
    assert "sample 3" in str(caught.value)
    order = np.array([0, 2, 1])
    assert Ngspice().equilibrium(circuit, circuit.theta, inputs[order]).outputs.shape == (3, 1)


def test_a_missing_library_says_how_to_get_one():
    with pytest.raises(SimulatorError, match="apt-get install libngspice0"):
        pool.info("/nonexistent/libngspice.so")


def test_a_script_without_main_guard_can_use_it(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from analogpnn.circuit.circuit import Circuit\n"
        "from analogpnn.netlist.netlist import Netlist\n"
        "from analogpnn.engines.ngspice.engine import Ngspice\n"
        f"circuit = Circuit.from_netlist(Netlist.from_text({DIVIDER!r}))\n"
        "print(Ngspice(workers=2).equilibrium(circuit, circuit.theta, [[1.0]] * 20).outputs.sum())\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120, cwd=tmp_path)
    assert done.returncode == 0 and done.stderr == ""
    assert float(done.stdout) == pytest.approx(10.0)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_memory_stays():
    growth = runpy.run_path(str(ROOT / "scripts" / "ngspice-memory"))["growth"]
    kilobytes, _ = growth(500, side=6)
    assert kilobytes < 1500


def test_a_sweep_that_runs_every_sample_twice(bridge):
    """As it does where ngspice needed a pseudo-transient: only the second answers count."""
    inputs = np.random.default_rng(5).uniform(-2, 2, (6, 2))
    engine, samples = Ngspice(), np.arange(6)
    deck = sweep(bridge, bridge.theta, inputs, Free(), options=engine._options(), twice=True)
    assert deck.points == (1, 3, 5, 7, 9, 11)
    worker = pool.acquire(None)
    values, _ = engine._run(worker, deck, samples)
    pool.release(worker, None)
    plain = engine.equilibrium(bridge, bridge.theta, inputs)
    np.testing.assert_allclose(values[:, : bridge.n_nodes], plain.node_voltages, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("klu", [True, False])
def test_solvers_agree_on_diode_networks(klu):
    """KLU, where the build has it, on circuits where it fails without help from SPARSE."""
    rng = np.random.default_rng(2)
    lines = ["random", "*@ input Va Vb", ".model dd D(IS=1e-12 N=1.2)", "Va n0 0 1", "Vb n1 0 -0.5"]
    for j in range(1, 100):
        lines += [f"R{j}_{k} n{j} n{rng.integers(0, j)} {10 ** rng.uniform(3, 6):.6g}" for k in range(2)]
    for j in range(50):
        a, b = rng.choice(100, 2, replace=False)
        lines.append(f"D{j} n{a} n{b} dd")
    circuit = read("\n".join([*lines, ".end", ""]))
    op = Ngspice(klu=klu).equilibrium(circuit, circuit.theta, rng.uniform(-3, 3, (20, 2)))
    scale = np.abs(op.branch_currents).max(axis=-1)
    assert (op.residual / scale).max() < 1e-9


def test_the_sweeps_deck_holds_no_text_of_the_users(bridge):
    deck = sweep(bridge, bridge.theta, np.zeros((2, 2)), Free(), options={})
    assert deck.lines[0] == "batch"
    assert all("\n" not in line for line in deck.lines)
