"""Independent sources over time: waveforms of cards, inputs given by the user, and the corners in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
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
    inputs : ndarray (B, n_inputs), callable t -> (B, n_inputs), or None
        Held constant; a function of time; None for what the cards say.
    batch : int
        B.
    step, stop : float
        The analysis' step and end [s], which some waveforms take for times that are not given.

    Attributes
    ----------
    groups : list of int
        The circuit's groups of V and of I sources.
    columns : ndarray
        Places of the inputs among the sources.
    """

    def __init__(self, circuit: Circuit, theta, inputs, batch: int, step: float, stop: float):
        self.circuit, self.batch, self.step, self.stop = circuit, batch, step, stop
        self.groups = [
            k for k, g in enumerate(circuit.groups) if g.device in (linear.VOLTAGE_SOURCE, linear.CURRENT_SOURCE)
        ]
        names = [name for k in self.groups for name in circuit.groups[k].names]
        place = {name: k for k, name in enumerate(names)}
        parameters = circuit.parameters(theta)
        constant = [parameters[k][0] for k in self.groups]
        card_values = np.concatenate(constant) if constant else np.zeros(0)
        self.constant = np.array(np.broadcast_to(card_values, (batch, len(card_values))))
        self.columns = np.array([place[name] for name in circuit.inputs], dtype=np.intp)
        waveforms = {c.name: c.waveform for c in circuit.flat.cards if c.letter in "vi" and c.waveform}
        held = set() if inputs is None else set(circuit.inputs)
        self.waveforms = [(place[n], w) for n, w in waveforms.items() if n in place and n not in held]
        self.given: Callable | None = inputs if callable(inputs) else None
        self._elementwise = self.given is not None and _takes_arrays(self.given, batch, len(self.columns), stop)
        if inputs is not None and self.given is None:
            self.constant[:, self.columns] = inputs
        self.is_constant = not self.waveforms and self.given is None

    def at(self, times: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Values of samples `rows`, each at its own time: (len(rows), n_sources) [V, A]."""
        s = self.constant[rows]
        for k, w in self.waveforms:
            s[:, k] = values_at(w, times, self.step, self.stop)
        if self.given is not None:
            s[:, self.columns] = self._asked(self.given, times, rows)
        return s

    def _asked(self, given: Callable, times: np.ndarray, rows: np.ndarray) -> np.ndarray:
        shape = (self.batch, len(self.columns))
        if self._elementwise:
            everyone = np.full(self.batch, times[0])
            everyone[rows] = times
            return np.broadcast_to(np.asarray(given(everyone), dtype=float), shape)[rows]
        out = np.empty((len(rows), shape[1]))
        for t in np.unique(times):
            mine = times == t
            values = np.asarray(given(float(t)), dtype=float)
            try:
                out[mine] = np.broadcast_to(values, shape)[rows[mine]]
            except ValueError:
                raise ExperimentError(
                    f"inputs(t) gave shape {values.shape}; its last axis must hold the circuit's {shape[1]} inputs, "
                    "the axes before it the batch"
                ) from None
        return out

    def corners(self, more=()) -> np.ndarray:
        """Times within (0, stop) where a waveform has a corner, and those given by the user [s]."""
        found = [np.asarray(more, dtype=float).ravel()]
        found += [np.fromiter(_corners(w, self.step, self.stop), float) for _, w in self.waveforms]
        times = np.unique(np.concatenate(found))
        times = times[(times > 1e-12 * self.stop) & (times < self.stop * (1 - 1e-12))]
        # Corners nearer to each other than rounding are one.
        return times[np.diff(times, prepend=-inf) > 1e-12 * self.stop]

    @property
    def longest_step(self) -> float:
        """A step that sees every wiggle of the waveforms [s]."""
        steps = [_wiggle(w, self.stop) for _, w in self.waveforms]
        if self.given is not None:
            steps.append(self.stop / 50)
        return min(steps, default=inf)


def held(circuit: Circuit, values: Mapping[str, float]) -> Circuit:
    """The circuit with some of its sources held at a constant value instead of following their waveforms.

    Raises
    ------
    ExperimentError
        There is no such source.
    """
    known = {c.name for c in circuit.flat.cards if c.letter in "vi"}
    for name in values:
        if name not in known:
            names = ", ".join(sorted(known)[:12]) or "none"
            raise ExperimentError(f"there is no source '{name}'", path="--input", cure=f"Sources: {names}.")
    cards = tuple(
        c._replace(waveform=(), values={**c.values, "dc": values[c.name]}) if c.name in values else c
        for c in circuit.flat.cards
    )
    groups = list(circuit.groups)
    for name, value in values.items():
        g, k = circuit.places[name]
        dc = np.array(groups[g].values[0])
        dc[k] = value
        groups[g] = replace(groups[g], values=(dc, *groups[g].values[1:]))
    inputs = np.array([values.get(n, v) for n, v in zip(circuit.inputs, circuit.input_values.tolist())], dtype=float)
    flat = replace(circuit.flat, cards=cards)
    return replace(circuit, flat=flat, groups=tuple(groups), input_values=inputs)


def values_at(waveform: tuple, times: np.ndarray, step: float, stop: float) -> np.ndarray:
    """A waveform at many times."""
    distinct, back = np.unique(times, return_inverse=True)
    return np.array([value_at(waveform, t, step, stop) for t in distinct.tolist()])[back]


def _takes_arrays(inputs: Callable, batch: int, width: int, stop: float) -> bool:
    """Whether inputs(t) of an array (B,) gives each sample its own time, as in ``(a * np.sin(w * t))[:, None]``."""
    if batch < 2:
        return False
    times = stop * (0.137 + 0.731 * np.arange(batch) / batch)
    try:
        answer = np.asarray(inputs(times), dtype=float)
        if answer.shape != (batch, width):
            return False
        chosen = [0, batch // 2, batch - 1]
        apart = [np.broadcast_to(np.asarray(inputs(float(times[k])), dtype=float), (batch, width))[k] for k in chosen]
    except (TypeError, ValueError, IndexError, AttributeError, ArithmeticError):
        return False  # what a function of one time says to an array: "if t > 1", math.sin(t), table[int(t)]
    return np.array_equal(answer[chosen], apart)


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
