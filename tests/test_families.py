"""Training families: exactness, order, second moments, resuming, the bench, prices."""

import dataclasses

import numpy as np
import pytest
from families import CASCADES, data, estimate, exact, off

from analogpnn import Circuit, Netlist, Newton
from analogpnn.circuit import local
from analogpnn.circuit.boundary import Inject
from analogpnn.circuit.generate import deep_resistive_network
from analogpnn.engines import adjoint
from analogpnn.engines.bench import Bench
from analogpnn.errors import ExperimentError
from analogpnn.gradients import METHODS, RULES, FiniteDifferences, InSilico, PhysicsAwareTraining, make_rule
from analogpnn.learning import (
    AgnosticEquilibriumPropagation,
    CentredEquilibriumPropagation,
    ComparatorCoupledLearning,
    ContrastiveLearning,
    CoupledLearning,
    Desynchronous,
    EquilibriumPropagation,
    FrequencyPropagation,
    HolomorphicEquilibriumPropagation,
    NegativeEquilibriumPropagation,
    OverclampedCoupledLearning,
    PowerRegularisedCoupledLearning,
    ProductEquilibriumPropagation,
    RandomSignEquilibriumPropagation,
    SquaredError,
)
from analogpnn.tasks.task import Task
from analogpnn.testing import LATTICE, check_rule
from analogpnn.training import train as training
from analogpnn.training.engines import make_engine
from analogpnn.training.train import train

LINEAR = "\n".join(line for line in LATTICE.splitlines() if not line.startswith("D")) + "\n"


@pytest.fixture(scope="module")
def circuit():
    return Circuit.from_netlist(Netlist.from_text(LATTICE))


@pytest.fixture(scope="module")
def linear():
    return Circuit.from_netlist(Netlist.from_text(LINEAR))


# --- local rules ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "order"),
    [
        (EquilibriumPropagation(), 1),
        (NegativeEquilibriumPropagation(), 1),
        (RandomSignEquilibriumPropagation(), 1),
        (AgnosticEquilibriumPropagation(), 1),
        (ProductEquilibriumPropagation(), 0.95),
        (CentredEquilibriumPropagation(), 2),
        (FrequencyPropagation(), 2),
        (HolomorphicEquilibriumPropagation(points=2), 2),
        (HolomorphicEquilibriumPropagation(points=3), 3),
        (HolomorphicEquilibriumPropagation(points=4), 4),
        (HolomorphicEquilibriumPropagation(points=6), 6),
    ],
)
def test_order_in_a_circuit_of_diodes(rule, order):
    assert check_rule(rule, order=order)["cosine"] > 0.999


@pytest.mark.parametrize("name", [name for name in RULES if name not in METHODS])
def test_every_local_rule_is_local_and_goes_down(name):
    assert check_rule(make_rule(name))["cosine"] > 0.2


@pytest.mark.parametrize("beta", [1e-5, 1e-3, 0.1])
@pytest.mark.parametrize(
    "rule",
    [
        ProductEquilibriumPropagation,
        FrequencyPropagation,
        CentredEquilibriumPropagation,
        HolomorphicEquilibriumPropagation,
    ],
)
def test_fact_2_exact_in_a_linear_circuit_at_any_nudge(linear, rule, beta):
    x, y = data()
    assert off(estimate(rule(beta=beta), linear, x, y).update, exact(linear, x, y)) < 1e-8


def test_a_complex_nudge_obeys_kirchhoff_and_its_conjugate_gives_the_conjugate(circuit):
    x, _ = data()
    push = np.array([2e-5 + 3e-5j, -1e-5j])
    op = Newton().equilibrium(circuit, circuit.theta, x, Inject(push))
    assert np.abs(op.node_voltages.imag).max() > 1e-3
    held = circuit.numbers["a"], circuit.numbers["b"], circuit.numbers["c"]
    assert np.abs(np.delete(op.node_residuals, held, axis=1)).max() < 1e-14
    other = Newton().equilibrium(circuit, circuit.theta, x, Inject(push.conj()))
    np.testing.assert_allclose(other.node_voltages, op.node_voltages.conj(), rtol=0, atol=1e-14)
    real = Newton().equilibrium(circuit, circuit.theta, x, Inject(push.real))
    also = Newton().equilibrium(circuit, circuit.theta, x, Inject(push.real + 0j))
    np.testing.assert_allclose(also.node_voltages, real.node_voltages, rtol=0, atol=1e-11)


