"""One seed, several streams of random numbers: using one more never shifts another."""

from __future__ import annotations

import numpy as np

STREAMS = ("split", "problem", "initial", "shuffle", "noise", "rule")
"""What randomness is used for. Append only: a stream's place decides its numbers."""


def stream(seed: int, name: str) -> np.random.Generator:
    """The random stream of a seed for one purpose.

    Examples
    --------
    >>> bool(stream(0, "shuffle").random() == stream(0, "shuffle").random())
    True
    >>> bool(stream(0, "shuffle").random() == stream(0, "noise").random())
    False
    """
    sequence = np.random.SeedSequence(seed, spawn_key=(STREAMS.index(name),))
    return np.random.Generator(np.random.PCG64(sequence))
