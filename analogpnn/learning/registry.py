"""Names in files -> classes: kebab-case for ours, 'module:ClassName' for the user's own."""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import inspect
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from analogpnn.errors import ExperimentError


def kebab(name: str) -> str:
    """The name a class has in files.

    Examples
    --------
    >>> kebab("CentredEquilibriumPropagation")
    'centred-equilibrium-propagation'
    """
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower()


def registry(*classes: type) -> dict[str, type]:
    """The classes by their kebab-case names."""
    return {kebab(cls.__name__): cls for cls in classes}


def suggestion(word: str, known: Iterable[str]) -> str:
    """The cure for a misspelt name: the nearest known one, then all of them."""
    known = list(known)
    near = difflib.get_close_matches(word.lower(), known, n=1, cutoff=0.5)
    start = f"Did you mean '{near[0]}'? " if near else ""
    return f"{start}Known: {', '.join(known)}."


def from_table(kind: str, spec: Any, known: Mapping[str, type], *, folder: Any = None) -> Any:
    """An object from a name, from a table ``{"name": ..., option: ...}``, or the object itself.

    Parameters
    ----------
    kind : str
        What it is, for messages: 'rule', 'cost', ...
    spec : str, mapping or object
        Anything that is neither text nor a table is taken to be the thing itself.
    known : mapping
        Our classes by name.
    folder : path, optional
        Where a module of the user's own may lie, besides the places Python looks at.

    Raises
    ------
    ExperimentError
        Unknown name or option, or an option with a wrong value.
    """
    if isinstance(spec, str):
        spec = {"name": spec}
    if not isinstance(spec, Mapping):
        return spec
    options = dict(spec)
    name = options.pop("name", None)
    if not isinstance(name, str):
        raise ExperimentError(
            f"a {kind} given as a table needs a name",
            cure=f'{{name = "{next(iter(known))}", ...}}. Known: {", ".join(known)}.',
        )
    cls = find_class(kind, name, known, folder=folder)
    _check_options(f"{kind} '{name}'", cls, options)
    try:
        return cls(**options)
    except (TypeError, ValueError) as error:
        raise ExperimentError(f"{kind} '{name}': {error}") from error


def find_class(kind: str, name: str, known: Mapping[str, type], *, folder: Any = None) -> type:
    """The class called `name`, ours or, as 'module:ClassName', the user's."""
    if ":" in name:
        return _import_class(kind, name, folder)
    if name not in known:
        cure = f"{suggestion(name, known)} One of your own is 'module:ClassName'."
        raise ExperimentError(f"no {kind} is called '{name}'", cure=cure)
    return known[name]


def _import_class(kind: str, name: str, folder: Any) -> type:
    module_name, _, class_name = name.partition(":")
    before = list(sys.path)
    if folder is not None:
        sys.path.insert(0, str(Path(folder).resolve()))
    try:
        importlib.invalidate_caches()
        module = importlib.import_module(module_name)
    except (ImportError, ValueError) as error:  # ValueError: an empty or relative name
        raise ExperimentError(
            f"{kind} '{name}': the module '{module_name}' can't be imported ({error})",
            cure="Put module.py beside the experiment file, or install it in this environment.",
        ) from error
    finally:
        sys.path[:] = before
    cls = getattr(module, class_name, None)
    if not callable(cls):
        cure = suggestion(class_name, [n for n, value in vars(module).items() if inspect.isclass(value)])
        raise ExperimentError(f"{kind} '{name}': '{module_name}' has no class '{class_name}'", cure=cure)
    return cls


def _check_options(what: str, cls: type, options: Mapping[str, Any]) -> None:
    """Unknown options, and text, truth or tables where a number should be."""
    parameters = inspect.signature(cls).parameters
    if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values()):
        return
    for name, value in options.items():
        if name not in parameters:
            cure = suggestion(name, parameters) if parameters else "It takes no options."
            raise ExperimentError(f"{what} has no option '{name}'", cure=cure)
        default = parameters[name].default
        number = isinstance(default, int | float) and not isinstance(default, bool)
        if number and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise ExperimentError(f"{what}: '{name}' must be a number, not {value!r}")
        if isinstance(default, bool) and not isinstance(value, bool):
            raise ExperimentError(f"{what}: '{name}' must be true or false, not {value!r}")


def described(thing: Any) -> str:
    """Text that tells two settings apart: a dataclass's repr, of anything else the class."""
    return repr(thing) if dataclasses.is_dataclass(thing) else type(thing).__name__
