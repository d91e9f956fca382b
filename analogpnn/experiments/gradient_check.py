"""How right are the updates? Each rule's first update against the exact adjoint gradient, group by group."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from analogpnn.engines import adjoint
from analogpnn.engines.bench import Bench
from analogpnn.errors import AnalogError
from analogpnn.experiments.experiment import Experiment
from analogpnn.experiments.fitting import Fitting, method_of, nudge_name, nudge_of, with_nudge
from analogpnn.learning import rates
from analogpnn.training.meter import Meter

FACTORS = (0.1, 1.0, 10.0)
"""Nudges looked at by default, as multiples of each rule's own."""
SAMPLES = 200
"""Most training samples used."""
DEFAULT = (
    "coupled-learning",
    "centred-coupled-learning",
    "equilibrium-propagation",
    "centred-equilibrium-propagation",
    "holomorphic-equilibrium-propagation",
    "physics-aware-training",
)
"""Rules looked at by default, besides the experiment's own."""


def gradient_check(
    experiment: Experiment,
    rules: Iterable[Any] | None = None,
    factors: Iterable[float] = FACTORS,
    *,
    samples: int | None = None,
    repeats: int = 1,
    progress: Callable[[str], None] | None = None,
) -> list[dict[str, Any]]:
    """Cosine and relative norm of each rule's update against minus the exact gradient, at the initial theta.

    Parameters
    ----------
    experiment : Experiment
        With an imperfect engine the exact gradient is that of the imperfect circuit.
    rules : iterable of str or table, optional
    factors : iterable of float
        Nudges as multiples of each rule's own strength (its `beta`, `eta` or `step`).
    samples : int, optional
        Training samples averaged over; all, up to 200, by default.
    repeats : int
        Updates averaged, for rules that draw random numbers or under noise.
    progress : callable, optional
        Called with a line of text for each rule.

    Returns
    -------
    list of dict
        `rule`, `factor`, `nudge` (None if the rule has none), `group` ('all' or a glob of elements), `elements`,
        `cosine` and `angle` [degrees] (None where either is zero, or the rule fails), `norm` (of the update, relative
        to the gradient's; in coupled learning it has a unit).
    """
    rules = list(rules) if rules is not None else _default(experiment)
    count = len(experiment.task.train_inputs)
    fitting = Fitting(experiment, min(samples or SAMPLES, count))
    exact = -exact_gradient(fitting)
    groups = element_groups(experiment.circuit)
    rows: list[dict[str, Any]] = []
    for spec in rules:
        rule = fitting.rule(spec)
        name = str(spec["name"]) if hasattr(spec, "keys") else str(spec)
        if progress is not None:
            progress(name)
        for factor in factors if nudge_name(rule) else (1.0,):
            strength = nudge_of(rule)
            one = rule if strength is None else with_nudge(rule, strength * factor)
            try:
                found = first_update(fitting, one, repeats)
            except AnalogError as error:  # one rule that can't be had here is no reason to keep quiet of the others
                if progress is not None:
                    progress(f"{name}: {error}")
                found = np.zeros(len(exact))
            for group, places in groups.items():
                rows.append(
                    {"rule": name, "factor": factor, "nudge": None if strength is None else strength * factor}
                    | {"group": group, "elements": len(places)}
                    | alike(found[places], exact[places])
                )
    return rows


def _default(experiment: Experiment) -> list[Any]:
    own = experiment.table["rule"]
    name = own["name"] if hasattr(own, "keys") else own
    return list(dict.fromkeys([name, *DEFAULT]))


def first_update(fitting: Fitting, rule: Any, repeats: int = 1) -> np.ndarray:
    """A rule's update at the initial theta, mean of `repeats`, shape (n_trainable,)."""
    method, circuit = method_of(rule), fitting.circuit
    rate = rates(fitting.experiment.table["train"]["rate"], circuit.trainable, fitting.experiment.folder)(0, 1)
    rng = np.random.default_rng(0)
    total = np.zeros(circuit.n_trainable)
    memory = method.start(circuit, fitting.theta)
    for _ in range(repeats):
        found = method.estimate(
            circuit, Meter(fitting.engine), fitting.theta, fitting.inputs, fitting.targets,
            cost=fitting.cost, rng=rng, rate=rate, memory=memory,
        )  # fmt: skip
        total, memory = total + np.asarray(found.update), found.memory
    return total / repeats


