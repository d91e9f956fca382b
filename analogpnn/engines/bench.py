"""A hardware stand-in: any engine, made as imperfect as a bench.

What is trained on it sees mismatched elements, noisy readings, sources that are off, writes that don't land where they
should. Only methods with a model of their own know the ideal circuit.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from analogpnn.circuit.boundary import Boundary, Free
from analogpnn.circuit.circuit import Circuit
from analogpnn.circuit.operating_point import OperatingPoint
from analogpnn.errors import ExperimentError

VARIES = ("g", "is", "kp")
"""Parameters of fixed elements that differ from copy to copy, by a share of themselves."""
PURPOSES = ("trainable", "element", "source", "bias", "noise")
OPTIONS = ("mismatch", "read_noise", "source_offset", "resolution", "write_noise", "update_bias")
"""The imperfections: what an engine's table in an experiment file may hold beside the engine's own options."""


@dataclass(frozen=True, eq=False)
class Bench:
    """An engine whose circuit isn't quite the netlist's, and whose instruments aren't ideal.

    Parameters
    ----------
    engine : Engine
        What really settles.
    mismatch : float
        Standard deviation of each element's relative error, fixed by `seed`: of every trainable (its value is
        ``theta (1 + error)``), of fixed resistors, of the saturation currents of diodes and KP of transistors.
    read_noise : float
        Standard deviation of every node voltage that is read, anew in every operating point [V].
    source_offset : float
        Standard deviation of each input source's fixed error [V or A].
    resolution : float
        Smallest step in which theta can be written, as a share of the distance of its bounds; 0: any. Each write goes
        to the nearest step, so updates below half of one are lost.
    write_noise : float
        Standard deviation of where a write lands, as a share of the distance of the bounds. What isn't written stays.
    update_bias : float
        Standard deviation of each element's fixed error in comparing two states [unit of the force: V^2 for a
        conductance]. It enters the contrast before the division by the nudge; local rules have it, others don't.
    seed : int
        Which copy of the hardware.

    Notes
    -----
    The operating points it returns name the ideal circuit and the theta that was asked for, beside the voltages that
    were measured: all that is known on a bench. What is derived from them by the elements' laws (branch currents,
    power) is the model's reading of those voltages. Under ngspice only the trainables are mismatched, for its deck is
    written from the cards.

    Examples
    --------
    >>> from analogpnn import Circuit, Netlist, Newton
    >>> circuit = Circuit.from_netlist(Netlist.from_text('''divider
    ... *@ output v(out)
    ... *@ train R1 min=1u max=1
    ... V1 in 0 1
    ... R1 in out 1k
    ... R2 out 0 1k
    ... '''))
    >>> bench = Bench(Newton(), mismatch=0.1, seed=1)
    >>> abs(bench.equilibrium(circuit).outputs[0] - 0.5) > 1e-3
    np.True_
    """

    engine: Any
    mismatch: float = 0.0
    read_noise: float = 0.0
    source_offset: float = 0.0
    resolution: float = 0.0
    write_noise: float = 0.0
    update_bias: float = 0.0
    seed: int = 0
    rng: np.random.Generator | None = field(default=None, repr=False)
    _memo: dict = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self):
        for name in OPTIONS:
            value = getattr(self, name)
            if not (np.isfinite(value) and value >= 0):
                raise ExperimentError(f"engine: {name} must be a number of at least 0, not {value!r}")
        if self.rng is None:
            object.__setattr__(self, "rng", self._fixed("noise"))

    def with_rng(self, rng: np.random.Generator) -> Bench:
        """The same hardware, its noise drawn from `rng`: a training run's own stream, kept in its checkpoint."""
        new = replace(self, rng=rng)
        object.__setattr__(new, "_memo", self._memo)
        return new

    def equilibrium(
        self,
        circuit: Circuit,
        theta: Any = None,
        inputs: Any = None,
        boundary: Boundary = Free(),  # noqa: B008  (a frozen record)
        start: OperatingPoint | None = None,
    ) -> OperatingPoint:
        """What the instruments show when the imperfect circuit has settled."""
        theta = np.asarray(circuit.theta if theta is None else theta, dtype=float)
        inputs = np.asarray(circuit.input_values if inputs is None else inputs, dtype=float)
        real = self.hardware(circuit)
        given = self.driven(circuit, inputs)
        known = {} if start is None else {"start": start}
        op = self.engine.equilibrium(real, self.actual(theta), given, boundary, **known)
        volts, currents = op.node_voltages, op.source_currents
        if self.read_noise:
            noise = self.rng.standard_normal(volts.shape)  # type: ignore[union-attr]
            if np.iscomplexobj(volts):  # both quadratures of a lock-in
                noise = noise + 1j * self.rng.standard_normal(volts.shape)  # type: ignore[union-attr]
            volts = volts + self.read_noise * noise
        return OperatingPoint(circuit, theta, inputs, op.boundary, volts, currents)

    def driven(self, circuit: Circuit, inputs: np.ndarray) -> np.ndarray:
        """What the sources really give when `inputs` are asked for [V or A]."""
        return inputs + self.source_offset * self._fixed("source").standard_normal(circuit.n_inputs)

    def actual(self, theta: np.ndarray) -> np.ndarray:
        """What the trainables really are when theta is asked for."""
        if not self.mismatch:
            return theta
        return theta * _positive(1.0 + self.mismatch * self._fixed("trainable").standard_normal(theta.shape[-1]))

    def hardware(self, circuit: Circuit) -> Circuit:
        """The circuit with its fixed elements as they really are."""
        if not self.mismatch:
            return circuit
        known = self._memo.get("hardware")
        if known is not None and known[0] is circuit:
            return known[1]
        rng = self._fixed("element")
        groups = []
        for group in circuit.groups:
            values = []
            for name, column in zip(group.device.parameters, group.values):
                off = rng.standard_normal(len(column)) if name in VARIES else np.zeros(len(column))
                values.append(column * _positive(1.0 + self.mismatch * off))
            groups.append(replace(group, values=tuple(values)))
        real = replace(circuit, groups=tuple(groups))
        self._memo["hardware"] = (circuit, real)
        return real

    def write(self, circuit: Circuit, old: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        """Where theta is after an attempt to write `wanted`, shape (n_trainable,)."""
        lower, upper = np.broadcast_to(circuit.bounds, (2, len(wanted)))
        span = np.where(np.isfinite(upper - lower), upper - lower, 0.0)
        new = np.array(wanted, dtype=float)
        if self.resolution:
            step = self.resolution * span
            counts = np.round(np.divide(new - lower, step, out=np.zeros(len(new)), where=step > 0))
            new = np.where(step > 0, lower + counts * step, new)
        moved = new != old
        if self.write_noise:
            landed = new + self.write_noise * span * self.rng.standard_normal(len(new))  # type: ignore[union-attr]
            new = np.where(moved, landed, new)
        return circuit.clip(new)

    def bias(self, n_trainable: int) -> np.ndarray:
        """Each element's fixed error in a comparison [unit of the force], shape (n_trainable,)."""
        return self.update_bias * self._fixed("bias").standard_normal(n_trainable)

    def _fixed(self, purpose: str) -> np.random.Generator:
        """The random numbers that make this copy of the hardware."""
        return np.random.default_rng([int(self.seed), PURPOSES.index(purpose)])


def _positive(factor: Any) -> np.ndarray:
    return np.maximum(factor, 0.01)
