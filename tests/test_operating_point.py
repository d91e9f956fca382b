"""Are voltages and currents found by the names that stand in the netlist?"""

import numpy as np
import pytest
from circuits import read

from analogpnn import Newton
from analogpnn.circuit.generate import deep_resistive_network
from analogpnn.engines.fast import stabilised
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
        u = stabilised.solve(z, d, c, u)
    np.testing.assert_allclose(d * u, d * wanted, rtol=1e-7, atol=1e-9 * np.abs(d * wanted).max())
    np.testing.assert_allclose(u, wanted, rtol=1e-7, atol=1e-9 * np.abs(wanted).max())


def test_biconjugate_gradients_that_break_down_leave_it_to_elimination():
    z = np.array([[0.0, 1.0], [-1.0, 0.0]]) * 1e3  # a gyrator: nothing on the diagonal
    d, c = np.array([[1.0, 1.0], [1e-3, 0.0]]), np.array([[1.0, 0.0], [0.0, 2.0]])
    found = stabilised.solve(z, d, c, np.zeros((2, 2)))
    for row, right, u in zip(d, c, found):
        np.testing.assert_allclose(u + z @ (row * u), right, atol=1e-9)
