"""Do circuits behave as scikit-learn's own estimators do?"""

import numpy as np
import pytest
from circuits import FOLDER, shipped
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from analogpnn import AnalogClassifier, AnalogRegressor, Circuit, CoupledLearning, CrossEntropy, Netlist
from analogpnn.circuit.generate import layered
from analogpnn.errors import ExperimentError

X, Y = load_iris(return_X_y=True)


def classifier(**more):
    rule = {"name": "centred-equilibrium-propagation", "beta": 1e-8}
    cost = {"name": "cross-entropy", "temperature": 0.05}
    settings = dict(rule=rule, cost=cost, rate=5e-7, optimiser="adam", epochs=15, batch=25) | more
    return AnalogClassifier(FOLDER / "iris.cir", **settings)


def test_iris_is_learnt():
    train_x, test_x, train_y, test_y = train_test_split(X, Y, test_size=0.3, random_state=0, stratify=Y)
    model = classifier().fit(train_x, train_y)
    assert model.score(test_x, test_y) > 0.9
    assert model.predict(test_x).shape == (45,) and model.outputs(test_x).shape == (45, 3)
    assert list(model.classes_) == [0, 1, 2] and model.n_features_in_ == 4
    assert len(model.history_) == 15


def test_labels_may_be_words():
    model = classifier(epochs=5).fit(X, np.array(["setosa", "versicolor", "virginica"])[Y])
    assert set(model.predict(X)) <= {"setosa", "versicolor", "virginica"}
    assert model.score(X, np.array(["setosa", "versicolor", "virginica"])[Y]) > 0.5


def test_the_same_seed_gives_the_same_circuit_and_fitting_again_starts_again():
    model = classifier(epochs=3)
    first = model.fit(X, Y).theta_.copy()
    assert np.array_equal(model.fit(X, Y).theta_, first)
    assert np.array_equal(clone(model).fit(X, Y).theta_, first)
    assert not np.array_equal(classifier(epochs=3, random_state=1).fit(X, Y).theta_, first)


def test_parameters_can_be_read_set_and_cloned():
    model = classifier()
    assert model.get_params()["epochs"] == 15
    assert clone(model).get_params() == model.get_params()
    assert model.set_params(epochs=2).epochs == 2
    with pytest.raises(ValueError, match="etha"):
        model.set_params(etha=1)
    with pytest.raises(NotFittedError):
        clone(model).predict(X)


def test_pipelines_cross_validation_and_searches():
    scores = cross_val_score(make_pipeline(StandardScaler(), classifier(epochs=8)), X, Y, cv=3)
    assert scores.shape == (3,) and scores.mean() > 0.8
    search = GridSearchCV(classifier(epochs=3), {"rate": [1e-12, 5e-7]}, cv=2).fit(X, Y)
    assert search.best_params_ == {"rate": 5e-7}


def test_the_trained_circuit_can_be_taken_away(tmp_path):
    model = classifier(epochs=2).fit(X, Y)
    model.save_netlist(tmp_path / "trained.cir")
    back = Circuit.from_netlist(tmp_path / "trained.cir")
    assert np.array_equal(back.theta, model.theta_)
    again = classifier(epochs=0).set_params(netlist=tmp_path / "trained.cir").fit(X, Y)
    assert np.array_equal(again.predict(X), model.predict(X))


def test_a_regressor_learns_two_linear_functions():
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (60, 2))
    y = x @ np.array([[0.30, 0.15], [0.20, 0.25]])
    model = AnalogRegressor(
        shipped("regression"), rule={"name": "centred-equilibrium-propagation", "beta": 1e-5}, rate=1e-4,
        optimiser="adam", epochs=60, batch=10, target_voltage=0.3,
    ).fit(x, y)  # fmt: skip
    assert model.predict(x).shape == (60, 2)
    assert model.score(x, y) > 0.95 * LinearRegression().fit(x, y).score(x, y)


def test_a_single_target_is_a_vector():
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (30, 1))
    model = AnalogRegressor(FOLDER / "divider.cir", rate=1e-3, epochs=20, rule="coupled-learning", target_voltage=0.3)
    model.fit(x, 7.0 * x[:, 0] + 2.0)
    assert model.predict(x).shape == (30,)
    assert model.score(x, 7.0 * x[:, 0] + 2.0) > 0.9


