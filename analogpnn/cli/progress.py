"""How training is watched: a bar with loss and accuracy on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

LINES = 10
"""So many lines a training run leaves in a log file."""


class TrainingProgress:
    """Call it with every epoch's record; everything goes to stderr.

    Parameters
    ----------
    name : str
        What is trained.
    epochs : int
        Epochs in all.
    """

    def __init__(self, name: str, epochs: int):
        self.name, self.epochs = name, epochs
        self._last = time.monotonic()
        self._bar: Progress | None = None
        if sys.stderr.isatty():
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[figures]}"),
                TimeRemainingColumn(),
                console=Console(stderr=True),
            )
            self._task = self._bar.add_task(name, total=epochs, figures="")

    def __enter__(self) -> TrainingProgress:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        """Leave the terminal as it was."""
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, epoch) -> None:
        if self._bar is not None:
            self._bar.update(self._task, completed=epoch.epoch, figures=figures(epoch))
            return
        now = time.monotonic()
        milestone = epoch.epoch * LINES // max(self.epochs, 1) > (epoch.epoch - 1) * LINES // max(self.epochs, 1)
        if milestone or now - self._last > 10:
            self._last = now
            print(f"{self.name}: epoch {epoch.epoch}/{self.epochs}  {figures(epoch)}", file=sys.stderr)


def figures(epoch) -> str:
    """``loss 0.0123 (test 0.0131)  accuracy 97.8 %`` of an epoch's record."""
    text = f"loss {epoch.train_loss:.3g}"
    if epoch.test_loss is not None:
        text += f" (test {epoch.test_loss:.3g})"
    accuracy = epoch.test_accuracy if epoch.test_accuracy is not None else epoch.train_accuracy
    return text if accuracy is None else f"{text}  accuracy {100 * accuracy:.1f} %"
