"""Which circuits are settled layer by layer: decided from their structure, without loading what settles them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from analogpnn.circuit.boundary import Boundary, Clamp
from analogpnn.circuit.circuit import Circuit

LEAST_WEIGHTS = 2000
"""Resistors from which a layered network without ideal diodes is solved here; smaller ones by Newton's method."""


def suits(circuit: Circuit, boundary: Boundary, theta: ArrayLike | None) -> bool:
    """Whether this engine solves that: a layered network with diodes, and no ensemble."""
    blocks = circuit.blocks
    if blocks is None or (theta is not None and np.ndim(theta) != 1):
        return False
    if not (blocks.ideal or (blocks.diodes and blocks.weights >= LEAST_WEIGHTS)):
        return False
    if isinstance(boundary, Clamp):
        a, b = circuit.output_numbers
        return bool(np.all(b == circuit.n_unknowns) and np.all(blocks.layer_of[a] >= blocks.n_held))
    return True


def explain(circuit: Circuit) -> str:
    """What happens to it, in a sentence."""
    blocks = circuit.blocks
    assert blocks is not None
    sizes = "-".join(str(len(blocks.layers[k])) for k in blocks.free)
    what = "ideal diodes by complementarity" if blocks.ideal else "junctions on their load lines"
    return (
        f"layered: block coordinate descent over free layers of {sizes} nodes and {len(blocks.blocks)} crossbars "
        f"({blocks.weights} conductances), {what}"
    )


@dataclass(frozen=True)
class Options:
    """See `analogpnn.engines.newton.Newton`."""

    sweeps: int = 0
    precision: str = "double"
