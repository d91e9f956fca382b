"""TOML in and out: errors that say where, a key's place in the text, ``--set`` options, a writer.

`tomllib` reads the values but forgets where a key stood; `locate` finds it again.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from analogpnn.errors import ExperimentError


def read_toml(path: str | Path) -> tuple[dict[str, Any], str]:
    """Read a TOML file: its table and its text.

    Raises
    ------
    ExperimentError
        The file isn't there, isn't text, or isn't TOML; with line and column.
    """
    try:
        text = Path(path).read_bytes().decode("utf-8")
    except OSError as error:
        cure = _beside(Path(path)) if isinstance(error, FileNotFoundError) else "An experiment is a TOML file."
        raise ExperimentError(f"can't be read: {error.strerror or error}", path=path, cure=cure) from None
    except UnicodeDecodeError:
        raise ExperimentError("isn't a text file", path=path, cure="An experiment is a TOML file.") from None
    return parse_toml(text, str(path)), text


def _beside(path: Path) -> str | None:
    """What experiments there are where one was looked for, the most similar name first."""
    there = sorted(path.parent.glob("*.toml")) if path.parent.is_dir() else []
    near = difflib.get_close_matches(path.name, [file.name for file in there], n=1)
    if near:
        return f"Did you mean '{path.parent / near[0]}'?"
    names = ", ".join(str(file) for file in there[:6])
    return f"Experiments there: {names}{', ...' if len(there) > 6 else ''}." if there else None


def parse_toml(text: str, path: str) -> dict[str, Any]:
    """`tomllib.loads` whose error says where."""
    try:
        # tomllib wants \n; a file from elsewhere may have \r\n, and its line numbers stay the same
        return tomllib.loads(text.replace("\r\n", "\n"))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        what = str(error)
        place = re.search(r" \(at line (\d+), column (\d+)\)$", what)
        lines = text.splitlines()
        if place is None:
            line: int | None = len(lines) or None
            column, what = None, what.replace(" (at end of document)", " at the end of the file")
        else:
            line, column = int(place[1]), int(place[2]) - 1
            what = what[: place.start()]
        shown, column = excerpt(lines[line - 1] if line and line <= len(lines) else "", column)
        cure = 'Strings need quotes: netlist = "iris.cir".' if "Invalid value" in what else None
        if not path.endswith(".toml"):
            cure = "An experiment is a TOML file that names a netlist."
        raise ExperimentError(
            f"isn't TOML: {what}", path=path, line=line, text=shown or None, column=column, cure=cure
        ) from None


def excerpt(text: str, column: int | None, width: int = 100) -> tuple[str, int | None]:
    """At most `width` characters of a line around `column`, and where the column went."""
    start = max(0, column - width // 2) if column is not None and len(text) > width else 0
    return text[start : start + width], None if column is None else column - start


def locate(text: str, keys: tuple[str, ...]) -> tuple[int | None, int | None]:
    """Line (from 1) and column (from 0) of a dotted key in TOML text; of its nearest ancestor if it has none.

    Examples
    --------
    >>> locate('seed = 1\\n[train]\\nrate = {start = 1e-8}\\n', ("train", "rate", "start"))
    (3, 8)
    >>> locate('seed = 1\\n', ("train", "rate"))
    (None, None)
    """
    best: tuple[int, int | None, int | None] = (0, None, None)
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*\[+\s*([^\]]+?)\s*\]+", line)
        if header:
            table = split_dotted(header[1])
            here, column = table, line.index("[")
        else:
            key = re.match(r"\s*((?:[A-Za-z0-9_\-.]|\"[^\"]*\"|'[^']*'|\s(?=\s*[.]))+)\s*=", line)
            if not key:
                continue
            here, column = table + split_dotted(key[1]), key.start(1)
        depth = len(here)
        if keys[:depth] != here or not depth:
            continue
        rest = line[column:]
        for name in keys[depth:]:  # keys of inline tables stand in the same line
            inner = re.search(rf"[{{,]\s*[\"']?({re.escape(name)})[\"']?\s*=", rest)
            if not inner:
                break
            column, rest, depth = column + inner.start(1), rest[inner.end(1) :], depth + 1
        if depth > best[0]:
            best = (depth, number, column)
    return best[1], best[2]


def split_dotted(text: str) -> tuple[str, ...]:
    """``a."b.c".d`` -> ("a", "b.c", "d")."""
    parts = re.findall(r"\"([^\"]*)\"|'([^']*)'|([^.\s\"']+)", text)
    return tuple(double or single or bare for double, single, bare in parts)


def override(table: dict[str, Any], options: Iterable[str]) -> tuple[dict[str, Any], dict]:
    """Lay `--set a.b=c` options over a table; returns the new table and {keys: option text}.

    The value is read as TOML; what isn't TOML is taken as a string. Setting a key inside a value that was a
    plain string (``engine = "ngspice"``, ``--set engine.workers=2``) turns it into ``{name = ...}``.
    """
    table = _copy(table)
    seen: dict[tuple[str, ...], str] = {}
    for option in options:
        dotted, equals, value_text = option.partition("=")
        keys = split_dotted(dotted)
        if not equals or not keys:
            cure = "Write --set train.epochs=20."
            raise ExperimentError("needs key=value", path=f"--set {option}", cure=cure)
        try:
            value = tomllib.loads(f"value = {value_text}")["value"]
        except tomllib.TOMLDecodeError:
            value = value_text.strip()
        inner = table
        for name in keys[:-1]:
            below = inner.get(name, {})
            if isinstance(below, str):
                below = {"name": below}
            elif not isinstance(below, dict):
                below = {}
            inner[name] = below
            inner = below
        inner[keys[-1]] = value
        seen[keys] = option
    return table, seen


def _copy(value: Any) -> Any:
    return {key: _copy(below) for key, below in value.items()} if isinstance(value, dict) else value


def dump_toml(table: Mapping[str, Any]) -> str:
    """Write a table as TOML: plain keys first, then one [table] each; what is None is left out.

    Examples
    --------
    >>> print(dump_toml({"seed": 0, "train": {"rate": 1e-8}}), end="")
    seed = 0
    <BLANKLINE>
    [train]
    rate = 1e-08
    """
    plain = {k: v for k, v in table.items() if not isinstance(v, dict)}
    lines = [f"{_key(k)} = {_value(v)}" for k, v in plain.items() if v is not None]
    for name, below in table.items():
        if isinstance(below, dict):
            lines += ["", f"[{_key(name)}]"]
            lines += [f"{_key(k)} = {_value(v)}" for k, v in below.items() if v is not None]
    return "\n".join(lines) + "\n"


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_\-]+", name) else _value(name)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return '"' + re.sub(r"[\x00-\x1f\x7f]", lambda m: f"\\u{ord(m[0]):04x}", escaped) + '"'
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(k)} = {_value(v)}" for k, v in value.items() if v is not None) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_value(v) for v in value) + "]"
    return repr(int(value)) if isinstance(value, int) else repr(float(value))
