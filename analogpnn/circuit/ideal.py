"""Ideal diodes: conducting with zero drop, or blocking.

SPICE has no card for them, so they are written as ordinary diodes with a sharp model, and a directive says that they
stand for ideal ones::

    *@ ideal D*
    .model ideal D(IS=1e-12 N=0.01 RS=1m)
    D1 0 h1 ideal

Stock ngspice reads the sharp Shockley diode: that is the declared approximation, and what every export writes. (Below
N = 0.1 it needs the series resistance to converge.) Here the series resistance goes, and the layered engine replaces
the exponential by complementarity; where that engine doesn't fit, the sharp exponential is solved.
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from analogpnn.circuit.element import Element
from analogpnn.devices.diode import BREAKDOWN_DIODE, DIODE, IDEAL_DIODE
from analogpnn.errors import NetlistError
from analogpnn.expression import Control
from analogpnn.netlist.flat import Flat


def idealised(elements: Iterable[Element], flat: Flat) -> list[Element]:
    """The elements with the diodes that ``*@ ideal`` names made ideal.

    Raises
    ------
    NetlistError
        A glob that fits no diode.
    """
    elements = list(elements)
    wanted: set[str] = set()
    diodes = [e.name for e in elements if e.card.letter == "d" and e.device in (DIODE, BREAKDOWN_DIODE)]
    for d in flat.directives:
        if d.word != "ideal":
            continue
        for pattern in d.arguments:
            names = {n for n in diodes if fnmatchcase(n, pattern.lower())}
            if not names:
                raise NetlistError(
                    f"no diode matches '{pattern}'", path=d.path, line=d.line, text=d.text, cure="*@ ideal D*"
                )
            wanted |= names
    if not wanted:
        return elements
    drop = {f"{name}#rs" for name in wanted}
    return [_ideal(e) if e.name in wanted else e for e in elements if e.name not in drop]


def _ideal(e: Element) -> Element:
    anode, cathode = e.card.nodes[:2]
    values = {name: e.values[name] for name in IDEAL_DIODE.parameters}
    own = (Control("v", anode, cathode),)
    return e._replace(device=IDEAL_DIODE, positive=anode, negative=cathode, controls=own, values=values)
