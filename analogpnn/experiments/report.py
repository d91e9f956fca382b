"""What a run looks like: history.csv, loss.png and conductances.png.

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


def table_csv(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows of numbers and words as CSV text; what a row doesn't have stays empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        values = [row.get(column) for column in columns]
        writer.writerow([value if isinstance(value, str) else _cell(value) for value in values])
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


TRAIN, TEST, BEFORE, AFTER = "#8c99a8", "#1f6fb4", "#8c99a8", "#1f6fb4"
COLOURS = ("#1f6fb4", "#d1495b", "#2e8b57", "#e0a030", "#7b5ea7", "#3aa6b9", "#8c6d4f", "#5b6470", "#c06ab0", "#90a030")
FAMILIAR = {("G", "S"): "conductance", ("dc", "V"): "source voltage", ("dc", "A"): "source current"}
"""What a trainable quantity is called on an axis; others by their parameter's name."""


def colour(number: int) -> str:
    """The colour of the curve with this number, where several methods share a plot."""
    return COLOURS[number % len(COLOURS)]


def plot_history(rows: Sequence[Mapping[str, Any]], ax):
    """Loss over epochs, logarithmic.

    Parameters
    ----------
    rows : sequence of mapping
        Rows with `epoch` and `train_loss`, perhaps `test_loss`, as in history.csv.
    ax : matplotlib.axes.Axes
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
        The same `ax`.
    """
    losses = [row.get(key) for row in rows for key in ("train_loss", "test_loss")]
    _curves(ax, rows, "loss")
    if losses and all(loss is None or loss > 0 for loss in losses):
        ax.set_yscale("log")
    return _finish(ax, "loss")


def plot_accuracy(rows: Sequence[Mapping[str, Any]], ax):
    """Accuracy over epochs, in per cent.

    Parameters
    ----------
    rows : sequence of mapping
        Rows with `epoch` and `train_accuracy` or `test_accuracy`, as in history.csv.
    ax : matplotlib.axes.Axes
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
        The same `ax`.
    """
    from matplotlib.ticker import PercentFormatter

    _curves(ax, rows, "accuracy")
    known = [row[key] for row in rows for key in ("train_accuracy", "test_accuracy") if row.get(key) is not None]
    low = min(known, default=0.0)
    ax.set_ylim(max(low - 0.05 - 0.1 * (1 - low), -0.02), 1.02)
    ax.yaxis.set_major_formatter(PercentFormatter(1.0))
    return _finish(ax, "accuracy")


def _curves(ax, rows, quantity: str) -> None:
    for part, colour, width in (("train", TRAIN, 1.2), ("test", TEST, 1.6)):
        points = [
            (row["epoch"], row[f"{part}_{quantity}"]) for row in rows if row.get(f"{part}_{quantity}") is not None
        ]
        if points:
            marker = "o" if len(points) == 1 else None
            ax.plot(*zip(*points), color=colour, linewidth=width, marker=marker, label=part)


def _finish(ax, label: str):
    ax.xaxis.set_major_locator(_whole_numbers())
    ax.set_xlabel("epoch")
    ax.set_ylabel(label)
    return _plain(ax)


def _whole_numbers():
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(integer=True, steps=[1, 2, 5, 10])


def _plain(ax):
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(color="0.92", linewidth=0.8)
    ax.set_axisbelow(True)
    handles, labels = ax.get_legend_handles_labels()
    if handles:  # above the axes, at the right: nothing can be under it there
        where = {"loc": "lower right", "bbox_to_anchor": (1.0, 1.0), "borderaxespad": 0.2}
        ax.legend(handles, labels, ncols=len(handles), frameon=False, fontsize="medium", columnspacing=1.2, **where)
    return ax


