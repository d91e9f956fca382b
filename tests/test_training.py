"""Training: repeatable and resumable bit for bit, within bounds, with any engine that keeps the contract."""

import dataclasses
import json

import linear_network
import numpy as np
import pytest
from linear_network import LinearEngine, lattice

from analogpnn import Circuit, Netlist, Newton
from analogpnn.circuit import local
from analogpnn.circuit.boundary import Free
from analogpnn.errors import ConvergenceError, ExperimentError
from analogpnn.learning import (
    CentredEquilibriumPropagation,
    CoupledLearning,
    CrossEntropy,
    EquilibriumPropagation,
    SquaredError,
)
from analogpnn.tasks.task import Task
from analogpnn.training import checkpoint as checkpoints
from analogpnn.training import train as training
from analogpnn.training.evaluation import evaluate, settler
from analogpnn.training.train import train

REAL_MEASURE = local.measure
RULE = CentredEquilibriumPropagation(beta=0.1)


@pytest.fixture(autouse=True)
def the_strangers_measurement(monkeypatch):
    """`measure` knows the package's operating points; the stand-in brings its own."""
    monkeypatch.setattr(local, "measure", linear_network.measure)


@pytest.fixture
def net():
    return lattice(np.random.default_rng(0), inputs=2, outputs=1)


@pytest.fixture
def task(net):
    rng = np.random.default_rng(1)
    x = rng.uniform(0, 1, (10, 2))
    y = x @ np.array([[0.3], [0.7]])
    return Task("line", x[:7], y[:7], x[7:], y[7:])


def run(net, task, **changes):
    settings = {"engine": LinearEngine(), "rule": RULE, "rate": 2.0, "epochs": 6, "batch": 3, "seed": 5}
    return list(train(net, task, **(settings | changes)))


def assert_same(one, other):
    """Equal in every bit, wall time apart."""
    assert len(one) == len(other)
    for a, b in zip(one, other):
        np.testing.assert_array_equal(a.theta, b.theta)
        assert {**a.row(), "seconds": 0} == {**b.row(), "seconds": 0}


@pytest.mark.parametrize("rule", [RULE, EquilibriumPropagation(0.01), CoupledLearning(0.01)])
def test_learns(net, task, rule):
    records = run(net, task, rule=rule, epochs=60)
    assert [r.epoch for r in records] == list(range(1, 61))
    assert records[-1].test_loss < 1e-2 * records[0].train_loss
    assert records[-1].train_accuracy is None and records[-1].test_accuracy is None


def test_a_linear_allostery_is_solved_to_the_last_digits():
    net = lattice(np.random.default_rng(3), periodic=True, inputs=3, outputs=2)
    x = np.array([[0.0, 0.5, 1.0]])
    y = net.solve(lattice(np.random.default_rng(4), periodic=True).theta, x[0])[net.output_nodes][None]
    last = run(net, (x, y), rate=3.0, epochs=600)[-1]
    assert 2 * last.train_loss / net.n_outputs < 1e-10  # mean square [V^2]
    assert last.test_loss is None


def test_same_seed_same_bits_other_seed_other_order(net, task):
    assert_same(run(net, task), run(net, task))
    assert run(net, task, seed=6)[-1].train_loss != run(net, task)[-1].train_loss


@pytest.mark.parametrize("optimiser", ["sgd", "momentum", {"name": "adam"}])
def test_resuming_continues_bit_for_bit(net, task, tmp_path, optimiser):
    rate = {"schedule": "exponential", "rate": 0.05, "decay": 0.9}
    straight = run(net, task, optimiser=optimiser, rate=rate)
    path = tmp_path / "checkpoint.npz"
    first = run(net, task, optimiser=optimiser, rate=rate, epochs=2, checkpoint=path)
    rest = run(net, task, optimiser=optimiser, rate=rate, resume=path, checkpoint=path)
    assert_same(first + rest, straight)
    saved = checkpoints.load(path)
    assert saved.epoch == 6
    np.testing.assert_array_equal(saved.history["train_loss"], [r.train_loss for r in straight])
    np.testing.assert_array_equal(saved.history["energy"], [r.counts.energy for r in straight])
    assert run(net, task, optimiser=optimiser, rate=rate, resume=path) == []


