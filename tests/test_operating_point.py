"""Are voltages and currents found by the names that stand in the netlist?"""

import subprocess
import sys

import numpy as np
import pytest
from circuits import FOLDER, read, shipped

from analogpnn import Newton
from analogpnn.circuit.generate import deep_resistive_network
from analogpnn.engines.fast import bicgstab, continuation, reduced
from analogpnn.engines.fast.recall import Recall
from analogpnn.errors import NetlistError

DIODE = "diode\n*@ input V1\n.model dd D(IS=1e-12 N=1.3)\nV1 In 0 0\nR1 in out 1k\nD1 out 0 dd\n"


def test_a_sweep_by_names():
    circuit, sweep = read(DIODE), np.linspace(-1, 1, 21)
    point = Newton().equilibrium(circuit, inputs=sweep[:, None])
    assert np.array_equal(point.voltage("IN"), sweep) and not point.voltage("0").any()
    assert np.allclose(point.voltage("in", "out"), 1e3 * point.current("R1"), rtol=1e-12, atol=1e-18)
    assert np.allclose(point.current("D1"), point.current("r1"), atol=1e-15)
    assert np.allclose(point.current("v1"), -point.current("r1"), atol=1e-15)
    single = Newton().equilibrium(circuit, inputs=[0.5])
    assert single.voltage("out").shape == () and single.current("D1") > 0


def test_names_in_a_layered_network():
    circuit = deep_resistive_network([2, 3, 1])
    point = Newton().equilibrium(circuit, inputs=np.ones((4, circuit.n_inputs)))
    for k, name in enumerate(circuit.nodes):
        assert np.array_equal(point.voltage(name), point.node_voltages[:, k])


@pytest.mark.parametrize(
    ("ask", "says"),
    [
        (lambda point: point.voltage("oit"), "no node 'oit'(?s:.*)'out'"),
        (lambda point: point.voltage("xyz"), "no node 'xyz'(?s:.*)in, out"),
        (lambda point: point.current("R2"), "no element 'R2'(?s:.*)v1, r1, d1"),
    ],
)
def test_a_name_that_is_not_there(ask, says):
    with pytest.raises(NetlistError, match=says):
        ask(Newton().equilibrium(read(DIODE)))


@pytest.mark.parametrize("seed", range(4))
def test_biconjugate_gradients_solve_what_elimination_does(seed):
    rng = np.random.default_rng(seed)
    n = 60
    z = 1e4 * (np.eye(n) + 0.3 * rng.normal(size=(n, n)) / np.sqrt(n))
    d = 10 ** rng.uniform(-12, 1, (5, n))  # blocking and conducting diodes
    c, guess = rng.normal(size=(2, 5, n))
    wanted = np.stack([np.linalg.solve(np.eye(n) + z * row, right) for row, right in zip(d, c)])
    u = wanted + 1e-6 * guess
    for _ in range(3):  # each call may stop at the square of the residual it starts with
        u = bicgstab.solve(z, d, c, u)
    np.testing.assert_allclose(d * u, d * wanted, rtol=1e-7, atol=1e-9 * np.abs(d * wanted).max())
    np.testing.assert_allclose(u, wanted, rtol=1e-7, atol=1e-9 * np.abs(wanted).max())


def test_biconjugate_gradients_that_break_down_leave_it_to_elimination():
    z = np.array([[0.0, 1.0], [-1.0, 0.0]]) * 1e3  # a gyrator: nothing on the diagonal
    d, c = np.array([[1.0, 1.0], [1e-3, 0.0]]), np.array([[1.0, 0.0], [0.0, 2.0]])
    found = bicgstab.solve(z, d, c, np.zeros((2, 2)))
    for row, right, u in zip(d, c, found):
        np.testing.assert_allclose(u + z @ (row * u), right, atol=1e-9)


