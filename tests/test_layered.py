"""The layered engine against the general one, against complementarity, and training on it."""

import dataclasses

import numpy as np
import pytest
from drn_circuits import SHARP, circuit

from analogpnn import Circuit, Clamp, Experiment, ExperimentError, Inject, Newton
from analogpnn.circuit import local
from analogpnn.circuit.boundary import Free
from analogpnn.circuit.generate import deep_resistive_network
from analogpnn.circuit.layered_point import LayeredPoint
from analogpnn.engines.adjoint import gradient
from analogpnn.engines.layered import choice
from analogpnn.engines.layered.kernels import descend, product
from analogpnn.learning import CentredEquilibriumPropagation, CoupledLearning, EquilibriumPropagation
from analogpnn.tasks.task import Task
from analogpnn.training import descent
from analogpnn.training.train import train

SIZES = [(6, [12], 3), (6, [10, 8], 3), (5, [9, 8, 7], 2)]


@pytest.fixture
def layered(monkeypatch):
    monkeypatch.setattr(choice, "LEAST_WEIGHTS", 0)
    return Newton()


class General(Newton):
    """The engine as it solves any circuit."""

    def equilibrium(self, *arguments, **options):
        suits, choice.LEAST_WEIGHTS = choice.LEAST_WEIGHTS, 10**9
        try:
            return super().equilibrium(*arguments, **options)
        finally:
            choice.LEAST_WEIGHTS = suits


@pytest.mark.parametrize("rails", [False, True])
@pytest.mark.parametrize("sizes", SIZES)
def test_junctions_as_the_general_engine_has_them(layered, sizes, rails):
    net = circuit(*sizes, rails=rails)
    rng = np.random.default_rng(1)
    x = 3 * rng.normal(size=(5, net.n_inputs))
    free = layered.equilibrium(net, None, x)
    assert isinstance(free, LayeredPoint) and layered.explain(net).startswith("layered")
    boundaries = (
        Free(), Inject(0.01 * rng.normal(size=(5, net.n_outputs))), Clamp(rng.normal(size=(5, net.n_outputs))),
    )  # fmt: skip
    for boundary in boundaries:
        op, wanted = layered.equilibrium(net, None, x, boundary, free), General().equilibrium(net, None, x, boundary)
        assert not isinstance(wanted, LayeredPoint)
        names = ("node_voltages", "source_currents", "branch_voltages", "branch_currents", "outputs", "power")
        for name in names:
            if name == "power" and isinstance(boundary, Clamp):
                continue
            np.testing.assert_allclose(getattr(op, name), getattr(wanted, name), rtol=0, atol=1e-9, err_msg=name)
        assert np.max(op.residual) < 1e-11
        np.testing.assert_allclose(op.power, wanted.power, rtol=1e-9, atol=1e-9)
        mine, theirs = local.measure(op), local.measure(wanted)
        for name in ("voltage", "current", "force"):
            np.testing.assert_allclose(np.asarray(getattr(mine, name)), getattr(theirs, name), rtol=0, atol=1e-9)


@pytest.mark.parametrize("rails", [False, True])
@pytest.mark.parametrize("sizes", SIZES)
def test_ideal_diodes_are_complementary(sizes, rails):
    net = circuit(*sizes, rails=rails, model=SHARP, ideal=True)
    x = 3 * np.random.default_rng(2).normal(size=(7, net.n_inputs))
    op = Newton().equilibrium(net, None, x)
    assert np.max(op.residual) < 1e-11
    columns = [k for k, name in enumerate(net.elements) if name.startswith("d")]
    v, i = op.branch_voltages[:, columns], op.branch_currents[:, columns]
    assert np.all(v <= 0) and np.all(i >= 0) and np.all(v * i == 0)
    assert 0.1 < np.mean(i > 0) < 0.9
    assert "complementarity" in Newton().explain(net)
    # Tellegen: what resistors and diodes take is what sources deliver.
    passive = [k for k, name in enumerate(net.elements) if name[0] in "rd"]
    np.testing.assert_allclose(op.power, (op.branch_voltages * op.branch_currents)[:, passive].sum(axis=1), rtol=1e-9)


def test_the_sharp_diode_comes_near_the_ideal_one(layered):
    ideal, sharp = (circuit(6, [12], 3, model=SHARP, ideal=ideal) for ideal in (True, False))
    x = 3 * np.random.default_rng(3).normal(size=(4, 6))
    difference = Newton().equilibrium(ideal, None, x).outputs - General().equilibrium(sharp, None, x).outputs
    assert 0 < np.abs(difference).max() < 0.01


