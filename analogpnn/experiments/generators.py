"""Circuits that an experiment file has made instead of read: ``netlist = {generate = "crossbar", ...}``."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from analogpnn.circuit import cascade, generate
from analogpnn.circuit.circuit import Circuit
from analogpnn.errors import ExperimentError
from analogpnn.learning.registry import suggestion

GENERATORS: dict[str, Callable[..., Any]] = {
    "deep-resistive-network": generate.deep_resistive_network,
    "layered": generate.layered,
    "cascade": cascade.cascade,
    "crossbar": generate.crossbar,
    "lattice": generate.lattice,
    "random-graph": generate.random_graph,
}
"""Functions of `analogpnn.circuit.generate` and its neighbours by the name they have in experiment files."""
EXAMPLE = 'netlist = {generate = "deep-resistive-network", layers = [784, 100, 10], gain = 100}'


def generated(spec: Mapping[str, Any], seed: int) -> Circuit:
    """The circuit of a table ``{"generate": name, option: value, ...}``; its seed is the experiment's by default.

    Raises
    ------
    ExperimentError
        No generator has that name, or it has no such option.

    Examples
    --------
    >>> generated({"generate": "crossbar", "n_inputs": 3, "n_outputs": 2}, seed=0).n_trainable
    6
    """
    options = dict(spec)
    name = options.pop("generate", None)
    if not isinstance(name, str):
        raise ExperimentError("a netlist is a file's name or a table that says what to generate", cure=EXAMPLE)
    if name not in GENERATORS:
        raise ExperimentError(f"no generator is called '{name}'", cure=suggestion(name, GENERATORS))
    known = inspect.signature(GENERATORS[name]).parameters
    free = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in known.values())
    for option in options:
        if option not in known and not free:
            raise ExperimentError(f"the generator '{name}' has no option '{option}'", cure=suggestion(option, known))
    if "seed" in known:
        options.setdefault("seed", seed)
    try:
        made = GENERATORS[name](**options)
    except TypeError as error:
        raise ExperimentError(f"the generator '{name}': {error}", cure=EXAMPLE) from error
    return made if isinstance(made, Circuit) else Circuit.from_netlist(made)
