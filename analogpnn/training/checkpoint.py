"""Everything that training needs to go on exactly where it stopped, in one file.

A checkpoint is a NumPy archive of plain arrays plus one JSON text: nothing in it is ever executed. It is
written beside its place and moved there in one step, so that a crash leaves the old one or the new one.
"""

from __future__ import annotations

import json
import os
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from analogpnn.errors import ExperimentError

FORMAT = "analogpnn checkpoint 1"


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """The state of a training run after a whole epoch.

    Parameters
    ----------
    epoch : int
        Epochs done.
    theta : ndarray, shape (n_trainable,)
        The parameters as training carries them, not rounded to a netlist's text.
    step : dict of ndarray
        State of the optimiser's step.
    random : dict
        State of each random stream, as `numpy.random.PCG64.state` gives it.
    history : dict of ndarray, shape (epoch,)
        One column per quantity of an epoch's record; nan where an epoch wasn't evaluated.
    settings : dict
        What must be the same for the run to go on: seed, batch, names of the trainables, ...
    """

    epoch: int
    theta: np.ndarray
    step: Mapping[str, np.ndarray]
    random: Mapping[str, Any]
    history: Mapping[str, np.ndarray]
    settings: Mapping[str, Any]


def save(path: Any, checkpoint: Checkpoint) -> None:
    """Write it to `path`, all or nothing."""
    path = Path(path)
    about = {
        "format": FORMAT,
        "epoch": checkpoint.epoch,
        "random": checkpoint.random,
        "settings": checkpoint.settings,
    }
    arrays: dict[str, Any] = {"about": np.array(json.dumps(about)), "theta": checkpoint.theta}
    arrays |= {f"step.{name}": value for name, value in checkpoint.step.items()}
    arrays |= {f"history.{name}": value for name, value in checkpoint.history.items()}
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            np.savez(file, **arrays)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:  # Ctrl-C too: no half-written file stays behind
        temporary.unlink(missing_ok=True)
        raise


# What a damaged archive makes zipfile, zlib and numpy say.
_UNREADABLE = (
    OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, MemoryError, OverflowError,
    zipfile.BadZipFile, zlib.error, SyntaxError,
)  # fmt: skip
MOST_BYTES = 16_000_000_000
"""Largest checkpoint, unpacked."""


def load(path: Any) -> Checkpoint:
    """Read it back.

    Raises
    ------
    ExperimentError
        There is no such file, or it isn't a checkpoint.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            size = sum(member.file_size for member in archive.zip.infolist())
            if size > MOST_BYTES:
                raise ValueError(f"it would unpack to {size / 1e9:.1f} GB")
            arrays = {name: archive[name] for name in archive.files}
        about = json.loads(str(arrays.pop("about")))
        if about["format"] != FORMAT:
            raise ValueError(f"it says '{about['format']}', this version reads '{FORMAT}'")
        return Checkpoint(
            epoch=int(about["epoch"]),
            theta=arrays["theta"],
            step=_part(arrays, "step."),
            random=about["random"],
            history=_part(arrays, "history."),
            settings=about["settings"],
        )
    except FileNotFoundError as error:
        raise ExperimentError("there is no such checkpoint", path=path, cure="Start without resuming.") from error
    except _UNREADABLE as error:
        raise ExperimentError(
            f"this is no checkpoint that can be read ({error})", path=path, cure="Start without resuming."
        ) from error


def _part(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {name[len(prefix) :]: value for name, value in arrays.items() if name.startswith(prefix)}
