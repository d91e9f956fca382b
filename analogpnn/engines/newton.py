"""The fast engine: operating points of a whole batch by Newton's method."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from analogpnn.circuit.boundary import Boundary, Clamp, Free, Inject
from analogpnn.circuit.circuit import Circuit
from analogpnn.circuit.operating_point import OperatingPoint
from analogpnn.engines import layered
from analogpnn.engines.arguments import check_kinds, prepare
from analogpnn.engines.fast.clamped import Clamped, clamp
from analogpnn.engines.fast.recall import Recall
from analogpnn.engines.fast.solver import Solver
from analogpnn.engines.fast.threads import threads_for


@dataclass(frozen=True, eq=False)
class Newton:
    """Modified nodal analysis, batched, one algorithm per structure, chosen by itself.

    Solves Kirchhoff's current law A^T i(A v; theta) = j with the branch equations of sources, for all samples at
    once. What is linear in the circuit is eliminated once per theta; Newton's method runs on the nonlinear ports, or on
    all unknowns where that is cheaper. Junctions are limited along their load lines. Samples that do not converge are
    taken up again with restrained steps, gmin stepping, source stepping, a pseudo-transient, and at last random starts.
    A circuit with several operating points gets one of them: `multistability.operating_points` looks for the others.

    Parameters
    ----------
    max_steps : int
        Newton steps per attempt.
    sweeps : int
        For layered networks: so many sweeps over the layers, however far they have come, as published tables do; 0:
        until nothing moves any more.
    precision : {'double', 'single'}
        For layered networks: the numbers computed with. In single precision voltages are good to about 1e-6 of the
        largest.
    remember : float
        Memory for operating points [MB]: a free state then starts from where the same inputs settled last time, which
        takes fewer steps while theta moves little. Answers agree to the solver's tolerance, not to the last bit, so
        that a resumed run isn't bit for bit the one that never stopped; 0 (nothing is remembered): it is.

    Examples
    --------
    >>> from analogpnn import Circuit, Netlist, Newton
    >>> text = '''divider
    ... *@ input V1
    ... *@ output v(out)
    ... V1 in 0 1
    ... R1 in out 10k
    ... R2 out 0 10k
    ... '''
    >>> circuit = Circuit.from_netlist(Netlist.from_text(text))
    >>> Newton().equilibrium(circuit, circuit.theta, [[1.0], [2.0]]).outputs
    array([[0.5],
           [1. ]])
    """

    max_steps: int = 100
    sweeps: int = 0
    precision: str = "double"
    remember: float = 0.0
    _memo: dict = field(default_factory=dict, init=False, repr=False)

    def equilibrium(
        self,
        circuit: Circuit,
        theta: ArrayLike | None = None,
        inputs: ArrayLike | None = None,
        boundary: Boundary = Free(),  # noqa: B008  (a frozen record)
        start: OperatingPoint | None = None,
    ) -> OperatingPoint:
        """Find where the circuit settles.

        Parameters
        ----------
        circuit : Circuit
        theta : array_like, shape (n_trainable,) or (R, 1, n_trainable), optional
            Values of the trainables; those of the netlist's cards if left out. With leading axes: an ensemble.
        inputs : array_like, shape (..., n_inputs), optional
            [V or A]; the cards' values if left out.
        boundary : Free, Clamp or Inject
            What is imposed on the outputs.
        start : OperatingPoint, optional
            Where to start from, for instance the free equilibrium for a nudged one; left out, at the voltages of
            `.nodeset`, or with the sources on and every other node at 0 V.

        Returns
        -------
        OperatingPoint

        Raises
        ------
        ConvergenceError
            Naming sample, node and residual.
        """
        check_kinds(circuit, boundary)
        if isinstance(boundary, Inject) and np.iscomplexobj(boundary.currents):
            return self._complex(circuit, theta, inputs, boundary, start)
        if layered.suits(circuit, boundary, theta):
            return layered.settler()(circuit, theta, inputs, boundary, start, self._layered)
        theta, inputs, boundary, batch = prepare(circuit, theta, inputs, boundary)
        samples = int(np.prod(batch))
        members = theta.reshape(int(np.prod(theta.shape[:-1])), theta.shape[-1])
        flat_inputs = np.broadcast_to(inputs, (*batch, circuit.n_inputs)).reshape(samples, circuit.n_inputs)
        imposed = _imposed(boundary, batch, circuit.n_outputs)
        x0 = _nodeset(circuit, samples)
        if start is not None:
            x0 = np.broadcast_to(start.unknowns, (*batch, circuit.n_unknowns + 1)).reshape(-1, circuit.n_unknowns + 1)
        clamped = isinstance(boundary, Clamp)
        recall = None
        if self.remember and start is None and isinstance(boundary, Free) and len(members) == 1:
            recall = self._recall(circuit)
            remembered = recall.start(flat_inputs)
            x0 = x0 if remembered is None else remembered
        if len(members) == 1:
            with threads_for(circuit.n_unknowns):
                solver = self._solver(circuit, members[0], clamped)
                x = solver.solve(flat_inputs, imposed, x0, self.max_steps)
        else:
            # An ensemble: which member each sample of the flattened batch belongs to.
            which = np.broadcast_to(np.arange(len(members)).reshape(theta.shape[:-1]), batch).ravel()
            x = np.empty((len(which), circuit.n_unknowns))
            for k, member in enumerate(members):
                rows = np.flatnonzero(which == k)
                solver = Solver(circuit, member, clamped)
                x[rows] = solver.solve(
                    flat_inputs[rows],
                    None if imposed is None else imposed[rows],
                    None if x0 is None else x0[rows],
                    self.max_steps,
                )
        if recall is not None:
            recall.keep(flat_inputs, x)
        x = x.reshape(*batch, circuit.n_unknowns)
        n = circuit.n_nodes
        return OperatingPoint(circuit, theta, inputs, boundary, x[..., :n], x[..., n:])

    def _complex(self, circuit, theta, inputs, boundary, start) -> OperatingPoint:
        from analogpnn.engines.complex import equilibrium

        if start is None or np.iscomplexobj(start.node_voltages):
            start = self.equilibrium(circuit, theta, inputs)
        theta = circuit.theta if theta is None else theta
        return equilibrium(circuit, theta, circuit.input_values if inputs is None else inputs, boundary, start)

    @cached_property
    def _layered(self) -> layered.Options:
        return layered.Options(self.sweeps, self.precision)

    def explain(self, circuit: Circuit) -> str:
        """Which algorithm this circuit gets, and why, in a sentence."""
        if layered.suits(circuit, Free(), circuit.theta):
            return layered.explain(circuit)
        return Solver(circuit, circuit.theta, False).explanation

    def _recall(self, circuit: Circuit) -> Recall:
        known = self._memo.get("recall")
        if known is None or known.circuit is not circuit:
            known = self._memo["recall"] = Recall(circuit, self.remember)
        return known

    def _solver(self, circuit: Circuit, theta: np.ndarray, clamped: bool) -> Solver | Clamped:
        # The free and the nudged phases of a training step share theta, so they share the elimination.
        known = self._memo.get(clamped)
        if known is not None and known[0] is circuit and np.array_equal(known[1], theta):
            return known[2]
        if clamped and all(group.device.is_affine for group in circuit.groups):
            free = self._solver(circuit, theta, False)
            assert isinstance(free, Solver)
            solver: Solver | Clamped = clamp(free)
        else:
            solver = Solver(circuit, theta, clamped)
        self._memo[clamped] = (circuit, theta.copy(), solver)
        return solver


def _nodeset(circuit: Circuit, samples: int) -> np.ndarray | None:
    """First guess (B, n_unknowns + 1) from `.nodeset`: it chooses among the states of a latch, as in ngspice."""
    known = [(circuit.numbers[node], volts) for node, volts in circuit.flat.nodeset.items() if node in circuit.numbers]
    if not known:
        return None
    x0 = np.zeros((samples, circuit.n_unknowns + 1))
    for number, volts in known:
        x0[:, number] = volts
    x0[:, -1] = 0.0
    return x0


def _imposed(boundary: Boundary, batch, n_outputs: int) -> np.ndarray | None:
    if isinstance(boundary, Free):
        return None
    values = boundary.voltages if isinstance(boundary, Clamp) else boundary.currents
    assert isinstance(boundary, Clamp | Inject)
    return np.broadcast_to(values, (*batch, n_outputs)).reshape(int(np.prod(batch)), n_outputs)
