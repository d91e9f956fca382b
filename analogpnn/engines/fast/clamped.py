"""Clamped equilibria of a linear circuit from the factor of its free ones.

A clamp is a current into each output that brings it to the imposed voltage V: with u the free output voltages and R
the outputs' response to unit currents into outputs, a low-rank matter,

    R j = V - u,

and the clamped state is the free circuit's with j injected. No second factorisation.
"""

from __future__ import annotations

import numpy as np

from analogpnn.circuit.circuit import Circuit
from analogpnn.engines.fast.solver import Solver

WORST = 1e5
"""Condition of R up to which the imposed voltages are met to 1e-11 and better."""


class Clamped:
    """Solves as `Solver` does with clamped outputs, on a free solver of the same circuit and theta."""

    def __init__(self, free: Solver):
        circuit: Circuit = free.circuit
        self.free, self.outputs = free, circuit.output_numbers
        k = circuit.n_outputs
        rest = np.broadcast_to(circuit.input_values, (k + 1, circuit.n_inputs))
        x = free.solve(rest, np.concatenate([np.eye(k), np.zeros((1, k))]), None, 1)
        self.spread = x[:k] - x[k]
        """What a unit current into each output does to all unknowns, (n_outputs, n_unknowns)."""
        self.response = self._read(self.spread).T
        if not np.linalg.cond(self.response) < WORST:
            raise np.linalg.LinAlgError("outputs that depend on each other")

    def _read(self, x: np.ndarray) -> np.ndarray:
        padded = np.concatenate([x, np.zeros((len(x), 1))], axis=1)
        return padded[:, self.outputs[0]] - padded[:, self.outputs[1]]

    def solve(self, inputs: np.ndarray, imposed: np.ndarray | None, start, max_steps: int) -> np.ndarray:
        """Unknowns (B, n_unknowns) with the outputs at `imposed` (B, n_outputs); nothing depends on `start`."""
        assert imposed is not None
        x = self.free.free_state(inputs)
        return x + np.linalg.solve(self.response, (imposed - self._read(x)).T).T @ self.spread


def clamp(free: Solver) -> Clamped | Solver:
    """A linear circuit with clamped outputs: on the free circuit's factor if it can be, else with one of its own."""
    try:
        return Clamped(free)
    except np.linalg.LinAlgError:
        return Solver(free.circuit, free.theta, True)
