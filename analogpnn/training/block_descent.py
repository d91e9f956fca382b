"""A step of a layered network: from factors of the update to new conductances and their sums, in one pass."""

from __future__ import annotations

from typing import Any

import numpy as np

from analogpnn.circuit.block_force import BlockMean
from analogpnn.circuit.blocks import Blocks
from analogpnn.engines.layered import kernels, steps, sums
from analogpnn.engines.layered.plan import plan_of
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
        self._plan = plan_of(self.blocks, own.dtype)
        self._matrices = sums.matrices_of(self.blocks, own, own.dtype)
        # Of crossbars with few columns the transposed are kept: what works on them, here and in the solver, wants rows.
        narrow = {n: w for n, w in enumerate(self._matrices) if n in paces and w.shape[1] < kernels.NARROW}
        self._across = {n: np.ascontiguousarray(w.T) for n, w in narrow.items()}
        # Row and column sums of all crossbars; those that don't learn keep theirs.
        self._sums: list = [
            None if n in paces else (w.sum(axis=1), w.sum(axis=0)) for n, w in enumerate(self._matrices)
        ]
        # Current sources: trainables that are in no crossbar.
        self._sources = []
        for c in self.blocks.currents:
            at = c.columns[c.columns >= 0]
            nodes, scale = c.learning
            limits = [np.ascontiguousarray(x[at], dtype=float) for x in (rate, *circuit.bounds)]
            if len(at):
                self._sources.append((c.layer, (at, nodes, scale), limits))

    def step(self, update: BlockMean) -> int | None:
        """``theta <- clip(theta + rate update)``: how many changed; None where an update isn't a finite number."""
        scale, own = update.scale, self.own
        changed = 0
        for part in update.parts:
            n = part.block
            rate, low, high = self.paces[n]
            rows, columns, count = kernels.descend(
                self._matrices[n], part.left, part.right, part.rows, part.columns, scale * rate, low, high,
                self._across.get(n),
            )  # fmt: skip
            if count < 0:
                return None
            self._sums[n] = rows, columns
            changed += count
        for layer, places, limits in self._sources:
            count = steps.shift(own, *places, update.drift[layer], scale, *limits)
            if count < 0:
                return None
            changed += count
        self.theta = locked(own)
        self._plan.remember(
            self.theta, sums.Weights(self._matrices, sums.totals(self.blocks, self._sums), self._across)
        )
        return changed
