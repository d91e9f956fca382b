"""Tasks: the right volts, the right shapes, and a sentence with a cure when they don't fit."""

import gzip
from types import SimpleNamespace

import numpy as np
import pytest

from analogpnn.errors import ExperimentError
from analogpnn.tasks.datafiles import read_idx
from analogpnn.tasks.task import NAMES, Task, check_shapes, make_task, read_out


def circuit(n_inputs, n_outputs, values=None):
    """As much of a circuit as a task looks at."""
    return SimpleNamespace(
        n_inputs=n_inputs,
        n_outputs=n_outputs,
        inputs=tuple(f"v{k + 1}" for k in range(n_inputs)),
        outputs=tuple((f"o{k + 1}", "0") for k in range(n_outputs)),
        input_values=np.zeros(n_inputs) if values is None else np.array(values),
    )


# --- logic gates --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gate", "truth"),
    [
        ("and", [0, 0, 0, 1]),
        ("or", [0, 1, 1, 1]),
        ("xor", [0, 1, 1, 0]),
        ("nand", [1, 1, 1, 0]),
        ("nor", [1, 0, 0, 0]),
        ("xnor", [1, 0, 0, 1]),
    ],
)
def test_truth_tables(gate, truth):
    task = make_task(gate)
    np.testing.assert_array_equal(task.train_inputs, [[0, 0], [0, 1], [1, 0], [1, 1]])
    np.testing.assert_array_equal(task.train_labels, truth)
    np.testing.assert_array_equal(task.test_targets[:, 0], truth)


def test_the_transistor_networks_xor():
    # The label is 87 mV below zero for 'true': read-out goes by the nearer level, not by the sign.
    spec = {"name": "xor", "inputs": [0, 0.45], "levels": [0, -0.087]}
    task = make_task(spec, circuit(2, 1))
    np.testing.assert_array_equal(task.train_targets[:, 0], [0, -0.087, -0.087, 0])
    np.testing.assert_array_equal(task.train_inputs[3], [0.45, 0.45])
    outputs = np.array([[-0.01], [-0.05], [-0.2], [0.3]])
    np.testing.assert_array_equal(read_out(task, outputs), [0, 1, 1, 0])


def test_gate_from_a_directive_is_the_gate_from_a_table():
    text = make_task({"name": "xor", "inputs": "0,450m", "levels": "0,-87m", "doubled": "yes"})
    table = make_task({"name": "xor", "inputs": [0, 0.45], "levels": [0, -0.087], "doubled": True})
    np.testing.assert_array_equal(text.train_inputs, table.train_inputs)
    np.testing.assert_array_equal(text.train_targets, table.train_targets)


def test_gates_with_an_output_per_value_and_doubled_inputs():
    task = make_task({"name": "xor", "inputs": [1, 4], "levels": [0.1, 0.4]}, circuit(4, 2))
    np.testing.assert_array_equal(task.train_inputs[1], [1, 4, -1, -4])
    pairs = make_task({"name": "xor", "inputs": [1, 4], "doubled": "pairs"}, circuit(4, 2))
    np.testing.assert_array_equal(pairs.train_inputs[1], [1, -1, 4, -4])
    np.testing.assert_array_equal(task.train_targets[:2], [[0.4, 0.1], [0.1, 0.4]])
    np.testing.assert_array_equal(read_out(task, task.train_targets), task.train_labels)


def test_parity_of_three():
    task = make_task({"name": "xor", "bits": 3}, circuit(3, 1))
    np.testing.assert_array_equal(task.train_labels, [0, 1, 1, 0, 1, 0, 0, 1])


# --- regressions and allostery ------------------------------------------------------------------------------


def test_linear_regression_with_a_matrix():
    spec = {"name": "linear-regression", "matrix": "0.2,0.3/0.4,100m", "samples": "20", "inputs": "0,2"}
    task = make_task(spec, circuit(2, 2), seed=3)
    assert task.train_inputs.shape == (14, 2) and task.test_inputs.shape == (6, 2)
    np.testing.assert_allclose(task.train_targets, task.train_inputs @ np.array([[0.2, 0.3], [0.4, 0.1]]).T)
    assert task.train_inputs.max() > 1
    same = make_task(spec | {"matrix": [[0.2, 0.3], [0.4, 0.1]]}, circuit(2, 2), seed=3)
    np.testing.assert_array_equal(task.test_inputs, same.test_inputs)