def exact_gradient(fitting: Fitting) -> np.ndarray:
    """d cost / d theta of the circuit that is really there, shape (n_trainable,)."""
    circuit, theta, inputs, engine = fitting.circuit, fitting.theta, fitting.inputs, fitting.engine
    cost, targets = fitting.cost, fitting.targets
    stretch: Any = 1.0
    if isinstance(engine, Bench):
        stretch, inputs = engine.actual(np.ones_like(theta)), engine.driven(circuit, inputs)
        circuit, theta = engine.hardware(circuit), engine.actual(theta)

    def value(outputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return cost.value(outputs, targets), cost.gradient(outputs, targets)

    return stretch * adjoint.gradient(circuit, theta, inputs, value)[1]


def element_groups(circuit: Any) -> dict[str, np.ndarray]:
    """Places of the trainables by what their names begin with ('r1_*', 'vb*'), after all of them ('all').

    In the names R1_3_2 and V12 the layer is what comes before the first underscore, or before the number at the end.
    """
    found: dict[str, list[int]] = {}
    for k, t in enumerate(circuit.trainable):
        layer, underscore, _ = t.element.partition("_")
        stem = f"{layer}_*" if underscore else re.sub(r"\d+$", "*", t.element)
        found.setdefault(stem if t.parameter in ("r", "dc") else f"{stem}.{t.parameter}", []).append(k)
    groups = {"all": np.arange(len(circuit.trainable))}
    if 1 < len(found) <= 12:
        groups |= {name: np.array(places) for name, places in found.items()}
    return groups


def alike(found: np.ndarray, exact: np.ndarray) -> dict[str, float | None]:
    """Cosine, angle [degrees] and relative norm of two updates."""
    size, wanted = float(np.linalg.norm(found)), float(np.linalg.norm(exact))
    if size == 0 or wanted == 0:
        return {"cosine": None, "angle": None, "norm": None if wanted == 0 else 0.0}
    # By the chord, for the cosine of a small angle is 1 to all its digits.
    chord = float(np.linalg.norm(found / size - exact / wanted))
    return {
        "cosine": float(found @ exact / size / wanted),
        "angle": float(np.degrees(2 * np.arcsin(min(1.0, chord / 2)))),
        "norm": size / wanted,
    }


def save_plot(rows: list[dict[str, Any]], path: Path, title: str = "") -> None:
    """Angle to the exact gradient and relative norm over the nudge, one line per rule."""
    from analogpnn.experiments import report

    figure, axes = report.new_figure([1, 1], share=True)
    names = list(dict.fromkeys(row["rule"] for row in rows))
    for k, name in enumerate(names):
        mine = [row for row in rows if row["rule"] == name and row["group"] == "all" and row["cosine"] is not None]
        # rings of different sizes: a rule that does the same as another is seen through it
        ring = {"marker": "o", "markerfacecolor": "none", "markersize": 4 + 1.5 * (len(names) - 1 - k)}
        style = {"color": report.colour(k), "linewidth": 1.4, "label": name, **ring}
        factors = [row["factor"] for row in mine]
        axes[0].plot(factors, [max(row["angle"], 1e-10) for row in mine], **style)
        axes[1].plot(factors, [row["norm"] for row in mine], **style)
    for ax, label in zip(axes, ("angle to the gradient [°]", "norm / gradient's")):
        ax.set_xscale("log")
        ax.set_yscale("log")
        ax.set_ylabel(label)
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(color="0.92", linewidth=0.8)
    axes[1].set_xlabel("nudge / the rule's own")
    axes[0].set_title(title, loc="left", fontsize="medium")
    axes[0].legend(frameon=False, fontsize="x-small", loc="center left", bbox_to_anchor=(1.0, 0.5))
    report.save_figure(figure, path)
