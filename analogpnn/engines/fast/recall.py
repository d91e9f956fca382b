"""Where each sample settled last time: the best start for the next epoch, when theta has moved a little."""

from __future__ import annotations

import numpy as np

from analogpnn.circuit.circuit import Circuit


class Recall:
    """Free operating points of one circuit, found again by the inputs they belong to.

    Parameters
    ----------
    circuit : Circuit
    megabytes : float
        Memory for operating points; what doesn't fit any more isn't remembered.
    """

    def __init__(self, circuit: Circuit, megabytes: float):
        self.circuit = circuit
        self.width = circuit.n_unknowns + 1
        self.most = int(megabytes * 1e6 / (8 * self.width))
        self._places: dict[bytes, int] = {}
        self._points = np.zeros((0, self.width))

    def start(self, inputs: np.ndarray) -> np.ndarray | None:
        """Unknowns (B, n_unknowns + 1) for inputs (B, n_inputs), or None if any of these was not seen yet."""
        places = [self._places.get(row.tobytes(), -1) for row in inputs]
        return None if min(places, default=-1) < 0 else self._points[places]

    def keep(self, inputs: np.ndarray, unknowns: np.ndarray) -> None:
        """Remember unknowns (B, n_unknowns)."""
        places = np.full(len(inputs), -1)
        for k, row in enumerate(inputs):
            key = row.tobytes()
            if key not in self._places and len(self._places) < self.most:
                self._places[key] = len(self._places)
            places[k] = self._places.get(key, -1)
        if len(self._places) > len(self._points):
            grown = np.zeros((min(self.most, 2 * len(self._places)), self.width))
            grown[: len(self._points)] = self._points
            self._points = grown
        known = places >= 0
        self._points[places[known], :-1] = unknowns[known]