def test_drawn_linear_regression_is_within_reach_of_resistors():
    for seed in range(10):
        task = make_task("linear-regression", circuit(2, 2), seed=seed)
        weights = np.linalg.lstsq(task.train_inputs, task.train_targets, rcond=None)[0]
        assert weights.min() > 0 and weights.sum(axis=0).max() < 1


def test_nonlinear_regression_by_expression():
    spec = {"name": "nonlinear-regression", "expression": "0.1 + x1*x2; max(x1, x2)/2", "test_fraction": 0}
    task = make_task(spec, circuit(2, 2))
    x = task.train_inputs
    np.testing.assert_allclose(task.train_targets[:, 0], 0.1 + x[:, 0] * x[:, 1], rtol=1e-12)
    np.testing.assert_allclose(task.train_targets[:, 1], x.max(axis=1) / 2, rtol=1e-12)
    assert task.test_inputs is None
    with pytest.raises(ExperimentError, match="x3"):
        make_task({"name": "nonlinear-regression", "expression": "x3"}, circuit(2, 1))


def test_the_transistor_networks_regression_has_its_eight_points():
    task = make_task("nmos-regression", circuit(1, 1))
    assert task.train_inputs.shape == (8, 1)
    assert task.train_inputs[1, 0] == 0.0628 and task.train_targets[-1, 0] == 0.3041
    np.testing.assert_array_equal(task.test_inputs, task.train_inputs)


def test_allostery_takes_the_cards_inputs_and_reachable_targets():
    for seed in range(5):
        task = make_task("allostery", circuit(3, 4, values=[0.0, 1.0, 0.5]), seed=seed)
        np.testing.assert_array_equal(task.train_inputs, [[0, 1, 0.5]])
        assert task.train_targets.shape == (1, 4)
        assert 0.2 <= task.train_targets.min() and task.train_targets.max() <= 0.8
    assert not np.array_equal(task.train_targets, make_task("allostery", circuit(3, 4, [0, 1, 0.5])).train_targets)
    given = make_task({"name": "allostery", "inputs": 2, "targets": [0.5, 0.7]}, circuit(1, 2))
    np.testing.assert_array_equal(given.train_targets, [[0.5, 0.7]])
    with pytest.raises(ExperimentError, match="all inputs are at 0"):
        make_task("allostery", circuit(2, 1))


# --- data sets ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "features", "classes", "samples"),
    [("iris", 4, 3, 150), ("wine", 13, 3, 178), ("breast-cancer", 30, 2, 569), ("digits", 64, 10, 1797)],
)
def test_bundled_data_sets(name, features, classes, samples):
    task = make_task(name, circuit(2 * features, classes))
    assert task.train_inputs.shape[1] == 2 * features and len(task.classes) == classes
    assert len(task.train_inputs) + len(task.test_inputs) == samples
    np.testing.assert_array_equal(task.train_inputs[:, features:], -task.train_inputs[:, :features])
    assert task.train_inputs[:, :features].min() == 0 and task.train_inputs[:, :features].max() == 1
    np.testing.assert_array_equal(read_out(task, task.test_targets), task.test_labels)


def test_iris_is_split_105_to_45_with_each_class_its_share_and_by_the_seed():
    one, two, other = (make_task("iris", seed=s) for s in (0, 0, 1))
    assert np.bincount(one.train_labels).tolist() == [35, 35, 35]
    assert np.bincount(one.test_labels).tolist() == [15, 15, 15]
    np.testing.assert_array_equal(one.train_inputs, two.train_inputs)
    assert not np.array_equal(one.train_labels, other.train_labels)


