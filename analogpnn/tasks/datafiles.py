"""Data of the user's own: CSV, NPZ, or a folder of IDX files."""

from __future__ import annotations

import csv
import gzip
import math
import re
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from analogpnn.errors import ExperimentError
from analogpnn.learning.registry import suggestion
from analogpnn.tasks.datasets import Samples

MOST_CLASSES = 20
"""A column of whole numbers with at most this many different ones is taken for classes."""


def from_path(circuit: Any, seed: int, *, path: str, target: str = "", kind: str = "auto") -> Samples:
    """The user's own data: a CSV or NPZ file, or a folder of IDX files.

    Parameters
    ----------
    path : str
        CSV: columns of numbers, comma, semicolon, tab or spaces between them, a line of names or not.
        NPZ: arrays called inputs and targets or labels (or x, y; x_train, y_train, x_test, y_test;
        train_inputs, ...). Folder: IDX files as MNIST has them, packed with gzip or not.
    target : str
        CSV only: names or numbers (from 1) of the columns to be learnt, commas between them; by default the
        last, or as many of the last as the circuit has outputs if that alone fits.
    kind : {'auto', 'classification', 'regression'}
        By default text and at most 20 different whole numbers are classes, the rest are values in volts.
    """
    if kind not in ("auto", "classification", "regression"):
        raise ExperimentError(f"kind must be auto, classification or regression, not '{kind}'")
    place = Path(path)
    if place.is_dir():
        return _from_idx(place)
    if not place.is_file():
        raise ExperimentError("there is no such file or folder", path=place, cure="Relative to what names it.")
    if place.suffix.lower() == ".npz":
        return _from_npz(place, kind)
    return _from_csv(place, target, kind, circuit)


# --- CSV ------------------------------------------------------------------------------------------------


def _from_csv(path: Path, target: str, kind: str, circuit: Any) -> Samples:
    lines, rows = _csv_rows(path)
    width = len(rows[0])
    header = None
    if not any(_is_number(cell) for cell in rows[0]):
        header, lines, rows = rows[0], lines[1:], rows[1:]
    if not rows:
        raise ExperimentError("there are names of columns, but no samples", path=path)
    for line, row in zip(lines, rows, strict=True):
        if len(row) != width:
            what = f"{len(row)} columns where there were {width} before"
            raise ExperimentError(what, path=path, line=line, text=",".join(row)[:100])
        decimal = next((cell for cell in row if re.fullmatch(r"[-+]?\d+,\d+", cell)), None)
        if decimal is not None:
            raise ExperimentError(f"'{decimal}' is not a number", path=path, line=line, cure="Write 0.5, not 0,5.")
    wanted = _target_columns(path, target, header, width, circuit)
    others = [k for k in range(width) if k not in wanted]
    if not others:
        raise ExperimentError("no column is left for the inputs", path=path)
    features = np.array([[_cell(path, line, row, k) for k in others] for line, row in zip(lines, rows)])
    answers = [[row[k] for k in wanted] for row in rows]
    if kind == "auto":
        kind = "classification" if len(wanted) == 1 and _look_like_classes(answers) else "regression"
    if kind == "classification":
        if len(wanted) != 1:
            raise ExperimentError("a classification has one target column", path=path, cure=f"Not {target}.")
        return _classified(features, [row[0] for row in answers])
    targets = np.array([[_cell(path, line, row, k) for k in wanted] for line, row in zip(lines, rows)])
    return Samples(features, targets=targets)


