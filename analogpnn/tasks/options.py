"""Options of a task: from TOML values or from the text of a netlist's directive to what a function takes.

A function says what it wants by the annotations of its keyword-only parameters; text is read as SPICE
numbers, so that ``*@ task xor inputs=0,450m`` and ``inputs = [0, 0.45]`` mean the same.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from analogpnn.errors import ExperimentError
from analogpnn.learning.registry import suggestion
from analogpnn.units import parse_number

Numbers = tuple[float, ...]
"""One or more numbers: a list, or text with commas."""

Matrix = tuple[tuple[float, ...], ...]
"""Rows of numbers: a list of lists, or text with commas and, between rows, slashes."""

Switch = str
"""'true', 'false', 'pairs' or 'auto'."""


def bind(what: str, options: Mapping[str, Any], *takers: Callable) -> list[dict[str, Any]]:
    """Hand every option, converted, to the first of the functions that has a parameter of its name.

    Raises
    ------
    ExperimentError
        An option that none of them knows, or that can't be converted.
    """
    wanted = [_parameters(taker) for taker in takers]
    bound: list[dict[str, Any]] = [{} for _ in takers]
    for name, value in options.items():
        at = next((k for k, parameters in enumerate(wanted) if name in parameters), None)
        if at is None:
            known = [name for parameters in wanted for name in parameters]
            cure = suggestion(name, known) if known else "It takes no options."
            raise ExperimentError(f"{what} has no option '{name}'", cure=cure)
        convert, kind = CONVERTERS[wanted[at][name]]
        try:
            bound[at][name] = convert(value)
        except (ValueError, TypeError) as error:
            raise ExperimentError(f"{what}: '{name}' must be {kind}, not {value!r}") from error
    return bound


def _parameters(taker: Callable) -> dict[str, str]:
    parameters = inspect.signature(taker).parameters.values()
    return {p.name: p.annotation for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY}


def _number(value: Any) -> float:
    if isinstance(value, str):
        return parse_number(value.strip())
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError
    return float(value)


def _whole(value: Any) -> int:
    number = _number(value)
    if number != int(number):
        raise ValueError
    return int(number)


def _numbers(value: Any) -> Numbers:
    if isinstance(value, str):
        value = value.strip("[]() ").replace(",", " ").split()
    if isinstance(value, Iterable):
        return tuple(_number(part) for part in value)
    return (_number(value),)


def _matrix(value: Any) -> Matrix:
    if isinstance(value, str):
        value = value.split("/")
    rows = tuple(_numbers(row) for row in value)
    if not rows or len({len(row) for row in rows}) != 1:
        raise ValueError
    return rows


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _switch(value: Any) -> str:
    text = str(value).lower()
    text = {"yes": "true", "1": "true", "on": "true", "no": "false", "0": "false", "off": "false"}.get(text, text)
    if text not in ("true", "false", "pairs", "auto"):
        raise ValueError
    return text


CONVERTERS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "float": (_number, "a number"),
    "int": (_whole, "a whole number"),
    "str": (_text, "text"),
    "Numbers": (_numbers, "a list of numbers"),
    "Matrix": (_matrix, "rows of numbers, [[0.2, 0.3], [0.4, 0.1]] or 0.2,0.3/0.4,0.1"),
    "Switch": (_switch, "true, false, 'pairs' or 'auto'"),
}
"""Annotation -> (conversion, what to call it)."""
