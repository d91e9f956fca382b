"""A local rule as a training method: free phase, the rule's own phases, the mean of what the elements make of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from analogpnn.circuit import local
from analogpnn.circuit.boundary import Boundary
from analogpnn.engines.bench import Bench
from analogpnn.errors import ExperimentError
from analogpnn.gradients.method import Estimate, Memory
from analogpnn.learning.rule import Rule


@dataclass(frozen=True, eq=False)
class Phases:
    """Let the circuit settle freely, impose what the rule says, hand it what each element measured of itself.

    Parameters
    ----------
    rule : Rule
        If it has ``drawn(rng, n_trainable)``, it is drawn anew for every update; if it has ``drifts(theta, update)``,
        its phases are settled again, `relaxations` times, where theta has drifted to.
    """

    rule: Rule

    def start(self, circuit: Any, theta: np.ndarray) -> Memory:
        """No memory: a rule evolves nothing but theta."""
        return {}

    def estimate(self, circuit, engine, theta, inputs, targets, *, cost, rng, rate, memory) -> Estimate:
        """Mean update over the batch. `cost` is the rule's own already."""
        rule: Any = self.rule
        if hasattr(rule, "drawn"):
            rule = rule.drawn(rng, len(theta))
        free = engine.equilibrium(circuit, theta, inputs)
        before = engine.outputs
        boundaries = rule.boundaries(free.outputs, targets)
        if isinstance(boundaries, Boundary):
            cure = f"A tuple, one for each phase: return ({type(boundaries).__name__}(...),)"
            raise ExperimentError(f"{type(rule).__name__}.boundaries returned a single boundary", cure=cure)

        def update(at: np.ndarray) -> np.ndarray:
            others = [engine.equilibrium(circuit, at, inputs, boundary, free) for boundary in boundaries]
            change = rule.update(local.measure(free), *map(local.measure, others))
            wanted = (len(inputs), len(theta))
            if np.shape(change) != wanted:
                what = f"{type(rule).__name__}.update returned shape {np.shape(change)}, not {wanted}"
                raise ExperimentError(what, cure="One number for each sample and trainable; training averages.")
            return change.mean(axis=0)

        mean, settled = update(theta), 1
        if getattr(rule, "epsilon", 0.0) and hasattr(rule, "drifts"):
            for _ in range(int(rule.relaxations)):
                mean, settled = update(circuit.clip(rule.drifts(theta, mean))), settled + 1
        bias = self._bias(engine.engine, len(theta))
        mean = mean if bias is None else mean + bias
        phases, others = 1 + settled * len(boundaries), engine.outputs - before
        # The outputs are read in the free phase only, every element in every phase.
        return Estimate(mean, free.outputs, measurements=len(inputs) * phases * len(theta) - others)

    def _bias(self, engine: Any, count: int) -> np.ndarray | None:
        """What a bench's comparisons are off by: the contrast is biased, then divided by the nudge."""
        if not isinstance(engine, Bench) or not engine.update_bias:
            return None
        inner = getattr(self.rule, "rule", self.rule)
        nudge = getattr(inner, "amplitude", 0.0) or getattr(inner, "eta", 0.0) or getattr(inner, "beta", 1.0)
        return engine.bias(count) / nudge
