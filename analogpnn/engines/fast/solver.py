"""One theta, one boundary type: eliminate, iterate, fall back, and put the unknowns together."""

from __future__ import annotations

from weakref import WeakKeyDictionary, ref

import numpy as np

from analogpnn.circuit.circuit import Circuit
from analogpnn.engines.fast import continuation
from analogpnn.engines.fast.assembly import Linear, Structure, right_hand_side, structure
from analogpnn.engines.fast.batched import Batched
from analogpnn.engines.fast.celled import Celled
from analogpnn.engines.fast.choice import choose
from analogpnn.engines.fast.factor import Factor
from analogpnn.engines.fast.full import Full
from analogpnn.engines.fast.iteration import iterate
from analogpnn.engines.fast.laws import Laws
from analogpnn.engines.fast.ports import Ports, ports
from analogpnn.errors import ConvergenceError, NetlistError

UNSURE = 1e-3
"""Largest rounding error that is let pass, relative and in volts."""

_structures: WeakKeyDictionary[Circuit, dict[bool, tuple[Structure, Ports]]] = WeakKeyDictionary()


def _compiled(circuit: Circuit, clamped: bool) -> tuple[Structure, Ports]:
    known = _structures.setdefault(circuit, {})
    if clamped not in known:
        s = structure(circuit, clamped)
        if clamped:
            _check_clamp(circuit, s)
        known[clamped] = (s, ports(s))
    return known[clamped]


def _check_clamp(circuit: Circuit, s: Structure):
    fixed = set(s.known_nodes.tolist()) | {circuit.n_unknowns}
    for (a, b), names in zip(circuit.output_numbers.T, circuit.outputs):
        if int(a) in fixed and int(b) in fixed:
            raise NetlistError(f"output v({','.join(names)}) is held by voltage sources: it can't be clamped")


