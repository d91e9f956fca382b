"""Rules side by side: nudges of the same effect, rates of the same effect.

A nudge is a conductance for one rule and a share of an error for another; an update is in V^2/S here and in W/S there.
What can be compared is what they do: how far the outputs are pushed, how far theta goes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from analogpnn.circuit.boundary import Clamp, Inject
from analogpnn.errors import ExperimentError
from analogpnn.experiments.experiment import Experiment
from analogpnn.gradients import RULES, make_rule
from analogpnn.gradients.method import perturbation_scale
from analogpnn.learning import rates
from analogpnn.learning.registry import suggestion
from analogpnn.seeds import stream
from analogpnn.training.meter import Meter
from analogpnn.training.phases import Phases

NUDGES = ("beta", "eta", "step")
"""What the strength of a rule's nudge or a method's perturbation is called."""
SHARE = 0.1
"""How far outputs are pushed, as a share of their error, where the experiment's own rule doesn't say."""
STRONG = 10.0
"""How much farther over-clamping goes than the others."""
DRAWS = 5
"""Updates averaged to know the size of one."""


def nudge_name(rule: Any) -> str | None:
    """The name of a rule's nudge: 'beta', 'eta', 'step', or None (as for a class that is no dataclass)."""
    inner = getattr(rule, "rule", rule)
    fields = {f.name for f in dataclasses.fields(inner)} if dataclasses.is_dataclass(inner) else set()
    return next((name for name in NUDGES if name in fields), None)


def nudge_of(rule: Any) -> float | None:
    """Its strength."""
    name = nudge_name(rule)
    return None if name is None else float(getattr(getattr(rule, "rule", rule), name))


def with_nudge(rule: Any, strength: float) -> Any:
    """The same rule with another strength."""
    name = nudge_name(rule)
    if name is None:
        return rule
    if hasattr(rule, "rule"):
        return dataclasses.replace(rule, rule=dataclasses.replace(rule.rule, **{name: strength}))
    return dataclasses.replace(rule, **{name: strength})


def method_of(rule: Any) -> Any:
    """The rule as a method of training."""
    return rule if hasattr(rule, "estimate") else Phases(rule)