def test_scales_levels_and_offsets():
    spec = {"name": "iris", "scale": "symmetric", "amplitude": 0.6, "offset": "0.6", "levels": [-0.1, 0.3]}
    task = make_task(spec, circuit(8, 3))
    assert task.train_inputs.min() == pytest.approx(0) and task.train_inputs.max() == pytest.approx(1.2)
    np.testing.assert_allclose(task.train_inputs[:, :4] + task.train_inputs[:, 4:], 1.2)
    assert set(np.unique(task.train_targets)) == {-0.1, 0.3}
    standard = make_task({"name": "iris", "scale": "standard"})
    np.testing.assert_allclose(standard.train_inputs.std(axis=0), 1)
    raw = make_task({"name": "iris", "scale": "none"})
    assert raw.train_inputs.max() == pytest.approx(7.9, abs=0.3)


def test_scaling_never_looks_at_the_test_set():
    task = make_task("iris", seed=0)
    assert task.train_inputs.min() == 0 and task.train_inputs.max() == 1
    raw = make_task({"name": "iris", "scale": "none"}, seed=0)
    least, most = raw.train_inputs.min(axis=0), raw.train_inputs.max(axis=0)
    np.testing.assert_allclose(task.test_inputs, (raw.test_inputs - least) / (most - least))


def test_two_classes_on_one_output():
    task = make_task({"name": "breast-cancer", "levels": [-0.2, 0.2]}, circuit(30, 1))
    assert task.levels == (-0.2, 0.2)
    np.testing.assert_array_equal(task.train_targets[:, 0], np.where(task.train_labels == 1, 0.2, -0.2))


def test_limit_keeps_the_test_set_and_the_shares():
    task = make_task({"name": "digits", "limit": 100}, seed=1)
    assert len(task.train_inputs) == 100 and len(task.test_inputs) == 540
    assert np.bincount(task.train_labels).min() >= 9


# --- the user's own -----------------------------------------------------------------------------------------


def test_csv_with_names_and_text_classes(tmp_path):
    rows = [f"{k},{k % 3},{'red' if k % 2 else 'blue'}" for k in range(10)]
    (tmp_path / "data.csv").write_text("a,b,colour\n" + "\n".join(rows) + "\n")
    spec = {"path": "data.csv", "test_fraction": 0.2, "scale": "none"}
    task = make_task(spec, circuit(2, 2), folder=tmp_path)
    assert task.classes == ("blue", "red") and task.name == "data.csv"
    assert task.train_inputs.shape == (8, 2) and task.test_inputs.shape == (2, 2)
    np.testing.assert_array_equal(task.train_inputs[:, 0] % 2, task.train_labels)
    with pytest.raises(ExperimentError, match="line 2: column 3 is 'blue', not a number"):
        make_task(spec | {"target": "b"}, folder=tmp_path)


def test_csv_targets_by_name_number_and_by_what_fits(tmp_path):
    x = np.random.default_rng(0).uniform(0, 1, (6, 4))
    lines = [";".join(f"{v!r}" for v in row.tolist()) for row in x]
    (tmp_path / "d.txt").write_text("# made by hand\n\nin1; out1; in2; out2\n" + "\n".join(lines))
    base = {"path": "d.txt", "test_fraction": 0, "scale": "none"}
    task = make_task(base | {"target": "out1, 4"}, folder=tmp_path)
    np.testing.assert_array_equal(task.train_inputs, x[:, [0, 2]])
    np.testing.assert_array_equal(task.train_targets, x[:, [1, 3]])
    fits = make_task(base, circuit(2, 2), folder=tmp_path)
    np.testing.assert_array_equal(fits.train_targets, x[:, 2:])
    scaled = make_task(base | {"levels": [0.1, 0.4]}, circuit(3, 1), folder=tmp_path)
    assert scaled.train_targets.min() == pytest.approx(0.1) and scaled.train_targets.max() == pytest.approx(0.4)


