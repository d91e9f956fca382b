"""Circuits as scikit-learn estimators: `fit`, `predict`, `score`, in pipelines and searches."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from analogpnn.circuit.circuit import Circuit
from analogpnn.engines.newton import Newton
from analogpnn.errors import ExperimentError
from analogpnn.tasks.task import Task
from analogpnn.training.train import train


class _Analog(BaseEstimator):
    """What classifier and regressor share; see their docstrings."""

    def __init__(
        self,
        netlist: Any = None,
        rule: Any = "centred-equilibrium-propagation",
        rate: Any = 1e-8,
        epochs: int = 40,
        batch: int | None = 32,
        optimiser: Any = "sgd",
        cost: Any = None,
        engine: Any = None,
        amplitude: float = 1.0,
        target_voltage: float = 0.1,
        random_state: int = 0,
    ):
        self.netlist, self.rule, self.rate, self.epochs, self.batch = netlist, rule, rate, epochs, batch
        self.optimiser, self.cost, self.engine = optimiser, cost, engine
        self.amplitude, self.target_voltage, self.random_state = amplitude, target_voltage, random_state

    def _volts(self, X: np.ndarray, circuit: Circuit) -> np.ndarray:
        """Features to volts: each scaled to +-amplitude over the training set, negatives appended if wanted."""
        x = self.amplitude * (2 * (X - self._low) / self._span - 1)
        if circuit.n_inputs == 2 * x.shape[1]:
            x = np.concatenate([x, -x], axis=1)
        if circuit.n_inputs != x.shape[1]:
            raise ExperimentError(
                f"{X.shape[1]} features can't drive {circuit.n_inputs} inputs",
                cure="a circuit needs one input for each feature, or two (the feature and its negative)",
            )
        return x

    def _fit(self, X: np.ndarray, targets: np.ndarray, labels: np.ndarray | None, classes) -> None:
        circuit = self.netlist if isinstance(self.netlist, Circuit) else Circuit.from_netlist(self.netlist)
        if targets.shape[1] != circuit.n_outputs:
            raise ExperimentError(
                f"{targets.shape[1]} targets need as many outputs, the circuit has {circuit.n_outputs}"
            )
        self._low = X.min(axis=0)
        self._span = np.where(np.ptp(X, axis=0) > 0, np.ptp(X, axis=0), 1.0)
        task = Task("fit", self._volts(X, circuit), targets, train_labels=labels, classes=classes)
        engine = self.engine or Newton()
        self.history_ = list(
            train(
                circuit, task, engine=engine, rule=self.rule, rate=self.rate, epochs=self.epochs, batch=self.batch,
                seed=self.random_state, optimiser=self.optimiser, cost=self.cost,
            )
        )  # fmt: skip
        self.theta_ = self.history_[-1].theta if self.history_ else circuit.theta
        self.circuit_ = circuit.with_theta(self.theta_)

    def outputs(self, X) -> np.ndarray:
        """Output voltages (n_samples, n_outputs) [V]."""
        check_is_fitted(self, "circuit_")
        X = validate_data(self, X, reset=False, dtype=float)
        engine = self.engine or Newton()
        return engine.equilibrium(self.circuit_, self.theta_, self._volts(X, self.circuit_)).outputs

    def save_netlist(self, path) -> None:
        """Write the trained circuit: the same netlist with other numbers."""
        check_is_fitted(self, "circuit_")
        trained = self.circuit_.netlist.with_values(self.circuit_.card_values(self.theta_))
        with open(path, "w", encoding="utf-8", newline="") as file:
            file.write(trained.text)


class AnalogClassifier(ClassifierMixin, _Analog):
    """A trainable netlist as a classifier: one output per class, the highest voltage wins.

    Parameters
    ----------
    netlist : path, Netlist or Circuit
        With `*@ input`, `*@ output`, `*@ train` directives; one output per class, one or two inputs per feature.
    rule, rate, epochs, batch, optimiser, cost, engine
        As for `analogpnn.train`.
    amplitude : float
        Features are scaled to +-amplitude [V] over the training set.
    target_voltage : float
        The class's own output is to reach +target_voltage, the others -target_voltage [V].
    random_state : int
        Seed of the order of samples.

    Attributes
    ----------
    circuit_ : Circuit
        The trained circuit.
    theta_ : ndarray
    history_ : list of Epoch
    classes_ : ndarray
    """

    def fit(self, X, y) -> AnalogClassifier:
        """Train on features X (n_samples, n_features) and labels y (n_samples,)."""
        X, y = validate_data(self, X, y, dtype=float)
        self.classes_, labels = np.unique(y, return_inverse=True)
        targets = self.target_voltage * (2.0 * np.eye(len(self.classes_))[labels] - 1.0)
        self._fit(X, targets, labels, tuple(str(c) for c in self.classes_))
        return self

    def predict(self, X) -> np.ndarray:
        """The class of the highest output."""
        highest = np.argmax(self.outputs(X), axis=1)  # first: it says so if there was no fit
        return self.classes_[highest]


class AnalogRegressor(RegressorMixin, _Analog):
    """A trainable netlist as a regressor: targets, in volts, are what the outputs are to show.

    Parameters and attributes as for `AnalogClassifier`; `target_voltage` scales targets to +-target_voltage over
    the training set.
    """

    def fit(self, X, y) -> AnalogRegressor:
        """Train on features X (n_samples, n_features) and targets y (n_samples,) or (n_samples, n_outputs)."""
        X, y = validate_data(self, X, y, dtype=float, multi_output=True, y_numeric=True)
        self._single = y.ndim == 1
        y = y.reshape(len(y), -1)
        self._y_low = y.min(axis=0)
        self._y_span = np.where(np.ptp(y, axis=0) > 0, np.ptp(y, axis=0), 1.0)
        self._fit(X, self.target_voltage * (2 * (y - self._y_low) / self._y_span - 1), None, None)
        return self

    def predict(self, X) -> np.ndarray:
        """Outputs scaled back to the targets' units."""
        outputs = self.outputs(X)
        y = (outputs / self.target_voltage + 1) / 2 * self._y_span + self._y_low
        return y[:, 0] if self._single else y
