"""Layered networks: crossbars between layers of nodes, by block coordinate descent."""

from analogpnn.engines.layered.solver import Options, explain, settle, suits

__all__ = ["Options", "explain", "settle", "suits"]
