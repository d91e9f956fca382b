"""``analogpnn compare``: the same circuit and task under several training methods."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from analogpnn.cli.arguments import ExperimentPath, Json, Set
from analogpnn.cli.terminal import print_json
from analogpnn.errors import ExperimentError


def compare(
    experiment: ExperimentPath,
    rules: Annotated[str, typer.Option("--rules", metavar="A,B,C", help="Names of rules.", show_default=False)],
    seeds: Annotated[int, typer.Option(min=1, help="Runs per rule.")] = 1,
    trials: Annotated[int, typer.Option(min=1, help="Rates tried for each rule; 1 takes the first guess.")] = 5,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Where to; runs/<name>-compare by default.")] = None,
    set: Set = None,
    json: Json = False,
) -> None:
    """Train by several rules: same seeds, each at its best rate, with what it cost the physics.

    Run it again to go on where it was interrupted.
    """
    from analogpnn.experiments.compare import compare as run
    from analogpnn.experiments.experiment import Experiment

    found = run(
        Experiment.from_file(experiment, set or ()), rule_names(rules),
        seeds=seeds, trials=trials, workers=workers, out=out, progress=lambda text: print(text, file=sys.stderr),
    )  # fmt: skip
    if json:
        print_json({"rows": found.rows, "budget": found.budget, "directory": str(found.directory)})
    else:
        print_table([_shown(row) for row in found.rows], f"{found.budget}; everything is in {found.directory}")
    if all(row["failed"] == row["seeds"] for row in found.rows):
        raise typer.Exit(1)


def rule_names(text: str) -> list[str]:
    """``a, b,c`` as a list.

    Raises
    ------
    ExperimentError
        There is nothing in it, or something twice.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names or len({*names}) < len(names):
        what = "no rules to look at" if not names else "a rule is named twice"
        raise ExperimentError(what, path="--rules", cure="--rules coupled-learning,spsa")
    return names


def _shown(row: dict[str, Any]) -> dict[str, str]:
    physical = row["physical"]
    shown, several = {"rule": row["rule"]}, row["seeds"] > 1
    if row.get("test_accuracy") is not None:
        spread = f" ± {100 * row['test_accuracy_spread']:.1f}" if several else ""
        shown["test accuracy"] = f"{100 * row['test_accuracy']:.1f}{spread} %"
    loss = row.get("test_loss")
    spread = f" ± {row['test_loss_spread']:.1g}" if several and loss is not None else ""
    shown["test loss"] = "failed" if loss is None else f"{loss:.3g}{spread}"
    rate = row["rate"]
    return shown | {
        "cosine": "" if row["cosine"] is None else f"{row['cosine']:.4f}",
        "rate": f"{rate:.3g}" if isinstance(rate, float) else f"x {row['rate_factor']:g}",
        "points": f"{physical['operating_points']:,}" + (" (model)" if physical["simulated"] else ""),
        "reads": f"{physical['measurements']:,}",
        "writes": f"{physical['updates']:,}",
        "energy [W]": f"{physical['energy']:.3g}",
        "memory": f"{physical['memory']:,}",
        "mul-adds": f"{physical['multiply_adds']:.2g}" if physical["multiply_adds"] else "0",
    }


def print_table(rows: list[dict[str, str]], note: str = "") -> None:
    """Rows of text to stdout: a table on a terminal, columns in a pipe."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    if sys.stdout.isatty():
        table = Table(box=None, pad_edge=False, header_style="bold")
        for k, column in enumerate(columns):
            table.add_column(column, justify="right" if k else "left", no_wrap=k == 0)
        for row in rows:
            table.add_row(*(Text(row.get(column, "")) for column in columns))
        Console(highlight=False).print(table)
    else:
        widths = [max(len(column), *(len(row.get(column, "")) for row in rows)) for column in columns]
        for row in [{column: column for column in columns}, *rows]:
            cells = [row.get(c, "").ljust(w) if k == 0 else row.get(c, "").rjust(w)
                     for k, (c, w) in enumerate(zip(columns, widths))]  # fmt: skip
            print("  ".join(cells).rstrip())
    if note:
        print(note, file=sys.stdout)
