"""What settles the circuit, from what a user writes: a name, a table, or the engine itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from analogpnn.engines import bench
from analogpnn.errors import ExperimentError
from analogpnn.learning.registry import from_table


def make_engine(spec: Any = "fast", folder: Any = None) -> Any:
    """An engine from its name ('fast', 'ngspice', 'module:ClassName'), a table, or the engine itself.

    A table that also names imperfections, ``{name = "fast", mismatch = 0.1, read_noise = 1e-4, seed = 1}``, makes a
    hardware stand-in of it (`analogpnn.engines.bench.Bench`).

    Raises
    ------
    ExperimentError
        No engine has that name, it has no such option, or the thing isn't one.

    Examples
    --------
    >>> make_engine("fast")
    Newton(max_steps=100, sweeps=0, precision='double', remember=0.0)
    """
    # Imported on use: a bench engine of one's own doesn't pay for ours.
    from analogpnn.engines.newton import Newton
    from analogpnn.engines.ngspice.engine import Ngspice

    imperfections: dict[str, Any] = {}
    if isinstance(spec, Mapping) and any(name in spec for name in (*bench.OPTIONS, "seed")):
        imperfections = {name: spec[name] for name in (*bench.OPTIONS, "seed") if name in spec}
        spec = {name: value for name, value in spec.items() if name not in imperfections}
    engine = from_table("engine", spec, {"fast": Newton, "ngspice": Ngspice}, folder=folder)
    if isinstance(engine, type) or not callable(getattr(engine, "equilibrium", None)):
        raise no_such("engine", engine, "the method equilibrium(circuit, theta, inputs, boundary)")
    if not imperfections:
        return engine
    return from_table("engine", {"name": "bench", "engine": engine, **imperfections}, {"bench": bench.Bench})


def no_such(kind: str, thing: Any, needs: str) -> ExperimentError:
    """The error for a thing that isn't what it should be: most often a class where an object is wanted."""
    if isinstance(thing, type):
        return ExperimentError(
            f"{thing.__name__} is a class, not a{_n(kind)} {kind}", cure=f"Make one: {thing.__name__}(...)"
        )
    what = f"a{_n(type(thing).__name__)} {type(thing).__name__} is no {kind}"
    return ExperimentError(what, cure=f"A{_n(kind)} {kind} has {needs}.")


def _n(word: str) -> str:
    return "n" if word[0].lower() in "aeiou" else ""