def test_ideal_diodes_have_no_complex_equilibrium():
    circuit = deep_resistive_network([2, 3, 1])
    with pytest.raises(ExperimentError, match="ideal diodes"):
        Newton().equilibrium(circuit, None, np.zeros((1, circuit.n_inputs)), Inject(np.array([1e-6j])))


def test_other_engines_refuse_complex_nudges(circuit):
    from analogpnn.engines.arguments import prepare

    with pytest.raises(ExperimentError, match="no complex numbers"):
        prepare(circuit, None, None, Inject(np.array([1j, 0])))


def test_random_signs_average_to_the_centred_rule(circuit):
    x, y = data()
    one = RandomSignEquilibriumPropagation(beta=2e-5)
    signs = [dataclasses.replace(one, sign=s) for s in (1, -1)]
    engine = Newton()
    free = engine.equilibrium(circuit, circuit.theta, x)
    found = []
    for rule in signs:
        (boundary,) = rule.boundaries(free.outputs, y)
        state = engine.equilibrium(circuit, circuit.theta, x, boundary)
        found.append(rule.update(local.measure(free), local.measure(state)).mean(axis=0))
    centred = estimate(CentredEquilibriumPropagation(beta=2e-5), circuit, x, y).update
    np.testing.assert_allclose(np.mean(found, axis=0), centred, rtol=1e-8)
    drawn = {one.drawn(np.random.default_rng(k), 3).sign for k in range(10)}
    assert drawn == {-1, 1}


def test_negative_is_positive_with_the_other_sign(circuit):
    x, y = data()
    negative = estimate(NegativeEquilibriumPropagation(beta=1e-5), circuit, x, y).update
    np.testing.assert_array_equal(negative, estimate(EquilibriumPropagation(beta=-1e-5), circuit, x, y).update)


def test_contrastive_is_coupled_at_one_and_over_clamping_goes_on(circuit):
    x, y = data()
    contrastive = estimate(ContrastiveLearning(), circuit, x, y).update
    np.testing.assert_allclose(contrastive, estimate(CoupledLearning(eta=1.0), circuit, x, y).update, rtol=1e-12)
    over = estimate(OverclampedCoupledLearning(eta=2.0), circuit, x, y).update
    np.testing.assert_allclose(over, estimate(CoupledLearning(eta=2.0), circuit, x, y).update, rtol=1e-12)
    outputs = np.array([[0.1, 0.2]])
    (clamp,) = OverclampedCoupledLearning(amplitude=0.05).boundaries(outputs, outputs - [[0.3, 0.4]])
    np.testing.assert_allclose(clamp.voltages - outputs, [[-0.03, -0.04]])
    (clamp,) = OverclampedCoupledLearning(amplitude=0.05).boundaries(outputs, outputs)
    np.testing.assert_array_equal(clamp.voltages, outputs)


def test_power_regularisation_adds_minus_lambda_times_the_free_force(circuit):
    x, y = data()
    plain = estimate(CoupledLearning(eta=0.1), circuit, x, y).update
    power = estimate(PowerRegularisedCoupledLearning(lam=0.03, eta=0.1), circuit, x, y).update
    force = local.measure(Newton().equilibrium(circuit, circuit.theta, x)).force.mean(axis=0)
    np.testing.assert_allclose(power, plain - 0.03 * force / 0.1, rtol=1e-9)


