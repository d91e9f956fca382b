"""What a run looks like: history.csv and two plots.

Every plot takes a matplotlib `ax`, draws on it and returns it. matplotlib is imported when something is
drawn, never before: nothing else in the package needs it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from analogpnn.experiments.rundir import atomic, write_text
from analogpnn.units import format_number


def history_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows of equal keys as CSV text; floats in the shortest text that reads back to the same float."""
    text = io.StringIO()
    if rows:
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(rows[0])
        for row in rows:
            writer.writerow([_cell(row.get(key)) for key in rows[0]])
    return text.getvalue()


def write_history(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """history.csv, atomically."""
    write_text(path, history_csv(rows))


def read_history(path: str | Path) -> list[dict[str, float | int | None]]:
    """The rows of a history.csv."""
    with open(path, newline="", encoding="utf-8") as file:
        return [{key: _number(value) for key, value in row.items()} for row in csv.DictReader(file)]


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return str(int(value)) if isinstance(value, (int, np.integer)) else format_number(float(value))


def _number(text: str | None) -> float | int | None:
    if not text:
        return None
    return int(text) if text.lstrip("-").isdigit() else float(text)


def plot_history(rows: Sequence[Mapping[str, Any]], ax):
    """Loss over epochs, logarithmic; accuracy, if there is one, on a second axis at the right.

    Parameters
    ----------
    rows : sequence of mapping
        Rows with `epoch`, `train_loss`, `test_loss` and perhaps `train_accuracy`, `test_accuracy`.
    ax : matplotlib.axes.Axes
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
        The same `ax`.
    """
    lines = []
    for key, style in (("train_loss", "-"), ("test_loss", "--")):
        lines += _draw(ax, rows, key, style, "C0")
    losses = [row.get(key) for row in rows for key in ("train_loss", "test_loss")]
    if losses and all(loss is None or loss > 0 for loss in losses):
        ax.set_yscale("log")
    ax.set_xlabel("epoch")
    ax.set_ylabel("loss")
    if any(row.get("test_accuracy") is not None or row.get("train_accuracy") is not None for row in rows):
        right = ax.twinx()
        for key, style in (("train_accuracy", "-"), ("test_accuracy", "--")):
            lines += _draw(right, rows, key, style, "C1")
        right.set_ylim(0, 1.03)
        right.set_ylabel("accuracy")
    if lines:
        ax.legend(lines, [line.get_label() for line in lines], loc="center right", frameon=False)
    return ax


def _draw(ax, rows, key, style, colour):
    points = [(row["epoch"], row[key]) for row in rows if row.get(key) is not None]
    if not points:
        return []
    return ax.plot(*zip(*points), style, color=colour, label=key.replace("_", " "))


def plot_conductances(before: np.ndarray, after: np.ndarray, ax, *, quantity: str = "conductance", unit="S"):
    """Histogram of a trainable quantity before and after training.

    Parameters
    ----------
    before, after : ndarray, shape (n_trainable,)
        Values [`unit`]; drawn on logarithmic bins when all are positive and spread over more than a decade.
    ax : matplotlib.axes.Axes
        Where to draw.
    quantity, unit : str
        What stands on the horizontal axis.

    Returns
    -------
    matplotlib.axes.Axes
        The same `ax`.
    """
    before, after = np.ravel(before), np.ravel(after)
    everything = np.concatenate([before, after])
    if everything.size:
        low, high = float(everything.min()), float(everything.max())
        number = int(np.clip(2 * np.sqrt(before.size), 8, 60))
        if low > 0 and high > 10 * low:
            bins = np.geomspace(low, high, number + 1)
            ax.set_xscale("log")
        else:
            room = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
            bins = np.linspace(low - room, high + room, number + 1)
        ax.hist(before, bins, histtype="step", color="0.5", label="before")
        ax.hist(after, bins, histtype="stepfilled", color="C0", alpha=0.6, label="after")
        ax.legend(frameon=False)
    ax.set_xlabel(f"{quantity} [{unit}]")
    ax.set_ylabel("number")
    return ax


def save_history_plot(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Loss and accuracy curves as a PNG."""
    figure, (ax,) = _figure(1)
    plot_history(rows, ax)
    _save(figure, path)


def save_conductances_plot(trainable: Sequence[Any], before: np.ndarray, after: np.ndarray, path: Path) -> None:
    """One histogram per kind of trainable quantity (conductances, gate voltages, ...) as a PNG."""
    kinds = list(dict.fromkeys((t.quantity, t.unit) for t in trainable)) or [("G", "S")]
    figure, axes = _figure(len(kinds))
    for (quantity, unit), ax in zip(kinds, axes):
        chosen = np.array([(t.quantity, t.unit) == (quantity, unit) for t in trainable], dtype=bool)
        name = "conductance" if unit == "S" else quantity
        plot_conductances(before[..., chosen], after[..., chosen], ax, quantity=name, unit=unit)
    _save(figure, path)


def _figure(number: int):
    # figures made without pyplot: no global state, no display, always the Agg renderer
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.0 * number), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, [figure.add_subplot(number, 1, k + 1) for k in range(number)]


def _save(figure, path: Path) -> None:
    with atomic(path) as file:
        figure.savefig(file, format="png", dpi=120)
