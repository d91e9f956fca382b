"""A step of a layered network: from factors of the update to new conductances and their sums, in one pass."""

from __future__ import annotations

from typing import Any

import numpy as np

from analogpnn.circuit.block_force import BlockMean
from analogpnn.circuit.blocks import Blocks, run
from analogpnn.engines.layered import kernels, steps, streams, sums
from analogpnn.training.descent import locked


class BlockDescent:
    """Steps in place.

    Parameters
    ----------
    circuit : Circuit
    paces : dict
        (rate, lower bound, upper bound) of each crossbar that learns.
    rate : ndarray, shape (n_trainable,)
    own : ndarray, shape (n_trainable,)
        Theta; written to.

    Attributes
    ----------
    theta : ndarray
        A new view of it after every step, one that can't be written to.
    """

    def __init__(self, circuit: Any, paces: dict[int, tuple[float, float, float]], rate: np.ndarray, own: np.ndarray):
        self.blocks: Blocks = circuit.blocks
        self.paces, self.own = paces, own
        self.theta = locked(own)
        self._matrices = sums.matrices_of(self.blocks, own, own.dtype)
        # Current sources: trainables that are in no crossbar.
        places = self.blocks.currents_at
        self._places = run(places)
        self._limits = [np.ascontiguousarray(x[places], dtype=float) for x in (rate, *circuit.bounds)]

    def step(self, update: BlockMean) -> int | None:
        """``theta <- clip(theta + rate update)``: how many changed; None where an update isn't a finite number."""
        known: dict[int, tuple[np.ndarray | None, np.ndarray]] = {}
        changed = 0
        for part in update.parts:
            if not (streams.finite(part.columns[None]) and streams.finite(part.right)):
                return None
            rate, low, high = self.paces[part.block]
            rows, columns, count = kernels.descend(
                self._matrices[part.block],
                part.left,
                part.right,
                part.rows,
                part.columns,
                update.scale * rate,
                low,
                high,
            )
            known[part.block] = rows, columns
            changed += count
        if len(update.single):
            values = self.own[self._places]
            count = steps.shift(values, update.single, update.scale, *self._limits)  # type: ignore[call-arg]
            if count < 0:
                return None
            self.own[self._places] = values
            changed += count
        self.theta = locked(self.own)
        every = [known.get(n) or (w.sum(axis=1), w.sum(axis=0)) for n, w in enumerate(self._matrices)]
        sums.remember(self.blocks, self.theta, sums.Weights(self._matrices, sums.totals(self.blocks, every)))
        return changed