def test_samples_of_a_block_converge_each_in_its_own_time(monkeypatch):
    """Unsymmetric circuits check a solution's residual: only of those that are one."""
    lines = [f"R{k} n{k} n{k + 1} {1 + k % 7}k\nRG{k} n{k} 0 20k" for k in range(60)]
    lines += [f"D{k} n{k} 0 dd\nE{k} a{k} 0 n{k + 5} 0 -0.7\nRA{k} a{k} n{k + 2} 3k" for k in range(3, 50, 3)]
    text = "\n".join(["ladder", "*@ input V1", ".model dd D(IS=1e-12 N=1.3)", "V1 n0 0 1", *lines, ".end"])
    circuit, engine = read(text), Newton()
    assert "batched: sparse L U" in engine.explain(circuit)
    monkeypatch.setattr(continuation, "settle", lambda *_: pytest.fail("a sample was given up"))
    x = np.array([[0.0], [1e-3], [0.1], [0.7], [5.0], [-60.0], [200.0], [-0.2]])
    point = engine.equilibrium(circuit, inputs=x)
    alone = [engine.equilibrium(circuit, inputs=row).node_voltages for row in x]
    np.testing.assert_allclose(point.node_voltages, alone, rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize(
    "more", ["", "RB b 0 1k\n" + "".join(f"RL{k} b c{k} 1k\nDL{k} c{k} 0 dd\n" for k in range(30))]
)
def test_a_diode_across_a_source_is_at_its_voltage_at_once(more, monkeypatch):
    monkeypatch.setattr(continuation, "settle", lambda *_: pytest.fail("a sample was given up"))
    circuit = read(f"held\n*@ input V1\n.model dd D(IS=1e-12 N=1.3)\nV1 a 0 0\nD1 a 0 dd\nD2 a b dd\nR1 b 0 1k\n{more}")
    point = Newton().equilibrium(circuit, inputs=[[5.0], [0.6], [-3.0]])
    law = 1e-12 * np.expm1(np.array([5.0, 0.6]) / (1.3 * 0.02586492))
    np.testing.assert_allclose(point.current("D1")[:2], law, rtol=1e-4)


def test_states_remembered_by_their_inputs_are_where_the_next_ones_start(monkeypatch):
    circuit, x = shipped("iris"), np.random.default_rng(0).uniform(-2, 2, (10, 8))
    plain, engine, steps = Newton(), Newton(remember=1.0), []
    once = reduced.Reduced.step
    monkeypatch.setattr(reduced.Reduced, "step", lambda *a: steps.append(1) or once(*a))

    def settle(theta, inputs):
        steps.clear()
        point = engine.equilibrium(circuit, theta, inputs)
        took = len(steps)
        np.testing.assert_allclose(
            point.node_voltages, plain.equilibrium(circuit, theta, inputs).node_voltages, rtol=1e-8, atol=1e-10
        )
        return took

    cold = settle(circuit.theta, x)
    assert settle(circuit.theta * 1.001, x[3:8][::-1]) < cold  # other samples of those, in another order
    assert settle(circuit.theta, x + 0.5) >= cold  # inputs that were never seen


def test_what_does_not_fit_is_not_remembered():
    circuit = shipped("iris")
    memory = Recall(circuit, 8e-6 * (circuit.n_unknowns + 1) * 2.5)
    x = np.arange(12.0).reshape(3, 4)
    memory.keep(x, np.arange(3.0)[:, None] + np.zeros((3, circuit.n_unknowns)))
    assert memory.start(x) is None and np.array_equal(memory.start(x[1::-1])[:, 0], [1.0, 0.0])


def test_small_circuits_do_not_wait_for_the_compiler_to_load():
    solve = "a.Newton().equilibrium(a.Circuit.from_netlist(sys.argv[1]))"
    code = f"import sys, analogpnn as a; {solve}; print('numba' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, str(FOLDER / "iris.cir")], capture_output=True, text=True)
    assert done.stdout == "False\n", done.stderr
