"""The nonlinear laws of a circuit, evaluated on a batch and linearised."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from analogpnn.devices.device import Device
from analogpnn.engines.fast import limiting
from analogpnn.engines.fast.assembly import Structure
from analogpnn.engines.fast.ports import Ports

WORTH = 16
"""Elements of one law from which it is compiled; fewer are left to NumPy, so that a lone card costs no compilation."""


@dataclass(frozen=True, eq=False)
class Tangent:
    """i(u) ~ offset + D u at the ports.

    offset : (B, n_out); slopes : per group, per control (B, n), not yet summed into D.
    """

    offset: np.ndarray
    slopes: list[list[np.ndarray]]


class Laws:
    """Laws with their parameters for one theta, and the way from elements to ports."""

    def __init__(self, s: Structure, p: Ports, parameters: list[list[np.ndarray]]):
        self.groups = [s.circuit.groups[k] for k in s.nonlinear]
        self.parameters = [parameters[k] for k in s.nonlinear]
        self.ports = p
        self.sum_out, self.sum_slopes = p.selectors

    def element_controls(self, u: np.ndarray) -> list[list[np.ndarray]]:
        """Controls of every element, per group, from port voltages (B, n_in)."""
        return [[sign * u[:, place] for place, sign in zip(places, signs)] for places, signs, _, _ in self.ports.slots]

    def law(self, g: int, controls: list[np.ndarray]) -> tuple[np.ndarray, ...]:
        """Value and slopes of group g's law."""
        return self.groups[g].device.law(*controls, *self.parameters[g])

    def tangent(self, at: list[list[np.ndarray]]) -> Tangent:
        """Linearise around the given element controls."""
        batch = at[0][0].shape[0]
        offset = np.zeros((batch, self.ports.n_out))
        slopes = []
        for g, (controls, total) in enumerate(zip(at, self.sum_out)):
            value, *d = self.law(g, controls)
            for slope, c in zip(d, controls):
                value = value - slope * c
            offset += summed(value, total)
            slopes.append(d)
        return Tangent(offset, slopes)

    def diagonal(self, t: Tangent) -> np.ndarray:
        """D as (B, n_out), for square ports."""
        return sum(summed(d[0], total[0]) for d, total in zip(t.slopes, self.sum_slopes))

    def matrix(self, t: Tangent) -> np.ndarray:
        """D as (B, n_out, n_in)."""
        p = self.ports
        if p.square:
            full = np.zeros((t.offset.shape[0], p.n_out, p.n_in))
            k = np.arange(p.n_out)
            full[:, k, k] = self.diagonal(t)
            return full
        flat = sum(summed(d, total) for ds, totals in zip(t.slopes, self.sum_slopes) for d, total in zip(ds, totals))
        return np.asarray(flat).reshape(-1, p.n_out, p.n_in)

    def times(self, t: Tangent, u: np.ndarray) -> np.ndarray:
        """D u at the ports (B, n_out), without forming D."""
        total = np.zeros_like(t.offset)
        for slopes, controls, selector in zip(t.slopes, self.element_controls(u), self.sum_out):
            total += summed(sum(d * c for d, c in zip(slopes, controls)), selector)
        return total

    def triplet_slopes(self, t: Tangent) -> np.ndarray:
        """Slopes (m, B) in the order of `Structure.nonlinear_triplets`."""
        parts = []
        for g, slopes in zip(self.groups, t.slopes):
            per_row = [d.T for d in slopes for _ in range(2)]
            parts += per_row * (2 if g.branch is None else 1)
        return np.concatenate(parts)

    def limit(self, new: list[list[np.ndarray]], old: list[list[np.ndarray]], resistance: np.ndarray | None, slack=1.0):
        """Where to linearise next; `resistance` (n_out,) as seen from square ports, if it is known."""
        seen = [None if resistance is None else resistance[out] for _, _, out, _ in self.ports.slots]
        each = zip(self.groups, new, old, self.parameters, seen)
        return [limit(g.device, fresh, past, values, r, slack) for g, fresh, past, values, r in each]


def limit(
    device: Device, new: list[np.ndarray], old: list[np.ndarray], values: list, resistance, slack: float = 1.0
) -> list[np.ndarray]:
    """Where to linearise the elements of one law next.

    Parameters
    ----------
    device : Device
    new, old : one array for each control
    values : law parameters, and
    resistance : that seen by each element or None, broadcast against the controls
    slack : float
        Times the device's own largest step.
    """
    out = list(new)
    if device.step:
        # Growing with the voltage itself, so that a node that floats on gmin reaches its kilovolts.
        reach = [np.maximum(device.step * slack, 2 * np.abs(p)) for p in old]
        out = [p + np.clip(f - p, -r, r) for f, p, r in zip(new, old, reach)]
    names = list(device.parameters)
    for j in device.junctions:
        saturation, slope = values[names.index(j.saturation)], values[names.index(j.slope)]
        sign = values[names.index(j.sign)] if j.sign else 1.0
        f, p = sign * new[j.control], sign * old[j.control]
        if resistance is None:
            out[j.control] = sign * limiting.logarithmic(f, p, saturation, slope)
        else:
            out[j.control] = sign * _on_load_line(f, p, saturation, slope, resistance)
    return out


def _on_load_line(new, old, saturation, slope, resistance):
    """The junction voltage each element would choose; only those that conduct and moved are asked."""
    # A junction whose voltage sources hold (resistance 0) has nothing to choose.
    asked = (new > 0) & (np.abs(new - old) > 1e-3 * slope) & (resistance > 0)
    if not asked.any():
        return new
    f, p = new[asked], old[asked]
    saturation, slope, r = (np.broadcast_to(a, new.shape)[asked] for a in (saturation, slope, resistance))
    with np.errstate(over="ignore", invalid="ignore"):
        # Its own current on the tangent it was solved with.
        e = np.exp(np.minimum(p / slope, 700.0))
        current = saturation * (e - 1.0) + saturation * e / slope * (f - p)
        on_line = limiting.on_load_line(f + r * current, r, saturation, slope)
    out = np.array(new)
    out[asked] = np.where(np.isfinite(on_line), on_line, p)
    return out


def summed(values: np.ndarray, selector):
    """Sum element values (B, n) into ports (B, width)."""
    if isinstance(selector, np.ndarray):
        return values @ selector
    if sp.issparse(selector):
        return (selector.T @ values.T).T
    places, signs, width = selector
    out = np.zeros((values.shape[0], width))
    out[:, places] = signs * values
    return out
