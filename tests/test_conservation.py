"""What holds in every circuit: Kirchhoff, Tellegen, reciprocity, superposition, the maximum principle."""

import numpy as np
from circuits import read
from hypothesis import given, settings
from hypothesis import strategies as st

from analogpnn import Clamp, Inject, Newton

siemens = st.floats(1e-6, 1e-2)
volts = st.floats(-5, 5)
tries = settings(max_examples=40, deadline=None)


@st.composite
def networks(draw, diodes=False):
    """Text of a connected network of resistors; sources hold its first one or two nodes."""
    n, sources = draw(st.integers(4, 8)), draw(st.integers(1, 2))
    edges = [(k, draw(st.integers(0, k - 1))) for k in range(1, n + 1)]
    edges += draw(st.lists(st.tuples(st.integers(0, n), st.integers(0, n)).filter(lambda e: e[0] != e[1]), max_size=8))
    lines = ["random", "*@ input V*", f"*@ output v(n{n}) v(n{n - 1})", ".model dd D(IS=1e-12 N=1.5)"]
    lines += [f"V{k} n{k} 0 {draw(volts)!r}" for k in range(1, sources + 1)]
    lines += [f"R{j} n{a} n{b} {1 / draw(siemens)!r}" for j, (a, b) in enumerate(edges)]
    if diodes:  # not at the sources: chains of diodes would short them
        ends = st.sampled_from([0, *range(sources + 1, n + 1)])
        pairs = draw(st.lists(st.tuples(ends, ends).filter(lambda e: e[0] != e[1]), min_size=1, max_size=6))
        lines += [f"D{j} n{a} n{b} dd" for j, (a, b) in enumerate(pairs)]
    return "\n".join(lines).replace(" n0 ", " 0 ") + "\n"


def settle(circuit, inputs=None, boundary=None):
    more = {} if boundary is None else {"boundary": boundary}
    return Newton().equilibrium(circuit, circuit.theta, inputs, **more)


def balance(op):
    """Kirchhoff's currents and Tellegen's powers, relative to what flows.

    A node that only diodes and 1 MOhm hold is known to 1e-10 V; the diodes turn that into 1e-8 of their current.
    """
    flows = op.branch_voltages * op.branch_currents
    assert op.residual <= 1e-7 * np.abs(op.branch_currents).max() + 1e-18
    return abs(flows.sum()) <= 1e-7 * np.abs(flows).sum() + 1e-24


@tries
@given(networks())
def test_kirchhoff_and_tellegen_in_linear_networks(text):
    op = settle(read(text))
    assert balance(op)


@tries
@given(networks(diodes=True))
def test_kirchhoff_and_tellegen_with_diodes(text):
    op = settle(read(text))
    assert balance(op)
    passive = [k for k, name in enumerate(op.circuit.elements) if name[0] in "rd"]
    assert ((op.branch_voltages * op.branch_currents)[passive] >= -1e-20).all()  # no element delivers power


@tries
@given(networks(diodes=True), st.floats(-1e-4, 1e-4), st.floats(-0.3, 0.3))
def test_power_delivered_by_a_boundary_is_dissipated(text, current, voltage):
    circuit = read(text)
    pushed = settle(circuit, boundary=Inject(np.array([current, 0.0])))
    delivered = current * pushed.outputs[0] - (pushed.branch_voltages * pushed.branch_currents).sum()
    assert abs(delivered) <= 1e-7 * np.abs(pushed.branch_voltages * pushed.branch_currents).sum() + 1e-24
    held = settle(circuit, boundary=Clamp(settle(circuit).outputs + np.array([voltage, 0.0])))
    supplied = held.node_residuals[circuit.output_numbers[0]] @ held.outputs
    flows = held.branch_voltages * held.branch_currents
    assert abs(supplied - flows.sum()) <= 1e-7 * np.abs(flows).sum() + 1e-24


@tries
@given(networks())
def test_reciprocity(text):
    """A current into one output moves the other as the same current into the other moves the one."""
    circuit = read(text)
    free = settle(circuit).outputs
    there = settle(circuit, boundary=Inject(np.array([1e-3, 0.0]))).outputs - free
    back = settle(circuit, boundary=Inject(np.array([0.0, 1e-3]))).outputs - free
    np.testing.assert_allclose(there[1], back[0], rtol=1e-8, atol=1e-9 * np.abs(there).max() + 1e-13)


@tries
@given(networks(), volts, volts)
def test_superposition(text, first, second):
    circuit = read(text)
    x = np.linspace(first, second, circuit.n_inputs)
    y = np.linspace(second, 1.0, circuit.n_inputs)
    together, one, other = (settle(circuit, z).node_voltages for z in (2 * x - y, x, y))
    np.testing.assert_allclose(together, 2 * one - other, rtol=1e-9, atol=1e-11)


@tries
@given(networks())
def test_maximum_principle(text):
    """No node lies outside the voltages that sources and ground hold."""
    op = settle(read(text))
    held = np.append(op.inputs, 0.0)
    assert op.node_voltages.min() >= held.min() - 1e-10
    assert op.node_voltages.max() <= held.max() + 1e-10
