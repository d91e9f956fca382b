"""From the batch average of an update to the next theta, touching every weight once where that is possible."""

from __future__ import annotations

from typing import Any

import numpy as np

from analogpnn.circuit.block_force import BlockMean
from analogpnn.circuit.blocks import Blocks
from analogpnn.learning.steps import Plain


def theta_type(engine: Any, circuit: Any) -> type:
    """The numbers in which training carries theta: the engine's own where it computes layered networks in single."""
    blocks = getattr(circuit, "blocks", None)
    return np.float32 if blocks is not None and getattr(engine, "precision", "double") == "single" else np.float64


class Descent:
    """The steps of one epoch.

    Parameters
    ----------
    circuit : Circuit
    stepper : Step
        From the update to the change.
    rate : ndarray, shape (n_trainable,)
    theta : ndarray, shape (n_trainable,)
        Where the epoch starts; not written to.
    write : callable, optional
        ``(circuit, theta, wanted) -> theta``: what becomes of a write on a bench.
    """

    def __init__(self, circuit: Any, stepper: Any, rate: np.ndarray, theta: np.ndarray, write: Any = None):
        self.circuit, self.stepper, self.rate, self.write = circuit, stepper, rate, write
        self._own = theta.copy()
        self._by_blocks: Any = None
        self.theta = locked(self._own)
        blocks = getattr(circuit, "blocks", None)
        self._paces: dict[int, tuple[float, float, float]] | None = None
        if blocks is not None and isinstance(stepper, Plain) and write is None:
            self._paces = _paces(circuit, blocks, rate)

    def step(self, memory: Any, update: Any, direct: bool = False) -> tuple[np.ndarray, Any, int | None]:
        """``theta <- clip(theta + step(rate, update))``: theta, the stepper's memory, how many trainables changed.

        A `direct` update is the change itself. The count is None where an update isn't a finite number. The array
        given before isn't valid any more.
        """
        if self._paces is not None and not direct and isinstance(update, BlockMean):
            if self._by_blocks is None:
                from analogpnn.training.block_descent import BlockDescent  # imported on use: it compiles

                self._by_blocks = BlockDescent(self.circuit, self._paces, self.rate, self._own)
            changed = self._by_blocks.step(update)
            if changed is not None:
                self.theta = self._by_blocks.theta
            return self.theta, memory, changed
        change = np.asarray(update)
        if not direct:
            change, memory = self.stepper.step(memory, change, self.rate)
        moved = self.circuit.clip(self._own + change).astype(self._own.dtype, copy=False)
        if self.write is not None:
            moved = self.write(self.circuit, self._own, moved)
        changed = int(np.count_nonzero(moved != self._own)) if np.all(np.isfinite(moved)) else None
        self._own, self._by_blocks = moved, None
        self.theta = locked(moved)
        return self.theta, memory, changed


def locked(array: np.ndarray) -> np.ndarray:
    """A new view of it that can't be written to: one theta, by identity, until the next step."""
    view = array.view()
    view.setflags(write=False)
    return view


def _paces(circuit: Any, blocks: Blocks, rate: np.ndarray) -> dict[int, tuple[float, float, float]] | None:
    """(rate, lower bound, upper bound) of each crossbar that learns, or None where they differ inside one."""
    found = {}
    for n, block in enumerate(blocks.blocks):
        if block.columns is None:
            continue
        if block.start < 0 or block.transposed:
            return None
        part = slice(block.start, block.start + block.shape[0] * block.shape[1])
        numbers = []
        for values in (rate[part], circuit.bounds[0, part], circuit.bounds[1, part]):
            first = float(values[0])
            if values.strides != (0,) and not np.all(values == first):
                return None
            numbers.append(first)
        found[n] = numbers[0], numbers[1], numbers[2]
    return found
