"""A stranger's circuit and engine: resistors between nodes, solved densely, in a few lines.

It has what the contracts ask for and nothing else, so the tests that use it say that rules and training need
no more than that. It also knows what a real engine needn't: complex currents, a conductance as a nudge, the
exact gradient in closed form.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np

from analogpnn.circuit.boundary import Clamp, Free, Inject
from analogpnn.circuit.local import Local


@dataclass(frozen=True, eq=False)
class Network:
    """Edges with trainable conductances; input nodes held by voltage sources; outputs to ground."""

    edges: np.ndarray  # (n_edges, 2)
    theta: np.ndarray  # (n_edges,) [S]
    fixed: np.ndarray  # nodes of the sources
    output_nodes: np.ndarray
    low: float = 1e-6
    high: float = 1e6

    @property
    def n_nodes(self):
        return int(self.edges.max()) + 1

    @property
    def n_inputs(self):
        return len(self.fixed)

    @property
    def n_outputs(self):
        return len(self.output_nodes)

    @property
    def inputs(self):
        return tuple(f"v{n}" for n in self.fixed)

    @property
    def input_values(self):
        return np.zeros(self.n_inputs)

    @property
    def outputs(self):
        return tuple((f"n{n}", "0") for n in self.output_nodes)

    @property
    def trainable(self):
        return tuple(SimpleNamespace(name=f"r{k}", element=f"r{k}", parameter="r") for k in range(len(self.edges)))

    @property
    def bounds(self):
        return np.array([[self.low], [self.high]]) * np.ones(len(self.edges))

    def clip(self, theta):
        return np.clip(theta, self.low, self.high)

    def snap(self, theta):
        return 1 / (1 / theta)

    @property
    def incidence(self):
        a = np.zeros((len(self.edges), self.n_nodes))
        rows = np.arange(len(self.edges))
        a[rows, self.edges[:, 0]], a[rows, self.edges[:, 1]] = 1, -1
        return a

    def laplacian(self, theta):
        return self.incidence.T @ (theta[:, None] * self.incidence)

    def response(self, theta):
        """S_out [S]: the Laplacian with all but the outputs eliminated, sources held."""
        free = np.setdiff1d(np.arange(self.n_nodes), self.fixed)
        inverse = np.linalg.inv(self.laplacian(theta)[np.ix_(free, free)])
        places = np.searchsorted(free, self.output_nodes)
        return np.linalg.inv(inverse[np.ix_(places, places)])

    def solve(self, theta, inputs, currents=0.0, clamp=None, nudge=0.0):
        """Node voltages for one sample; `nudge` is a conductance from each output to ground."""
        held, volts = self.fixed, np.asarray(inputs)
        if clamp is not None:
            held, volts = np.append(held, self.output_nodes), np.append(volts, clamp)
        g = self.laplacian(theta).astype(np.result_type(float, nudge))
        g[self.output_nodes, self.output_nodes] += nudge
        free = np.setdiff1d(np.arange(self.n_nodes), held)
        push = np.zeros(self.n_nodes, dtype=np.result_type(g, currents))
        if clamp is None:
            push[self.output_nodes] = currents
        v = np.zeros(self.n_nodes, dtype=push.dtype)
        v[held] = volts
        v[free] = np.linalg.solve(g[np.ix_(free, free)], push[free] - g[np.ix_(free, held)] @ volts)
        return v

    def gradient(self, theta, inputs, error):
        """d (1/2 |o - y|^2)/d theta by the adjoint, with `error` = o - y."""
        v = self.solve(theta, inputs)
        adjoint = self.solve(theta, np.zeros(self.n_inputs), currents=-error)
        return (self.incidence @ v) * (self.incidence @ adjoint)

    def output_gradient(self, theta, inputs):
        """d o/d theta, shape (n_outputs, n_edges)."""
        return np.array([self.gradient(theta, inputs, row) for row in np.eye(self.n_outputs)])


@dataclass(frozen=True, eq=False)
class Settled:
    """An operating point as far as training asks for it."""

    circuit: Network
    theta: np.ndarray
    inputs: np.ndarray
    boundary: object
    node_voltages: np.ndarray

    @property
    def outputs(self):
        return self.node_voltages[..., self.circuit.output_nodes]

    @property
    def branch_voltages(self):
        return self.node_voltages @ self.circuit.incidence.T

    @property
    def power(self):
        return np.sum(self.theta * self.branch_voltages**2, axis=-1)


@dataclass(frozen=True)
class LinearEngine:
    """One dense solve per sample. Takes no `start`: the contract of an engine has none."""

    def equilibrium(self, circuit, theta, inputs, boundary=Free()):  # noqa: B008
        inputs = np.atleast_2d(inputs)
        imposed = np.zeros((len(inputs), circuit.n_outputs))
        if isinstance(boundary, Clamp):
            imposed = np.broadcast_to(boundary.voltages, imposed.shape)
            rows = [circuit.solve(theta, x, clamp=v) for x, v in zip(inputs, imposed)]
        else:
            if isinstance(boundary, Inject):
                imposed = np.broadcast_to(boundary.currents, imposed.shape)
            rows = [circuit.solve(theta, x, currents=j) for x, j in zip(inputs, imposed)]
        return Settled(circuit, theta, inputs, boundary, np.array(rows))


def measure(op):
    """What `analogpnn.circuit.local.measure` is for the package's own operating points."""
    v = op.branch_voltages
    return Local(voltage=v, current=op.theta * v, force=v * v / 2)


def lattice(rng, *, side=4, periodic=False, inputs=3, outputs=2, low=0.5, high=1.5):
    """A square lattice with random conductances, sources and outputs at random nodes."""
    number = np.arange(side * side).reshape(side, side)
    pairs = []
    for axis in (0, 1):
        other = np.roll(number, -1, axis=axis)
        keep = slice(None) if periodic else slice(0, side - 1)
        take = (keep, slice(None)) if axis == 0 else (slice(None), keep)
        pairs.append(np.stack([number[take].ravel(), other[take].ravel()], axis=1))
    edges = np.concatenate(pairs)
    nodes = rng.permutation(side * side)
    theta = rng.uniform(low, high, len(edges))
    return Network(edges, theta, np.sort(nodes[:inputs]), np.sort(nodes[inputs : inputs + outputs]))