def _csv_rows(path: Path) -> tuple[list[int], list[list[str]]]:
    """Line numbers and cells of the lines that aren't empty or comments."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ExperimentError(f"this file can't be read as text ({error})", path=path) from error
    kept = [(k + 1, line) for k, line in enumerate(text.splitlines()) if line.strip() and line.lstrip()[0] != "#"]
    if not kept:
        raise ExperimentError("the file is empty", path=path)
    first = kept[0][1]
    mark = next((m for m in ("\t", ";", ",") if m in first), None)  # a comma beside one of the others: a decimal
    if mark is None:
        cells = [line.split() for _, line in kept]
    else:
        try:
            cells = list(csv.reader((line for _, line in kept), delimiter=mark, skipinitialspace=True, strict=True))
        except csv.Error as error:
            raise ExperimentError(f"this file can't be read as CSV ({error})", path=path) from error
    if len(cells) != len(kept):
        raise ExperimentError("a quoted cell goes over several lines", path=path)
    return [line for line, _ in kept], [[cell.strip() for cell in row] for row in cells]


def _target_columns(path: Path, target: str, header: Any, width: int, circuit: Any) -> list[int]:
    if not target:
        count = 1
        if circuit is not None and circuit.n_outputs > 1:
            fits = (circuit.n_inputs, circuit.n_inputs / 2)
            if width - 1 not in fits and width - circuit.n_outputs in fits:
                count = circuit.n_outputs
        return list(range(width - count, width))
    found = []
    for name in (part.strip() for part in target.split(",")):
        if header is not None and name in header:
            found.append(header.index(name))
        elif name.isdecimal() and 1 <= int(name) <= width:
            found.append(int(name) - 1)
        else:
            known = header or [str(k + 1) for k in range(width)]
            raise ExperimentError(f"there is no column '{name}'", path=path, cure=suggestion(name, known))
    return found


def _cell(path: Path, line: int, row: Sequence[str], k: int) -> float:
    if not _is_number(row[k]):
        what = f"column {k + 1} is {row[k]!r}, not a number" if row[k] else f"column {k + 1} is empty"
        cure = "Leave samples with missing values out, or fill them in; text is allowed as a class only."
        raise ExperimentError(what, path=path, line=line, text=",".join(row)[:100], cure=cure)
    return float(row[k])


def _is_number(cell: str) -> bool:
    try:
        return math.isfinite(float(cell))
    except ValueError:
        return False


def _look_like_classes(answers: list[list[str]]) -> bool:
    cells = {row[0] for row in answers}
    if not all(_is_number(cell) for cell in cells):
        return True
    return len(cells) <= MOST_CLASSES and all(float(cell).is_integer() for cell in cells)


def _classified(features: np.ndarray, answers: Iterable[Any]) -> Samples:
    """Class numbers in the order of the names, numbers by size."""
    answers = [str(a) for a in answers]
    names = sorted(set(answers), key=lambda a: (0, float(a), a) if _is_number(a) else (1, 0.0, a))
    number = {name: k for k, name in enumerate(names)}
    return Samples(features, labels=np.array([number[a] for a in answers]), classes=tuple(names))


# --- NPZ ------------------------------------------------------------------------------------------------

INPUT_KEYS = ("train_inputs", "inputs", "x_train", "x", "data")
ANSWER_KEYS = ("train_labels", "labels", "train_targets", "targets", "y_train", "y", "target")
TEST_INPUT_KEYS = ("test_inputs", "x_test")
TEST_ANSWER_KEYS = ("test_labels", "test_targets", "y_test")


def _from_npz(path: Path, kind: str) -> Samples:
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name.lower(): archive[name] for name in archive.files}
    except (OSError, ValueError, zipfile.BadZipFile, EOFError) as error:
        raise ExperimentError(f"this NPZ file can't be read ({error})", path=path) from error
    x, y = _pick(path, arrays, INPUT_KEYS, "inputs"), _pick(path, arrays, ANSWER_KEYS, "targets")
    test_x = _pick(path, arrays, TEST_INPUT_KEYS, None)
    if test_x is None:
        return _npz_samples(path, x, y, kind)
    test_y = _pick(path, arrays, TEST_ANSWER_KEYS, "test targets")
    both = _npz_samples(path, _stack(path, x, test_x), _stack(path, y, test_y), kind)
    train, test = np.arange(len(x)), np.arange(len(x), len(x) + len(test_x))
    return replace(both.take(train), test=both.take(test))


def _stack(path: Path, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    try:
        return np.concatenate([first, second])
    except ValueError as error:
        raise ExperimentError(f"training and test set don't go together ({error})", path=path) from error


def _pick(path: Path, arrays: dict[str, np.ndarray], keys: Sequence[str], what: str | None) -> Any:
    for key in keys:
        if key in arrays:
            return arrays[key]
    if what is None:
        return None
    held = ", ".join(arrays) or "nothing"
    raise ExperimentError(f"no {what} among its arrays ({held})", path=path, cure=f"Call them {' or '.join(keys)}.")


def _npz_samples(path: Path, x: np.ndarray, y: np.ndarray, kind: str) -> Samples:
    if x.ndim < 2 or x.dtype.kind not in "biuf" or len(x) != len(y):
        what = f"inputs of shape {x.shape} and type {x.dtype}, targets of shape {y.shape}"
        raise ExperimentError(what, path=path, cure="Samples run along the first axis of both; inputs are numbers.")
    features = x.reshape(len(x), -1).astype(float)
    if kind == "auto":
        kind = "classification" if y.ndim == 1 and y.dtype.kind in "biuUS" else "regression"
    if kind == "classification":
        if y.ndim != 1:
            raise ExperimentError(f"classes of shape {y.shape}", path=path, cure="One class a sample.")
        return _classified(features, y.tolist())
    if y.dtype.kind not in "biuf":
        raise ExperimentError(f"targets of type {y.dtype}", path=path, cure="They must be numbers.")
    return Samples(features, targets=y.reshape(len(y), -1).astype(float))


# --- IDX ------------------------------------------------------------------------------------------------

IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def _from_idx(folder: Path) -> Samples:
    """Images and labels as MNIST and its kin have them."""
    files = {name: _find_idx(folder, *name) for name in (("train", "images"), ("train", "labels"))}
    files |= {name: _find_idx(folder, *name) for name in (("t10k", "images"), ("t10k", "labels"))}
    missing = [f"{part}-{what}-idx*-ubyte" for (part, what), found in files.items() if found is None]
    if any(name.startswith("train") for name in missing):
        cure = "They are called as MNIST's: train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-..., or .gz."
        raise ExperimentError(f"the folder has no {' and no '.join(missing)}", path=folder, cure=cure)
    parts = []
    for part in ("train", "t10k"):
        images, labels = files[part, "images"], files[part, "labels"]
        if images is None or labels is None:
            continue
        x, y = read_idx(images), read_idx(labels)
        if len(x) != len(y) or y.ndim != 1:
            raise ExperimentError(f"{len(x)} images, but labels of shape {y.shape}", path=labels)
        parts.append((x.reshape(len(x), -1).astype(float), y))
    both = _classified(np.concatenate([x for x, _ in parts]), np.concatenate([y for _, y in parts]).tolist())
    n = len(parts[0][0])
    if len(parts) == 1:
        return both
    return replace(both.take(np.arange(n)), test=both.take(np.arange(n, len(both.features))))


def _find_idx(folder: Path, part: str, what: str) -> Path | None:
    aliases = ("t10k", "test") if part == "t10k" else (part,)
    found = [p for p in sorted(folder.iterdir()) for a in aliases if p.name.startswith(f"{a}-{what}")]
    return found[0] if found else None


def read_idx(path: Any) -> np.ndarray:
    """An IDX file, packed with gzip or not: two zero bytes, type, number of axes, their lengths, values."""
    path = Path(path)
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise ExperimentError(f"this file can't be read ({error})", path=path) from error
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] not in IDX_TYPES:
        raise ExperimentError("this is no IDX file: it doesn't begin as one", path=path)
    dtype, axes = np.dtype(IDX_TYPES[data[2]]), data[3]
    shape = [int.from_bytes(data[4 + 4 * k : 8 + 4 * k], "big") for k in range(axes)]
    wanted = 4 + 4 * axes + math.prod(shape) * dtype.itemsize
    if len(data) != wanted:
        what = f"this IDX file has {len(data)} bytes, its head asks for {wanted}"
        raise ExperimentError(what, path=path, cure="It may have been cut off: fetch it again.")
    return np.frombuffer(data, dtype, offset=4 + 4 * axes).reshape(shape)
