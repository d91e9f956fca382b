"""Layered networks: crossbars between layers of nodes, by block coordinate descent.

`solver.settle` isn't among the names here, for it loads the compiler.
"""

from analogpnn.engines.layered.choice import Options, explain, suits

__all__ = ["Options", "explain", "suits"]