def test_stopping_early_leaves_the_last_whole_epoch(net, task, tmp_path):
    path = tmp_path / "checkpoint.npz"
    settings = {"engine": LinearEngine(), "rule": RULE, "rate": 2.0, "epochs": 6, "batch": 3, "seed": 5}
    epochs = train(net, task, checkpoint=path, **settings)
    seen = [next(epochs), next(epochs)]
    epochs.close()  # what Ctrl-C in the caller's loop amounts to
    assert checkpoints.load(path).epoch == 2
    assert_same(seen + list(train(net, task, resume=checkpoints.load(path), **settings)), run(net, task))
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint.npz"]


def test_ctrl_c_in_the_middle_of_an_epoch_leaves_the_epoch_before(net, task, tmp_path, monkeypatch):
    path = tmp_path / "checkpoint.npz"
    calls = iter(range(1000))

    class Interrupted(LinearEngine):
        def equilibrium(self, *arguments):
            if next(calls) == 25:
                raise KeyboardInterrupt
            return super().equilibrium(*arguments)

    with pytest.raises(KeyboardInterrupt):
        run(net, task, engine=Interrupted(), checkpoint=path)
    state = checkpoints.load(path)
    assert state.epoch == 2 == len(state.history["epoch"])
    assert_same(run(net, task, resume=path), run(net, task)[2:])


