"""Where a circuit has settled: node voltages, and everything that follows from them by the elements' laws."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from analogpnn.circuit.arrays import add_columns
from analogpnn.circuit.boundary import Boundary, Clamp, Inject
from analogpnn.circuit.circuit import Circuit
from analogpnn.errors import NetlistError


@dataclass(frozen=True, eq=False)
class OperatingPoint:
    """An equilibrium, or a batch of them (the leading axes ``...``).

    Parameters
    ----------
    circuit : Circuit
    theta : ndarray, shape (..., n_trainable)
    inputs : ndarray, shape (..., n_inputs)
        [V or A]
    boundary : Free, Clamp or Inject
        What was imposed on the outputs.
    node_voltages : ndarray, shape (..., n_nodes)
        [V], ground left out.
    source_currents : ndarray, shape (..., n_sources)
        [A], from n+ through the source to n-.
    """

    circuit: Circuit
    theta: np.ndarray
    inputs: np.ndarray
    boundary: Boundary
    node_voltages: np.ndarray
    source_currents: np.ndarray

    def __repr__(self) -> str:
        shape, boundary = self.node_voltages.shape[:-1], type(self.boundary).__name__
        return f"<OperatingPoint of {self.circuit!r}, {boundary}, batch {shape}>"

    def with_node_voltages(self, node_voltages: np.ndarray) -> OperatingPoint:
        """The same operating point as an instrument with other readings would report it."""
        values = np.asarray(node_voltages)
        return replace(self, node_voltages=values if np.iscomplexobj(values) else values.astype(float))

    def voltage(self, node: str, minus: str = "0") -> np.ndarray:
        """(...): v(node) - v(minus) [V], by name.

        Raises
        ------
        NetlistError
            The circuit has no such node.
        """
        places = [self._place("node", name, self.circuit.numbers) for name in (node, minus)]
        return self.unknowns[..., places[0]] - self.unknowns[..., places[1]]

    def current(self, element: str) -> np.ndarray:
        """(...): current from n+ through an element to n- [A], by name."""
        columns = {name: k for k, name in enumerate(self.circuit.elements)}
        return self.branch_currents[..., self._place("element", element, columns)]

    def _place(self, kind: str, name: str, places: Mapping[str, int]) -> int:
        key = "0" if kind == "node" and name.lower() == "gnd" else name.lower()
        if key not in places:
            near = difflib.get_close_matches(key, places, n=1)
            cure = f"Did you mean '{near[0]}'?" if near else f"There are: {', '.join([*places][:20])}."
            raise NetlistError(f"the circuit has no {kind} '{name}'", path=self.circuit.path, cure=cure)
        return places[key]

    @cached_property
    def unknowns(self) -> np.ndarray:
        """(..., n_unknowns + 1): node voltages, source currents, and a zero for ground."""
        v, i = self.node_voltages, self.source_currents
        x = np.zeros((*v.shape[:-1], v.shape[-1] + i.shape[-1] + 1), dtype=v.dtype)  # complex under a complex nudge
        x[..., : v.shape[-1]] = v
        x[..., v.shape[-1] : -1] = i
        return x

    @cached_property
    def outputs(self) -> np.ndarray:
        """(..., n_outputs): v(n+) - v(n-) of each output [V]."""
        a, b = self.circuit.output_numbers
        x = self.unknowns
        return x[..., a] - x[..., b]

    @cached_property
    def parameters(self) -> list[list[np.ndarray]]:
        """Law parameters of every group at this theta and these inputs."""
        return self.circuit.parameters(self.theta, self.inputs)

    @cached_property
    def branch_voltages(self) -> np.ndarray:
        """(..., n_elements): v(n+) - v(n-) of each element [V]."""
        x = self.unknowns
        out = np.empty((*x.shape[:-1], len(self.circuit.elements)), dtype=x.dtype)
        for g in self.circuit.groups:
            out[..., g.columns] = x[..., g.positive] - x[..., g.negative]
        return out

    @cached_property
    def branch_currents(self) -> np.ndarray:
        """(..., n_elements): current from n+ through the element to n- [A]."""
        x = self.unknowns
        out = np.empty((*x.shape[:-1], len(self.circuit.elements)), dtype=x.dtype)
        for g, values in zip(self.circuit.groups, self.parameters):
            if g.branch is not None:
                out[..., g.columns] = x[..., g.branch]
            else:
                out[..., g.columns] = g.device.law(*g.controls(x), *values)[0]
        return out

    @cached_property
    def node_residuals(self) -> np.ndarray:
        """(..., n_nodes): sum of the currents leaving each node, which Kirchhoff wants to vanish [A].

        Under a clamp the current that holds the outputs is the residual at the output nodes.
        """
        currents = self.branch_currents
        n = self.circuit.n_unknowns
        out = np.zeros((*currents.shape[:-1], n + 1), dtype=currents.dtype)
        for g in self.circuit.groups:
            part = currents[..., g.columns]
            for numbers, sign in ((g.positive, 1.0), (g.negative, -1.0)):
                add_columns(out, numbers, sign * part)
        if isinstance(self.boundary, Inject):
            a, b = self.circuit.output_numbers
            push = np.broadcast_to(self.boundary.currents, (*out.shape[:-1], len(a)))
            add_columns(out, a, -push)
            add_columns(out, b, push)
        return out[..., : self.circuit.n_nodes]

    @cached_property
    def residual(self) -> np.ndarray:
        """(...): largest violation of Kirchhoff's current law over the nodes [A] (clamped nodes left out)."""
        residuals = np.abs(self.node_residuals)
        if isinstance(self.boundary, Clamp):
            held = self.circuit.output_numbers.ravel()
            residuals = np.delete(residuals, held[held < self.circuit.n_nodes], axis=-1)
        return residuals.max(axis=-1, initial=0.0)

    @cached_property
    def power(self) -> np.ndarray:
        """(...): power dissipated, the sum of v*i over all elements but independent sources [W]."""
        flows = self.branch_voltages.real * self.branch_currents.real  # of an oscillation: its mean's
        active = [g.columns for g in self.circuit.groups if g.device.name in ("voltage source", "current source")]
        keep = np.ones(flows.shape[-1], dtype=bool)
        for columns in active:
            keep[columns] = False
        return flows[..., keep].sum(axis=-1)
