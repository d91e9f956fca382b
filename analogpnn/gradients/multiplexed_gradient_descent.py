"""Multiplexed gradient descent: perturb, correlate, integrate, each with a time constant of its own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from analogpnn.errors import ExperimentError
from analogpnn.gradients.method import Estimate, Memory, perturbation_scale
from analogpnn.learning.checks import positive
from analogpnn.learning.costs import Cost, SquaredError

CODES = ("random", "sequential")


@dataclass(frozen=True)
class MultiplexedGradientDescent:
    r"""Every element carries a small code; what the cost has in common with it is its gradient.

    .. math:: G_i = \frac{1}{\tau_\theta} \sum_t \frac{\tilde C(t)\, \tilde\theta_i(t)}{\Delta_i^2}, \qquad
              \Delta\theta_i = -G_i \text{ every } \tau_\theta \text{ steps}

    with ``C~ = C(theta + theta~) - C(theta)``. A new perturbation comes every `tau_p` steps, a new sample every
    `tau_x`, a new theta every `tau_theta`. It contains the others: ``sequential`` codes with ``tau_theta = P`` are
    forward differences; random ones with ``tau_theta = tau_p`` weight perturbation by signs; in between, an average.

    Order: 1 in the perturbation. Needs from the hardware: one evaluation per step and one per sample for the baseline;
    at each element a code, a multiplier and an integrator; the cost broadcast to all. No model.

    Parameters
    ----------
    tau_p, tau_x : int
        Steps per perturbation and per sample.
    tau_theta : int
        Steps per update; 0: as many as show every sample of the batch once.
    step : float
        Amplitude of the code as a share of the trainable's scale.
    codes : {'random', 'sequential'}
        Random signs on all trainables, or one trainable after the other.
    cost : Cost

    Notes
    -----
    Departures from the paper: discrete time, no low-pass filter on the integrator; the batch is the stock of samples
    that are shown one by one, so ``tau_theta`` of one update shouldn't be shorter than that. The mean over the steps,
    not the sum, is the update: rates compare with those of other methods. The sample shown is the same for the codes
    and for the baseline, as with the paper's homodyne detection.

    References
    ----------
    A. N. McCaughan et al., "Multiplexed gradient descent: fast online training of modern datasets on hardware neural
    networks without backpropagation", APL Mach. Learn. 1, 026118 (2023).
    """

    tau_p: int = 1
    tau_theta: int = 0
    tau_x: int = 1
    step: float = 0.01
    codes: str = "random"
    cost: Cost = field(default_factory=SquaredError)

    def __post_init__(self):
        positive("multiplexed gradient descent", "step", self.step, "step = 0.01 say.")
        for name, least in (("tau_p", 1), ("tau_theta", 0), ("tau_x", 1)):
            value = getattr(self, name)
            if int(value) != value or value < least:
                what = f"multiplexed gradient descent: {name} must be a whole number of at least {least}, not {value!r}"
                raise ExperimentError(what, cure="The time constants count steps.")
        if self.codes not in CODES:
            what = f"multiplexed gradient descent: no codes are called '{self.codes}'"
            raise ExperimentError(what, cure=f"Known: {', '.join(CODES)}.")

    def start(self, circuit: Any, theta: np.ndarray) -> Memory:
        """The perturbation (in units of its amplitude) and the number of steps so far."""
        return {"code": np.zeros(len(theta)), "time": np.zeros(())}

    def estimate(self, circuit, engine, theta, inputs, targets, *, cost, rng, rate, memory) -> Estimate:
        """tau_theta steps."""
        steps = int(self.tau_theta) or int(self.tau_x) * len(inputs)
        amplitude = self.step * perturbation_scale(circuit, theta)
        code, time = memory["code"], int(memory["time"])
        outputs = engine.equilibrium(circuit, theta, inputs).outputs
        baseline = cost.value(outputs, targets)
        total = np.zeros(len(theta))
        k = 0
        while k < steps:
            if time % int(self.tau_p) == 0:
                code = self._code(rng, time // int(self.tau_p), len(theta))
            # All samples shown under this one perturbation are settled at once.
            last = min(steps, k + int(self.tau_p) - time % int(self.tau_p))
            shown = [(j // int(self.tau_x)) % len(inputs) for j in range(k, last)]
            which, times = np.unique(shown, return_counts=True)
            moved = circuit.clip(theta + amplitude * code)
            values = cost.value(engine.equilibrium(circuit, moved, inputs[which]).outputs, targets[which])
            total += np.sum(times * (values - baseline[which])) * (moved - theta) / amplitude**2
            time, k = time + last - k, last
        share = 1.0 / len(theta) if self.codes == "sequential" else 1.0  # of the time that each is perturbed
        memory = {"code": code, "time": np.asarray(float(time))}
        return Estimate(-total / (steps * share), outputs, memory)

    def _code(self, rng: np.random.Generator, number: int, count: int) -> np.ndarray:
        if self.codes == "sequential":
            code = np.zeros(count)
            code[number % count] = 1.0
            return code
        return rng.choice((-1.0, 1.0), count)