def test_csv_classes_are_numbered_by_size(tmp_path):
    (tmp_path / "d.csv").write_text("\n".join(f"{k} {10 if k % 2 else 9}" for k in range(8)))
    task = make_task({"path": "d.csv", "test_fraction": 0}, folder=tmp_path)
    assert task.classes == ("9", "10")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        ("a,b\n", "no samples"),
        ("1,2\n3\n", "line 2: 1 columns where there were 2"),
        ("1,0.5\nred,0.7\n", "line 2: column 1 is 'red', not a number"),
        ("1,0.5\n,0.7\n", "line 2: column 1 is empty"),
        ("1,0.5\nnan,0.7\n", "not a number"),
        ("1;0,5\n2;0,7\n3,5;0,9\n", "line 1: '0,5' is not a number"),
        ("1\n2\n", "no column is left for the inputs"),
        ('1,"2\n', "can't be read as CSV"),
        ("\0\0\0", "column"),
    ],
)
def test_wrong_csv_gets_its_line_and_a_sentence(tmp_path, text, says):
    (tmp_path / "d.csv").write_text(text)
    with pytest.raises(ExperimentError) as caught:
        make_task({"path": "d.csv", "test_fraction": 0}, folder=tmp_path)
    assert says in str(caught.value)


def test_other_wrong_files(tmp_path):
    with pytest.raises(ExperimentError, match="no such file"):
        make_task({"path": "nowhere.csv"}, folder=tmp_path)
    (tmp_path / "d.csv").write_bytes(bytes(range(256)))
    with pytest.raises(ExperimentError, match="can't be read as text"):
        make_task({"path": "d.csv"}, folder=tmp_path)
    (tmp_path / "d.npz").write_bytes(b"not an archive")
    with pytest.raises(ExperimentError, match="can't be read"):
        make_task({"path": "d.npz"}, folder=tmp_path)
    (tmp_path / "e.csv").write_text("a,b\n1,2\n3,4\n")
    with pytest.raises(ExperimentError) as caught:
        make_task({"path": "e.csv", "target": "bb"}, folder=tmp_path)
    assert "Did you mean 'b'?" in str(caught.value)


def test_npz_with_and_without_a_test_set(tmp_path):
    rng = np.random.default_rng(0)
    x, y = rng.uniform(0, 1, (10, 2, 3)), rng.integers(0, 2, 10)
    np.savez(tmp_path / "one.npz", inputs=x, labels=y)
    task = make_task({"path": "one.npz", "test_fraction": 0.2, "scale": "none"}, folder=tmp_path)
    assert task.train_inputs.shape == (8, 6) and task.classes == ("0", "1")
    np.savez(tmp_path / "two.npz", X_train=x[:6], y_train=y[:6] + 0.5, X_test=x[6:], y_test=y[6:] + 0.5)
    task = make_task({"path": "two.npz", "scale": "none"}, circuit(6, 1), folder=tmp_path)
    np.testing.assert_array_equal(task.test_inputs, x[6:].reshape(4, 6))
    np.testing.assert_array_equal(task.train_targets[:, 0], y[:6] + 0.5)
    np.savez(tmp_path / "three.npz", inputs=x, words=y)
    with pytest.raises(ExperimentError, match=r"no targets among its arrays \(inputs, words\)"):
        make_task({"path": "three.npz"}, folder=tmp_path)
    np.savez(tmp_path / "four.npz", inputs=x, labels=np.array([{}] * 10, dtype=object), allow_pickle=True)
    with pytest.raises(ExperimentError):
        make_task({"path": "four.npz"}, folder=tmp_path)


def idx(array):
    head = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return head + array.astype(np.uint8).tobytes()


def test_folder_of_idx_files(tmp_path):
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (6, 2, 2)), np.array([0, 1, 2, 0, 1, 2])
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(images)))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(labels))
    with pytest.raises(ExperimentError, match="must be text"):
        make_task({"path": 3})
    alone = make_task({"path": ".", "test_fraction": 0, "scale": "none"}, folder=tmp_path)
    assert alone.test_inputs is None
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(idx(images[:3]))
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(idx(labels[:3]))
    task = make_task({"path": ".", "scale": "none"}, circuit(4, 3), folder=tmp_path)
    np.testing.assert_array_equal(task.train_inputs, images.reshape(6, 4))
    np.testing.assert_array_equal(task.test_labels, labels[:3])
    (tmp_path / "train-labels-idx1-ubyte").unlink()
    with pytest.raises(ExperimentError, match="train-labels"):
        make_task({"path": "."}, folder=tmp_path)