@pytest.mark.parametrize(
    ("x", "y", "says"),
    [
        (X[:, :3], Y, "3 features can't drive 8 inputs"),
        (X, Y % 2, "2 classes need as many outputs, the circuit has 3"),
    ],
)
def test_data_that_do_not_fit_the_circuit(x, y, says):
    with pytest.raises(ExperimentError, match=says):
        classifier(epochs=1).fit(x, y)


def test_data_that_are_no_data():
    with pytest.raises(ValueError, match="NaN"):
        classifier(epochs=1).fit(np.full_like(X, np.nan), Y)
    with pytest.raises(ValueError, match="features"):
        classifier(epochs=1).fit(X, Y).predict(X[:, :2])


def small(n_features, n_outputs):
    return layered([n_features, n_outputs])


@pytest.mark.parametrize("kind", [AnalogClassifier, AnalogRegressor])
def test_scikit_learns_own_checks(kind):
    results = check_estimator(kind(small, epochs=6), on_skip=None, on_fail=None)
    failed = {r["check_name"]: str(r["exception"]) for r in results if r["status"] == "failed"}
    assert not failed and len(results) > 40


def test_the_defaults_learn_iris():
    train_x, test_x, train_y, test_y = train_test_split(X, Y, test_size=0.3, random_state=0, stratify=Y)
    model = AnalogClassifier(FOLDER / "iris.cir", epochs=15).fit(train_x, train_y)
    assert model.score(test_x, test_y) > 0.9
    shares = model.predict_proba(test_x)
    assert np.allclose(shares.sum(axis=1), 1) and np.array_equal(shares.argmax(axis=1), model.predict(test_x))
    assert np.array_equal(model.decision_function(test_x), model.outputs(test_x))


@pytest.mark.parametrize("outputs", [1, 2])
def test_two_classes_by_one_output_or_two(outputs):
    x, y = X[Y > 0][:, 2:], np.array(["versicolor", "virginica"])[Y[Y > 0] - 1]
    model = AnalogClassifier(layered([2, 4, outputs]), epochs=15).fit(x, y)
    assert model.score(x, y) > 0.9 and hasattr(model, "predict_proba") == (outputs == 2)
    above = model.decision_function(x)
    assert above.shape == (100,) and np.array_equal(above > 0, model.predict(x) == "virginica")


def test_targets_come_back_in_their_own_units():
    """Outputs that can't be negative, a range of volts of its own, targets far from volts."""
    text = "mean\n*@ input V1 V2\n*@ output v(o)\n*@ train R* min=1u max=1m\nV1 a 0 0\nV2 b 0 0\n"
    netlist = Netlist.from_text(text + "R1 a o 10k\nR2 b o 10k\nR3 o 0 10k\nR4 o c 10k\nVc c 0 1\n")
    x = np.random.default_rng(0).uniform(-1, 1, (60, 2))
    y = 1000 + 50 * (0.7 * x[:, 0] + 0.3 * x[:, 1])
    model = AnalogRegressor(netlist, target_voltage=(0.1, 0.5), epochs=120).fit(x, y)
    assert model.score(x, y) > 0.99
    volts = 0.1 + 0.4 * (model.predict(x) - y.min()) / np.ptp(y)
    assert np.allclose(volts, model.outputs(x)[:, 0])


def test_the_rules_own_cost_and_the_estimators():
    rule = CoupledLearning(eta=1e-4, cost=CrossEntropy(0.08))
    assert AnalogClassifier(shipped("iris"), rule=rule, epochs=0).fit(X, Y).cost_ == CrossEntropy(0.08)
    assert AnalogClassifier(shipped("iris"), epochs=0).fit(X, Y).cost_ == CrossEntropy(0.05)
    squared = AnalogClassifier(shipped("iris"), cost="squared-error", epochs=0).fit(X, Y)
    assert not hasattr(squared, "predict_proba")


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"netlist": None}, "an estimator needs a netlist"),
        ({"target_voltage": -0.1}, "target_voltage must be"),
        ({"target_voltage": (0.3, 0.1)}, "target_voltage must be"),
        ({"optimiser": "sgd", "rate": None}, "no usual rate for the optimiser 'sgd'"),
    ],
)
def test_what_an_estimator_cannot_use(wrong, says):
    with pytest.raises(ExperimentError, match=says):
        classifier(epochs=1).set_params(**wrong).fit(X, Y)


def test_a_random_state_may_be_anything_scikit_learn_takes():
    state = np.random.RandomState(3)
    thetas = [classifier(epochs=1, random_state=s).fit(X, Y).theta_ for s in (state, state, None)]
    assert not np.array_equal(thetas[0], thetas[1])
