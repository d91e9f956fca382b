"""One deck, two simulators, one verdict."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from analogpnn.agreement.original import OriginalDeck, run_original
from analogpnn.circuit.boundary import Free
from analogpnn.circuit.circuit import Circuit
from analogpnn.circuit.operating_point import OperatingPoint
from analogpnn.engines.newton import Newton
from analogpnn.engines.ngspice.engine import Ngspice
from analogpnn.errors import AnalogError, ConvergenceError, NetlistError, SimulatorError
from analogpnn.netlist.netlist import Netlist

RELATIVE = 1e-6
VOLTS = 1e-6
AMPERES = 1e-12
MISSED = 1e-6
"""What an answer may miss of the currents at a node (beside 1 pA), and still be an operating point."""
PATIENCE, STEPS = 4.0, 100
"""Seconds after which ngspice has failed, and how many Newton iterations it may take at a time: as many as by itself.

Of 250 random circuits it solves 209 so, 207 of them within 4 s, the others in 12 and 19 s. With 1000 iterations, which
it uses up in vain at every step of gmin, it solves 207 within 20 s.
"""
BESIDE = 1e-3
"""How far beside ngspice's answer, as a part of the distance to ours, an operating point of its own may be."""
KINDS = (
    "agrees", "two points", "ngspice is off", "differs", "fast fails", "unsupported", "ngspice fails", "ngspice refuses"
)  # fmt: skip
"""What may be said of a deck, from good to bad; only 'differs' and 'fast fails' are our faults."""
SUFFIXES = (".cir", ".sp", ".spice", ".net", ".ckt", ".deck")
_READER = Newton()


@dataclass(frozen=True)
class Verdict:
    """What came of a deck.

    Parameters
    ----------
    kind : str
        One of `KINDS`. 'two points': the engines found different operating points, and one confirms the other's:
        started there it stays, or ends beside it (by less than `BESIDE` of what is between the two).
        'ngspice is off': Kirchhoff's current law says whose rounding it is: from ngspice's answer Newton's method comes
        back to ours, and ngspice misses the law by more than ten times as much; or we find nothing, and ngspice's
        answer misses the law by more than `MISSED` of the currents at a node.
    worst : float
        Largest deviation, in units of what is allowed (1e-6 relative + 1 uV or 1 pA).
    where : str
        The node or branch it is at.
    why : str
        The reason in words, for the other kinds.
    """

    path: str
    kind: str
    worst: float = 0.0
    where: str = ""
    why: str = ""

    @property
    def good(self) -> bool:
        return self.kind not in ("differs", "fast fails")


def compare(source: str | Path | Netlist, *, trust: bool = False, allow_include: Iterable[str | Path] = ()) -> Verdict:
    """Compare the operating points that the fast engine and ngspice find.

    Parameters
    ----------
    source : path or Netlist
    trust : bool
        Hand ngspice the deck's own text, so that our reading of it is tested too. ngspice runs commands that stand in
        a deck: only for decks you trust. Otherwise ngspice gets a deck written from what was read.
    allow_include : iterable of paths
    """
    path = str(getattr(source, "path", source))
    try:
        netlist = source if isinstance(source, Netlist) else Netlist.from_file(source, allow_include=allow_include)
        circuit = Circuit.from_netlist(netlist)
    except NetlistError as error:
        return _unread(path, source, trust, error)
    try:
        spice = _by_original(netlist) if trust else _by_engine(circuit)
    except ConvergenceError as error:
        return Verdict(path, "ngspice fails", why=_first_line(error))
    except SimulatorError as error:
        return Verdict(path, "ngspice refuses", why=_first_line(error))
    try:
        point = _READER.equilibrium(circuit)
    except AnalogError as error:
        missed, where = _missed(circuit, spice)
        if not trust and missed > MISSED:
            return Verdict(path, "ngspice is off", where=where, why=f"Kirchhoff's law missed by a part of {missed:.1e}")
        return Verdict(path, "fast fails", why=_first_line(error))
    fast = {f"v({name})": float(x) for name, x in zip(circuit.nodes, point.node_voltages)}
    fast |= {f"i({name})": float(x) for name, x in zip(circuit.sources, point.source_currents)}
    worst, where = _worst(fast, spice)
    if worst <= 1.0:
        return Verdict(path, "agrees", worst, where)
    if not trust and _is_off(circuit, point, fast, spice):
        return Verdict(path, "ngspice is off", worst, where, f"fast {fast[where]:.9g}, ngspice {spice[where]:.9g}")
    if _is_another_point(circuit, point, fast, spice):
        return Verdict(path, "two points", worst, where, "one engine, started at the other's answer, stays there")
    return Verdict(path, "differs", worst, where, f"fast {fast[where]:.9g}, ngspice {spice[where]:.9g}")


def compare_folder(folder: str | Path, **how) -> Iterator[Verdict]:
    """Verdicts on every deck below a folder (by suffix: .cir .sp .spice .net .ckt .deck)."""
    for path in decks_in(folder):
        yield compare(path, **how)


def decks_in(folder: str | Path) -> list[Path]:
    """The decks below a folder, or the file itself."""
    folder = Path(folder)
    return [folder] if folder.is_file() else sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)