def test_a_larger_lambda_ends_with_less_power():
    # Section 2.5: errors grow and power falls with lambda.
    circuit = Circuit.from_netlist(Netlist.from_text(LINEAR))
    x, y = np.array([[0.6, -0.4]]), np.array([[0.1, 0.05]])
    power, loss = [], []
    for lam in (0.0, 1e-3, 1e-2):
        rule = PowerRegularisedCoupledLearning(lam=lam, eta=0.01)
        last = list(train(circuit, (x, y), rule=rule, rate=0.1, epochs=100, evaluate_every=0))[-1]
        power.append(float(Newton().equilibrium(circuit, last.theta, x).power[0]))
        loss.append(last.train_loss)
    assert power[0] > power[1] > power[2] and loss[0] < loss[1] < loss[2]


def test_comparator_knows_only_signs(circuit):
    x, y = data(1)
    found = estimate(ComparatorCoupledLearning(eta=0.1), circuit, x, y).update
    np.testing.assert_array_equal(found, np.sign(estimate(CoupledLearning(eta=0.1), circuit, x, y).update))
    assert set(np.unique(estimate(ComparatorCoupledLearning(dead=1e9), circuit, x, y).update)) == {0.0}


def test_desynchronous_updates_a_share_of_the_elements_and_takes_its_rules_cost(circuit):
    x, y = data()
    rule = make_rule({"name": "desynchronous", "probability": 0.5, "rule": {"name": "coupled-learning", "eta": 0.2}})
    assert rule.rule == CoupledLearning(0.2) and rule.cost == SquaredError()
    full = estimate(CoupledLearning(0.2), circuit, x, y).update
    found = np.array([estimate(rule, circuit, x, y, seed=k).update for k in range(60)])
    assert set(np.unique(np.round(found / full, 9))) == {0.0, 1.0}
    assert np.mean(found != 0) == pytest.approx(0.5, abs=0.1)
    assert estimate(Desynchronous(1.0, CoupledLearning(0.2)), circuit, x, y).update == pytest.approx(full)


def test_agnostic_is_an_implicit_step(circuit):
    x, y = data()
    theta, beta, epsilon = np.array(circuit.theta), 1e-5, 1e-3
    soft = AgnosticEquilibriumPropagation(beta=beta, epsilon=epsilon, relaxations=30)
    moved = theta + epsilon * beta * estimate(soft, circuit, x, y).update
    engine = Newton()
    free = engine.equilibrium(circuit, theta, x)
    (boundary,) = soft.boundaries(free.outputs, y)
    forces = [local.measure(op).force.mean(axis=0) for op in (free, engine.equilibrium(circuit, moved, x, boundary))]
    np.testing.assert_allclose(moved - theta, epsilon * (forces[0] - forces[1]), rtol=1e-6)
    stiff = estimate(AgnosticEquilibriumPropagation(beta=beta), circuit, x, y).update
    np.testing.assert_array_equal(stiff, estimate(EquilibriumPropagation(beta=beta), circuit, x, y).update)


# --- methods that aren't local -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["in-silico", "physics-aware-training"])
def test_adjoint_methods_are_exact_on_the_ideal_circuit(circuit, name):
    x, y = data()
    np.testing.assert_allclose(estimate(make_rule(name), circuit, x, y).update, exact(circuit, x, y), rtol=1e-9)


def test_physics_aware_training_takes_the_models_gradient_where_the_hardware_is(circuit):
    x, y = data()
    bench = Bench(Newton(), mismatch=0.1, seed=3)
    op = bench.equilibrium(circuit, circuit.theta, x)
    cost = SquaredError()
    wanted = -adjoint.gradient(circuit, op.theta, x, lambda o: (cost.value(o, y), cost.gradient(o, y)), start=op)[1]
    np.testing.assert_allclose(estimate(PhysicsAwareTraining(), circuit, x, y, bench).update, wanted, rtol=1e-12)
    assert off(wanted, exact(circuit, x, y)) > 1e-3
    np.testing.assert_array_equal(
        estimate(InSilico(), circuit, x, y, bench).update, estimate(InSilico(), circuit, x, y).update
    )