def plot_conductances(
    before: np.ndarray,
    after: np.ndarray,
    ax,
    *,
    quantity: str = "conductance",
    unit: str = "S",
    bounds: np.ndarray | None = None,
):
    """Histogram of a trainable quantity before and after training.

    Parameters
    ----------
    before, after : ndarray, shape (n_trainable,)
        Values [`unit`]; conductances spread over more than a factor of three are drawn on logarithmic bins.
    ax : matplotlib.axes.Axes
        Where to draw.
    quantity, unit : str
        What stands on the horizontal axis.
    bounds : ndarray, shape (2, n_trainable), optional
        Lower and upper bounds; drawn as dotted lines where they are the same for all and near the values.

    Returns
    -------
    matplotlib.axes.Axes
        The same `ax`.
    """
    from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

    before, after = np.ravel(before), np.ravel(after)
    everything = np.concatenate([before, after])
    if everything.size:
        low, high = float(everything.min()), float(everything.max())
        limits = _common(bounds)
        number = int(np.clip(2.5 * np.sqrt(before.size), 12, 60))
        logarithmic = low > 0 and unit == "S" and high > 3 * low
        if logarithmic:
            limits = [limit for limit in limits if low / 4 < limit < high * 4]
            ends = [min([low, *limits]), max([high, *limits])]
            bins = np.geomspace(ends[0] * (1 - 1e-9), ends[1] * (1 + 1e-9), number + 1)
            ax.set_xscale("log")
            tens = high > 100 * low
            ax.xaxis.set_major_locator(LogLocator(subs=(1.0,) if tens else (1.0, 2.0, 5.0)))
            ax.xaxis.set_minor_formatter(NullFormatter())
        else:
            room = high - low or abs(high) or 1.0
            limits = [limit for limit in limits if low - room / 4 < limit < high + room / 4]
            first = min((limit for limit in limits if limit <= low), default=low - room / 20)
            last = max((limit for limit in limits if limit >= high), default=high + room / 20)
            bins = np.linspace(first, last, number + 1)
        ax.hist(before, bins, histtype="stepfilled", color=BEFORE, alpha=0.45, label="before")
        ax.hist(after, bins, histtype="stepfilled", color=AFTER, alpha=0.55, label="after")
        for k, limit in enumerate(limits):
            ax.axvline(limit, color="0.35", linestyle=":", linewidth=1.2, label=None if k else "bound")
    ax.xaxis.set_major_formatter(EngFormatter())
    ax.yaxis.set_major_locator(_whole_numbers())
    ax.set_xlabel(f"{quantity} [{unit}]" if unit else quantity)
    ax.set_ylabel("elements")
    return _plain(ax)


def _common(bounds: np.ndarray | None) -> list[float]:
    """The finite bounds that all trainables share."""
    if bounds is None or not bounds.size:
        return []
    return [float(row[0]) for row in bounds if np.all(row == row[0]) and np.isfinite(row[0])]


def save_history_plot(rows: Sequence[Mapping[str, Any]], path: Path, title: str = "") -> None:
    """Loss and, for a classification, accuracy over the epochs as a PNG."""
    accurate = any(row.get(key) is not None for row in rows for key in ("train_accuracy", "test_accuracy"))
    figure, axes = new_figure([3, 2] if accurate else [1], share=True)
    plot_history(rows, axes[0]).set_title(title, loc="left", fontsize="medium")
    if accurate:
        plot_accuracy(rows, axes[1])
        axes[0].set_xlabel("")
        axes[0].tick_params(labelbottom=False)
        axes[1].get_legend().remove()  # the same as above
    save_figure(figure, path)


def save_conductances_plot(
    trainable: Sequence[Any],
    before: np.ndarray,
    after: np.ndarray,
    path: Path,
    *,
    bounds: np.ndarray | None = None,
    title: str = "",
) -> None:
    """One histogram per kind of trainable quantity (conductances, gate voltages, ...) as a PNG."""
    kinds = list(dict.fromkeys((t.quantity, t.unit) for t in trainable)) or [("G", "S")]
    figure, axes = new_figure([1] * len(kinds))
    for (quantity, unit), ax in zip(kinds, axes):
        chosen = np.array([(t.quantity, t.unit) == (quantity, unit) for t in trainable], dtype=bool)
        plot_conductances(
            before[..., chosen],
            after[..., chosen],
            ax,
            quantity=FAMILIAR.get((quantity, unit), quantity.upper()),
            unit=unit,
            bounds=None if bounds is None else bounds[:, chosen],
        )
    axes[0].set_title(title, loc="left", fontsize="medium")
    save_figure(figure, path)


def new_figure(heights: Sequence[int], share: bool = False):
    """A figure and its axes, one below the other; `share` makes their horizontal axes one."""
    # figures made without pyplot: no global state, no display, always the Agg renderer
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 3.8 if len(heights) == 1 else 2.6 * len(heights)), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(len(heights), 1, height_ratios=heights)
    axes: list = []
    for k in range(len(heights)):
        axes.append(figure.add_subplot(grid[k], sharex=axes[0] if share and axes else None))
    return figure, axes


def save_figure(figure, path: Path) -> None:
    """Write it as a PNG, atomically."""
    figure.align_ylabels()
    with atomic(path) as file:
        figure.savefig(file, format="png", dpi=120)