@pytest.mark.parametrize("content", [b"", b"\0\0\x08\x01\0\0\0\x05abc", b"hello world", b"\0\0\x99\x01\0\0\0\x00"])
def test_broken_idx_files(tmp_path, content):
    for name, data in (("x", content), ("x.gz", gzip.compress(content)), ("y.gz", content)):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ExperimentError):
            read_idx(tmp_path / name)


# --- what doesn't fit ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("irsi", "Did you mean 'iris'?"),
        ({"name": "xor", "level": [0, 1]}, "Did you mean 'levels'?"),
        ({"name": "xor", "inputs": "low,high"}, "'inputs' must be a list of numbers, not 'low,high'"),
        ({"name": "xor", "inputs": [0, 1, 2]}, "must be two numbers"),
        ({"name": "xor", "bits": 1.5}, "'bits' must be a whole number"),
        ({"name": "xor", "levels": [1, 1]}, "two different voltages"),
        ({"name": "xor", "doubled": "maybe"}, "'doubled' must be true, false, 'pairs' or 'auto'"),
        ({"name": "iris", "scale": "minmx"}, "Did you mean 'minmax'?"),
        ({"name": "iris", "test_fraction": 1.5}, "test_fraction must be"),
        ({"name": "iris", "amplitude": True}, "'amplitude' must be a number"),
        ({"name": "linear-regression", "matrix": "1,2/3"}, "rows of numbers"),
        ({}, "a task needs a name"),
        (7, "a task needs a name"),
    ],
)
def test_wrong_tasks_get_a_sentence(spec, says):
    with pytest.raises(ExperimentError) as caught:
        make_task(spec)
    assert says in str(caught.value)


def test_inputs_that_do_not_fit_say_how_many_and_what_to_do():
    with pytest.raises(ExperimentError, match=r"has 4 inputs a sample, the circuit has 5 \(v1, .* v5\)") as caught:
        make_task("iris", circuit(5, 3))
    assert "a bias is an ordinary V source, not listed" in str(caught.value)
    with pytest.raises(ExperimentError) as caught:
        make_task({"name": "iris", "doubled": False}, circuit(8, 3))
    assert "set doubled = true" in str(caught.value)
    with pytest.raises(ExperimentError) as caught:
        make_task({"name": "iris", "doubled": True}, circuit(4, 3))
    assert "Set doubled = false" in str(caught.value)
    with pytest.raises(ExperimentError) as caught:
        make_task("iris", circuit(2, 3))
    assert "List one source per feature" in str(caught.value)
    assert "doubled" not in str(caught.value)


def test_outputs_that_do_not_fit_say_how_many_and_what_to_do():
    with pytest.raises(ExperimentError, match=r"3 targets a sample, one for each of its 3 classes") as caught:
        make_task("iris", circuit(4, 2))
    assert "the circuit has 2 outputs (v(o1), v(o2))" in str(caught.value)


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ((np.zeros(3), np.zeros((3, 1))), "shape (3,)"),
        ((np.zeros((3, 1)), np.zeros((2, 1))), "3 inputs, 2 targets"),
        ((np.full((3, 1), np.nan), np.zeros((3, 1))), "not finite"),
        ((np.zeros((0, 1)), np.zeros((0, 1))), "0 inputs"),
    ],
)
def test_arrays_that_make_no_task(arrays, says):
    with pytest.raises(ExperimentError) as caught:
        Task("mine", *arrays)
    assert says in str(caught.value)


def test_a_task_of_ones_own_is_checked_and_kept():
    task = Task("mine", np.zeros((3, 2)), np.zeros((3, 1)))
    assert make_task(task, circuit(2, 1)) is task
    check_shapes(task, circuit(2, 1))
    with pytest.raises(ExperimentError):
        make_task(task, circuit(2, 2))


def test_every_name_is_known_by_the_message():
    with pytest.raises(ExperimentError) as caught:
        make_task("no-such-task-at-all")
    assert all(name in str(caught.value) for name in NAMES)
