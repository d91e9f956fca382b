"""Independent sources over time: waveforms of cards, inputs given by the user, and the corners in them."""

from __future__ import annotations

from collections.abc import Callable
from math import inf

import numpy as np

from analogpnn.circuit.circuit import Circuit
from analogpnn.devices import linear
from analogpnn.errors import ExperimentError
from analogpnn.netlist.waveforms import value_at

MOST_CORNERS = 1_000_000


class Sources:
    """The values of all independent sources of a circuit, in the order of the groups.

    Parameters
    ----------
    circuit : Circuit
    theta : ndarray, shape (n_trainable,)
    inputs : ndarray (B, n_inputs), callable t -> array, or None
        Held constant; a function of time; None for what the cards say.
    batch : int
        B.
    step, stop : float
        The analysis' step and end [s], which some waveforms take for times that are not given.

    Attributes
    ----------
    names : list of str
    groups : list of (group number, places) for V and for I sources
    """

    def __init__(self, circuit: Circuit, theta, inputs, batch: int, step: float, stop: float):
        self.circuit, self.batch, self.step, self.stop = circuit, batch, step, stop
        self.groups = [
            k for k, g in enumerate(circuit.groups) if g.device in (linear.VOLTAGE_SOURCE, linear.CURRENT_SOURCE)
        ]
        self.names = [name for k in self.groups for name in circuit.groups[k].names]
        parameters = circuit.parameters(theta)
        constant = [parameters[k][0] for k in self.groups]
        self.constant = np.concatenate(constant)[None, :] if constant else np.zeros((1, 0))
        place = {name: k for k, name in enumerate(self.names)}
        waveforms = {c.name: c.waveform for c in circuit.flat.cards if c.letter in "vi" and c.waveform}
        self.given: Callable | None = None
        self.columns = np.array([place[name] for name in circuit.inputs], dtype=np.intp)
        if callable(inputs):
            self.given = inputs
        elif inputs is not None:
            self.constant = np.array(np.broadcast_to(self.constant, (len(inputs), self.constant.shape[1])))
            self.constant[:, self.columns] = inputs
        held = set() if inputs is None else set(circuit.inputs)
        self.waveforms = [(place[n], w) for n, w in waveforms.items() if n in place and n not in held]
        if len(self.constant) != batch and (self.given is not None):
            self.constant = np.repeat(self.constant, batch, axis=0)
        self.is_constant = not self.waveforms and self.given is None

    def at(self, t: float) -> np.ndarray:
        """(1 or B, n_sources) at time t [V, A]."""
        if self.is_constant:
            return self.constant
        s = self.constant.copy()
        for k, w in self.waveforms:
            s[:, k] = value_at(w, t, self.step, self.stop)
        if self.given is not None:
            values = np.asarray(self.given(t), dtype=float)
            try:
                s[:, self.columns] = np.broadcast_to(values, (*values.shape[:-1], len(self.columns))).reshape(
                    -1, len(self.columns)
                )
            except ValueError:
                raise ExperimentError(
                    f"inputs(t) gave shape {values.shape}; its last axis must hold the circuit's "
                    f"{len(self.columns)} inputs, the axes before it the batch"
                ) from None
        return s

    def corners(self, more: np.ndarray | tuple = ()) -> np.ndarray:
        """Times within (0, stop) where a waveform has a corner, and those given by the user [s]."""
        found = [np.asarray(more, dtype=float).ravel()]
        for _, w in self.waveforms:
            found.append(np.asarray(list(_corners(w, self.step, self.stop)), dtype=float))
        times = np.unique(np.concatenate(found))
        times = times[(times > 0) & (times < self.stop)]
        # Corners nearer to each other than rounding are one.
        keep = np.diff(times, prepend=-inf) > 1e-12 * self.stop
        times = times[keep]
        return times[times < self.stop * (1 - 1e-12)]

    @property
    def longest_step(self) -> float:
        """A step that sees every wiggle of the waveforms [s]."""
        steps = [_wiggle(w, self.stop) for _, w in self.waveforms]
        if self.given is not None:
            steps.append(self.stop / 50)
        return min(steps, default=inf)


def _number(n, k, default):
    return n[k] if k < len(n) and n[k] else default


def _corners(w: tuple, step: float, stop: float):
    name, *n = w
    if name in ("sin", "am"):
        yield _number(n, 3 if name == "sin" else 4, 0.0)
    elif name == "exp":
        start = _number(n, 2, step)
        yield start
        yield _number(n, 4, start + step)
    elif name == "pwl":
        yield from n[0::2]
    elif name == "pulse":
        rise, fall = _number(n, 3, step), _number(n, 4, step)
        width, period = _number(n, 5, stop), _number(n, 6, stop)
        count = _number(n, 7, 0.0) or inf
        start, k = _number(n, 2, 0.0), 0
        if stop / period > MOST_CORNERS / 4:
            raise ExperimentError(f"a PULSE of period {period:g} s has too many edges within {stop:g} s")
        while start < stop and k <= count:
            edges = (0.0, rise, rise + width, rise + width + fall)
            yield from (start + e for e in edges if e <= period)
            start, k = start + period, k + 1


def _wiggle(w: tuple, stop: float) -> float:
    name, *n = w
    if name == "sin":
        return 1 / (8 * abs(_number(n, 2, 1 / stop)))
    if name == "sffm":
        carrier, index, signal = _number(n, 2, 1 / stop), _number(n, 3, 0.0), _number(n, 4, 1 / stop)
        return 1 / (8 * (abs(carrier) + abs(index * signal)))
    if name == "am":
        return 1 / (8 * (abs(_number(n, 2, 1 / stop)) + abs(_number(n, 3, 0.0))))
    return inf
