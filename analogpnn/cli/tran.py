"""``analogpnn tran``: voltages over time, by either engine, at the same sample times."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from analogpnn.cli.arguments import Include, Json, NetlistPath, Params, assignments, read
from analogpnn.cli.terminal import print_json, print_rows
from analogpnn.errors import ExperimentError
from analogpnn.units import parse_number


def tran(
    netlist: NetlistPath,
    stop: Annotated[str, typer.Option("--stop", metavar="T", help="End, as in 5m or 20us.", show_default=False)],
    step: Annotated[
        str | None, typer.Option("--step", metavar="T", help="Distance of samples; a hundredth of --stop if left out.")
    ] = None,
    engine: Annotated[str, typer.Option(help="fast or ngspice.")] = "fast",
    start: Annotated[str, typer.Option(help="op (operating point) or ic (initial conditions, ngspice's uic).")] = "op",
    param: Params = None,
    input: Annotated[
        list[str] | None,
        typer.Option("--input", metavar="V1=0.3", help="Hold a source constant instead of its waveform; repeatable."),
    ] = None,
    rtol: Annotated[float | None, typer.Option(help="Relative tolerance; 1e-6 if left out, for ngspice 1e-7.")] = None,
    out: Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Write time and node voltages.")] = None,
    allow_include: Include = None,
    json: Json = False,
) -> None:
    """Run a transient: node voltages over time. Sources follow the waveforms on their cards."""
    from analogpnn.engines.ode.sources import held

    end = _seconds("--stop", stop)
    distance = None if step is None else _seconds("--step", step)
    circuit = held(read(netlist, param, allow_include), assignments("--input", input))
    waves = _engine(engine, rtol)(circuit, stop=end, step=distance, initial=start)
    if out is not None:
        _write(out, circuit.nodes, waves)
    if json:
        nodes = dict(zip(circuit.nodes, waves.node_voltages.T.tolist()))
        branches = dict(zip(circuit.sources, waves.source_currents.T.tolist()))
        print_json({"times": waves.times.tolist(), "nodes": nodes, "branches": branches})
    elif out is not None:
        print(out)
    else:
        last = waves.node_voltages[-1]
        low, high = waves.node_voltages.min(axis=0), waves.node_voltages.max(axis=0)
        print_rows([
            ("time", f"0 to {waves.times[-1]:.9g} s, {len(waves.times)} samples"),
            *((f"v({n})", f"{v:.6g} V at the end, {a:.6g} to {b:.6g} V")
              for n, v, a, b in zip(circuit.nodes, last, low, high)),
        ])  # fmt: skip


def _seconds(option: str, text: str) -> float:
    try:
        value = parse_number(text.strip())
    except ValueError:
        value = np.nan
    if not value > 0:
        raise ExperimentError(f"'{text}' is no time", path=option, cure="Write it as in 5m, 20us or 1e-6.")
    return value


def _engine(name: str, rtol: float | None) -> Any:
    """The method ``simulate`` of an engine."""
    if name == "fast":
        from analogpnn.engines.transient import Transient

        return (Transient() if rtol is None else Transient(rtol=rtol)).simulate
    if name == "ngspice":
        from analogpnn.engines.ngspice.engine import Ngspice

        options: dict[str, Any] = {} if rtol is None else {"reltol": rtol}
        return lambda circuit, **how: Ngspice().simulate(circuit, **how, **options)
    raise ExperimentError(f"there is no engine '{name}' for transients", path="--engine", cure="fast or ngspice")


def _write(path: Path, nodes, waves) -> None:
    rows = np.column_stack([waves.times, waves.node_voltages])
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["time", *nodes])
        writer.writerows([[repr(x) for x in row] for row in rows.tolist()])