def test_single_and_fixed_sweeps():
    net = deep_resistive_network((6, 8, 7, 3), gain=5)
    x = np.random.default_rng(4).random((6, 6))
    exact = Newton().equilibrium(net, None, x)
    single = Newton(precision="single").equilibrium(net, None, x)
    assert single.states[0].dtype == np.float32 and single.outputs.dtype == float
    np.testing.assert_allclose(single.outputs, exact.outputs, rtol=0, atol=2e-6 * 5)  # of the largest voltage
    errors = [np.abs(Newton(sweeps=n).equilibrium(net, None, x).outputs - exact.outputs).max() for n in (1, 4, 16, 200)]
    assert errors[0] > errors[1] > errors[2] > errors[3] and errors[3] < 1e-12
    with pytest.raises(ExperimentError, match="precision"):
        Newton(precision="half").equilibrium(net, None, x)


@pytest.mark.parametrize("hidden", [[8], [8, 7]])
def test_sweeps_are_the_published_ones(hidden):
    """Odd layers, then even ones, from zero; every coefficient computed anew."""
    net = deep_resistive_network((5, *hidden, 3), gain=5)
    x = np.random.default_rng(5).random((4, 5))
    weights = [b.matrix(net.theta) for b in net.blocks.blocks]
    x2 = 5 * np.concatenate([x, -x], axis=1)
    v = [x2, *(np.zeros((4, w.shape[1])) for w in weights)]
    order = [*range(1, len(v), 2), *range(2, len(v), 2)]
    for _ in range(3):
        for k in order:
            above = k < len(weights)
            pull = v[k - 1] @ weights[k - 1] + (v[k + 1] @ weights[k].T if above else 0)
            total = weights[k - 1].sum(axis=0) + (weights[k].sum(axis=1) if above else 0)
            v[k] = pull / total
            if above:
                half = v[k].shape[1] // 2
                v[k][:, :half] = np.maximum(v[k][:, :half], 0)
                v[k][:, half:] = np.minimum(v[k][:, half:], 0)
    found = Newton(sweeps=3).equilibrium(net, None, x)
    for mine, wanted in zip(found.states, v[1:]):
        np.testing.assert_allclose(mine, wanted, rtol=0, atol=1e-12)


def test_forces_average_block_by_block(layered):
    net = circuit(6, [10, 8], 3)
    rng = np.random.default_rng(6)
    x = rng.normal(size=(9, 6))
    free = layered.equilibrium(net, None, x)
    pushed = layered.equilibrium(net, None, x, Inject(0.01 * rng.normal(size=(9, 3))), free)
    plain = [local.measure(General().equilibrium(net, None, x, op.boundary)).force for op in (free, pushed)]
    lazy = [local.measure(op).force for op in (free, pushed)]
    for combine in (
        lambda a, b: a - b,
        lambda a, b: (a - b) / 0.3,
        lambda a, b: -(2.0 * a + b) * 0.1 - a,
        lambda a, b: a,
        lambda a, b: a - a,
    ):
        mean = combine(*lazy).mean(axis=0)
        assert mean.shape == (net.n_trainable,)
        np.testing.assert_allclose(np.asarray(mean), combine(*plain).mean(axis=0), rtol=0, atol=1e-10)
        np.testing.assert_allclose(np.asarray(combine(*lazy)), combine(*plain), rtol=0, atol=1e-10)
    # Anything else makes an array of it.
    np.testing.assert_allclose(np.sign(lazy[0] - lazy[1]) * lazy[0], np.sign(plain[0] - plain[1]) * plain[0], atol=1e-8)


def test_small_nudges_do_not_drown():
    """Single precision, a nudge of 1e-3: two products with the states would lose three digits more."""
    net = deep_resistive_network((20, 16, 4), gain=100, seed=2)
    rng = np.random.default_rng(7)
    x, y = rng.random((8, 20)), rng.random((8, 4))
    rule = CentredEquilibriumPropagation(beta=1e-3)

    def update(engine):
        free = engine.equilibrium(net, net.theta, x)
        others = [engine.equilibrium(net, net.theta, x, b, free) for b in rule.boundaries(free.outputs, y)]
        return rule.update(local.measure(free), *map(local.measure, others)).mean(axis=0)

    exact, single = np.asarray(update(Newton())), np.asarray(update(Newton(precision="single")))
    assert np.linalg.norm(single - exact) < 3e-2 * np.linalg.norm(exact)


