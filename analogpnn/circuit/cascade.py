"""Cascades as netlists: stages of resistors and diodes joined by buffers that let nothing back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from analogpnn.errors import NetlistError
from analogpnn.netlist.netlist import Netlist
from analogpnn.units import format_number


def cascade(
    layers: Sequence[int],
    *,
    labels: int = 0,
    gain: float = 4.0,
    rails: tuple[float, float] = (0.1, 0.6),
    bias: float = 1.0,
    range_of_start: tuple[float, float] = (1e-5, 1e-4),
    bounds: tuple[float, float] = (1e-7, 1e-3),
    diode: str = "IS=1e-9 N=1",
    seed: int = 0,
) -> Netlist:
    """Stages one after the other: hidden nodes clamped by diodes, copied in both signs by buffers, read by the next.

    A stage is every resistor from the sources or buffers below to one layer of nodes. Inputs come with their
    negatives, hidden nodes are copied with gain and -gain: conductances can't be negative.

    Parameters
    ----------
    layers : sequence of int
        Features, hidden nodes of each stage, outputs: ``(4, 10, 3)``.
    labels : int
        Sources ``VL1 ...`` at 0 V into the first stage, for methods that tell the label (`ForwardForward`).
    gain : float
        Of the buffers.
    rails : (low, high)
        Where the two diodes of a hidden node end [V].
    bias : float
        Rails at +-bias feed every stage [V].
    range_of_start : (low, high)
        Conductances at first, log-uniform by the seed [S].
    bounds : (lower, upper)
        Of every conductance [S].
    diode : str
        Parameters of the diodes' model.

    Examples
    --------
    >>> from analogpnn import Circuit
    >>> circuit = Circuit.from_netlist(cascade((4, 6, 5, 3), labels=3))
    >>> circuit.n_inputs, circuit.n_outputs, circuit.n_trainable
    (8, 3, 184)
    """
    if len(layers) < 3 or any(int(n) != n or n < 1 for n in layers):
        raise NetlistError(f"layers of a cascade can't be {list(layers)}", cure="inputs, stages, outputs: (4, 10, 3)")
    rng = np.random.default_rng(seed)
    n_in, *hidden, n_out = (int(n) for n in layers)
    outputs = [f"o{k}" for k in range(1, n_out + 1)]
    lines = [f"cascade {'-'.join(map(str, layers))}", "*@ input  Vx* Vn*"]
    lines += ["*@ output " + " ".join(f"v({o})" for o in outputs)]
    lines += [f"*@ train  R* min={format_number(bounds[0])} max={format_number(bounds[1])}"]
    lines += [f"V{s}{k} {s}{k} 0 DC 0" for s in "xn" for k in range(1, n_in + 1)]
    lines += [f"VL{k} l{k} 0 DC 0" for k in range(1, labels + 1)]
    lines += [f".model clamp D({diode})", f"VBp bp 0 DC {format_number(bias)}", f"VBn bn 0 DC {format_number(-bias)}"]
    lines += [f"Vup up 0 DC {format_number(rails[1])}", f"Vdown down 0 DC {format_number(rails[0])}"]

    def resistors(stage: int, below: Sequence[str], node: str) -> list[str]:
        low, high = np.log(range_of_start)
        made = np.exp(rng.uniform(low, high, len(below)))
        return [f"R{stage}_{a}_{node} {a} {node} {float(f'{1 / g:.4g}')!r}" for a, g in zip(below, made)]

    below = [f"{s}{k}" for s in "xn" for k in range(1, n_in + 1)] + [f"l{k}" for k in range(1, labels + 1)]
    for stage, width in enumerate(hidden, 1):
        for k in range(1, width + 1):
            t = f"{stage}_{k}"
            lines += resistors(stage, [*below, "bp", "bn"], f"h{t}")
            lines += [f"DU{t} h{t} up clamp", f"DD{t} down h{t} clamp"]
            lines += [f"EP{t} p{t} 0 h{t} 0 {format_number(gain)}", f"EM{t} m{t} 0 h{t} 0 {format_number(-gain)}"]
        below = [f"{s}{stage}_{k}" for s in "pm" for k in range(1, width + 1)]
    for o in outputs:
        lines += resistors(len(hidden) + 1, [*below, "bp", "bn"], o)
    return Netlist.from_text("\n".join([*lines, ".end", ""]))
