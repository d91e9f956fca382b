"""Are voltages and currents found by the names that stand in the netlist?"""

import numpy as np
import pytest
from circuits import read

from analogpnn import Newton
from analogpnn.circuit.generate import deep_resistive_network
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