def test_equilibrium_propagation_is_the_adjoint_gradient():
    net = circuit(6, [12], 3, model=SHARP, ideal=True)
    rng = np.random.default_rng(8)
    x, y = 3 * rng.normal(size=(10, 6)), rng.normal(size=(10, 3))
    rule, engine = CentredEquilibriumPropagation(beta=1e-5), Newton()
    free = engine.equilibrium(net, None, x)
    others = [engine.equilibrium(net, None, x, b, free) for b in rule.boundaries(free.outputs, y)]
    update = np.asarray(rule.update(local.measure(free), *map(local.measure, others)).mean(axis=0))
    _, exact = gradient(net, net.theta, x, lambda o: (((o - y) ** 2).sum(-1) / 2, o - y))
    np.testing.assert_allclose(-update, exact, rtol=0, atol=1e-6 * np.abs(exact).max())


@pytest.fixture
def job():
    net = deep_resistive_network((6, 8, 3), gain=4, seed=3, bounds=(1e-4, 1.0))
    rng = np.random.default_rng(9)
    x = rng.random((26, 6)) * (rng.random((26, 6)) < 0.6)
    labels = rng.integers(0, 3, 26)
    y = np.eye(3)[labels]
    return net, Task("lumps", x[:20], y[:20], x[20:], y[20:], labels[:20], labels[20:])


def run(job, **changes):
    net, task = job
    settings = {"engine": Newton(), "rule": CentredEquilibriumPropagation(beta=0.5), "rate": 0.02, "epochs": 4}
    return list(train(net, task, **(settings | {"batch": 4, "seed": 1} | changes)))


@pytest.mark.parametrize("rule", [EquilibriumPropagation(beta=0.01), CoupledLearning(eta=0.1)])
@pytest.mark.parametrize("batch", [4, 20])
def test_training_by_blocks_is_training(job, monkeypatch, rule, batch):
    by_blocks = run(job, rule=rule, batch=batch)
    monkeypatch.setattr(descent, "_paces", lambda *_: None)
    plain = run(job, rule=rule, batch=batch)
    assert by_blocks[-1].train_loss < by_blocks[0].train_loss
    for a, b in zip(by_blocks, plain):
        np.testing.assert_allclose(a.theta, b.theta, rtol=0, atol=1e-12)
        assert a.counts.updates == pytest.approx(b.counts.updates, abs=3)
        assert a.counts.energy == pytest.approx(b.counts.energy, rel=1e-9)
    assert np.any(by_blocks[-1].theta == 1e-4)  # the bound was met


@pytest.mark.parametrize("precision", ["double", "single"])
def test_resume_bit_for_bit(job, tmp_path, precision):
    whole = run(job, engine=Newton(precision=precision))
    run(job, engine=Newton(precision=precision), epochs=2, checkpoint=tmp_path / "c.npz")
    rest = run(job, engine=Newton(precision=precision), resume=tmp_path / "c.npz")
    for a, b in zip(whole[2:], rest, strict=True):
        np.testing.assert_array_equal(a.theta, b.theta)
        assert a.train_loss == b.train_loss


def test_single_trains_as_double(job):
    one, other = run(job)[-1], run(job, engine=Newton(precision="single"))[-1]
    np.testing.assert_allclose(one.theta, other.theta, rtol=0, atol=1e-4)


def test_rates_by_layer_and_other_optimisers(job):
    rates = {"r1_*": 0.02, "r2_*": 0.01, "ib_*": 0.0}
    last = run(job, rate=rates)[-1]
    assert not last.theta[~job[0].conductances].any()
    assert run(job, optimiser="momentum", rate=0.005)[-1].train_loss < run(job, rate=0.0)[0].train_loss


def test_running_away_is_said(job):
    with pytest.raises(ExperimentError, match="ran away|not finite"):
        net, task = job
        list(train(net, dataclasses.replace(task), engine=Newton(), rule=_Broken(), rate=1.0, epochs=1, batch=4))


