"""The experiment file: which keys there are, of which kind, with which defaults.

Unknown and missing keys are refused by name, with the line and the nearest known key as a suggestion.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from analogpnn.errors import ExperimentError
from analogpnn.experiments.toml import excerpt, locate

REQUIRED = object()
"""Default of a key that has to be there."""


@dataclass(frozen=True)
class Key:
    """One key of a table.

    Parameters
    ----------
    kinds : tuple of type
        What its value may be; `float` takes integers too, `dict` is a table.
    default : object
        Value when the key is missing; `REQUIRED` if it mustn't be.
    least : float, optional
        Smallest number allowed.
    """

    kinds: tuple[type, ...]
    default: Any = None
    least: float | None = None


TRAIN = {
    "epochs": Key((int,), 100, least=0),
    "batch": Key((int,), None, least=1),
    "rate": Key((float, dict), REQUIRED),
    "optimiser": Key((str, dict), "sgd"),
    "init": Key((str, dict), "netlist"),
    "cost": Key((str, dict), None),
}

VERIFY = {
    "engine": Key((str, dict), "ngspice"),
    "samples": Key((int,), None, least=1),
    "tolerance": Key((float,), None, least=0.0),
}

EXPERIMENT = {
    "netlist": Key((str, dict), REQUIRED),
    "params": Key((dict,), None),
    "allow_include": Key((list,), None),
    "rule": Key((str, dict), "centred-equilibrium-propagation"),
    "engine": Key((str, dict), "fast"),
    "seed": Key((int,), 0, least=0),
    "task": Key((str, dict), None),
    "train": Key((dict,), REQUIRED),
    "verify": Key((dict,), None),
}

KIND_NAMES = {int: "a whole number", float: "a number", str: "a string", dict: "a table", list: "a list"}


@dataclass(frozen=True)
class Source:
    """Where a table came from: the file's text and the `--set` options laid over it."""

    path: str
    text: str = ""
    overrides: Mapping[tuple[str, ...], str] | None = None

    def error(self, keys: Iterable[str], what: str, cure: str | None = None) -> ExperimentError:
        """An error that points at `keys`: at its `--set` option, or at its line in the file."""
        keys = tuple(keys)
        for dotted, option in (self.overrides or {}).items():
            if keys[: len(dotted)] == dotted or dotted[: len(keys)] == keys != ():
                return ExperimentError(what, path=f"--set {option}", cure=cure)
        line, column = locate(self.text, keys)
        text, column = excerpt(self.text.splitlines()[line - 1] if line else "", column)
        return ExperimentError(what, path=self.path, line=line, text=text or None, column=column, cure=cure)


def check_table(
    table: Mapping[str, Any], schema: Mapping[str, Key], source: Source, at: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Refuse unknown and missing keys and wrong kinds; fill in defaults."""
    for name in table:
        if name not in schema:
            where = f" in [{'.'.join(at)}]" if at else ""
            cure = suggest(name, schema) or f"Known keys: {', '.join(schema)}."
            raise source.error((*at, name), f"unknown key '{name}'{where}", cure)
    checked: dict[str, Any] = {}
    for name, key in schema.items():
        if name not in table:
            if key.default is REQUIRED:
                place = f"[{'.'.join(at)}]" if at else "the experiment"
                raise source.error(at, f"{place} needs the key '{name}'", _example(name))
            checked[name] = key.default
            continue
        value = table[name]
        if not _is_a(value, key.kinds):
            kinds = " or ".join(KIND_NAMES[kind] for kind in key.kinds)
            raise source.error((*at, name), f"'{name}' must be {kinds}, not {value!r}", _example(name))
        if key.least is not None and not value >= key.least:
            raise source.error((*at, name), f"'{name}' must be at least {key.least:g}, not {value!r}")
        checked[name] = value
    return checked


def suggest(word: str, known: Iterable[str]) -> str | None:
    """``Did you mean 'epochs'?``, if something is near enough."""
    near = difflib.get_close_matches(word.lower(), list(known), n=1, cutoff=0.6)
    return f"Did you mean '{near[0]}'?" if near else None


def _is_a(value: Any, kinds: tuple[type, ...]) -> bool:
    if isinstance(value, bool):
        return bool in kinds
    return isinstance(value, kinds) or (float in kinds and isinstance(value, int))


def _example(name: str) -> str | None:
    return {
        "netlist": 'netlist = "iris.cir", relative to this file, '
        'or {generate = "deep-resistive-network", layers = [4, 9, 3]}.',
        "train": "[train] with at least rate = 1e-8.",
        "rate": "rate = 1e-8, or a table as {R1_* = 1e-8, R2_* = 1e-9}.",
        "rule": 'rule = "coupled-learning", or {name = "coupled-learning", eta = 0.1}.',
        "engine": 'engine = "fast" or "ngspice", or {name = "ngspice", workers = 2}.',
        "task": 'task = "iris", or a table [task] with name = ... or path = ....',
        "batch": "batch = 35; leave it out to use all samples at once.",
        "init": 'init = "netlist", or {low = 1e-7, high = 1e-6}.',
    }.get(name)
