"""What an experiment was made of, copied into its run directory: netlist, includes, modules of the user's own.

So a run can be repeated from its directory alone, whatever became of the files it was started from.
"""

from __future__ import annotations

import ast
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analogpnn.errors import ExperimentError
from analogpnn.experiments import rundir

if TYPE_CHECKING:
    from analogpnn.experiments.experiment import Experiment

WITHOUT_CLASSES = ("netlist", "params", "allow_include", "task", "seed")
"""Keys of an experiment under which no 'module:ClassName' can stand."""


def write_inputs(experiment: Experiment, directory: Path) -> str | None:
    """Create the directory and make it stand alone; the netlist's name in it, None where it is generated."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        cure = "Choose another place with --out."
        raise ExperimentError("is a file, not a directory", path=directory, cure=cure) from None
    rundir.remove_leftovers(directory)
    name = netlist_name(experiment)
    for relative, file in _inputs(experiment, name):
        target = directory / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        if file != target.resolve():
            with rundir.atomic(target) as copy, file.open("rb") as original:
                shutil.copyfileobj(original, copy)
    rundir.write_text(directory / rundir.EXPERIMENT, experiment.to_toml(name))
    return name


def changed_input(experiment: Experiment, directory: Path) -> Path | None:
    """The first input whose copy in a run directory has another text."""
    for relative, file in _inputs(experiment, netlist_name(experiment)):
        copy = directory / relative
        if copy.is_file() and copy.read_bytes() != file.read_bytes():
            return relative
    return None


def netlist_name(experiment: Experiment) -> str | None:
    """What the netlist is called in the run directory; None where the circuit is generated."""
    if experiment.netlist_path is None:
        return None
    name = experiment.netlist_path.name
    taken = {rundir.TRAINED, rundir.DECK, rundir.BENCH, rundir.RECORD, rundir.EXPERIMENT}
    return f"original-{name}" if name in taken else name


def _inputs(experiment: Experiment, name: str | None) -> Iterator[tuple[Path, Path]]:
    """(place in the run directory, file) of everything that is copied."""
    if name is not None and experiment.netlist_path is not None:
        main = experiment.netlist_path.resolve()
        yield Path(name), main
        for file in map(Path, experiment.circuit.netlist.included):
            # from a folder of --allow-include; the resolved experiment names it
            if file != main and file.is_relative_to(main.parent):
                yield file.relative_to(main.parent), file
    folder = experiment.folder.resolve()
    for file in own_modules(experiment.table, folder):
        yield file.relative_to(folder), file


def own_modules(table: Mapping[str, Any], folder: Path) -> list[Path]:
    """Files in `folder` of the modules that a table names as 'module:ClassName', and of those they import."""
    kept = {key: value for key, value in table.items() if key not in WITHOUT_CLASSES}
    waiting = [m[1] for text in _texts(kept) if (m := re.fullmatch(r"([A-Za-z_]\w*)[\w.]*:[A-Za-z_]\w*", text))]
    found: dict[Path, None] = {}
    while waiting:
        name = waiting.pop()
        if name == "analogpnn":
            continue
        files = [folder / f"{name}.py", *sorted((folder / name).rglob("*.py"))]
        for file in files:
            if file.is_file() and file not in found:
                found[file] = None
                waiting += _imported(file)
    return list(found)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for below in value.values():
            yield from _texts(below)
    elif isinstance(value, list | tuple):
        for below in value:
            yield from _texts(below)


def _imported(file: Path) -> Iterator[str]:
    """Top-level names of what a module imports."""
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.partition(".")[0]
