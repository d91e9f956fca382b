"""What several commands take: options by the same name and meaning, netlists, ``name=number``."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from analogpnn.errors import ExperimentError, NetlistError
from analogpnn.units import parse_number

Json = Annotated[bool, typer.Option("--json", metavar="", help="Print the result as JSON.")]
Include = Annotated[
    list[Path] | None,
    typer.Option("--allow-include", metavar="DIR", help="A folder that .include may read from; repeatable."),
]
Params = Annotated[list[str] | None, typer.Option("--param", metavar="K=V", help="Value of a .param; repeatable.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Another value for a key, as train.epochs=20; repeatable."),
]
NetlistPath = Annotated[Path, typer.Argument(metavar="NETLIST", help="A SPICE file.", show_default=False)]
ExperimentPath = Annotated[Path, typer.Argument(metavar="EXPERIMENT", help="A TOML file.", show_default=False)]


def existing(source: Path) -> None:
    """Refuse a path at which there is nothing."""
    if not source.exists():
        raise ExperimentError("there is no such run directory or SPICE file", path=source)


def read(path: Path, params: list[str] | None, allow_include: list[Path] | None) -> Any:
    """The circuit of a netlist on the command line."""
    from analogpnn.experiments.experiment import read_circuit

    if path.suffix == ".toml" and path.is_file():
        cure = f"analogpnn train {shlex.quote(str(path))} trains it; this command wants the netlist it names."
        raise NetlistError("is an experiment, not a netlist", path=path, cure=cure)
    if path.is_dir():
        raise NetlistError("is a directory, not a netlist", path=path)
    return read_circuit(path, assignments("--param", params), allow_include or ())


def assignments(option: str, texts: list[str] | None) -> dict[str, float]:
    """``["V1=0.3", "scale=1k"]`` as {"v1": 0.3, "scale": 1000.0}."""
    values = {}
    for text in texts or ():
        name, equals, number = text.partition("=")
        try:
            values[name.strip().lower()] = parse_number(number.strip())
        except ValueError:
            equals = ""
        if not equals or not name.strip():
            cure = f"Write {option} name=number; the number may have a SPICE suffix, as in 4.7k."
            raise ExperimentError(f"'{text}' isn't name=number", path=option, cure=cure) from None
    return values
