"""Pictures of a comparison: loss against epochs, against operating points, against energy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from analogpnn.experiments import report
from analogpnn.experiments.rundir import HISTORY

AXES = {"epoch": "epochs", "operating_points": "operating points", "energy": "power, summed over them [W]"}


def save_plots(rows: Sequence[Mapping[str, Any]], directory: Path, title: str) -> None:
    """``compare.png`` from the histories of the runs in `directory`; a thin line per seed, the median thick."""
    figure, axes = report.new_figure([1] * len(AXES))
    folders = {row["rule"]: directory / row["rule"].replace(":", "-") for row in rows}
    for k, (name, folder) in enumerate(folders.items()):
        histories = [report.read_history(path) for path in sorted(folder.glob(f"seed*/{HISTORY}"))]
        histories = [h for h in histories if h]
        if not histories:
            continue
        length = min(map(len, histories))
        for ax, column in zip(axes, AXES):
            x, y = (_stacked(histories, key, length) for key in (column, "train_loss"))
            if column != "epoch" and not x.any():
                continue  # in-silico training dissipates nothing
            for one, loss in zip(x, y) if len(x) > 1 else ():
                ax.plot(one, loss, color=report.colour(k), linewidth=0.5, alpha=0.4)
            ax.plot(np.median(x, axis=0), np.median(y, axis=0), color=report.colour(k), linewidth=1.6, label=name)
    for ax, label in zip(axes, AXES.values()):
        ax.set_xlabel(label)
        ax.set_ylabel("training loss")
        ax.set_yscale("log")
        if label != "epochs":
            ax.set_xscale("log")
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(color="0.92", linewidth=0.8)
    axes[0].set_title(title, loc="left", fontsize="medium")
    axes[0].legend(frameon=False, fontsize="x-small", loc="upper left", bbox_to_anchor=(1.0, 1.0))
    report.save_figure(figure, directory / "compare.png")


def _stacked(histories: Sequence[Sequence[Mapping[str, Any]]], column: str, length: int) -> np.ndarray:
    """(seeds, epochs)"""
    return np.array([[row[column] for row in history[:length]] for history in histories], dtype=float)
