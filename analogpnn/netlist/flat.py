"""The records a netlist is flattened to: what every element is, with numbers for all its parameters."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from analogpnn.expression import Node
from analogpnn.netlist.directives import Directive


@dataclass(frozen=True, slots=True)
class Model:
    """A ``.model`` card, its expressions evaluated.

    Parameters
    ----------
    name : str
        As ngspice flattens it: ``'dmod'``, or ``'x1:dmod'`` for one defined inside a subcircuit.
    type : str
        ``'d'``, ``'nmos'``, ``'pmos'``, ``'r'``, ``'c'``, ...
    values : dict
        Parameters, in the units of ngspice's manual.
    """

    name: str
    type: str
    values: dict[str, float]
    path: str = ""
    line: int = 0


class FlatCard(NamedTuple):
    """One element of the flattened circuit.

    Parameters
    ----------
    name : str
        As ngspice flattens it: ``'r1'``, or ``'r.x1.r1'`` for r1 in x1.
    letter : str
        ``'r'``, ``'c'``, ...; ``'x'`` is an instance of something that no ``.subckt`` defines: a user's
        device.
    nodes : tuple of str
        In lower case; ``'0'`` is ground; ``'x1.n'`` is the node n inside x1.
    values : dict
        ``'r'``, ``'c'``, ``'l'`` [ohm, F, H] of R, C, L; ``'dc'`` [V, A] of V and I; ``'gain'`` of linear
        E, F, G, H; every ``name=value`` of the instance; parameters that `expression` uses.
    path, line, text
        Where it is written.
    model : Model or None
    controls : tuple of str
        The two controlling nodes of E and G, the controlling source of F and H.
    expression : Node or None
        Of B, and of E, G, R, C, L given by a formula: of voltages, currents, ``time`` and names in `values`.
    kind : str
        What a B, E or G source sets: ``'v'`` or ``'i'``. For ``'x'``: the device's name.
    waveform : tuple
        Like ``('sin', 0.0, 1.0, 1e3)``; empty for a constant source.
    """

    name: str
    letter: str
    nodes: tuple[str, ...]
    values: dict[str, float]
    path: str = ""
    line: int = 0
    text: str = ""
    model: Model | None = None
    controls: tuple[str, ...] = ()
    expression: Node | None = None
    kind: str = ""
    waveform: tuple = ()


@dataclass(frozen=True, slots=True)
class Flat:
    """A flattened netlist.

    Parameters
    ----------
    cards : tuple of FlatCard
        In the order of the text, instances replaced by their contents.
    options : dict
        Numeric ``.options`` (flags are 1.0) and ``.temp`` as ``'temp'``.
    initial, nodeset : dict
        Node voltages [V] of ``.ic`` and ``.nodeset``.
    notes : tuple of str
        What was read and not acted on.
    """

    title: str
    cards: tuple[FlatCard, ...]
    directives: tuple[Directive, ...] = ()
    options: dict[str, float] = field(default_factory=dict)
    initial: dict[str, float] = field(default_factory=dict)
    nodeset: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    path: str = ""
