"""The command line: results to stdout (as JSON with --json), progress and errors to stderr.

Exit codes: 0 good, 1 the job failed (did not converge, verification off), 2 bad input, 130 interrupted.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

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
from analogpnn.errors import AnalogError, ExperimentError, NetlistError
from analogpnn.experiments.rundir import BENCH, DECK, RECORD, TRAINED, Run, write_text
from analogpnn.experiments.schema import suggest

app = typer.Typer(
    name="analogpnn",
    help="Analog circuits that learn: train SPICE netlists, check them in ngspice, take them away.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Include = Annotated[
    list[Path] | None,
    typer.Option("--allow-include", metavar="DIR", help="A folder that .include may read from; repeatable."),
]
Params = Annotated[list[str] | None, typer.Option("--param", metavar="K=V", help="Value of a .param; repeatable.")]
NetlistPath = Annotated[Path, typer.Argument(metavar="NETLIST", help="A SPICE file.", show_default=False)]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; ends the process with its exit code.

    The one place where errors become text: a user's mistake never shows a traceback, a mistake of ours does.
    """
    sys.exit(_run(arguments))


def _run(arguments: Sequence[str] | None) -> int:
    try:
        app(args=list(arguments) if arguments is not None else None)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except AnalogError as error:
        print(error, file=sys.stderr)
        return 2 if isinstance(error, (NetlistError, ExperimentError)) else 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
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
    version: Annotated[bool, typer.Option("--version", help="Print the versions and end.")] = False,
) -> None:
    if version:
        from analogpnn.experiments.experiment import versions

        print(", ".join(f"{name} {number}" for name, number in versions().items()))
        raise typer.Exit


@app.command()
def check(netlist: NetlistPath, param: Params = None, allow_include: Include = None, json: Json = False) -> None:
    """Read a netlist, flatten and compile it, and say what is in it."""
    from dataclasses import asdict

    from analogpnn.circuit.lint import lint

    findings = lint(netlist, _assignments("--param", param), allow_include=allow_include or ())
    try:
        circuit = _circuit(netlist, param, allow_include)
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
    allow_include: Include = None,
    json: Json = False,
) -> None:
    """Find the operating point: node voltages and the currents of voltage sources."""
    from analogpnn.experiments.experiment import read_circuit
    from analogpnn.training.engines import make_engine

    solver = make_engine(engine)
    circuit = _circuit(netlist, param, allow_include)
    wanted = _assignments("--input", input)
    sources = {card.name: card for card in circuit.flat.cards if card.letter in "vi"}
    for name in wanted:
        if name not in sources:
            cure = f"Sources: {few(list(sources)) or 'none'}."
            raise ExperimentError(f"there is no source '{name}'", path="--input", cure=cure)
    others = {(name, "dc"): value for name, value in wanted.items() if name not in circuit.inputs}
    if others:
        circuit = read_circuit(circuit.netlist.with_values(others), _assignments("--param", param))
    inputs = circuit.input_values.copy()
    for k, name in enumerate(circuit.inputs):
        inputs[k] = wanted.get(name, inputs[k])
    point = solver.equilibrium(circuit, circuit.theta, inputs)
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
    experiment: Annotated[Path, typer.Argument(metavar="EXPERIMENT", help="A TOML file.", show_default=False)],
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The run directory; runs/<name>-<date>-<time> by default.")
    ] = None,
    set: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Another value for a (dotted) key; repeatable."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted run.")] = False,
    export: Annotated[
        list[str] | None,
        typer.Option("--export", metavar="FORMAT", help="Export into the run directory too; repeatable."),
    ] = None,
    json: Json = False,
) -> None:
    """Train; leaves a run directory with everything needed to repeat it."""
    from analogpnn.experiments.experiment import Experiment
    from analogpnn.experiments.running import default_directory, latest_unfinished

    formats = [_format(name) for name in export or ()]
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
            print(
                f"interrupted; what was learned so far is in {out}\n"
                f"go on with: analogpnn train {experiment} --out {out} --resume",
                file=sys.stderr,
            )
            raise typer.Exit(130) from None
    exported = [str(_export_run(run, name)) for name in formats]
    if json:
        print_json({**run.record, "directory": str(run.directory), "exported": exported})
    else:
        print_rows(run_rows(run, exported))
    if not run.record.get("verified", {}).get("passed", True):
        raise typer.Exit(1)


FORMATS = {"netlist": TRAINED, "deck": DECK, "bench": BENCH, "csv": "trained.csv"}


def _format(name: str) -> str:
    if name not in FORMATS:
        known = f"Formats: {', '.join(FORMATS)}."
        raise ExperimentError(f"there is no export format '{name}'", cure=suggest(name, FORMATS) or known)
    return name


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
    to = _format(to)
    if source.is_dir():
        path: Path | None = _export_run(Run.from_directory(source), to, out)
        text = ""
    else:
        circuit = _circuit(source, param, allow_include)
        inputs, outputs = circuit.input_values[None, :], None
        if to == "bench" and circuit.outputs:
            from analogpnn.training.engines import make_engine

            outputs = make_engine("fast").equilibrium(circuit, circuit.theta, inputs).outputs
        text = _exported_text(circuit, circuit.theta, to, inputs, outputs)
        path = write_text(out, text, circuit.netlist.encoding) if out is not None else None
    if json:
        print_json({"format": to, "path": str(path)} if path else {"format": to, "text": text})
    elif path:
        print(path)
    else:
        sys.stdout.write(text)


def _export_run(run, to: str, out: Path | None = None) -> Path:
    samples = run.samples()
    circuit = run.circuit()
    text = _exported_text(circuit, samples["theta"], to, samples["inputs"], samples["outputs"])
    return write_text(out or run.file(FORMATS[to]), text, circuit.netlist.encoding)


def _exported_text(circuit, theta, to: str, inputs, outputs) -> str:
    from analogpnn import export as exports

    if to == "netlist":
        return exports.trained_netlist(circuit, theta)
    if to == "deck":
        return exports.trained_deck(circuit, theta)
    if to == "csv":
        return exports.trainables_csv(circuit, theta)
    if not circuit.outputs:
        cure = "Name them: *@ output v(out)"
        raise NetlistError("a test bench compares outputs, and the circuit has none", path=circuit.path, cure=cure)
    return exports.trained_bench(circuit, theta, inputs, outputs)


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

    if source.is_dir():
        result = verify_run(Run.from_directory(source), tolerance=tolerance, samples=samples)
    elif is_bench(source):
        result = verify_bench(source)
    else:
        result = verify_netlist(_circuit(source, None, allow_include), tolerance=tolerance)
    if json:
        print_json(result)
    else:
        print_rows(verification_rows(result))
    if not result["passed"]:
        raise typer.Exit(1)


app.command()(tran)
app.command()(compare)
app.command("gradient-check")(gradient_check)


# --- helpers -----------------------------------------------------------------------------------------------


def _circuit(path: Path, params: list[str] | None, allow_include: list[Path] | None):
    from analogpnn.experiments.experiment import read_circuit

    return read_circuit(path, _assignments("--param", params), allow_include or ())


def _assignments(option: str, texts: list[str] | None) -> dict[str, float]:
    """``["V1=0.3", "scale=1k"]`` as {"v1": 0.3, "scale": 1000.0}."""
    from analogpnn.units import parse_number

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
