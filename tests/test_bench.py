"""The hardware stand-in: reproducible by its seed, ideal without imperfections, and what it does to training."""

import numpy as np
import pytest
from families import data

from analogpnn import Circuit, Netlist, Newton
from analogpnn.engines.bench import Bench
from analogpnn.errors import ExperimentError
from analogpnn.gradients import make_rule
from analogpnn.tasks.task import Task
from analogpnn.testing import LATTICE
from analogpnn.training.engines import make_engine
from analogpnn.training.train import train


@pytest.fixture(scope="module")
def circuit():
    return Circuit.from_netlist(Netlist.from_text(LATTICE))


def test_a_bench_is_reproducible_by_its_seed_and_ideal_without_imperfections(circuit):
    x, _ = data()
    ideal = Newton().equilibrium(circuit, circuit.theta, x).outputs
    np.testing.assert_array_equal(Bench(Newton()).equilibrium(circuit, circuit.theta, x).outputs, ideal)
    copies = [Bench(Newton(), mismatch=0.1, seed=s).equilibrium(circuit, circuit.theta, x).outputs for s in (1, 1, 2)]
    np.testing.assert_array_equal(copies[0], copies[1])
    assert np.abs(copies[0] - copies[2]).max() > 1e-3 < np.abs(copies[0] - ideal).max()


def test_mismatch_is_of_trainables_and_of_fixed_elements_too(circuit):
    bench = Bench(Newton(), mismatch=0.05, seed=0)
    factors = bench.actual(np.ones(2000))
    assert np.std(factors) == pytest.approx(0.05, rel=0.1) and np.mean(factors) == pytest.approx(1, abs=0.01)
    real = bench.hardware(circuit)
    assert real is bench.hardware(circuit)
    for ideal, other in zip(circuit.groups, real.groups):
        for name, a, b in zip(ideal.device.parameters, ideal.values, other.values):
            assert np.all(a != b) if name in ("g", "is") and np.any(a) else np.array_equal(a, b)


def test_read_noise_is_seen_by_elements_and_outputs_alike_but_does_not_move_the_circuit(circuit):
    x = np.zeros((4000, 2))
    bench = Bench(Newton(), read_noise=1e-3, seed=0)
    op = bench.equilibrium(circuit, circuit.theta, x)
    ideal = Newton().equilibrium(circuit, circuit.theta, x)
    assert np.std(op.node_voltages - ideal.node_voltages) == pytest.approx(1e-3, rel=0.05)
    np.testing.assert_array_equal(op.outputs[:, 0], op.node_voltages[:, circuit.numbers["o1"]])


def test_writes_land_on_steps_and_near_them(circuit):
    lower, upper = circuit.bounds
    bench = Bench(Newton(), resolution=0.01)
    wanted = lower + (upper - lower) * np.linspace(0, 1, circuit.n_trainable)
    landed = bench.write(circuit, wanted * 0, wanted)
    steps = (landed - lower) / (0.01 * (upper - lower))
    np.testing.assert_allclose(steps, np.round(steps), atol=1e-9)
    assert np.abs(landed - wanted).max() <= 0.0051 * (upper - lower).max()
    noisy = Bench(Newton(), write_noise=1e-3)
    middle = (lower + upper) / 2
    assert 0 < np.abs(noisy.write(circuit, lower, middle) - middle).max() < 5e-3 * (upper - lower).max()
    np.testing.assert_array_equal(noisy.write(circuit, middle, middle), middle)


def test_a_bench_by_an_engines_table_and_its_mistakes():
    bench = make_engine({"name": "fast", "mismatch": 0.1, "read_noise": 1e-4, "seed": 1})
    assert isinstance(bench, Bench) and isinstance(bench.engine, Newton) and bench.seed == 1
    assert isinstance(make_engine("fast"), Newton)
    for table, says in (
        ({"name": "fast", "mismatch": -1.0}, "mismatch must be a number of at least 0"),
        ({"name": "fast", "mismatch": "big"}, "'mismatch' must be a number"),
        ({"name": "fast", "mismach": 0.1}, "no option 'mismach'"),
    ):
        with pytest.raises(ExperimentError) as caught:
            make_engine(table)
        assert says in str(caught.value)


def test_in_silico_loses_on_mismatched_hardware_what_training_in_place_keeps(circuit):
    # The review's story, small: the same targets, the same hardware, only who knows of it differs.
    x, _ = data(6)
    ideal = Circuit.from_netlist(Netlist.from_text(LATTICE))
    y = Newton().equilibrium(ideal, ideal.theta * 1.3 ** np.resize([1, -1], ideal.n_trainable), x).outputs
    losses = {}
    for name, beta in (
        ("in-silico", {}),
        ("physics-aware-training", {}),
        ("centred-equilibrium-propagation", {"beta": 1e-5}),
    ):
        bench = Bench(Newton(), mismatch=0.1, seed=7)
        rule = make_rule({"name": name, **beta})
        records = list(
            train(circuit, Task("t", x, y, x, y), engine=bench, rule=rule, rate=3e-5, epochs=80, optimiser="adam")
        )
        losses[name] = records[-1].test_loss
    assert losses["in-silico"] > 5 * losses["physics-aware-training"]
    assert losses["in-silico"] > 5 * losses["centred-equilibrium-propagation"]
