"""The command line: results to stdout (as JSON with --json), progress and errors to stderr.

Exit codes: 0 good, 1 the job failed (did not converge, verification off), 2 bad input, 130 interrupted.
"""

from __future__ import annotations

import shlex
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from analogpnn.cli.arguments import (
    ExperimentPath,
    Include,
    Json,
    NetlistPath,
    Params,
    Set,
    assignments,
    existing,
    read,
)
from analogpnn.cli.compare import compare
from analogpnn.cli.gradient_check import gradient_check
from analogpnn.cli.progress import TrainingProgress
from analogpnn.cli.terminal import (
    few,
    print_json,
    print_rows,
    run_rows,
    summary,
    summary_rows,
    verification_rows,
)
from analogpnn.cli.tran import tran
from analogpnn.errors import AnalogError, ExperimentError, IgnoredWarning, NetlistError
from analogpnn.experiments.exporting import FORMATS, export_run, exported_text, known_format
from analogpnn.experiments.rundir import RECORD, Run, write_text

app = typer.Typer(
    name="analogpnn",
    help="Analog circuits that learn: train SPICE netlists, check them in ngspice, take them away.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

INTERRUPTED = 130
"""Exit code after Ctrl-C."""


class Stopped(Exception):
    """Ctrl-C where there is more to say than that."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; ends the process with its exit code.

    The one place where errors become text: a user's mistake never shows a traceback, a mistake of ours does.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("once", IgnoredWarning)
        warnings.showwarning = _say  # type: ignore[assignment]
        sys.exit(_run(arguments))


def _say(message, category, *_) -> None:
    """A warning as a sentence."""
    print(f"warning: {message}" if category is IgnoredWarning else f"{category.__name__}: {message}", file=sys.stderr)


def _run(arguments: Sequence[str] | None) -> int:
    try:
        app(args=list(arguments) if arguments is not None else None)
    except Stopped as stopped:
        print(stopped, file=sys.stderr)
        return INTERRUPTED
    except SystemExit as end:
        if end.code == INTERRUPTED:  # typer's own answer to Ctrl-C, without a word
            print("interrupted", file=sys.stderr)
        return end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except AnalogError as error:
        print(error, file=sys.stderr)
        return 2 if isinstance(error, (NetlistError, ExperimentError)) else 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output left: analogpnn ... | head
        sys.stdout = None  # type: ignore[assignment]
        return 1
    except OSError as error:
        if error.filename is None:  # no file of the user's: a full disk, say
            print(f"the system refuses: {error}", file=sys.stderr)
            return 1
        print(f"{error.filename}: {error.strerror or error}", file=sys.stderr)
        return 2
    return 0


@app.callback(invoke_without_command=True)
def _top(
    version: Annotated[bool, typer.Option("--version", metavar="", help="Print the versions and end.")] = False,
) -> None:
    if version:
        from analogpnn.experiments.versions import versions

        print(", ".join(f"{name} {number}" for name, number in versions().items()))
        raise typer.Exit


@app.command()
def check(netlist: NetlistPath, param: Params = None, allow_include: Include = None, json: Json = False) -> None:
    """Read a netlist, flatten and compile it, and say what is in it."""
    from dataclasses import asdict

    from analogpnn.circuit.lint import lint

    findings = lint(netlist, assignments("--param", param), allow_include=allow_include or ())
    warnings.simplefilter("ignore", IgnoredWarning)  # they are among the findings
    try:
        circuit = read(netlist, param, allow_include)
    except NetlistError as error:
        for finding in findings:
            if finding.what != error.what:
                print(finding, file=sys.stderr)
        raise
    about = {**summary(circuit), "findings": [asdict(finding) for finding in findings]}
    if json:
        print_json(about)
    else:
        print_rows([*summary_rows(about), *((f.severity, _finding_text(f)) for f in findings)])


def _finding_text(finding) -> str:
    place = f"line {finding.line}: " if finding.line else ""
    return place + finding.what + (f"\n{finding.cure}" if finding.cure else "")


@app.command()
def op(
    netlist: NetlistPath,
    engine: Annotated[str, typer.Option(help="fast or ngspice.")] = "fast",
    param: Params = None,
    input: Annotated[
        list[str] | None, typer.Option("--input", metavar="V1=0.3", help="Value of a source; repeatable.")
    ] = None,
    starts: Annotated[
        int, typer.Option(metavar="N", help="Look for other operating points as well, from N starts.")
    ] = 0,
    allow_include: Include = None,
    json: Json = False,
) -> None:
    """Find the operating point: node voltages and the currents of voltage sources."""
    from analogpnn.cli.operating_points import print_all, warn
    from analogpnn.experiments.experiment import read_circuit
    from analogpnn.training.engines import make_engine

    solver = make_engine(engine)
    circuit = read(netlist, param, allow_include)
    wanted = assignments("--input", input)
    sources = {card.name: card for card in circuit.flat.cards if card.letter in "vi"}
    for name in wanted:
        if name not in sources:
            cure = f"Sources: {few(list(sources)) or 'none'}."
            raise ExperimentError(f"there is no source '{name}'", path="--input", cure=cure)
    others = {(name, "dc"): value for name, value in wanted.items() if name not in circuit.inputs}
    if others:
        circuit = read_circuit(circuit.netlist.with_values(others), assignments("--param", param))
    inputs = circuit.input_values.copy()
    for k, name in enumerate(circuit.inputs):
        inputs[k] = wanted.get(name, inputs[k])
    if starts:
        print_all(circuit, inputs, starts, engine, json)
        return
    point = solver.equilibrium(circuit, circuit.theta, inputs)
    warn(point)
    nodes = dict(zip(circuit.nodes, map(float, point.node_voltages)))
    branches = dict(zip(circuit.sources, map(float, point.source_currents)))
    if json:
        print_json({"nodes": nodes, "branches": branches})
        return
    rows = [(f"v({name})", f"{value:.9g} V") for name, value in nodes.items()]
    rows += [(f"i({name})", f"{value:.9g} A") for name, value in branches.items()]
    print_rows(rows, align="right")


@app.command()
def train(
    experiment: ExperimentPath,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The run directory; runs/<name>-<date>-<time> by default.")
    ] = None,
    set: Set = None,
    resume: Annotated[bool, typer.Option("--resume", metavar="", help="Go on with an interrupted run.")] = False,
    export: Annotated[
        list[str] | None,
        typer.Option("--export", metavar="FORMAT", help="Export into the run directory too; repeatable."),
    ] = None,
    json: Json = False,
) -> None:
    """Train; leaves a run directory with everything needed to repeat it."""
    from analogpnn.experiments.experiment import Experiment
    from analogpnn.experiments.running import default_directory, latest_unfinished

    formats = [known_format(name) for name in export or ()]
    job = Experiment.from_file(experiment, set or ())
    if out is None:
        out = latest_unfinished(job.name) if resume else default_directory(job.name)
    with TrainingProgress(job.name, job.table["train"]["epochs"]) as progress:
        try:
            run = job.run(out, resume=resume, progress=progress)
        except KeyboardInterrupt:
            progress.close()
            if not (Path(out) / RECORD).exists():
                raise
            again = shlex.join([str(experiment), *(part for text in set or () for part in ("--set", text))])
            what = f"interrupted; what was learned so far is in {out}"
            raise Stopped(
                f"{what}\ngo on with: analogpnn train {again} --out {shlex.quote(str(out))} --resume"
            ) from None
    exported = [str(export_run(run, name)) for name in formats]
    if json:
        print_json({**run.record, "directory": str(run.directory), "exported": exported})
    else:
        print_rows(run_rows(run, exported))
    if not run.record.get("verified", {}).get("passed", True):
        raise typer.Exit(1)


@app.command()
def export(
    source: Annotated[
        Path,
        typer.Argument(metavar="RUN_OR_NETLIST", help="A run directory or a SPICE file.", show_default=False),
    ],
    to: Annotated[str, typer.Option("--to", metavar="FORMAT", help=f"One of {', '.join(FORMATS)}.")] = "deck",
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Where to; by default a file in the run directory, or stdout for a netlist."),
    ] = None,
    param: Params = None,
    allow_include: Include = None,
    json: Json = False,
) -> None:
    """Write a trained circuit: netlist, flat deck, self-checking test bench, or a table of its values."""
    to = known_format(to)
    existing(source)
    if source.is_dir():
        path: Path | None = export_run(Run.from_directory(source), to, out)
        text = ""
    else:
        circuit = read(source, param, allow_include)
        inputs, outputs = circuit.input_values[None, :], None
        if to == "bench" and circuit.outputs:
            from analogpnn.training.engines import make_engine

            outputs = make_engine("fast").equilibrium(circuit, circuit.theta, inputs).outputs
        text = exported_text(circuit, circuit.theta, to, inputs, outputs)
        path = write_text(out, text, circuit.netlist.encoding) if out is not None else None
    if json:
        print_json({"format": to, "path": str(path)} if path else {"format": to, "text": text})
    elif path:
        print(path)
    else:
        sys.stdout.write(text)


@app.command()
def verify(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="RUN_OR_DECK", help="A run directory, a test bench or a SPICE file.", show_default=False
        ),
    ],
    tolerance: Annotated[float | None, typer.Option(help="Largest deviation that passes, in volts.")] = None,
    samples: Annotated[int | None, typer.Option(min=1, help="How many samples; all by default.")] = None,
    allow_include: Include = None,
    json: Json = False,
) -> None:
    """Replay a trained circuit in stock ngspice; report the largest deviation from what training saw."""
    from analogpnn.experiments.verification import verify_bench, verify_netlist, verify_run
    from analogpnn.export.verify import is_bench

    existing(source)
    if source.is_dir():
        result = verify_run(Run.from_directory(source), tolerance=tolerance, samples=samples)
    elif is_bench(source):
        result = verify_bench(source)
    else:
        result = verify_netlist(read(source, None, allow_include), tolerance=tolerance)
    if json:
        print_json(result)
    else:
        print_rows(verification_rows(result))
    if not result["passed"]:
        raise typer.Exit(1)


app.command()(tran)
app.command()(compare)
app.command("gradient-check")(gradient_check)