def test_finite_differences_are_of_second_order(circuit):
    x, y = data()
    errors = [off(estimate(FiniteDifferences(h), circuit, x, y).update, exact(circuit, x, y)) for h in (0.1, 0.05)]
    assert errors[1] < 1e-2 and errors[0] / errors[1] == pytest.approx(4, rel=0.1)


@pytest.mark.parametrize(("name", "excess"), [("spsa", 0), ("weight-perturbation", 2)])
def test_fact_9_second_moments_are_n_and_n_plus_2(linear, name, excess):
    # In units of the trainables' scales, which are all alike here: E|g|^2 = N |grad|^2 and (N + 2) |grad|^2.
    x, y = data()
    wanted, n = exact(linear, x, y), linear.n_trainable
    method = make_rule({"name": name, "step": 1e-4})
    found = np.array([estimate(method, linear, x, y, seed=k).update for k in range(700)])
    # The mean of K estimates is off by sqrt((second moment - 1)/K).
    assert off(found.mean(axis=0), wanted) < 4 * np.sqrt((n + excess) / 700)
    # An estimate is (grad . z) z, so it tells |z|^2 and a = (grad . z)^2 / |grad|^2, whose means are N and 1. Their
    # product's mean, the second moment, is N and what they have in common: nothing for signs, 2 for normal numbers.
    size = np.sum(found**2, axis=1) / (found @ wanted)
    a = (found @ wanted) / (wanted @ wanted)
    assert np.mean(a) == pytest.approx(1, abs=4 * np.sqrt(2 / 700))
    if name == "spsa":
        np.testing.assert_allclose(size, n, rtol=1e-3)
    else:
        assert np.mean(size) == pytest.approx(n, abs=4 * np.sqrt(2 * n / 700))
    common = (a - 1) * (size - n)
    assert np.mean(common) == pytest.approx(excess, abs=1e-3 * n + 4 * np.std(common) / np.sqrt(700))
    assert 4 * np.std(common) / np.sqrt(700) < 2, "N and N + 2 are told apart"


def test_multiplexed_descent_contains_forward_differences_and_is_the_gradient_on_average(linear):
    x, y = data()
    n, wanted = linear.n_trainable, exact(linear, x, y)
    # One sample after the other, and for each all trainables in turn.
    forward = {"codes": "sequential", "tau_theta": n * len(x), "tau_x": n, "step": 1e-5}
    found = estimate(make_rule({"name": "multiplexed-gradient-descent", **forward}), linear, x, y).update
    assert off(found, wanted) < 1e-3
    method = make_rule({"name": "multiplexed-gradient-descent", "step": 1e-4, "tau_theta": 400, "tau_p": 5})
    mean = np.mean([estimate(method, linear, x, y, seed=k).update for k in range(10)], axis=0)
    assert off(mean, wanted) < 0.5
    memory = estimate(method, linear, x, y).memory
    assert float(memory["time"]) == 400 and set(np.abs(memory["code"])) == {1.0}


def test_evolution_finds_the_minimum_of_a_bowl():
    # C = |o - y|^2 / 2 of a "circuit" whose outputs are its theta: nothing but the algorithm is tested.
    class Bowl:
        bounds = np.array([[-9.0], [9.0]]) * np.ones(6)
        trainable = ()

        @staticmethod
        def clip(theta):
            return np.clip(theta, -9, 9)

    class Outputs:
        def equilibrium(self, circuit, theta, inputs):
            return dataclasses.make_dataclass("Op", ["outputs"])(np.array([theta * np.arange(1, 7)]))

    method, theta, memory = make_rule("cma-es"), np.full(6, 3.0), None
    memory = method.start(Bowl, theta)
    rng = np.random.default_rng(0)
    for _ in range(150):
        found = method.estimate(
            Bowl, Outputs(), theta, np.zeros((1, 1)), np.zeros((1, 6)), cost=SquaredError(), rng=rng,
            rate=np.ones(6), memory=memory,
        )  # fmt: skip
        theta, memory = Bowl.clip(theta + found.update), found.memory
    assert np.abs(theta).max() < 1e-4


