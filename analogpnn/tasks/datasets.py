"""Samples as they come, with their split, and scikit-learn's small data sets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from analogpnn.errors import ExperimentError


@dataclass(frozen=True, eq=False)
class Samples:
    """Samples as they come, before they are made voltages for a circuit.

    Parameters
    ----------
    features : ndarray, shape (n, n_features)
    targets : ndarray, shape (n, n_targets), optional
        Of a regression.
    labels : ndarray of int, shape (n,), optional
        Of a classification.
    classes : tuple of str
        Names of the classes.
    test : Samples, optional
        The test set, if it is settled already.
    same : bool
        The test set is the training set: all there is to know is in it.
    levels : tuple of float
        Voltage of a single output for each class [V], once they are voltages.
    """

    features: np.ndarray
    targets: np.ndarray | None = None
    labels: np.ndarray | None = None
    classes: tuple[str, ...] = ()
    test: Samples | None = None
    same: bool = False
    levels: tuple[float, ...] = ()

    def take(self, chosen: np.ndarray) -> Samples:
        """Some of them."""
        targets = None if self.targets is None else self.targets[chosen]
        labels = None if self.labels is None else self.labels[chosen]
        return replace(self, features=self.features[chosen], targets=targets, labels=labels)


def split(samples: Samples, test_fraction: float, seed: int) -> Samples:
    """Set a test set apart, each class with its share."""
    if samples.test is not None or samples.same or test_fraction == 0:
        return samples
    if not 0 < test_fraction < 1:
        raise ExperimentError(f"test_fraction must be at least 0 and below 1, not {test_fraction!r}")
    from sklearn.model_selection import train_test_split  # imported on use: it takes a second

    try:
        train, test = train_test_split(
            np.arange(len(samples.features)),
            test_size=test_fraction,
            random_state=int(seed) % 2**32,
            stratify=samples.labels,
        )
    except ValueError as error:  # its sentences are good ones: too few members of a class, an empty part
        raise ExperimentError(f"the samples can't be split: {error}", cure="Try test_fraction = 0.") from error
    return replace(samples.take(train), test=samples.take(test))


def bundled(name: str) -> Callable[..., Samples]:
    """The builder of one of scikit-learn's own data sets (nothing is downloaded)."""

    def build(circuit: Any, seed: int) -> Samples:
        from sklearn import datasets

        data = getattr(datasets, f"load_{name}")()
        classes = tuple(str(c) for c in data.target_names)
        return Samples(np.asarray(data.data, dtype=float), labels=np.asarray(data.target), classes=classes)

    return build


def mnist(circuit: Any, seed: int) -> Samples:
    """MNIST as OpenML has it, fetched once and kept by scikit-learn: 60 000 images to train, 10 000 to test."""
    from sklearn.datasets import fetch_openml

    try:
        data = fetch_openml("mnist_784", version=1, as_frame=False, parser="liac-arff", n_retries=1)
    except (OSError, ValueError) as error:  # no network, no such page, a broken file
        raise ExperimentError(
            f"MNIST can't be fetched from OpenML ({error})",
            cure="Name a folder that holds its IDX files (train-images-idx3-ubyte.gz, ...): --set task.path=FOLDER",
        ) from error
    labels = np.asarray(data.target).astype(int)
    both = Samples(np.asarray(data.data, dtype=float), labels=labels, classes=tuple("0123456789"))
    return replace(both.take(np.arange(60000)), test=both.take(np.arange(60000, len(labels))))


DATASETS = {
    "iris": bundled("iris"),
    "wine": bundled("wine"),
    "breast-cancer": bundled("breast_cancer"),
    "digits": bundled("digits"),
    "mnist": mnist,
}
"""Data sets by the name they have in experiment files and directives."""
