"""Layered networks: crossbars between layers of nodes, by block coordinate descent."""

from collections.abc import Callable
from functools import cache
from typing import Any

from analogpnn.engines.layered.choice import Options, explain, suits

__all__ = ["Options", "explain", "settler", "suits"]


@cache
def settler() -> Callable[..., Any]:
    """`solver.settle`, imported on use: it loads the compiler."""
    from analogpnn.engines.layered.solver import settle

    return settle