class Solver:
    """Everything that theta fixes, ready for batches of inputs.

    Parameters
    ----------
    circuit : Circuit
    theta : ndarray, shape (n_trainable,)
    clamped : bool
        Whether ideal sources hold the outputs.
    """

    def __init__(self, circuit: Circuit, theta: np.ndarray, clamped: bool):
        self.circuit, self.theta = circuit, theta
        self.structure, self.ports = _compiled(circuit, clamped)
        self.parameters = circuit.parameters(theta)
        self.linear = Linear(self.structure, self.parameters)
        self.laws = Laws(self.structure, self.ports, self.parameters)
        self.system, self.explanation = choose(self.structure, self.linear, self.ports, self.parameters)
        self._latest: tuple[np.ndarray, ref[np.ndarray]] | None = None
        if self.system is None:
            raise NetlistError(
                "the circuit's equations are singular", path=circuit.path,
                cure="look for a loop of ideal sources or amplifiers",
            )  # fmt: skip

    def equations(self, inputs: np.ndarray, imposed: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """Right-hand sides of all equations (B, n + 1), and the voltages of known nodes (B, n_known)."""
        s, batch = self.structure, len(inputs)
        parameters = self.circuit.parameters(self.theta, inputs) if inputs.shape[1] else self.parameters
        currents, voltages = (None, imposed) if s.clamped else (imposed, None)
        return right_hand_side(s, parameters, currents, voltages, (batch,)), self._known(parameters, batch)

    def solve(self, inputs: np.ndarray, imposed: np.ndarray | None, start: np.ndarray | None, max_steps: int):
        """Unknowns (B, n_unknowns) for inputs (B, n_inputs); `imposed` are clamp voltages or injected currents."""
        s, batch = self.structure, len(inputs)
        b, known = self.equations(inputs, imposed)
        injected = None
        if isinstance(self.system, Factor):
            x_free = self.system.solve(self.free_right(b, known))
        else:
            x_free = self._nonlinear(b, known, start, max_steps)
            if self.ports.inject_known.nnz:
                u = (self.ports.read_free @ x_free.T).T + self.known_controls(known)
                tangent = self.laws.tangent(self.laws.element_controls(u))
                injected = tangent.offset + self.laws.times(tangent, u)
        x = np.empty((batch, s.n + 1))
        x[:, self.circuit.n_unknowns] = 0.0
        x[:, s.free] = x_free
        x[:, s.known_nodes] = known
        if len(s.known_nodes):
            # Kirchhoff's law at the held nodes gives the current of the sources that hold them.
            leaving = self.linear.leaving(x_free, known) - b[:, s.known_nodes]
            if injected is not None:
                leaving += (self.ports.inject_known @ injected.T).T
            x[:, s.known_branches] = -leaving * s.known_signs
        if isinstance(self.system, Factor) and imposed is None:
            self._latest = inputs.copy(), ref(x)
        return x[:, : self.circuit.n_unknowns]

    def __getstate__(self):
        return {**self.__dict__, "_latest": None}  # a copy has its own operating points

    def free_state(self, inputs: np.ndarray) -> np.ndarray:
        """Unknowns (B, n_unknowns) of a linear circuit with nothing imposed; not computed again if it is the last one,
        and still in use as somebody's operating point."""
        if self._latest is not None and np.array_equal(self._latest[0], inputs):
            x = self._latest[1]()
            if x is not None:
                return x[:, : self.circuit.n_unknowns]
        return self.solve(inputs, None, None, 1)

    def _known(self, parameters, batch: int) -> np.ndarray:
        s = self.structure
        g, places = s.known_slots
        if g < 0:
            return np.zeros((batch, 0))
        return np.broadcast_to(parameters[g][0][..., places] * s.known_signs, (batch, len(places)))

    def free_right(self, b: np.ndarray, known: np.ndarray) -> np.ndarray:
        """Right-hand sides of the free unknowns' equations (B, n_free), known voltages moved there."""
        return b[:, self.structure.free] - (self.linear.to_known @ known.T).T

    def known_controls(self, known: np.ndarray) -> np.ndarray:
        """What known voltages add to the ports' controls (B, n_in)."""
        return (self.ports.read_known @ known.T).T

    def _nonlinear(self, b, known, start, max_steps) -> np.ndarray:
        s = self.structure
        if start is not None:
            start = np.concatenate([start, np.zeros((len(start), s.n + 1 - start.shape[1]))], axis=1)
        if isinstance(self.system, Celled):
            x, done = self.system.settle(b, known, start, max_steps)
        else:
            b_free, known_controls = self.free_right(b, known), self.known_controls(known)
            rest, controls = start is None, known_controls
            if start is not None:
                controls = (self.ports.read_free @ start[:, s.free].T).T + known_controls
            state = self.system.begin(b_free, known_controls)
            if isinstance(self.system, Batched):
                from analogpnn.engines.fast.fused import settle  # numba loads only where it is used

                x, done = settle(self.system, self.laws, state, controls, max_steps, rest=rest)
            else:
                x, done, _, _ = iterate(self.system, self.laws, state, controls, max_steps, rest=rest)
        if not done.all():
            hard = np.flatnonzero(~done)
            x[hard] = self._continuation(
                self.free_right(b[hard], known[hard]), self.known_controls(known[hard]), hard,
                None if start is None else start[hard][:, s.free],
            )  # fmt: skip
        return x

    def _continuation(self, b, known, samples: np.ndarray, start: np.ndarray | None) -> np.ndarray:
        full = Full(self.structure, self.linear, self.ports)
        x, done = continuation.settle(full, self.laws, b, known, start)
        if not done.all():
            k = int(np.flatnonzero(~done)[0])
            missed = continuation.residual(full, self.laws, b[k : k + 1], known[k : k + 1])[0]
            raise self._failure(missed, int(samples[k]))
        x = continuation.polished(full, self.laws, x, b, known)
        self._check_digits(x, continuation.doubt(full, self.laws, x, known), samples)
        return x

    def _check_digits(self, x: np.ndarray, doubt: np.ndarray, samples: np.ndarray) -> None:
        """An answer of which not even three digits mean anything is none."""
        nodes = self.structure.free[self.structure.free < self.circuit.n_nodes]
        worst = doubt[:, : len(nodes)] / (UNSURE * (1.0 + np.abs(x[:, : len(nodes)])))
        if not (worst > 1.0).any():
            return
        k, j = (int(i) for i in np.unravel_index(np.argmax(worst), worst.shape))
        node = self.circuit.nodes[nodes[j]]
        raise ConvergenceError(
            f"the operating point can't be computed: sample {samples[k]}, node '{node}' has as good as no path to "
            f"ground, and 64-bit numbers leave its voltage open by {doubt[k, j]:.1e} V",
            sample=int(samples[k]), node=node, residual=0.0, path=self.circuit.path,
            cure="give that part of the circuit a resistor to ground",
        )  # fmt: skip

    def _failure(self, missed: np.ndarray, sample: int) -> ConvergenceError:
        nodes = self.structure.free[self.structure.free < self.circuit.n_nodes]
        worst = int(np.argmax(missed[: len(nodes)])) if len(nodes) else 0
        node = self.circuit.nodes[nodes[worst]] if len(nodes) else "?"
        return ConvergenceError(
            "no operating point found by Newton's method, gmin and source stepping, a pseudo-transient and random "
            f"starts: sample {sample}, node '{node}', KCL residual {missed[worst]:.1e} A",
            sample=sample, node=node, residual=float(missed[worst]), path=self.circuit.path,
            cure="check the values near that node; a latch or an amplifier with positive feedback has no stable point "
            "to find, and a start from a known operating point (start=...) may help",
        )  # fmt: skip
