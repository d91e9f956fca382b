"""One node behind its conductance: what voltage do its diodes leave it?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import wrightomega

from analogpnn.circuit.blocks import Diodes
from analogpnn.circuit.circuit import Group


@dataclass(frozen=True, eq=False)
class Junctions:
    """The Shockley diodes of a layer.

    Parameters
    ----------
    diodes : Diodes
    group : Group
        Where their law and its parameters are.
    """

    diodes: Diodes
    group: Group

    def settle(self, g: np.ndarray, current: np.ndarray, rails: np.ndarray) -> np.ndarray:
        """Solve ``g v + sum of diode currents = current`` at every node.

        Each diode alone on its load line has a closed form, v = w + n Vt omega(...) with the Wright omega function;
        the one that pulls hardest gives the start, Newton's method inside a shrinking bracket the rest.

        Parameters
        ----------
        g : ndarray, shape (n,)
            [S]
        current : ndarray, shape (B, n)
            What flows into the nodes at 0 V [A].
        rails : ndarray, shape (B, members)
            Voltages of the other ends [V].

        Returns
        -------
        ndarray, shape (B, n)
            Node voltages [V].
        """
        d = self.diodes
        saturation, slope, _ = (p[d.members] for p in self.group.values)
        nodes, sign = d.nodes, d.sign
        v = current / g
        # On the load line the forward voltage u of the junction solves u + (is/g)(exp(u/nvt) - 1) = w.
        wave = sign * (v[:, nodes] - rails)
        ratio = saturation / g[nodes]
        u = wave + ratio - slope * wrightomega((wave + ratio) / slope + np.log(ratio / slope))
        start = rails + sign * u
        lower, upper = np.full_like(v, -np.inf), np.full_like(v, np.inf)
        best = v.copy()
        for k in range(len(nodes)):  # several diodes on one node: the nearest bound counts
            j = nodes[k]
            best[:, j] = np.minimum(best[:, j], start[:, k]) if sign[k] > 0 else np.maximum(best[:, j], start[:, k])
        v = best
        for _ in range(60):
            f = g * v - current
            slope_sum = np.broadcast_to(g, v.shape).copy()
            value, steep = self._law(v, rails)
            np.add.at(f, (slice(None), nodes), sign * value)  # type: ignore[arg-type]
            np.add.at(slope_sum, (slice(None), nodes), steep)  # type: ignore[arg-type]
            np.copyto(upper, v, where=f >= 0)
            np.copyto(lower, v, where=f <= 0)
            new = v - f / slope_sum
            out = ~((new >= lower) & (new <= upper))
            if out.any():
                middle = (lower + upper) / 2
                new = np.where(out, np.where(np.isfinite(middle), middle, v), new)
            change = np.abs(new - v)
            v = new
            if np.all(change <= 4e-16 * np.abs(v) + 1e-18):
                break
        return v

    def _law(self, v: np.ndarray, rails: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        d = self.diodes
        u = d.sign * (v[:, d.nodes] - rails)
        with np.errstate(over="ignore"):
            value, steep = self.group.device.law(u, *(p[d.members] for p in self.group.values))
        return np.broadcast_to(value, u.shape), np.broadcast_to(steep, u.shape)
