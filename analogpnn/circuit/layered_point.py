"""The operating point of a layered network: layers of voltages; everything of the size of the weights on demand."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from analogpnn.circuit.blocks import Blocks, Diodes
from analogpnn.circuit.boundary import Boundary, Clamp, Inject
from analogpnn.circuit.circuit import Circuit
from analogpnn.circuit.operating_point import OperatingPoint
from analogpnn.devices.linear import VCVS, VOLTAGE_SOURCE


@dataclass(frozen=True, eq=False)
class Feed:
    """What held nodes and sources send into the free layers, the same in every phase of a batch.

    Parameters
    ----------
    held : tuple of ndarray, shape (B, n) each
        Voltages of the held layers [V].
    inflow : tuple of ndarray, shape (B, n) each
        For each free layer the current that the held layers would drive into it at 0 V [A].
    currents : tuple of ndarray, shape (n,) each
        For each free layer what its current sources push into it [A].
    power : ndarray, shape (B,)
        Sum of G v**2 over the resistors at held nodes, v the held node's voltage [W].
    """

    held: tuple[np.ndarray, ...]
    inflow: tuple[np.ndarray, ...]
    currents: tuple[np.ndarray, ...]
    power: np.ndarray

    @cached_property
    def fixed(self) -> tuple[np.ndarray, ...]:
        """For each free layer all that flows into it at 0 V from outside, (B, n) [A]."""
        return tuple(a + b for a, b in zip(self.inflow, self.currents))

    @cached_property
    def taken(self) -> tuple[np.ndarray, ...]:
        """For each free layer what a volt at its nodes takes from the delivered power, (B, n) [A]."""
        return tuple(b - a for a, b in zip(self.inflow, self.currents))


class LayeredPoint(OperatingPoint):
    """An `OperatingPoint` that holds one voltage array a layer and works out the rest when asked.

    Parameters
    ----------
    circuit, theta, inputs, boundary
        As of `OperatingPoint`.
    batch : tuple of int
        Shape in front.
    states : tuple of ndarray, shape (B, n) each
        Voltages of the free layers [V]; B is the product of `batch`.
    feed : Feed
    power : ndarray, shape `batch`, optional
        Where it is known already.
    """

    batch: tuple[int, ...]
    states: tuple[np.ndarray, ...]
    feed: Feed

    def __init__(
        self,
        circuit: Circuit,
        theta: np.ndarray,
        inputs: np.ndarray,
        boundary: Boundary,
        batch: tuple[int, ...],
        states: tuple[np.ndarray, ...],
        feed: Feed,
        power: np.ndarray | None = None,
    ):
        # Frozen, and a record of every phase: at once, past the guard of each field.
        known = self.__dict__
        known.update(circuit=circuit, theta=theta, inputs=inputs, boundary=boundary)
        known.update(batch=batch, states=states, feed=feed)
        if power is not None:
            known["power"] = power

    def with_node_voltages(self, node_voltages: np.ndarray) -> OperatingPoint:
        """The same operating point as an instrument with other readings would report it."""
        theta, voltages = np.asarray(self.theta, dtype=float), np.asarray(node_voltages, dtype=float)
        return OperatingPoint(self.circuit, theta, self.inputs, self.boundary, voltages, self.source_currents)

    @property
    def blocks(self) -> Blocks:
        """The circuit's layers."""
        blocks = self.circuit.blocks
        assert blocks is not None
        return blocks

    @cached_property
    def layers(self) -> tuple[np.ndarray, ...]:
        """Voltages of all layers, the held ones first, (B, n) each [V]."""
        return (*self.feed.held, *self.states)

    @cached_property
    def node_voltages(self) -> np.ndarray:  # type: ignore[override]
        """(..., n_nodes) [V], ground left out."""
        return self._flat[..., : self.circuit.n_nodes].reshape(*self.batch, self.circuit.n_nodes)

    @cached_property
    def _flat(self) -> np.ndarray:
        """(B, n_unknowns + 1): node voltages in their places, zero elsewhere."""
        b = self.blocks
        x = np.zeros((len(self.states[0]), self.circuit.n_unknowns + 1))
        x[:, b.held] = held_voltages(b, self.inputs, len(x))[:, b.held]
        for nodes, v in zip(b.layers[b.n_held :], self.states):
            x[:, nodes] = v
        return x

    @cached_property
    def outputs(self) -> np.ndarray:
        """(..., n_outputs): v(n+) - v(n-) of each output [V]."""
        known = self.blocks.outputs
        if known is not None:
            layer, places = known
            v = self.states[layer - self.blocks.n_held]
            v = (v if places is None else v[:, places]).astype(float)
        else:
            a, c = self.circuit.output_numbers
            v = self._flat[:, a] - self._flat[:, c]
        return v.reshape(*self.batch, -1)

    # -- currents, by Kirchhoff's law ------------------------------------------------------------------------

    @cached_property
    def _matrices(self) -> list[np.ndarray]:
        theta = np.asarray(self.theta, dtype=float)
        return [np.asarray(b.matrix(theta), dtype=float) for b in self.blocks.blocks]

    def _resistive(self, layer: int) -> np.ndarray:
        """(B, n): current out of a layer's nodes through their resistors [A]."""
        v = np.asarray(self.layers[layer], dtype=float)
        out = np.zeros_like(v)
        for b, w in zip(self.blocks.blocks, self._matrices):
            if b.upper == layer:
                out += v * w.sum(axis=0) - np.asarray(self.layers[b.lower], dtype=float) @ w
            elif b.lower == layer:
                out += v * w.sum(axis=1) - np.asarray(self.layers[b.upper], dtype=float) @ w.T
        return out

    @cached_property
    def _pushed(self) -> np.ndarray:
        """(B, n_unknowns + 1): current that the boundary injects."""
        out = np.zeros((len(self.states[0]), self.circuit.n_unknowns + 1))
        if isinstance(self.boundary, Inject):
            a, c = self.circuit.output_numbers
            push = np.broadcast_to(self.boundary.currents, (*self.batch, len(a))).reshape(len(out), len(a))
            np.add.at(out, (slice(None), a), push)  # type: ignore[arg-type]
            np.add.at(out, (slice(None), c), -push)  # type: ignore[arg-type]
        return out

    @cached_property
    def _wanting(self) -> dict[int, np.ndarray]:
        """For each free layer what flows out of its nodes by all but ideal diodes, minus what is pushed in [A]."""
        found = {}
        for k in self.blocks.free:
            out = self._resistive(k) - self.feed.currents[k - self.blocks.n_held]
            out -= self._pushed[:, self.blocks.layers[k]]
            for d in self.blocks.diodes:
                if d.layer == k and not d.ideal:
                    np.add.at(out, (slice(None), d.nodes), d.sign * self._diode_law(d))  # type: ignore[arg-type]
            found[k] = out
        return found

    def _diode_law(self, d: Diodes) -> np.ndarray:
        """(B, members): current from anode to cathode by the device's law [A]."""
        group = self.circuit.groups[d.group]
        v = self._flat[:, group.positive[d.members]] - self._flat[:, group.negative[d.members]]
        return group.device.law(v, *(p[d.members] for p in group.values))[0]

    def _ideal_currents(self, d: Diodes) -> np.ndarray:
        """(B, members): what ideal diodes carry, from anode to cathode: what is wanting, where they conduct [A]."""
        v = np.asarray(self.layers[d.layer], dtype=float)[:, d.nodes] - self._flat[:, d.rails]
        wanting = self._wanting[d.layer][:, d.nodes]
        return np.where(v == 0, np.maximum(-d.sign * wanting, 0.0), 0.0)

    @cached_property
    def node_residuals(self) -> np.ndarray:
        """(..., n_nodes): violation of Kirchhoff's current law [A]; ideal diodes carry what they can.

        Under a clamp the current that holds the outputs is the residual at the output nodes.
        """
        out = np.zeros((len(self.states[0]), self.circuit.n_unknowns + 1))
        for k in self.blocks.free:
            wanting = self._wanting[k].copy()
            for d in self.blocks.diodes:
                if d.layer == k and d.ideal:
                    np.add.at(wanting, (slice(None), d.nodes), d.sign * self._ideal_currents(d))  # type: ignore[arg-type]
            out[:, self.blocks.layers[k]] = wanting
        return out[:, : self.circuit.n_nodes].reshape(*self.batch, -1)

    @cached_property
    def source_currents(self) -> np.ndarray:  # type: ignore[override]
        """(..., n_sources): current from n+ through the source to n- [A]."""
        b, ground = self.blocks, self.circuit.n_unknowns
        leaving = np.zeros((len(self.states[0]), ground + 1))
        for k in range(b.n_held):
            leaving[:, b.layers[k]] += self._resistive(k)
        for d in b.diodes:
            current = self._ideal_currents(d) if d.ideal else self._diode_law(d)
            np.add.at(leaving, (slice(None), d.rails), -d.sign * current)  # type: ignore[arg-type]
        out = np.zeros((len(leaving), len(self.circuit.sources)))
        for g in self.circuit.groups:
            if g.device in (VOLTAGE_SOURCE, VCVS) and g.branch is not None:
                node = np.where(g.negative == ground, g.positive, g.negative)
                sign = np.where(g.negative == ground, -1.0, 1.0)
                out[:, g.branch - self.circuit.n_nodes] = sign * leaving[:, node]
        return out.reshape(*self.batch, -1)

    @cached_property
    def branch_currents(self) -> np.ndarray:
        """(..., n_elements): current from n+ through the element to n- [A]."""
        x = OperatingPoint(
            self.circuit, np.asarray(self.theta, dtype=float), self.inputs, self.boundary, self.node_voltages,
            self.source_currents,
        )  # fmt: skip
        out = x.branch_currents.copy()
        for d in self.blocks.diodes:
            if d.ideal:
                columns = self.circuit.groups[d.group].columns[d.members]
                out[..., columns] = self._ideal_currents(d).reshape(*self.batch, -1)
        return out

    @cached_property
    def power(self) -> np.ndarray:
        """(...): power dissipated in resistors and diodes: what sources and amplifiers deliver [W]."""
        b = self.blocks
        from analogpnn.circuit.block_moments import delivered  # imported on use: it compiles

        total = self.feed.power.astype(float)
        for v, taken in zip(self.states, self.feed.taken):
            delivered(total, taken, v)
        if isinstance(self.boundary, Inject):
            push, volts = self.boundary.currents, self.outputs
            if push.shape != volts.shape:
                push = np.broadcast_to(push, volts.shape)
            delivered(total, push.reshape(len(total), -1), volts.reshape(len(total), -1))
        elif isinstance(self.boundary, Clamp):
            total += np.einsum("bi,bi->b", self._flat[:, : self.circuit.n_nodes], self._clamping)
        for d in b.diodes:
            if not d.grounded:
                current = self._ideal_currents(d) if d.ideal else self._diode_law(d)
                total += (self._flat[:, d.rails] * d.sign * -current).sum(axis=1)
        return total.reshape(self.batch)

    @property
    def _clamping(self) -> np.ndarray:
        return self.node_residuals.reshape(len(self.states[0]), -1)


def held_voltages(blocks: Blocks, inputs: np.ndarray, samples: int) -> np.ndarray:
    """(B, n_unknowns + 1): voltages of held nodes, zero elsewhere [V]."""
    inputs = np.asarray(inputs)
    inputs = np.broadcast_to(inputs, (*_front(inputs, samples), inputs.shape[-1])).reshape(samples, -1)
    out = np.broadcast_to(blocks.base, (samples, len(blocks.base))).copy()
    driven = np.flatnonzero(blocks.column >= 0)
    out[:, driven] = blocks.scale[driven] * inputs[:, blocks.column[driven]]
    return out


def _front(inputs: np.ndarray, samples: int) -> tuple[int, ...]:
    return inputs.shape[:-1] if int(np.prod(inputs.shape[:-1])) == samples else (samples,)
