"""V and I cards: DC value, AC value, waveform."""

from __future__ import annotations

from analogpnn.errors import NetlistError
from analogpnn.netlist.instance import Instance
from analogpnn.netlist.parameters import located
from analogpnn.netlist.split import WORD, assignments
from analogpnn.netlist.structure import Element
from analogpnn.netlist.waveforms import ALIASES, FEWEST, MOST, value_at

KEYWORDS = frozenset(("dc", "ac", "distof1", "distof2", "m", *FEWEST, *ALIASES))
_UNSUPPORTED = frozenset("trnoise trrandom external pat portnum z0".split())


def read_source(element: Element, instance: Instance):
    """Words, nodes, values and waveform of an independent source.

    ``'dc'`` is the DC value; without one the waveform's value at time zero, and 0 without either (as in
    ngspice).
    ``'ac'`` and ``'acphase'`` are kept where given.
    """
    text = element.text
    if "{" in text or "(" in text or "'" in text or "=" in text or "," in text or '"' in text or "}" in text:
        try:
            assignments(text)  # for its complaint about brackets
        except NetlistError as error:
            raise located(error, element.card, at=0) from None
        words = WORD.findall(text)
    else:
        words = text.split()
    if len(words) < 3:
        cure = f"Write: {words[0]} node+ node- value"
        raise element.error(f"'{words[0]}' needs 2 nodes, has {len(words) - 1}", 0, cure)
    nodes = (instance.node(words[1]), instance.node(words[2]))
    values: dict[str, float] = {}
    waveform: tuple = ()
    k = 3
    while k < len(words):
        word = words[k]
        stop = k + 1
        while stop < len(words) and words[stop] not in KEYWORDS:
            stop += 1
        if word == "dc":
            stop = min(stop, k + 2)
            _set(values, "dc", instance.number(element, words[k + 1]) if stop > k + 1 else 0.0, element, k)
        elif word == "m":
            if stop == k + 1:
                raise element.error("nothing stands after 'm'", k, "Write m=value.")
            stop = k + 2
            values["m"] = instance.number(element, words[k + 1])
        elif word == "ac":
            stop = min(stop, k + 3)
            _set(values, "ac", 1.0, element, k)
            for key, text_ in zip(("ac", "acphase"), words[k + 1 : stop]):
                values[key] = instance.number(element, text_)
        elif word in ("distof1", "distof2"):
            stop = min(stop, k + 3)
        elif ALIASES.get(word, word) in FEWEST:
            if waveform:
                raise element.error("a second waveform", k, "A source has one waveform.")
            waveform = (ALIASES.get(word, word), *[instance.number(element, text_) for text_ in words[k + 1 : stop]])
            _check(waveform, element, k)
        elif word in _UNSUPPORTED:
            raise element.error(f"'{word}' is not supported", k, f"Known waveforms: {' '.join(FEWEST)}.")
        elif k == 3:
            stop = k + 1
            _set(values, "dc", instance.number(element, word), element, k)
        else:
            cure = f"Write {words[0]} node+ node- [DC value] [AC value phase] [SIN(...)]"
            raise element.error(f"'{word}' is not expected here", k, cure)
        k = stop
    if "dc" not in values:
        try:
            values["dc"] = value_at(waveform) if waveform else 0.0
        except (OverflowError, ZeroDivisionError, ValueError):
            raise element.error("the waveform has no value at time zero", 3) from None
    return words, nodes, values, waveform


def _set(values: dict[str, float], name: str, value: float, element: Element, k: int) -> None:
    if name in values:
        raise element.error(f"a second {name.upper()} value", k, "Keep one of the two.")
    values[name] = value


def _check(waveform: tuple, element: Element, k: int) -> None:
    name, *numbers = waveform
    if len(numbers) < FEWEST[name]:
        raise element.error(f"{name.upper()} needs at least {FEWEST[name]} numbers", k)
    if len(numbers) > MOST.get(name, len(numbers)):
        raise element.error(f"{name.upper()} has at most {MOST[name]} numbers, not {len(numbers)}", k)
    if name == "pwl":
        times = numbers[0::2]
        if len(numbers) % 2 or any(later <= earlier for earlier, later in zip(times, times[1:])):
            raise element.error("PWL needs pairs of time and value, the times rising", k)
