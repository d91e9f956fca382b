"""Transients by ngspice, read at the times asked for.

ngspice chooses its own time points; between them a cubic through the nearest four is read, never across a corner of a
waveform. Its step control is tightened until its answers are good to some 1e-6 of their size: `trtol` is 1, relative
tolerance 1e-7, and no step is longer than a 4000th of the run.
"""

from __future__ import annotations

import numpy as np

from analogpnn.circuit.boundary import Boundary, Clamp, Inject
from analogpnn.circuit.circuit import Circuit
from analogpnn.circuit.deck import Writer
from analogpnn.circuit.sweep import Spelling, Sweep, saves
from analogpnn.circuit.waveforms import Waveforms
from analogpnn.engines.arguments import prepare
from analogpnn.engines.ngspice import pool, words
from analogpnn.engines.ode.dense import weights
from analogpnn.engines.ode.sources import Sources
from analogpnn.engines.ode.start import initial_nodes
from analogpnn.engines.transient import sample_times
from analogpnn.errors import ConvergenceError, ExperimentError, SimulatorError

TITLE = "transient"  # never the user's: ngspice's words are searched for 'error'
OPTIONS = {"reltol": 1e-7, "vntol": 1e-10, "abstol": 1e-14, "chgtol": 1e-20, "trtol": 1.0}
STEPS = 4000
"""Steps of the run at least."""


def simulate(
    engine, circuit: Circuit, theta, inputs, stop, step, times, initial, boundary: Boundary, max_step, options
) -> Waveforms:
    """What `Ngspice.simulate` does; one deck for each sample."""
    if callable(inputs):
        raise ExperimentError(
            "ngspice can't call a Python function for its inputs",
            cure="write waveforms on the cards: V1 a 0 SIN(0 1 1k)",
        )
    if not isinstance(initial, str) or initial not in ("op", "ic"):
        raise ExperimentError("ngspice starts from 'op' or from 'ic'", cure="put node voltages on a .ic card")
    initial_nodes(circuit)
    times, step = sample_times(stop, step, times)
    held = inputs is not None
    theta, inputs, boundary, batch = prepare(circuit, theta, inputs, boundary)
    n = int(np.prod(batch, dtype=int))
    thetas = np.broadcast_to(theta, (*batch, theta.shape[-1])).reshape(n, theta.shape[-1])
    values = np.broadcast_to(inputs, (*batch, inputs.shape[-1])).reshape(n, inputs.shape[-1])
    imposed = None
    if isinstance(boundary, Clamp | Inject):
        imposed = boundary.voltages if isinstance(boundary, Clamp) else boundary.currents
        imposed = np.broadcast_to(imposed, (*batch, imposed.shape[-1])).reshape(n, imposed.shape[-1])
    corners = Sources(circuit, thetas[0] if n else circuit.theta, values[:1] if held else None, 1, step, stop).corners()
    out = np.empty((n, len(times), circuit.n_unknowns))
    longest = max_step or stop / STEPS
    analysis = f".tran {step!r} {stop!r} 0 {longest!r}" + (" uic" if initial == "ic" else "")
    for k in range(n):
        part = None if imposed is None else imposed[k]
        deck = _deck(circuit, thetas[k], values[k] if held else None, boundary, part, analysis, OPTIONS | options)
        found_times, found = _run(engine, deck, k, stop)
        out[k] = resample(found_times, found, times, corners)
    out = out.reshape(*batch, len(times), circuit.n_unknowns)
    count = circuit.n_nodes
    return Waveforms(circuit, theta, boundary, times, out[..., :count], out[..., count:])


def _deck(circuit, theta, values, boundary, imposed, analysis: str, options) -> Sweep:
    spelling = Spelling(circuit)
    writer = Writer(circuit, theta, spelling.node, spelling.element, for_reading=True)
    driven = {} if values is None else dict(zip(circuit.inputs, values.tolist()))
    cards, origin = [], {}
    for card in circuit.flat.cards:
        if card.name in driven:
            card = card._replace(waveform=(), values={**card.values, "dc": driven[card.name]})
        lines = writer.card(card)
        for line in lines:
            origin[line.split(" ", 1)[0]] = card
        cards += lines
    for k, pair in enumerate(circuit.outputs if imposed is not None else ()):
        a, b = map(spelling.node, pair)
        held = isinstance(boundary, Clamp)
        value = repr(float(imposed[k]))
        cards.append(f"v#clamp{k} {a} {b} {value}" if held else f"i#inject{k} {b} {a} {value}")
    nodes = tuple(map(spelling.node, circuit.nodes))
    sources = tuple(f"{writer.branch(name)}#branch" for name in circuit.sources)
    lines = [
        TITLE, *writer.options(**options), *writer.definitions(), *cards, *writer.starts(),
        *saves(circuit, nodes, sources), analysis, ".end",
    ]  # fmt: skip
    return Sweep(tuple(lines), (), nodes, sources, origin, spelling.spelt)