def _unread(path: str, source, trust: bool, error: NetlistError) -> Verdict:
    """We could not read it: can ngspice?"""
    if trust and isinstance(source, str | Path):
        try:
            run_original(OriginalDeck.from_file(source))
        except (SimulatorError, ConvergenceError) as other:
            return Verdict(path, "ngspice refuses", why=f"{_first_line(other)}; we: {error.what}")
    place = f"line {error.line}: " if error.line else ""
    return Verdict(path, "unsupported", why=f"{place}{error.what}")


def _by_original(netlist: Netlist) -> dict[str, float]:
    return run_original(OriginalDeck.from_netlist(netlist))


def _by_engine(circuit: Circuit) -> dict[str, float]:
    point = Ngspice(timeout=PATIENCE, max_steps=STEPS).equilibrium(circuit)
    values = {f"v({name})": float(x) for name, x in zip(circuit.nodes, point.node_voltages)}
    return values | {f"i({name})": float(x) for name, x in zip(circuit.sources, point.source_currents)}


def _worst(fast: dict[str, float], spice: dict[str, float]) -> tuple[float, str]:
    worst, where = 0.0, ""
    for name, value in spice.items():
        if name in fast:
            allowed = RELATIVE * abs(value) + (VOLTS if name[0] == "v" else AMPERES)
            off = abs(fast[name] - value) / allowed
            if not off <= worst:
                worst, where = (float(off) if np.isfinite(off) else np.inf), name
    return worst, where


def _theirs(circuit: Circuit, spice: dict[str, float]) -> OperatingPoint:
    volts = np.array([spice[f"v({name})"] for name in circuit.nodes])
    amperes = np.array([spice[f"i({name})"] for name in circuit.sources])
    return OperatingPoint(circuit, circuit.theta, circuit.input_values, Free(), volts, amperes)


def _missed(circuit: Circuit, spice: dict[str, float]) -> tuple[float, str]:
    """The largest violation of Kirchhoff's law by ngspice's answer, as a part of the currents at that node."""
    if any(f"v({name})" not in spice for name in circuit.nodes):
        return 0.0, ""
    point = _theirs(circuit, spice)
    flows = np.zeros(circuit.n_unknowns + 1)
    for group in circuit.groups:
        for numbers in (group.positive, group.negative):
            np.add.at(flows, numbers, np.abs(point.branch_currents[group.columns]))
    excess = np.abs(point.node_residuals) - AMPERES - _rounding(point)
    missed = np.maximum(excess, 0.0) / np.maximum(flows[: circuit.n_nodes], 1e-300)
    worst = int(np.argmax(missed))
    return float(missed[worst]), f"v({circuit.nodes[worst]})"


def _rounding(point: OperatingPoint) -> np.ndarray:
    """What 64-bit voltages leave open of the sum of currents at each node [A]."""
    circuit, x = point.circuit, point.unknowns
    out = np.zeros(circuit.n_unknowns + 1)
    for group, values in zip(circuit.groups, point.parameters):
        slopes = group.device.law(*group.controls(x), *values)[1:]
        each = np.zeros(len(group.names))
        for slope, plus, minus in zip(slopes, group.control_positive, group.control_negative):
            each += np.abs(slope) * (np.abs(x[plus]) + np.abs(x[minus]))
        for numbers in (group.positive, group.negative):
            np.add.at(out, numbers, np.finfo(float).eps * each)
    return out[: circuit.n_nodes]


def _is_off(circuit: Circuit, point, fast: dict[str, float], spice: dict[str, float]) -> bool:
    """Whether ngspice's answer is ours, less exact."""
    theirs = _theirs(circuit, spice)
    if not point.residual * 10 < theirs.residual:
        return False
    try:
        again = _READER.equilibrium(circuit, start=theirs)
    except AnalogError:
        return False
    found = {f"v({name})": float(x) for name, x in zip(circuit.nodes, again.node_voltages)}
    return _worst(found, {name: x for name, x in fast.items() if name[0] == "v"})[0] <= 1.0


def _is_another_point(circuit: Circuit, point, fast: dict[str, float], spice: dict[str, float]) -> bool:
    """Whether one engine, started at the other's answer, stays there: then that is an operating point for both.

    ngspice's answer may be inexact: Newton's method, started there, then ends beside it. That counts if ours keeps
    Kirchhoff's law, so that it is an operating point too.
    """
    volts = np.array([spice.get(f"v({name})", fast[f"v({name})"]) for name in circuit.nodes])
    theirs = {name: x for name, x in spice.items() if name[0] == "v"}
    ours = {name: x for name, x in fast.items() if name[0] == "v"}
    for engine, start, wanted in (
        (_READER, point.with_node_voltages(volts), theirs),
        (Ngspice(), point, ours),
    ):
        try:
            again = engine.equilibrium(circuit, start=start)
        except AnalogError:
            continue
        found = {f"v({name})": float(x) for name, x in zip(circuit.nodes, again.node_voltages)}
        if _worst(found, wanted)[0] <= 1.0:
            return True
        if wanted is theirs and _missed(circuit, fast)[0] <= MISSED:
            moved = max(abs(found[name] - x) for name, x in theirs.items())
            if moved <= BESIDE * max(abs(ours[name] - x) for name, x in theirs.items()):
                return True
    return False


def _first_line(error: AnalogError) -> str:
    place = f"line {error.line}: " if error.line else ""
    return f"{place}{error.what}".splitlines()[0][:200]
