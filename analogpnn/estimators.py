"""Circuits as scikit-learn estimators: `fit`, `predict`, `score`, in pipelines and searches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from analogpnn.circuit.circuit import Circuit
from analogpnn.errors import ExperimentError
from analogpnn.gradients import make_rule
from analogpnn.gradients.method import perturbation_scale
from analogpnn.learning import CentredCoupledLearning, CrossEntropy, SquaredError, make_cost
from analogpnn.tasks.task import Task, read_out
from analogpnn.training.engines import make_engine
from analogpnn.training.train import train

STEP = 0.1
"""Adam's first steps, as a share of the trainables' scale, where no rate is given."""
CLAMP = 0.1
"""How far clamps move outputs, as a share of their error, where no rule is given."""


class _Analog(BaseEstimator):
    """What classifier and regressor share; see their docstrings."""

    def __init__(
        self,
        netlist: Any = None,
        rule: Any = None,
        rate: Any = None,
        epochs: int = 40,
        batch: int | None = 32,
        optimiser: Any = "adam",
        cost: Any = None,
        engine: Any = None,
        amplitude: float = 1.0,
        target_voltage: Any = 0.1,
        random_state: Any = 0,
    ):
        self.netlist, self.rule, self.rate, self.epochs, self.batch = netlist, rule, rate, epochs, batch
        self.optimiser, self.cost, self.engine = optimiser, cost, engine
        self.amplitude, self.target_voltage, self.random_state = amplitude, target_voltage, random_state

    def _circuit(self, n_features: int, n_outputs: int) -> Circuit:
        if self.netlist is None:
            cure = "AnalogClassifier('iris.cir'): a file, a Netlist, a Circuit, or a function that makes one."
            raise ExperimentError("an estimator needs a netlist", cure=cure)
        made = self.netlist(n_features, n_outputs) if callable(self.netlist) else self.netlist
        return made if isinstance(made, Circuit) else Circuit.from_netlist(made)

    @property
    def _levels(self) -> tuple[float, float]:
        """Lowest and highest target [V]."""
        given = self.target_voltage
        low, high = given if isinstance(given, Sequence | np.ndarray) and len(given) == 2 else (-given, given)
        if not low < high:
            raise ExperimentError(
                f"target_voltage must be a positive number or a pair (low, high), not {given!r}",
                cure="0.1 stands for -0.1 V and 0.1 V; (0, 0.3) for outputs that can't be negative.",
            )
        return float(low), float(high)

    def _volts(self, X: np.ndarray, circuit: Circuit) -> np.ndarray:
        """Features to volts: each scaled to +-amplitude over the training set, negatives appended if wanted."""
        x = self.amplitude * (X - self._middle) / self._half
        if circuit.n_inputs == 2 * x.shape[1]:
            x = np.concatenate([x, -x], axis=1)
        if circuit.n_inputs != x.shape[1]:
            raise ExperimentError(
                f"{X.shape[1]} features can't drive {circuit.n_inputs} inputs",
                cure="a circuit needs one input for each feature, or two (the feature and its negative)",
            )
        return x

    def _scale(self, X: np.ndarray) -> None:
        """What `_volts` takes off and divides by; a feature that never changes becomes 0 V."""
        low, high = X.min(axis=0), X.max(axis=0)
        self._middle = low / 2 + high / 2  # halved first: the sum might overflow
        self._half = np.where(high > low, high / 2 - low / 2, 1.0)

    def _train(self, circuit: Circuit, task: Task, usual: Any) -> None:
        rule = None if self.rule is None else make_rule(self.rule)
        own = getattr(rule, "cost", None)  # of a rule that was given another cost than every rule has
        cost = make_cost(self.cost or (usual if own is None or own == SquaredError() else own))
        if rule is None:  # by the share of the error where the cost is one, of its largest gradient elsewhere
            share = CLAMP * cost.temperature**2 if isinstance(cost, CrossEntropy) else CLAMP
            rule = CentredCoupledLearning(eta=share, cost=cost)
        rate = self.rate
        if rate is None:
            if self.optimiser != "adam":
                cure = "Give one, or leave the optimiser at 'adam', whose steps are as long as the rate."
                raise ExperimentError(f"there is no usual rate for the optimiser {self.optimiser!r}", cure=cure)
            rate = STEP * perturbation_scale(circuit, circuit.theta)
        seed = self.random_state
        if isinstance(seed, bool) or not isinstance(seed, int | np.integer):
            seed = check_random_state(seed).randint(2**31)
        self.history_ = list(
            train(
                circuit, task, engine=self.engine, rule=rule, rate=rate, epochs=self.epochs, batch=self.batch,
                seed=seed, optimiser=self.optimiser, cost=cost,
            )
        )  # fmt: skip
        self.theta_ = self.history_[-1].theta if self.history_ else circuit.theta
        self.circuit_ = circuit.with_theta(self.theta_)
        self.cost_ = cost

    def outputs(self, X) -> np.ndarray:
        """Output voltages (n_samples, n_outputs) [V]."""
        check_is_fitted(self, "circuit_")
        X = validate_data(self, X, reset=False, dtype=float)
        engine = make_engine("fast" if self.engine is None else self.engine)
        return engine.equilibrium(self.circuit_, self.theta_, self._volts(X, self.circuit_)).outputs

    def save_netlist(self, path) -> None:
        """Write the trained circuit: the same netlist with other numbers."""
        check_is_fitted(self, "circuit_")
        self.circuit_.netlist.with_values(self.circuit_.card_values(self.theta_)).to_file(path)


def _has_probabilities(model: Any) -> bool:
    cost = getattr(model, "cost_", CrossEntropy() if model.cost is None else model.cost)
    return isinstance(make_cost(cost), CrossEntropy)


class AnalogClassifier(ClassifierMixin, _Analog):
    """A trainable netlist as a classifier: one output per class, the highest voltage wins.

    With two classes a single output will do: low for the first, high for the second.

    Parameters
    ----------
    netlist : path, Netlist, Circuit or callable
        With `*@ input`, `*@ output`, `*@ train` directives; one output per class, one or two inputs per feature.
        A callable is asked for one of these by ``netlist(n_features, n_classes)``.
    rule : Rule, str or table, optional
        As for `analogpnn.train`; centred coupled learning by default, with clamps that move the outputs by about a
        tenth of their error.
    rate : number, table, schedule or ndarray, optional
        As for `analogpnn.train`. By default Adam's steps are a tenth of the root mean square conductance (of other
        trainables: of their range).
    epochs, batch, optimiser, engine
        As for `analogpnn.train`.
    cost : Cost, str or table, optional
        By default the cross-entropy at half of `target_voltage`; the squared error for a single output.
    amplitude : float
        Features are scaled to +-amplitude [V] over the training set.
    target_voltage : float or (float, float)
        The class's own output is to reach +target_voltage, the others -target_voltage [V]; of a pair, the second
        and the first. Of no effect on the cross-entropy but for the default temperature.
    random_state : int, RandomState or None
        Seed of the order of samples.

    Attributes
    ----------
    circuit_ : Circuit
        The trained circuit.
    theta_ : ndarray
    history_ : list of Epoch
    classes_ : ndarray
    cost_ : Cost
    """

    def fit(self, X, y) -> AnalogClassifier:
        """Train on features X (n_samples, n_features) and labels y (n_samples,)."""
        X, y = validate_data(self, X, y, dtype=float)
        check_classification_targets(y)
        self.classes_, labels = np.unique(y, return_inverse=True)
        number, (low, high) = len(self.classes_), self._levels
        if number < 2:
            raise ValueError("AnalogClassifier needs samples of at least two classes; the training set has one class.")
        circuit = self._circuit(X.shape[1], number)
        single = number == 2 and circuit.n_outputs == 1
        if not single and circuit.n_outputs != number:
            raise ExperimentError(
                f"{number} classes need as many outputs, the circuit has {circuit.n_outputs}",
                cure="One output per class, '*@ output v(a) v(b) ...'; for two classes a single one will do.",
            )
        which = np.array([1]) if single else np.arange(number)
        targets = np.where(labels[:, None] == which, high, low)
        self._scale(X)
        self._task = Task(
            "fit", self._volts(X, circuit), targets, train_labels=labels, classes=tuple(map(str, self.classes_)),
            levels=(low, high) if single else (),
        )  # fmt: skip
        self._train(circuit, self._task, SquaredError() if single else CrossEntropy((high - low) / 4))
        return self

    def predict(self, X) -> np.ndarray:
        """The class of the highest output; of a single output, the class of the nearest level."""
        outputs = self.outputs(X)  # first: it says so if there was no fit
        return self.classes_[read_out(self._task, outputs)]

    def decision_function(self, X) -> np.ndarray:
        """Output voltages (n_samples, n_classes) [V]; for two classes how far the second is above (n_samples,)."""
        outputs = self.outputs(X)
        if len(self.classes_) > 2:
            return outputs
        return outputs[:, 0] - sum(self._levels) / 2 if outputs.shape[1] == 1 else outputs[:, 1] - outputs[:, 0]

    @available_if(_has_probabilities)
    def predict_proba(self, X) -> np.ndarray:
        """Softmax of the output voltages at the temperature of the cross-entropy, (n_samples, n_classes)."""
        z = self.outputs(X) / self.cost_.temperature  # type: ignore[attr-defined]
        e = np.exp(z - z.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)


class AnalogRegressor(RegressorMixin, _Analog):
    """A trainable netlist as a regressor: targets, scaled to volts, are what the outputs are to show.

    Parameters and attributes as for `AnalogClassifier`, but that the cost is the squared error by default, and that
    `target_voltage` is what targets are scaled to over the training set: to +-target_voltage, or to the first ...
    the second of a pair. Choose what the outputs can reach; nodes read against ground seldom are negative.
    """

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def fit(self, X, y) -> AnalogRegressor:
        """Train on features X (n_samples, n_features) and targets y (n_samples,) or (n_samples, n_outputs)."""
        X, y = validate_data(self, X, y, dtype=float, multi_output=True, y_numeric=True)
        self._single = y.ndim == 1
        y = y.astype(float).reshape(len(y), -1)
        circuit, (low, high) = self._circuit(X.shape[1], y.shape[1]), self._levels
        if circuit.n_outputs != y.shape[1]:
            raise ExperimentError(
                f"{y.shape[1]} targets need as many outputs, the circuit has {circuit.n_outputs}",
                cure="One output per target: *@ output v(a) v(b) ...",
            )
        self._y_low = y.min(axis=0)
        self._y_span = np.where(np.ptp(y, axis=0) > 0, np.ptp(y, axis=0), 1.0)
        self._scale(X)
        task = Task("fit", self._volts(X, circuit), low + (high - low) * (y - self._y_low) / self._y_span)
        self._train(circuit, task, SquaredError())
        self._range = low, high
        return self

    def predict(self, X) -> np.ndarray:
        """Outputs scaled back to the targets' units."""
        outputs, (low, high) = self.outputs(X), self._range
        y = (outputs - low) / (high - low) * self._y_span + self._y_low
        return y[:, 0] if self._single else y