def test_checkpoints_while_it_runs(net, task, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", -1.0)
    path = tmp_path / "checkpoint.npz"
    settings = {"engine": LinearEngine(), "rule": RULE, "rate": 2.0, "epochs": 6}
    for record in train(net, task, checkpoint=path, **settings):
        assert checkpoints.load(path).epoch == record.epoch


def test_checkpoint_is_arrays_and_json_and_no_pickle(net, task, tmp_path):
    path = tmp_path / "checkpoint.npz"
    run(net, task, optimiser="adam", checkpoint=path)
    with np.load(path, allow_pickle=False) as archive:
        assert {archive[name].dtype.kind for name in archive.files} <= {"f", "U"}
        assert json.loads(str(archive["about"]))["epoch"] == 6


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04 nonsense", b"\x93NUMPY\x01\x00"])
def test_no_checkpoint_is_an_error_and_no_traceback(net, task, tmp_path, content):
    path = tmp_path / "checkpoint.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ExperimentError, match="checkpoint"):
        run(net, task, resume=path)


def test_an_archive_without_our_parts_is_no_checkpoint(net, task, tmp_path):
    path = tmp_path / "checkpoint.npz"
    np.savez(path, theta=np.zeros(3))
    with pytest.raises(ExperimentError, match="no checkpoint that can be read"):
        run(net, task, resume=path)


@pytest.mark.parametrize("change", [{"seed": 7}, {"batch": 2}, {"optimiser": "adam"}])
def test_resuming_another_run_is_refused(net, task, tmp_path, change):
    path = tmp_path / "checkpoint.npz"
    run(net, task, epochs=1, checkpoint=path)
    with pytest.raises(ExperimentError, match="another run") as caught:
        run(net, task, resume=path, **change)
    assert next(iter(change)) in str(caught.value)


def test_bounds_hold_after_every_update(net, task):
    net = dataclasses.replace(net, low=0.6, high=1.2)
    for record in run(net, task, rate=50.0, optimiser="momentum"):
        assert record.theta.min() >= 0.6 * (1 - 1e-15) and record.theta.max() <= 1.2 * (1 + 1e-15)
    assert (record.theta == net.snap(np.full_like(net.theta, 0.6))).any()


def test_theta_of_a_record_is_what_a_netlist_carries_and_the_circuit_stays(net, task):
    before = net.theta.copy()
    for record in run(net, task):
        np.testing.assert_array_equal(record.theta, net.snap(record.theta))
    np.testing.assert_array_equal(net.theta, before)


def test_counts_what_the_physics_had_to_do(net, task):
    records = run(net, task, epochs=2)
    samples, phases, elements = 7, 3, len(net.theta)
    assert records[-1].counts.operating_points == 2 * samples * phases
    assert records[-1].counts.measurements == 2 * samples * (phases * elements + 1)
    assert records[-1].counts.updates == 2 * 3 * elements  # three batches an epoch
    free = run(net, task, epochs=1, rule=EquilibriumPropagation(1e-12), rate=0.0, batch=None)[0]
    power = LinearEngine().equilibrium(net, net.theta, task.train_inputs).power
    assert free.counts.energy == pytest.approx(2 * power.sum())
    assert free.counts.updates == 0


def test_training_loss_is_that_of_the_free_phases(net, task):
    (record,) = run(net, task, epochs=1, batch=None)
    loss, accuracy = evaluate(net, net.theta, task, engine=LinearEngine(), part="train")
    assert record.train_loss == pytest.approx(loss, rel=1e-12)
    assert accuracy is None
    assert record.test_loss == evaluate(net, record.theta, task, engine=LinearEngine())[0]


def test_evaluation_every_few_epochs_and_always_at_the_end(net, task):
    tested = [r.test_loss is not None for r in run(net, task, evaluate_every=4)]
    assert tested == [False, False, False, True, False, True]
    assert [r.test_loss is not None for r in run(net, task, evaluate_every=0)] == [False] * 5 + [True]


def test_accuracy_of_classes_on_two_outputs(task):
    net = lattice(np.random.default_rng(0), inputs=2, outputs=2)
    labels = (task.train_inputs[:, 0] > task.train_inputs[:, 1]).astype(int)
    targets = np.where(labels[:, None] == np.arange(2), 0.8, 0.2)
    classes = Task("side", task.train_inputs, targets, train_labels=labels, classes=("0", "1"))
    record = run(net, classes, epochs=1, batch=None)[0]
    outputs = LinearEngine().equilibrium(net, net.theta, task.train_inputs).outputs
    assert record.train_accuracy == np.mean(outputs.argmax(axis=1) == labels)


def test_cost_given_is_the_cost_gone_down_on(net):
    rule, cost = training._rule_and_cost(EquilibriumPropagation(1e-3), {"name": "cross-entropy"})
    assert rule == EquilibriumPropagation(1e-3, cost=CrossEntropy()) and cost == CrossEntropy()
    rule, cost = training._rule_and_cost("coupled-learning", None)
    assert rule == CoupledLearning() and cost == SquaredError()


def test_start_goes_to_engines_that_take_it():
    class Warm:
        def equilibrium(self, circuit, theta, inputs, boundary, start=None):
            return start

    class Cold:
        def equilibrium(self, circuit, theta, inputs, boundary):
            return "cold"

    class Wrapper:
        def equilibrium(self, *arguments, **options):
            return options

    assert settler(Warm())(1, 2, 3, 4, "state") == "state"
    assert settler(Cold())(1, 2, 3, 4, "state") == "cold"
    assert settler(Wrapper())(1, 2, 3, 4, "state") == {"start": "state"}


def test_a_sample_that_does_not_settle_is_named_by_its_place_in_the_training_set(net, task):
    wrong = task.train_inputs[4]

    class Stubborn(LinearEngine):
        def equilibrium(self, circuit, theta, inputs, *rest):
            for k, row in enumerate(inputs):
                if np.array_equal(row, wrong):
                    raise ConvergenceError("no operating point", sample=k, node="n3", residual=1.0)
            return super().equilibrium(circuit, theta, inputs, *rest)

    with pytest.raises(ConvergenceError, match="epoch 1, sample 4 of the training set") as caught:
        run(net, task, engine=Stubborn())
    assert caught.value.sample == 4 and caught.value.node == "n3"


def test_running_away_is_a_sentence(net, task):
    class Wild:
        def boundaries(self, outputs, targets):
            return ()

        def update(self, free):
            return free.force * np.nan

    with pytest.raises(ExperimentError, match="ran away in epoch 1"):
        run(net, task, rule=Wild())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"epochs": -1}, "epochs must be a whole number of at least 0"),
        ({"epochs": 2.5}, "epochs must be"),
        ({"batch": 0}, "batch must be a whole number of at least 1"),
        ({"rate": {"r99": 1.0}}, "fits no trainable"),
        ({"rule": "equilibrium"}, "no rule is called"),
        ({"optimiser": "adma"}, "Did you mean 'adam'?"),
    ],
)
def test_wrong_arguments_are_refused_before_the_first_epoch(net, task, change, says):
    settings = {"engine": LinearEngine(), "rule": RULE, "rate": 2.0, "epochs": 6} | change
    with pytest.raises(ExperimentError) as caught:
        train(net, task, **settings)
    assert says in str(caught.value)


