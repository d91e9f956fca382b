"""``analogpnn gradient-check``: each rule's update against the exact gradient."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from analogpnn.cli.arguments import ExperimentPath, Json, Set
from analogpnn.cli.compare import print_table, rule_names
from analogpnn.cli.terminal import print_json
from analogpnn.errors import ExperimentError
from analogpnn.units import parse_number


def gradient_check(
    experiment: ExperimentPath,
    rules: Annotated[
        str | None,
        typer.Option("--rules", metavar="A,B,C", help="Names of rules; by default its own and six usual ones."),
    ] = None,
    nudges: Annotated[
        str, typer.Option("--nudges", metavar="X,Y,Z", help="Nudges, as multiples of each rule's own.")
    ] = "0.1,1,10",
    samples: Annotated[
        int | None, typer.Option(min=1, help="Training samples averaged over; all, up to 200, by default.")
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Updates averaged, for random rules.")] = 1,
    plot: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw it too, as a PNG.")] = None,
    set: Set = None,
    json: Json = False,
) -> None:
    """Compare each rule's first update with the exact adjoint gradient, layer by layer and nudge by nudge."""
    from analogpnn.experiments.experiment import Experiment
    from analogpnn.experiments.gradient_check import gradient_check as run
    from analogpnn.experiments.gradient_check import save_plot

    job = Experiment.from_file(experiment, set or ())
    rows = run(
        job, None if rules is None else rule_names(rules), _numbers(nudges),
        samples=samples, repeats=repeats, progress=lambda name: print(name, file=sys.stderr),
    )  # fmt: skip
    if plot is not None:
        save_plot(rows, plot, job.name)
    if json:
        print_json({"rows": rows} | ({"plot": str(plot)} if plot is not None else {}))
    else:
        print_table([_shown(row) for row in rows])


def _numbers(text: str) -> list[float]:
    try:
        numbers = [parse_number(part.strip()) for part in text.split(",") if part.strip()]
    except ValueError:
        numbers = []
    if not numbers or min(numbers) <= 0:
        raise ExperimentError(f"'{text}' isn't a list of positive numbers", path="--nudges", cure="--nudges 0.1,1,10")
    return numbers


def _shown(row: dict[str, Any]) -> dict[str, str]:
    return {
        "rule": row["rule"],
        "nudge": "" if row["nudge"] is None else f"{row['nudge']:.3g}",
        "elements": row["group"],
        "cosine": "" if row["cosine"] is None else f"{row['cosine']:.6f}",
        "angle": "" if row["angle"] is None else f"{row['angle']:.2g} deg",
        "norm": "" if row["norm"] is None else f"{row['norm']:.4g}",
    }
