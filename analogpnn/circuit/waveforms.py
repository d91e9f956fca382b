"""What a transient leaves: node voltages and source currents at the times asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from analogpnn.circuit.boundary import Boundary
from analogpnn.circuit.circuit import Circuit
from analogpnn.errors import ExperimentError


@dataclass(frozen=True, eq=False)
class Waveforms:
    """A transient, or a batch of them (the leading axes ``...``).

    Parameters
    ----------
    circuit : Circuit
    theta : ndarray, shape (..., n_trainable)
    boundary : Free, Clamp or Inject
        What was imposed on the outputs.
    times : ndarray, shape (n_times,)
        [s]
    node_voltages : ndarray, shape (..., n_times, n_nodes)
        [V], ground left out.
    source_currents : ndarray, shape (..., n_times, n_sources)
        [A], from n+ through the source to n-.
    cost : mapping
        What it took: steps, rejected steps, factorisations; empty where the engine does not tell.
    """

    circuit: Circuit
    theta: np.ndarray
    boundary: Boundary
    times: np.ndarray
    node_voltages: np.ndarray
    source_currents: np.ndarray
    cost: dict[str, int] = field(default_factory=dict)

    @cached_property
    def outputs(self) -> np.ndarray:
        """(..., n_times, n_outputs): v(n+) - v(n-) of each output [V]."""
        pairs = [(self.voltage(a), self.voltage(b)) for a, b in self.circuit.outputs]
        if not pairs:
            return np.zeros((*self.node_voltages.shape[:-1], 0))
        return np.stack([a - b for a, b in pairs], axis=-1)

    def voltage(self, node: str) -> np.ndarray:
        """(..., n_times): one node's voltage [V]; ground's is zero."""
        name = node.lower()
        if name in ("0", "gnd"):
            return np.zeros(self.node_voltages.shape[:-1])
        if name not in self.circuit.nodes:
            raise ExperimentError(f"there is no node '{node}'", cure=f"Nodes: {', '.join(self.circuit.nodes[:12])}.")
        return self.node_voltages[..., self.circuit.nodes.index(name)]

    def current(self, source: str) -> np.ndarray:
        """(..., n_times): current through one source (V, E, H, L, B v=...), from n+ through it to n- [A]."""
        name = source.lower()
        if name not in self.circuit.sources:
            known = ", ".join(self.circuit.sources[:12]) or "none"
            raise ExperimentError(f"'{source}' has no current of its own", cure=f"Those that have: {known}.")
        return self.source_currents[..., self.circuit.sources.index(name)]
