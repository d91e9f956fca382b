"""The run directory: what lies in it, how it is written, how it is read back.

::

    run.json          experiment, seed, versions, engine, rule, final figures, status
    experiment.toml   the experiment as it was run, every default and every --set filled in
    <netlist>.cir     a copy of the netlist, of what it includes and of modules the experiment names: it stands alone
    history.csv       one row per epoch
    trained.cir       the same netlist with other numbers
    samples.npz       inputs and targets, and the outputs training saw at the end
    checkpoint.npz    where --resume goes on
    loss.png, conductances.png

Every file appears whole or not at all: it is written beside its place and moved there.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from analogpnn.errors import ExperimentError

RECORD = "run.json"
EXPERIMENT = "experiment.toml"
HISTORY = "history.csv"
TRAINED = "trained.cir"
SAMPLES = "samples.npz"
CHECKPOINT = "checkpoint.npz"
LOSS_PLOT = "loss.png"
CONDUCTANCES_PLOT = "conductances.png"
DECK = "deck.cir"
BENCH = "bench.cir"
TABLE = "trained.csv"


@contextmanager
def atomic(path: str | Path) -> Iterator[IO[bytes]]:
    """A binary file that takes its name when it is complete; nothing is left behind if it isn't."""
    path = Path(path)
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    except OSError as error:  # in the user's words: of the file, not of its temporary name
        raise OSError(error.errno, error.strerror, str(path)) from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def remove_leftovers(directory: str | Path) -> None:
    """Delete what `atomic` and `checkpoint.save` had begun to write in a process that was killed."""
    for pattern in (".*.????????.part", f".{CHECKPOINT}.*.tmp"):
        for path in Path(directory).glob(pattern):
            path.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_text(path: str | Path, text: str, encoding: str = "utf-8") -> Path:
    """Write text atomically, line ends as they are."""
    with atomic(path) as file:
        file.write(text.encode(encoding, "surrogatepass"))
    return Path(path)


def write_json(path: str | Path, value: Any) -> Path:
    """Write JSON atomically; NaN and infinities, which JSON doesn't have, become null."""
    return write_text(path, to_json(value) + "\n")


def to_json(value: Any, indent: int | None = 2) -> str:
    """JSON text of plain values, numpy numbers and arrays."""
    return json.dumps(_plain(value), indent=indent, allow_nan=False, ensure_ascii=False)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(below) for key, below in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(below) for below in value]
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return float(value) if np.isfinite(value) else None
    return value if value is None or isinstance(value, str) else str(value)


@dataclass(frozen=True)
class Run:
    """A run directory and its record (the content of run.json).

    Parameters
    ----------
    directory : Path
        Where it lies.
    record : dict
        `experiment`, `seed`, `versions`, `engine`, `rule`, `final`, `epochs`, `wall_seconds`, `physical`,
        `status` and, after a verification, `verified`.
    """

    directory: Path
    record: dict[str, Any]

    @classmethod
    def from_directory(cls, directory: str | Path) -> Run:
        """Read a run directory.

        Raises
        ------
        ExperimentError
            There is no readable run.json in it.
        """
        directory = Path(directory)
        path = directory / RECORD
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            cure = f"A run directory holds a {RECORD}; analogpnn train writes one."
            raise ExperimentError("isn't a run directory", path=directory, cure=cure) from None
        except (OSError, ValueError) as error:
            raise ExperimentError(f"can't be read: {error}", path=path) from None
        if not isinstance(record, dict) or "experiment" not in record:
            raise ExperimentError("isn't the record of a run", path=path)
        return cls(directory, record)

    @property
    def final(self) -> dict[str, float]:
        """Figures at the end: train_loss, test_loss, and test_accuracy for a classification."""
        return self.record["final"]

    @property
    def finished(self) -> bool:
        """Whether all epochs were run."""
        return self.record.get("status") == "finished"

    def file(self, name: str) -> Path:
        """Path of one of its files."""
        return self.directory / name

    def circuit(self):
        """The circuit that was trained, at the theta it started from."""
        from analogpnn.experiments.experiment import Experiment

        return Experiment.from_file(self.file(EXPERIMENT)).circuit

    def samples(self) -> dict[str, np.ndarray]:
        """Arrays of samples.npz: theta0, theta, and inputs, targets, outputs of the test and train sets.

        Raises
        ------
        ExperimentError
            The run was cut off before the first of them was written.
        """
        path = self.file(SAMPLES)
        try:
            with np.load(path, allow_pickle=False) as file:
                return {name: file[name] for name in file.files}
        except (OSError, ValueError) as error:
            cure = "analogpnn train EXPERIMENT --out DIR --resume completes an interrupted run."
            reason = getattr(error, "strerror", None) or error
            raise ExperimentError(f"can't be read: {reason}", path=path, cure=cure) from None


def write_samples(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write named arrays atomically."""
    with atomic(path) as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