def test_a_task_that_does_not_fit_is_refused_before_the_first_epoch(net):
    with pytest.raises(ExperimentError, match="has 3 inputs a sample, the circuit has 2"):
        train(net, (np.zeros((4, 3)), np.zeros((4, 1))), engine=LinearEngine(), rate=1.0, epochs=1)
    with pytest.raises(ExperimentError, match="no task"):
        train(net, "xor", engine=LinearEngine(), rate=1.0, epochs=1)


# --- the package's own circuits and engine ------------------------------------------------------------------

DIODES = """two inputs, two hidden nodes with diodes, one output
*@ input Vx*
*@ output v(out)
*@ train R* min=1u max=1m
.model d1 D(IS=1e-9 N=1)
Vx1 x1 0 0
Vx2 x2 0 0
Vb b 0 0.3
R1 x1 h1 10k
R2 x1 h2 22k
R3 x2 h1 15k
R4 x2 h2 8k
R5 h1 out 12k
R6 h2 out 18k
R7 out 0 30k
D1 h1 b d1
D2 0 h2 d1
.end
"""


@pytest.fixture
def diodes():
    return Circuit.from_netlist(Netlist.from_text(DIODES))


@pytest.fixture
def real_measurement(monkeypatch):
    monkeypatch.setattr(local, "measure", REAL_MEASURE)


@pytest.mark.usefixtures("real_measurement")
def test_real_circuit_learns_resumes_exactly_and_stays_within_bounds(diodes, tmp_path):
    x = np.random.default_rng(0).uniform(-1, 1, (12, 2))
    teacher = diodes.clip(diodes.theta * np.random.default_rng(1).uniform(0.5, 2, diodes.n_trainable))
    task = Task("teacher", x, Newton().equilibrium(diodes, teacher, x).outputs)
    settings = {"rule": CentredEquilibriumPropagation(1e-6), "rate": 1e-7, "batch": 4, "seed": 3}
    straight = list(train(diodes, task, epochs=40, **settings))
    assert straight[-1].train_loss < 0.05 * straight[0].train_loss
    path = tmp_path / "c.npz"
    first = list(train(diodes, task, epochs=15, checkpoint=path, **settings))
    assert_same(first + list(train(diodes, task, epochs=40, resume=path, **settings)), straight)
    for record in straight:
        np.testing.assert_array_equal(record.theta, diodes.snap(record.theta))
        np.testing.assert_allclose(record.theta, diodes.clip(record.theta), rtol=1e-15)


@dataclasses.dataclass(frozen=True, eq=False)
class NoisyMeasurement:
    """A stranger's wrapper, written to the contract of an engine: no `start`."""

    engine: object
    sigma: float
    rng: np.random.Generator

    def equilibrium(self, circuit, theta, inputs, boundary=Free()):  # noqa: B008
        op = self.engine.equilibrium(circuit, theta, inputs, boundary)
        return op.with_node_voltages(op.node_voltages + self.sigma * self.rng.standard_normal(op.node_voltages.shape))


@pytest.mark.usefixtures("real_measurement")
def test_training_on_a_wrapped_engine(diodes):
    x = np.array([[0.5, -0.5], [1.0, 0.2]])
    task = (x, np.array([[0.05], [0.3]]))
    rule = CentredEquilibriumPropagation(1e-5)
    noisy = NoisyMeasurement(Newton(), 1e-9, np.random.default_rng(0))
    ideal, noise = (list(train(diodes, task, engine=e, rule=rule, rate=1e-8, epochs=3)) for e in (Newton(), noisy))
    np.testing.assert_allclose(noise[-1].theta, ideal[-1].theta, rtol=1e-3)
    assert not np.array_equal(noise[-1].theta, ideal[-1].theta)