# --- training ------------------------------------------------------------------------------------------------

NOISY = {"mismatch": 0.1, "read_noise": 1e-5, "source_offset": 1e-3, "write_noise": 1e-6, "seed": 1}
RATES = {"cma-es": 2e-5, "comparator-coupled-learning": 1e-5, "spsa": 1e-7, "weight-perturbation": 1e-7}


def settings(name, **changes):
    """Rates with which a first step is some per cent of theta."""
    rate = RATES.get(name, 1e-3 if "coupled" in name or name in ("desynchronous", "contrastive-learning") else 1e-6)
    return {"rule": name, "rate": rate, "batch": 3, "seed": 4, "epochs": 4} | changes


def task():
    x, _ = data(7)
    teacher = Circuit.from_netlist(Netlist.from_text(LATTICE))
    y = (
        Newton()
        .equilibrium(teacher, teacher.theta * np.random.default_rng(1).uniform(0.5, 2, teacher.n_trainable), x)
        .outputs
    )
    return Task("teacher", x[:5], y[:5], x[5:], y[5:])


@pytest.mark.parametrize("name", [name for name in RULES if name not in CASCADES])
def test_every_family_trains_by_name_and_goes_on_bit_for_bit_on_a_noisy_bench(circuit, name, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", -1.0)
    bench = make_engine({"name": "fast", **NOISY})
    whole = list(train(circuit, task(), engine=bench, **settings(name)))
    path = tmp_path / "checkpoint.npz"
    list(train(circuit, task(), engine=bench, checkpoint=path, **settings(name, epochs=2)))
    rest = list(train(circuit, task(), engine=bench, resume=path, **settings(name)))
    assert [r.epoch for r in rest] == [3, 4]
    for one, other in zip(whole[2:], rest):
        np.testing.assert_array_equal(one.theta, other.theta)
        assert one.counts == other.counts and one.train_loss == other.train_loss
    assert whole[-1].counts.updates > 0 and whole[-1].train_loss < 2 * whole[0].train_loss


def test_the_price_of_each_family(circuit):
    counts = {
        name: list(train(circuit, task(), **settings(name, epochs=1)))[-1].counts
        for name in (
            "centred-equilibrium-propagation",
            "in-silico",
            "physics-aware-training",
            "spsa",
            "finite-differences",
        )
    }
    n = circuit.n_trainable
    assert counts["centred-equilibrium-propagation"].operating_points == 15
    assert counts["centred-equilibrium-propagation"].measurements == 5 * 2 + 15 * n
    assert counts["centred-equilibrium-propagation"].memory == 0
    silico = counts["in-silico"]
    assert silico.simulated == silico.operating_points == 5 and silico.energy == 0 and silico.multiply_adds > 0
    aware = counts["physics-aware-training"]
    assert aware.simulated == 0 and aware.measurements == 5 * (2 + circuit.n_unknowns)
    assert counts["spsa"].operating_points == 10 and counts["spsa"].memory == n
    assert counts["finite-differences"].operating_points == 5 * (2 * n + 1)
    assert counts["finite-differences"].energy == pytest.approx((2 * n + 1) * aware.energy, rel=0.01)


def test_wrong_options_get_a_sentence():
    for spec, says in (
        ({"name": "spsa", "step": -1.0}, "step must be a positive number"),
        ({"name": "multiplexed-gradient-descent", "codes": "walsh"}, "Known: random, sequential"),
        ({"name": "multiplexed-gradient-descent", "tau_p": 0}, "tau_p must be a whole number"),
        ({"name": "cma-es", "population": 2}, "population must be"),
        ({"name": "holomorphic-equilibrium-propagation", "points": 1}, "points must be"),
        ({"name": "desynchronous", "probability": 0.0}, "probability must be above 0"),
        ("spsaa", "Did you mean 'spsa'?"),
    ):
        with pytest.raises(ExperimentError) as caught:
            make_rule(spec)
        assert says in str(caught.value)
