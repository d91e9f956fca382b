"""What the command line prints: two columns of text, or JSON."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from analogpnn.experiments.rundir import TRAINED, Run, to_json

Rows = list[tuple[str, str]]


def print_json(value: Any) -> None:
    """JSON to stdout."""
    print(to_json(value))


def print_rows(rows: Rows, align: Literal["left", "right"] = "left") -> None:
    """Two columns to stdout: wrapped to fit a terminal, one line each in a pipe."""
    if sys.stdout.isatty():
        table = Table(show_header=False, box=None, pad_edge=False)
        table.add_column(style="bold", no_wrap=True)
        table.add_column(justify=align)
        for name, text in rows:
            table.add_row(Text(name), Text(text))  # as text: a node called h[3] is no markup
        Console(highlight=False).print(table)
        return
    left = max((len(name) for name, _ in rows), default=0)
    right = max((len(text) for _, text in rows), default=0) if align == "right" else 0
    for name, text in rows:
        for k, line in enumerate(text.splitlines() or [""]):
            print(f"{name if k == 0 else '':<{left}}  {line:>{right}}".rstrip())


def few(names: Sequence[str], most: int = 12) -> str:
    """The first names of a list, and how many more there are."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown}, ... ({len(names) - most} more)"


def summary(circuit) -> dict[str, Any]:
    """What is in a circuit, for ``check --json``."""
    elements = {group.device.name: 0 for group in circuit.groups}
    for group in circuit.groups:
        elements[group.device.name] += len(group.names)
    lower, upper = circuit.bounds
    return {
        "title": circuit.title,
        "elements": elements,
        "nodes": list(circuit.nodes),
        "inputs": dict(zip(circuit.inputs, circuit.input_values)),
        "outputs": [f"v({a})" if b == "0" else f"v({a},{b})" for a, b in circuit.outputs],
        "trainable": [
            {"name": t.name, "quantity": t.quantity, "unit": t.unit, "value": v, "lower": a, "upper": b}
            for t, v, a, b in zip(circuit.trainable, circuit.theta, lower, upper)
        ],
        "temperature": circuit.temperature,
        "notes": list(circuit.notes),
    }


def summary_rows(about: dict[str, Any]) -> Rows:
    """The same as text."""
    elements, trainable = about["elements"], about["trainable"]
    kinds = ", ".join(f"{n} {kind}{'s' if n > 1 else ''}" for kind, n in elements.items())
    return [
        ("title", about["title"].strip()),
        ("elements", f"{sum(elements.values())}: {kinds}"),
        ("nodes", _counted(about["nodes"])),
        ("inputs", _counted(list(about["inputs"]))),
        ("outputs", _counted(about["outputs"])),
        ("trainable", _trainable_text(trainable) if trainable else "none"),
        ("temperature", f"{about['temperature']:g} C"),
        *(("note", note) for note in about["notes"]),
    ]


def _counted(names: Sequence[str]) -> str:
    return f"{len(names)}: {few(names)}" if names else "none"


def _trainable_text(trainable: list[dict[str, Any]]) -> str:
    kinds = Counter((t["quantity"], t["unit"], float(t["lower"]), float(t["upper"])) for t in trainable)
    return "\n".join(
        f"{number} {_named(quantity, number)} within {a:g} ... {b:g} {unit}"
        for (quantity, unit, a, b), number in kinds.items()
    )


def _named(quantity: str, number: int) -> str:
    return quantity.upper() if quantity != "G" else "conductance" if number == 1 else "conductances"


def run_rows(run: Run, exported: Sequence[str]) -> Rows:
    """How a training run went, and where everything is."""
    record, final = run.record, run.final
    number = record["epochs"]
    how = f"{number} epoch{'' if number == 1 else 's'} in {record['wall_seconds']:.1f} s, {record['rule']}"
    rows = [
        ("trained", f"{record['name']}: {how}, engine {record['engine']}"),
        ("train loss", f"{final['train_loss']:.4g}"),
        ("test loss", f"{final['test_loss']:.4g} ({record['tested_on']})"),
    ]
    if "test_accuracy" in final:
        rows.append(("test accuracy", f"{100 * final['test_accuracy']:.1f} %"))
    if "verified" in record:
        rows.append(("verified", _verified_text(record["verified"], record["versions"].get("ngspice"))))
    rows += [("note", note) for note in record["notes"]]
    rows.append(("netlist", str(run.file(TRAINED))))
    rows += [("exported", path) for path in exported]
    return [*rows, ("directory", str(run.directory))]


def _verified_text(verified: dict[str, Any], simulator: str | None) -> str:
    if "error" in verified:
        return f"FAILED: {verified['error']}"
    name = f"ngspice {simulator or ''}".strip() if verified["engine"] == "ngspice" else verified["engine"]
    verdict = "agrees" if verified["passed"] else f"FAILED for {verified['failed']} samples"
    return (
        f"{name} {verdict}: largest deviation {verified['largest_deviation']:.2g} V "
        f"over {verified['samples']} samples (tolerance {verified['tolerance']:g} V)"
    )


def verification_rows(result: dict[str, Any]) -> Rows:
    """What ``verify`` found."""
    checks = [("PASS" if check["passed"] else "FAIL", check["text"]) for check in result["checks"]]
    return [*checks, *(("note", note) for note in result["notes"])]
