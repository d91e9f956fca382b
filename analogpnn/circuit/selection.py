"""Which sources data drive, which nodes answer, which elements learn: what the `*@` directives select."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from fnmatch import translate
from typing import NamedTuple

import numpy as np

from analogpnn.circuit.elements import Element
from analogpnn.devices import linear
from analogpnn.errors import NetlistError
from analogpnn.netlist.directives import Directive
from analogpnn.netlist.flatten import Flat
from analogpnn.units import parse_number


class Trainable(NamedTuple):
    """One number that learns.

    Parameters
    ----------
    name : str
        ``r1``, ``vb``, ``m1.vto``: what globs for learning rates match.
    element : str
    parameter : str
        As on the card: ``r``, ``dc``, ``vto``.
    law_parameter : str
        The device parameter that theta replaces: ``g`` for a resistor.
    quantity : str
        ``G`` for a conductance, else the parameter.
    unit : str
    """

    name: str
    element: str
    parameter: str
    law_parameter: str
    quantity: str
    unit: str


ON_CARDS = {
    "d": ("is",), "m": ("vto", "kp", "gamma", "phi", "lambda", "w"), "j": ("vto", "beta", "lambda"),
    "q": (), "s": (), "w": (),
}  # fmt: skip
"""Which law parameters of a native device stand on its card or model as they are, and so can be written back."""


def _error(d: Directive, what: str, cure: str | None = None) -> NetlistError:
    return NetlistError(what, path=d.path, line=d.line, text=d.text, cure=cure)


def select_inputs(flat: Flat) -> tuple[str, ...]:
    """Source names matched by ``*@ input`` globs, in card order."""
    chosen: dict[str, None] = {}
    sources = [c.name for c in flat.cards if c.letter in "vi"]
    for d in flat.directives:
        if d.word != "input":
            continue
        for pattern in d.arguments:
            names = list(filter(_glob(pattern.lower()), sources))
            if not names:
                raise _error(d, f"no V or I source matches '{pattern}'", "inputs are independent sources: V... or I...")
            chosen.update(dict.fromkeys(names))
    return tuple(name for name in sources if name in chosen)


def _glob(pattern: str) -> Callable[[str], re.Match | None]:
    """What tells whether a name in lower case matches a glob in lower case."""
    return re.compile(translate(pattern)).match


_OUTPUT = re.compile(r"v\(\s*([^,()\s]+)\s*(?:,\s*([^,()\s]+)\s*)?\)", re.IGNORECASE)


def select_outputs(flat: Flat, numbers: Mapping[str, int]) -> tuple[tuple[str, str], ...]:
    """Node pairs named by ``*@ output v(a) v(a,b)``."""
    pairs = []
    for d in flat.directives:
        if d.word != "output":
            continue
        for argument in d.arguments:
            match = _OUTPUT.fullmatch(argument)
            if match is None:
                raise _error(d, f"'{argument}' is no output", "write v(node) or v(node,node)")
            first, second = ("0" if name.lower() == "gnd" else name.lower() for name in match.groups(default="0"))
            pair = (first, second)
            for node in pair:
                if node not in numbers:
                    raise _error(d, f"there is no node '{node}'", f"nodes: {' '.join(list(numbers)[:20])}")
            if pair[0] == pair[1]:
                raise _error(d, f"'{argument}' is always 0 V")
            pairs.append(pair)
    return tuple(pairs)


def select_trainables(
    flat: Flat, elements: list[Element], inputs: tuple[str, ...]
) -> tuple[tuple[Trainable, ...], np.ndarray, np.ndarray]:
    """Trainables, their start values and bounds, in the order of directives and cards."""
    found: dict[Trainable, tuple[float, tuple[float, float]]] = {}
    primary = [e for e in elements if e.name == e.card.name]
    driven = frozenset(inputs)
    for d in flat.directives:
        if d.word != "train":
            continue
        lower, upper = (_bound(d, key) for key in ("min", "max"))
        if lower is not None and upper is not None and not lower < upper:
            raise _error(d, f"min={d.options['min']} is not below max={d.options['max']}")
        low = -math.inf if lower is None else lower
        high = math.inf if upper is None else upper
        span = (low, high)
        slack = 1e-12 * max(abs(low), abs(high)) if math.isfinite(low) and math.isfinite(high) else 0.0
        plain = lower is not None and upper is not None and lower >= 0
        for pattern in d.arguments:
            matched, parameter = _matches(d, pattern.lower(), primary)
            for e in matched:
                if plain and not parameter and e.device is linear.RESISTOR:  # a million of them need not be slow
                    g, name = e.values["g"], e.name
                    if low <= g <= high:
                        found[Trainable(name, name, "r", "g", "G", "S")] = g, span
                        continue
                t = _trainable(d, e, parameter)
                if e.name in driven:
                    raise _error(d, f"'{e.name}' is an input: data drive it, it can't learn as well")
                if t.quantity == "G":
                    if lower is None or upper is None or lower < 0:
                        raise _error(
                            d, f"'{e.name}': a trainable conductance needs bounds with min >= 0",
                            "*@ train R* min=0.1u max=10u    (conductances, in siemens)",
                        )  # fmt: skip
                start = e.values.get(t.law_parameter, e.device.parameters[t.law_parameter])
                if start is None:
                    raise _error(d, f"'{e.name}' has no value for '{t.law_parameter}' to start from")
                written = e.card.values.get(t.parameter, start)
                if t.parameter not in e.card.values and e.card.model is not None:
                    written = e.card.model.values.get(t.parameter, start)
                if t.quantity != "G" and start != written:
                    raise _error(
                        d, f"'{t.name}' can't be trained: the law's value is {start:.4g}, the card's {written:.4g}",
                        "set .options temp and tnom alike, and area=1",
                    )  # fmt: skip
                if not low - slack <= start <= high + slack:
                    what = f"{start:.4g} {t.unit}" + (f" (R = {1 / start:.4g} ohm)" if t.quantity == "G" else "")
                    raise _error(
                        d, f"'{t.name}' starts at {what}, outside min={low:.4g} max={high:.4g}",
                        "change the card's value or the bounds",
                    )  # fmt: skip
                found[t] = float(min(max(start, low), high)), span
    theta = np.array([start for start, _ in found.values()], dtype=float)
    bounds = np.array([[span[k] for _, span in found.values()] for k in (0, 1)], dtype=float)
    return tuple(found), theta, bounds


def _bound(d: Directive, key: str) -> float | None:
    if key not in d.options:
        return None
    try:
        return parse_number(d.options[key])
    except ValueError:
        raise _error(d, f"{key}={d.options[key]} is not a number", f"{key}=0.1u") from None


def _matches(d: Directive, pattern: str, primary: list[Element]) -> tuple[list[Element], str]:
    """The elements a glob means, and the parameter it names ('' for the one that is the element's own)."""
    if "." in pattern:
        glob, parameter = pattern.rsplit(".", 1)
        fits, anyway = _glob(glob), parameter in ("r", "g", "dc")
        named = [e for e in primary if (anyway or parameter in e.device.parameters) and fits(e.name)]
        if named:
            return named, parameter
    fits = _glob(pattern)
    whole = [e for e in primary if fits(e.name)]
    if whole:
        return whole, ""
    raise _error(d, f"no element matches '{pattern}'", "globs match element names: R*  R1_*  M*.VTO")


def _trainable(d: Directive, e: Element, parameter: str) -> Trainable:
    letter = e.card.letter
    if letter == "r" and parameter in ("", "r", "g"):
        if "g" not in e.device.parameters:
            raise _error(d, f"'{e.name}' has a formula for its resistance: there is no number to train")
        return Trainable(e.name, e.name, "r", "g", "G", "S")
    if letter in "vi":
        if parameter not in ("", "dc"):
            raise _error(d, f"'{e.name}' has no parameter '{parameter}'", "sources train their DC value")
        if len(e.card.waveform):
            raise _error(d, f"'{e.name}' has a waveform; only a DC value can be trained")
        return Trainable(e.name, e.name, "dc", "dc", "dc", "V" if letter == "v" else "A")
    if letter in ON_CARDS and parameter and parameter not in ON_CARDS[letter]:
        can = " ".join(ON_CARDS[letter]).upper()
        raise _error(
            d, f"'{e.name}' has no parameter '{parameter}' that can learn",
            f"{letter.upper()} cards train {can}" if can else f"{letter.upper()} cards train nothing",
        )  # fmt: skip
    known = ON_CARDS.get(letter) or tuple(e.device.parameters)
    required = [n for n in known if e.device.parameters[n] is None]
    if not parameter and letter == "x" and len(required) == 1:
        parameter = required[0]
    if not parameter or parameter not in e.device.parameters:
        raise _error(
            d, f"say what of '{e.name}' is to be trained" if not parameter
            else f"'{e.name}' has no parameter '{parameter}'",
            f"for example {d.arguments[0]}.{[*required, *known, '...'][0].upper()}; parameters: {' '.join(known)}",
        )  # fmt: skip
    unit = e.device.units.get(parameter, "")
    return Trainable(f"{e.name}.{parameter}", e.name, parameter, parameter, parameter, unit)