def test_an_experiment_generates_its_netlist(tmp_path):
    rng = np.random.default_rng(11)
    np.savez(tmp_path / "data.npz", x_train=rng.random((12, 4)), y_train=np.arange(12) % 3)
    table = {
        "netlist": {"generate": "deep-resistive-network", "layers": [4, 6, 3], "gain": 5, "bounds": [1e-4, 1.0]},
        "rule": {"name": "centred-equilibrium-propagation", "beta": 0.1},
        "task": {"path": "data.npz", "scale": "none", "test_fraction": 0.25},
        "seed": 3,
        "train": {"epochs": 2, "batch": 4, "rate": 0.01},
    }
    experiment = Experiment.from_table(table, tmp_path)
    run = experiment.run(tmp_path / "run")
    assert run.finished and set(run.final) >= {"train_loss", "test_loss", "test_accuracy"}
    trained = Circuit.from_netlist(run.file("trained.cir"))
    np.testing.assert_array_equal(trained.theta, run.samples()["theta"])
    seen = run.samples()
    np.testing.assert_allclose(Newton().equilibrium(trained, None, seen["inputs"]).outputs, seen["outputs"], atol=1e-12)
    again = Experiment.from_file(run.file("experiment.toml"))
    np.testing.assert_array_equal(again.circuit.theta, experiment.circuit.theta)
    longer = Experiment.from_table(table | {"train": table["train"] | {"epochs": 3}}, tmp_path)
    assert longer.run(tmp_path / "run", resume=True).record["epochs"] == 3


@pytest.mark.parametrize(
    "spec, what", [({"generate": "deep-restive"}, "no generator"), ({"layers": [2, 1]}, "file's name or a table"),
                   ({"generate": "crossbar", "gian": 2}, "no option 'gian'"), ({"generate": "crossbar"}, "missing")],
)  # fmt: skip
def test_netlist_tables_that_are_wrong(spec, what):
    with pytest.raises(ExperimentError, match=what):
        _ = Experiment.from_table({"netlist": spec, "train": {"rate": 1.0}}).circuit


class _Broken(CentredEquilibriumPropagation):
    def update(self, free, plus, minus):
        return (minus.force - plus.force) * float("nan")


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(7, 5), (9, 300), (30, 1100)])
@pytest.mark.parametrize("batch", [1, 3, 4, 6, 20])
def test_kernels(kind, shape, batch):
    rng = np.random.default_rng(10)
    m, n = shape
    w = rng.random(shape).astype(kind)
    x = (rng.normal(size=(batch, m)) * (rng.random(m) < 0.6)).astype(kind)
    if m == 30:
        x[:, 15:] = -x[:, :15]  # as doubled inputs are
    close = {"rtol": 0, "atol": 2e-3 if kind == np.float32 else 1e-11}
    out, power = product(x, w)
    np.testing.assert_allclose(out, x @ w, **close)
    np.testing.assert_allclose(power, (x**2) @ w.sum(axis=1), **close)
    right = rng.normal(size=(batch, n)).astype(kind)
    for rows in (None, rng.normal(size=m).astype(kind)):
        columns = rng.normal(size=n).astype(kind)
        wanted = columns - x.T @ right + (0 if rows is None else rows[:, None])
        wanted = np.clip(w + kind(0.1) * wanted, 0, 1)
        moved = w.copy()
        by_row, by_column, changed = descend(moved, x, right, rows, columns, 0.1, 0.0, 1.0)
        np.testing.assert_allclose(moved, wanted, **close)
        assert by_row is not None or (rows is None and m == 30), "left out only for held nodes and their negatives"
        if by_row is not None:
            np.testing.assert_allclose(by_row, moved.sum(axis=1), **close)
        np.testing.assert_allclose(by_column, moved.sum(axis=0), **close)
        assert changed == np.count_nonzero(moved != w)


def test_inputs_broadcast_against_what_is_imposed():
    net = deep_resistive_network((3, 6, 2), gain=4, seed=3)
    x, push = np.array([[[0.1, 0.2, 0.3]], [[0.3, 0.0, 0.1]]]), np.array([[0.0, 1e-3], [1e-3, 0.0], [0.0, 0.0]])
    both = Newton().equilibrium(net, None, x, Inject(push))
    assert both.outputs.shape == (2, 3, 2)
    for i, k in np.ndindex(2, 3):
        alone = Newton().equilibrium(net, None, x[i, 0], Inject(push[k]))
        np.testing.assert_allclose(both.outputs[i, k], alone.outputs, rtol=0, atol=1e-12)
        assert both.power[i, k] == pytest.approx(alone.power, rel=1e-9)
