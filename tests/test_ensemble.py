"""Are many at once the same as one after the other: samples, thetas, boundaries, starts, engines?"""

import numpy as np
import pytest
from circuits import LEARNING, draw_inputs, draw_theta, network, read, scale, shipped

from analogpnn import Clamp, Free, Inject, Newton, Ngspice
from analogpnn.circuit.local import measure


def ensemble(name, members=3, samples=4):
    circuit, rng = shipped(name), np.random.default_rng(7)
    theta = np.array([draw_theta(circuit, rng) for _ in range(members)])
    return circuit, theta, draw_inputs(name, circuit, samples, rng)


def near(found, wanted):
    np.testing.assert_allclose(found.node_voltages, wanted.node_voltages, rtol=1e-9, atol=1e-10)


def boundaries(name, circuit, theta, inputs):
    free = Newton().equilibrium(circuit, theta, inputs)
    return Free(), Clamp(free.outputs + 0.02), Inject(np.full(circuit.n_outputs, scale(name, circuit)))


def part(boundary, place):
    if isinstance(boundary, Clamp):
        return Clamp(boundary.voltages[place])
    return boundary


@pytest.mark.parametrize("name", LEARNING)
def test_an_ensemble_is_its_members(name):
    circuit, theta, inputs = ensemble(name)
    for boundary in boundaries(name, circuit, theta[:, None], inputs):
        together = Newton().equilibrium(circuit, theta[:, None], inputs, boundary)
        assert together.node_voltages.shape == (3, 4, circuit.n_nodes)
        assert together.outputs.shape == (3, 4, circuit.n_outputs) and together.residual.shape == (3, 4)
        for r in range(3):
            alone = Newton().equilibrium(circuit, theta[r], inputs, part(boundary, r))
            np.testing.assert_allclose(alone.node_voltages, together.node_voltages[r], rtol=1e-9, atol=1e-10)
            np.testing.assert_allclose(alone.branch_currents, together.branch_currents[r], rtol=1e-7, atol=1e-13)
            np.testing.assert_allclose(measure(alone).force, measure(together).force[r], rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize("name", LEARNING)
def test_a_batch_is_its_samples(name):
    circuit, theta, inputs = ensemble(name)
    for boundary in boundaries(name, circuit, theta[0], inputs):
        batch = Newton().equilibrium(circuit, theta[0], inputs, boundary)
        for k in range(len(inputs)):
            single = Newton().equilibrium(circuit, theta[0], inputs[k], part(boundary, k))
            assert single.node_voltages.shape == (circuit.n_nodes,) and single.residual.shape == ()
            np.testing.assert_allclose(single.node_voltages, batch.node_voltages[k], rtol=1e-9, atol=1e-10)
            np.testing.assert_allclose(single.source_currents, batch.source_currents[k], rtol=1e-8, atol=1e-13)
            np.testing.assert_allclose(measure(single).force, measure(batch).force[k], rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize("name", LEARNING)
def test_a_warm_start_arrives_where_a_cold_one_does(name):
    circuit, theta, inputs = ensemble(name)
    elsewhere = Newton().equilibrium(circuit, theta[1], -inputs if not name.startswith("nmos") else inputs[::-1])
    for boundary in boundaries(name, circuit, theta[0], inputs):
        cold = Newton().equilibrium(circuit, theta[0], inputs, boundary)
        near(Newton().equilibrium(circuit, theta[0], inputs, boundary, start=elsewhere), cold)
        near(Newton().equilibrium(circuit, theta[0], inputs, boundary, start=cold), cold)


def test_an_engine_that_has_solved_another_theta_remembers_nothing():
    circuit, theta, inputs = ensemble("xor")
    engine = Newton()
    for member in (0, 1, 0, 2):
        near(engine.equilibrium(circuit, theta[member], inputs), Newton().equilibrium(circuit, theta[member], inputs))


@pytest.mark.parametrize("shape", [(), (1,), (2, 3), (0,)])
def test_leading_axes_are_kept(shape):
    circuit = shipped("xor")
    op = Newton().equilibrium(circuit, inputs=np.zeros((*shape, 4)))
    assert op.node_voltages.shape == (*shape, circuit.n_nodes) and op.power.shape == shape
    assert op.branch_currents.shape == (*shape, len(circuit.elements))


@pytest.mark.parametrize("nodes", [8, 60, 300])
def test_samples_of_large_networks_do_not_mix(nodes):
    """Small and large networks are solved by different algorithms."""
    rng = np.random.default_rng(nodes)
    circuit = read(network(rng, nodes, diodes=nodes, sources=2))
    inputs = rng.uniform(-3, 3, (11, 2))
    order = rng.permutation(11)
    batch = Newton().equilibrium(circuit, inputs=inputs)
    shuffled = Newton().equilibrium(circuit, inputs=inputs[order])
    np.testing.assert_allclose(shuffled.node_voltages, batch.node_voltages[order], rtol=1e-9, atol=1e-9)
    single = Newton().equilibrium(circuit, inputs=inputs[5])
    np.testing.assert_allclose(single.node_voltages, batch.node_voltages[5], rtol=1e-9, atol=1e-9)


@pytest.mark.usefixtures("ngspice")
@pytest.mark.parametrize("name", ["iris", "xor"])
def test_an_ensemble_in_ngspice(name):
    circuit, theta, inputs = ensemble(name)
    for boundary in boundaries(name, circuit, theta[:, None], inputs):
        fast, spice = (e.equilibrium(circuit, theta[:, None], inputs, boundary) for e in (Newton(), Ngspice(workers=2)))
        np.testing.assert_allclose(spice.node_voltages, fast.node_voltages, rtol=1e-6, atol=1e-6)