class Fitting:
    """Finds nudges and rates for other rules in an experiment, from what its own rule does in its first batch.

    Parameters
    ----------
    experiment : Experiment
    samples : int, optional
        How many training samples are looked at; the experiment's batch by default.
    """

    def __init__(self, experiment: Experiment, samples: int | None = None):
        self.experiment, self.circuit, self.cost = experiment, experiment.circuit, experiment.cost
        self.engine, self.theta = experiment.engine, self.circuit.clip(np.array(self.circuit.theta, dtype=float))
        task = experiment.task
        count = samples or experiment.table["train"]["batch"] or len(task.train_inputs)
        order = stream(experiment.table["seed"], "shuffle").permutation(len(task.train_inputs))[:count]
        self.inputs, self.targets = task.train_inputs[order], task.train_targets[order]
        self.free = self.engine.equilibrium(self.circuit, self.theta, self.inputs)
        self.slope = self.cost.gradient(self.free.outputs, self.targets)
        self._response: float | None = None

    def rule(self, spec: Any) -> Any:
        """A rule by name or table, with the experiment's cost and a nudge that does what the experiment's own does.

        Options given in a table stay as they are.
        """
        if isinstance(spec, str) and ":" not in spec and spec not in RULES:
            raise ExperimentError(f"no rule is called '{spec}'", cure=suggestion(spec, RULES))
        own = self.experiment.rule
        if _name(spec) == _name(self.experiment.table["rule"]) and isinstance(spec, str):
            return own
        rule = make_rule(spec, self.experiment.folder)
        if dataclasses.is_dataclass(rule) and hasattr(rule, "cost"):
            rule = dataclasses.replace(rule, cost=self.cost)  # type: ignore[type-var]
        name = nudge_name(rule)
        if name is None or name == "step" or (isinstance(spec, Mapping) and name in spec):
            return rule
        return with_nudge(rule, self._strength(rule, name, own))

    def _strength(self, rule: Any, name: str, own: Any) -> float:
        strong = STRONG if type(rule).__name__ == "OverclampedCoupledLearning" else 1.0
        if nudge_name(own) == name and hasattr(own, "boundaries"):
            return strong * abs(float(nudge_of(own)))  # type: ignore[arg-type]
        size = _rms(self.slope)
        if size == 0:
            return float(nudge_of(rule))  # type: ignore[arg-type]
        wanted = strong * self.push
        return float(f"{wanted / size / (self.response if name == 'beta' else 1.0):.3g}")

    @property
    def push(self) -> float:
        """How far the experiment's own rule moves the outputs, root mean square [V]."""
        own = self.experiment.rule
        if hasattr(own, "boundaries"):
            for boundary in own.boundaries(self.free.outputs, self.targets):
                if isinstance(boundary, Clamp):
                    return _rms(boundary.voltages - self.free.outputs)
                if isinstance(boundary, Inject):
                    return self.response * _rms(np.abs(boundary.currents))
        return SHARE * _rms(self.free.outputs - self.targets)

    @property
    def response(self) -> float:
        """How far the outputs move for a small current along the gradient [V per A]."""
        if self._response is None:
            from analogpnn.engines.newton import Newton

            # On the model: a bench's noise would drown a small current.
            model = Newton()
            free = model.equilibrium(self.circuit, self.theta, self.inputs)
            current = 1e-9
            for _ in range(3):
                push = -current * self.slope / _rms(self.slope)
                moved = model.equilibrium(self.circuit, self.theta, self.inputs, Inject(push), start=free)
                self._response = _rms(moved.outputs - free.outputs) / current
                current = 1e-4 / max(self._response, 1e-12)
        return self._response  # type: ignore[return-value]

    def size(self, rule: Any) -> float:
        """Root mean square of ``rate * update`` in the first batch, at the experiment's own rate."""
        method, settings = method_of(rule), self.experiment
        rate = rates(settings.table["train"]["rate"], self.circuit.trainable, settings.folder)(0, 1)
        rng = np.random.default_rng(0)
        sizes = []
        for _ in range(DRAWS):
            found = method.estimate(
                self.circuit, Meter(self.engine), self.theta, self.inputs, self.targets,
                cost=self.cost, rng=rng, rate=rate, memory=method.start(self.circuit, self.theta),
            )  # fmt: skip
            sizes.append(_rms((1.0 if found.direct else rate) * np.asarray(found.update)))
            if not hasattr(rule, "estimate") and not hasattr(rule, "drawn"):
                break
        return _rms(np.array(sizes))

    def rate(self, rule: Any) -> Any:
        """The rate that makes a rule's first step as long as that of the experiment's own rule.

        Under Adam the steps are as long as the rate whatever the rule. A method that makes its own steps gets a tenth
        of the trainables' scale for them.
        """
        spec = self.experiment.table["train"]["rate"]
        if type(rule).__name__ == "CMAES":
            return _table(self.circuit, 0.1 * perturbation_scale(self.circuit, self.theta))
        own = self.experiment.rule
        if rule is own or type(self.experiment.optimiser).__name__ == "Adam":
            return spec
        mine, other = self.size(own), self.size(rule)
        return spec if mine == 0 or other == 0 else scaled(spec, float(f"{mine / other:.3g}"))


def scaled(spec: Any, factor: float) -> Any:
    """A rate of an experiment file times a factor: a number, a schedule, or a table of them by globs."""
    if isinstance(spec, Mapping):
        if "schedule" in spec or "name" in spec:
            return {k: v * factor if k in ("rate", "final") else v for k, v in spec.items()}
        return {glob: scaled(value, factor) for glob, value in spec.items()}
    return float(spec) * factor


def _table(circuit: Any, rate: np.ndarray) -> Any:
    if np.all(rate == rate[0]):
        return float(rate[0])
    return {t.name: float(r) for t, r in zip(circuit.trainable, rate)}


def _rms(values: Any) -> float:
    return float(np.sqrt(np.mean(np.square(np.asarray(values, dtype=float)))))


def _name(spec: Any) -> Any:
    return spec.get("name") if isinstance(spec, Mapping) else spec
