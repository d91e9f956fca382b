"""One seed, several streams of random numbers: using one more never shifts another."""

from __future__ import annotations

import numpy as np

STREAMS = ("split", "problem", "initial", "shuffle", "noise", "rule", "evaluation")
"""What randomness is used for. Append only: a stream's place decides its numbers."""


def stream(seed: int, name: str, *place: int) -> np.random.Generator:
    """The random stream of a seed for one purpose; with numbers behind it, one of several (of each epoch, say).

    Examples
    --------
    >>> bool(stream(0, "shuffle").random() == stream(0, "shuffle").random())
    True
    >>> bool(stream(0, "shuffle").random() == stream(0, "noise").random())
    False
    """
    sequence = np.random.SeedSequence(seed, spawn_key=(STREAMS.index(name), *place))
    return np.random.Generator(np.random.PCG64(sequence))
