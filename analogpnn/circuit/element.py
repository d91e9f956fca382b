"""What a card becomes: elements, each one branch with one law."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from analogpnn.devices.device import Device
from analogpnn.errors import IgnoredWarning, NetlistError
from analogpnn.expression import Control
from analogpnn.netlist.flat import FlatCard, Model


class Element(NamedTuple):
    """One branch with one law.

    Parameters
    ----------
    name : str
        As ngspice names it; parts of a native card carry a suffix (``d1#rs``).
    device : Device
    positive, negative : str
        Nodes n+ and n-.
    controls : tuple of Control
        What the law depends on: ``('v', a, b)`` or ``('i', source, '')``.
    values : mapping
        Law parameters; those left out take the device's defaults.
    card : FlatCard
        Where it comes from.
    """

    name: str
    device: Device
    positive: str
    negative: str
    controls: tuple[Control, ...]
    values: Mapping[str, float]
    card: FlatCard


@dataclass(frozen=True)
class Conditions:
    """What all elements share: temperature and model temperature [Celsius], gmin [S], and ``.options``."""

    celsius: float
    tnom: float
    gmin: float
    options: Mapping[str, float] = field(default_factory=dict)

    def of(self, card: FlatCard) -> float:
        """The card's own temperature [Celsius]."""
        return card.values.get("temp", self.celsius + card.values.get("dtemp", 0.0))


def error(card: FlatCard, what: str, cure: str | None = None) -> NetlistError:
    return NetlistError(what, path=card.path, line=card.line, text=card.text, cure=cure)


def own(card: FlatCard) -> tuple[Control, ...]:
    return (Control("v", card.nodes[0], card.nodes[1]),)


def check_parameters(card: FlatCard, known: str) -> None:
    """Refuse a ``name=value`` that ngspice refuses too."""
    extra = [name for name in card.values if name not in known.split()]
    if extra:
        raise error(card, f"'{card.name}' has no parameter '{extra[0]}'", f"known: {known}")


def check_model(card: FlatCard, model: Model, known: Mapping, silent: set[str], missing: set[str]) -> None:
    """Refuse parameters that are `missing` here and known to ngspice; warn of those that it doesn't know either."""
    for name, value in model.values.items():
        if name in known or name in silent:
            continue
        if name not in missing:
            what = f"model '{model.name}': {name.upper()} is no {model.type.upper()} parameter, and ignored"
            if near := difflib.get_close_matches(name, known, n=1, cutoff=0.75):
                what += f" (did you mean {near[0].upper()}?)"
            warnings.warn(IgnoredWarning(what, card.path), stacklevel=2)
        elif value != 0:
            raise error(
                card,
                f"model '{model.name}': {name.upper()} is not part of the {model.type.upper()} law here",
                f"leave it out, set it to 0, or run the deck in ngspice itself; known: {' '.join(known).upper()}",
            )