def _run(engine, deck: Sweep, sample: int, stop: float) -> tuple[np.ndarray, np.ndarray]:
    """Times (T,) and unknowns (T, n_unknowns) of one deck."""
    names = ["time", *deck.nodes, *deck.sources]
    try:
        answer = pool.run(deck.lines, names, library=engine.library, timeout=engine.timeout)
    except pool.WorkerDied as death:
        raise words.died(death.how, death.words, deck) from None
    said = [*answer.loading, *answer.running]
    if "time" not in answer.vectors:
        if any("aborted" in word for word in answer.running):
            raise _unsolved(answer.running, deck, sample, 0.0)
        raise words.refused(said, deck)
    missing = [name for name in names if name not in answer.vectors]
    if missing:
        raise SimulatorError(
            f"ngspice gave no '{missing[0]}'", text=words.essence(said, deck.spelt) or None,
            cure="its name may mean something else to ngspice; call the node or source otherwise",
        )  # fmt: skip
    times = answer.vectors["time"]
    if not len(times) or times[-1] < stop * (1 - 1e-9):
        raise _unsolved(answer.running, deck, sample, float(times[-1]) if len(times) else 0.0)
    return times, np.array([answer.vectors[name] for name in names[1:]]).T


def _unsolved(said, deck: Sweep, sample: int, reached: float) -> ConvergenceError:
    return ConvergenceError(
        f"ngspice's transient ended at {reached:.6g} s: sample {sample}", sample=sample,
        text=words.essence(said[-12:], deck.spelt) or None,
        cure="give the node it names a small capacitor, or expressions smooth corners",
    )  # fmt: skip


def resample(t: np.ndarray, x: np.ndarray, times: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Values (len(times), n) of the points x (len(t), n) by cubics that don't reach across corners.

    Examples
    --------
    >>> t = np.array([0.0, 0.1, 0.3, 0.6, 1.0])
    >>> resample(t, t[:, None] ** 3, np.array([0.2, 0.9]), np.zeros(0)).round(12).ravel()
    array([0.008, 0.729])
    """
    out = np.empty((len(times), x.shape[1]))
    edges = np.concatenate([[-np.inf], corners, [np.inf]])
    for low, high in zip(edges[:-1], edges[1:]):
        mine = np.flatnonzero((times > low) & (times <= high)) if np.isfinite(low) else np.flatnonzero(times <= high)
        if not len(mine):
            continue
        rounding = 1e-9 * t[-1] * 1e-3
        inside = np.flatnonzero((t >= low - rounding) & (t <= high + rounding))
        inside = inside[_apart(t[inside])]
        if len(inside) < 2:
            inside = np.clip(np.searchsorted(t, times[mine[0]]) + np.array([-1, 0]), 0, len(t) - 1)
        nodes, points = t[inside], x[inside]
        count = min(4, len(nodes))
        interval = np.clip(np.searchsorted(nodes, times[mine]) - 1, 0, len(nodes) - 2)
        window = np.clip(interval - (count - 1) // 2, 0, len(nodes) - count)[:, None] + np.arange(count)
        # Of a start without an operating point ngspice's first point is an instant after zero.
        w = weights(nodes[window], np.maximum(times[mine], nodes[0])[:, None])
        out[mine] = np.matmul(w, points[window])[:, 0, :]
    return out


def _apart(t: np.ndarray) -> np.ndarray:
    """Points that are not much nearer to their left neighbour than to their right one: those would amplify noise."""
    if len(t) < 3:
        return np.arange(len(t))
    gaps = np.diff(t)
    close = np.zeros(len(t), dtype=bool)
    close[1:-1] = (gaps[:-1] < 1e-2 * gaps[1:]) | (gaps[1:] < 1e-2 * gaps[:-1])
    # Of two neighbours one is enough to drop.
    close[1:] &= ~close[:-1]
    return np.flatnonzero(~close)
