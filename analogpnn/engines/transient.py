"""The transient engine: a batch of circuits over time, at a declared order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from analogpnn.circuit.boundary import Boundary, Clamp, Free
from analogpnn.circuit.circuit import Circuit
from analogpnn.circuit.operating_point import OperatingPoint
from analogpnn.circuit.waveforms import Waveforms
from analogpnn.engines.arguments import prepare
from analogpnn.engines.ode.dynamics import Dynamics
from analogpnn.engines.ode.integrate import Accuracy, Integrator
from analogpnn.engines.ode.method import method
from analogpnn.engines.ode.multistep import Multistep
from analogpnn.engines.ode.settling import relax
from analogpnn.engines.ode.sources import Sources
from analogpnn.engines.ode.start import start
from analogpnn.errors import ExperimentError

Inputs = ArrayLike | Callable[[float], ArrayLike]


@dataclass(frozen=True, eq=False)
class Transient:
    """Circuits over time: d q(x)/dt + f(x, t) = 0, nodes without a capacitor being algebraic equations.

    Diagonally implicit Runge-Kutta steps, L-stable and stiffly accurate, with one common step for all samples taken
    from a ladder of powers of two; so the matrices A + C/(gamma h) are few and shared by samples, stages and steps.
    Steps end exactly on the corners of PULSE, PWL and EXP waveforms.

    Parameters
    ----------
    rtol, atol : float
        Local error allowed in every voltage, rtol |v| + atol [V].
    current_atol : float
        The same for inductor currents [A].
    method : str
        ``esdirk5`` (order 5), ``esdirk4`` (order 4), ``tr-bdf2`` (order 2), or ``bdf`` (backward differentiation of
        order 1 to 5, see `engines.ode.multistep`). ``auto`` is ``bdf`` where all poles of the circuit are real and no
        waveform has corners, ``esdirk4`` where transistors store charge, else ``esdirk5``.
    max_step : float
        Longest step [s]; 0: a 32nd of the run, and an eighth of the period of any sinusoidal source.

    Examples
    --------
    >>> from analogpnn import Circuit, Netlist, Transient
    >>> text = '''RC
    ... *@ output v(out)
    ... V1 in 0 PWL(0 0 1u 1)
    ... R1 in out 1k
    ... C1 out 0 1u
    ... '''
    >>> circuit = Circuit.from_netlist(Netlist.from_text(text))
    >>> waves = Transient().simulate(circuit, stop=1e-3, step=0.5e-3)
    >>> waves.voltage("out").round(4)
    array([0.    , 0.3932, 0.6319])
    """

    rtol: float = 1e-6
    atol: float = 1e-9
    current_atol: float = 1e-12
    method: str = "auto"
    max_step: float = 0.0

    def simulate(
        self,
        circuit: Circuit,
        theta: ArrayLike | None = None,
        inputs: Inputs | None = None,
        *,
        stop: float,
        step: float | None = None,
        times: ArrayLike | None = None,
        initial: str | ArrayLike | OperatingPoint = "op",
        boundary: Boundary = Free(),  # noqa: B008  (a frozen record)
        corners: ArrayLike = (),
    ) -> Waveforms:
        """Run from time zero.

        Parameters
        ----------
        circuit : Circuit
        theta : array_like, shape (n_trainable,) or (R, 1, n_trainable), optional
            Values of the trainables; with leading axes: an ensemble, each member with steps of its own.
        inputs : array_like (..., n_inputs), or callable, optional
            Held constant; or a function of time [s] that returns (..., n_inputs). Left out, all sources follow
            the waveforms on their cards. Sources that are not inputs always do.
        stop : float
            End [s].
        step : float, optional
            Distance of the samples [s]; a hundredth of `stop` if neither it nor `times` is given. Also what ngspice
            calls the step: PULSE takes it for a rise time that is not given.
        times : array_like, optional
            Sample times instead, rising, within [0, stop].
        initial : 'op', 'ic', array_like (..., n_nodes) or OperatingPoint
            ``op``: the operating point with waveforms at time zero, nodes named by .ic held at their voltage until
            then (ngspice without uic). ``ic``: capacitors and inductors at their ``ic=`` or at the voltages of .ic,
            all other nodes at zero, no operating point (ngspice's uic); the first sample is the instant after.
        boundary : Free, Clamp or Inject
            What is imposed on the outputs, constant.
        corners : array_like
            Times at which `inputs` (a function) jumps or has a corner [s].

        Returns
        -------
        Waveforms

        Raises
        ------
        ConvergenceError
            No operating point, or a step that became too small.
        """
        times, step = sample_times(stop, step, times)
        fixed: ArrayLike | None
        if callable(inputs):
            shape = np.broadcast_shapes(np.shape(inputs(0.0)), (circuit.n_inputs,))[:-1]
            fixed = np.zeros((*shape, circuit.n_inputs))
        else:
            fixed = inputs
        theta, fixed, boundary, batch = prepare(circuit, theta, fixed, boundary)
        if not isinstance(initial, str):
            given = initial.node_voltages if isinstance(initial, OperatingPoint) else np.asarray(initial, dtype=float)
            batch = np.broadcast_shapes(batch, given.shape[:-1])
        samples = int(np.prod(batch))
        members = theta.reshape(-1, theta.shape[-1]) if theta.ndim > 1 else theta[None, :]
        which = np.zeros(samples, dtype=np.intp)
        if len(members) > 1:
            which = np.broadcast_to(np.arange(len(members)).reshape(theta.shape[:-1]), batch).ravel()
        out = np.empty((samples, len(times), circuit.n_unknowns))
        cost = {"steps": 0, "rejected": 0, "factorisations": 0}
        for m, member in enumerate(members):
            rows = np.flatnonzero(which == m)
            if not len(rows):
                continue
            driven = inputs
            if callable(inputs):
                driven = _rows_of(inputs, batch, circuit.n_inputs, rows)
            elif inputs is not None:
                driven = _flat(fixed, batch)[rows]
            sources = Sources(circuit, member, driven, len(rows), step, stop)
            edges = sources.corners(corners)
            integrator = self._integrator(circuit, member, sources, _part(boundary, batch, rows), stop, edges)
            begin: str | np.ndarray | OperatingPoint
            if isinstance(initial, str):
                begin = initial
            else:
                begin = _flat(_unknowns(initial), batch)[rows]
                if isinstance(initial, OperatingPoint):
                    begin = _unknowns_as_op(initial, begin)
            state, charges = start(integrator.dynamics, member, begin, _part(boundary, batch, rows), len(rows))
            found, _ = integrator.run(state, edges, stop, times, charges)
            out[rows] = found
            for name in cost:
                cost[name] += getattr(integrator.counts, name)
        out = out.reshape(*batch, len(times), circuit.n_unknowns)
        n = circuit.n_nodes
        return Waveforms(circuit, theta, boundary, times, out[..., :n], out[..., n:], cost)

    def equilibrium(
        self,
        circuit: Circuit,
        theta: ArrayLike | None = None,
        inputs: ArrayLike | None = None,
        boundary: Boundary = Free(),  # noqa: B008  (a frozen record)
        start: OperatingPoint | None = None,
    ) -> OperatingPoint:
        """Let the circuit settle by its own dynamics, from `start` or from rest (everything at zero).

        Where a circuit has more than one stable state, or one that Newton's method reaches only by luck, this is the
        state that the hardware reaches. Once nothing moves any more, Newton's method (started there) removes what
        is left. A circuit without capacitors and inductors goes to Newton's method at once.
        """
        return relax(self, circuit, theta, inputs, boundary, start)

    def _integrator(self, circuit, theta, sources, boundary, stop, corners) -> Integrator:
        currents = voltages = None
        if isinstance(boundary, Clamp):
            voltages = boundary.voltages
        elif not isinstance(boundary, Free):
            currents = boundary.currents
        dynamics = Dynamics(circuit, theta, sources, currents, voltages)
        longest = self.max_step or min(stop / 32, sources.longest_step)
        if not self.max_step and not len(dynamics.free):
            longest = min(longest, stop / 256)  # nothing has an error that would shorten steps
        accuracy = Accuracy(self.rtol, self.atol, self.current_atol)
        name = self.method
        if name == "auto":
            # Where a circuit is stiff throughout, esdirk5's estimate asks for far shorter steps than its error does.
            name = "esdirk4" if dynamics.skeleton.coupled else "esdirk5"
            if dynamics.skeleton.has_real_poles and len(dynamics.free) and not len(corners):
                name = "bdf"
        return (Multistep if name == "bdf" else Integrator)(dynamics, method(name), accuracy, longest)


def sample_times(stop: float, step: float | None, times: ArrayLike | None) -> tuple[np.ndarray, float]:
    """Sample times and the step that waveforms may need, checked."""
    if not (np.isfinite(stop) and stop > 0):
        raise ExperimentError(f"the transient must end after time zero, not at {stop:g} s")
    if times is None:
        step = stop / 100 if step is None else step
        if not (np.isfinite(step) and 0 < step <= stop):
            raise ExperimentError(f"the step must lie between 0 and the end {stop:g} s, not be {step:g} s")
        count = int(np.floor(stop / step * (1 + 1e-12)))
        return np.minimum(np.arange(count + 1) * step, stop), step  # the last one may round beyond
    times = np.asarray(times, dtype=float)
    if times.ndim != 1 or not len(times) or np.any(np.diff(times) <= 0) or times[0] < 0 or times[-1] > stop:
        raise ExperimentError(f"sample times must rise from 0 at least to {stop:g} s at most")
    return times, stop / 100 if step is None else step


def _flat(values: np.ndarray, batch) -> np.ndarray:
    return np.broadcast_to(values, (*batch, values.shape[-1])).reshape(int(np.prod(batch)), values.shape[-1])


def _part(boundary: Boundary, batch, rows: np.ndarray) -> Boundary:
    if isinstance(boundary, Free):
        return boundary
    if isinstance(boundary, Clamp):
        return Clamp(_flat(boundary.voltages, batch)[rows])
    return type(boundary)(_flat(boundary.currents, batch)[rows])


def _rows_of(inputs: Callable, batch, width: int, rows: np.ndarray) -> Callable:
    def at(t: float) -> np.ndarray:
        values = np.asarray(inputs(t), dtype=float)
        return np.broadcast_to(values, (*batch, width)).reshape(-1, width)[rows]

    return at


def _unknowns(initial) -> np.ndarray:
    return initial.unknowns if isinstance(initial, OperatingPoint) else np.asarray(initial, dtype=float)


def _unknowns_as_op(op: OperatingPoint, unknowns: np.ndarray) -> OperatingPoint:
    n = op.circuit.n_nodes
    return OperatingPoint(op.circuit, op.theta, op.inputs, op.boundary, unknowns[..., :n], unknowns[..., n:-1])
