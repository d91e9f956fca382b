"""How much an element's force counts at the outputs: the gain correction of amplified networks.

A bidirectional amplifier copies a voltage forward, v_a = A v_h, and returns a current, i_h = f i_a. Kirchhoff's law
at h is then the stationarity of W_up + kappa W_down with kappa = f / A: the network has a co-content after all,
in which everything behind the amplifier weighs kappa as much. A nudge at outputs of weight kappa_out tells an
element of weight kappa_e the gradient times kappa_out / kappa_e; its force is therefore scaled by kappa_e / kappa_out.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from analogpnn.devices import linear


def force_scales(circuit) -> np.ndarray:
    """kappa_e / kappa_out for every trainable, shape (n_trainable,); ones where there is no amplifier pair.

    The pair is recognised in the form ``E e 0 h 0 A``, a 0 V sense source ``V e a 0`` and ``F h 0 V f``.
    """
    pairs = list(amplifiers(circuit))
    scales = np.ones(circuit.n_trainable)
    if not pairs:
        return scales
    regions = Regions(circuit)
    neighbours: dict[int, list[tuple[int, float]]] = {}
    for h, a, kappa in pairs:
        up, down = regions.of(h), regions.of(a)
        neighbours.setdefault(up, []).append((down, kappa))
        neighbours.setdefault(down, []).append((up, 1.0 / kappa))
    weight: dict[int, float] = {}
    for root in neighbours:
        if root in weight:
            continue
        weight[root] = 1.0
        queue = [root]
        while queue:
            here = queue.pop()
            for there, kappa in neighbours[here]:
                value = weight[here] * kappa
                if there not in weight:
                    weight[there] = value
                    queue.append(there)
                elif abs(weight[there] / value - 1.0) > 1e-9:
                    return scales  # amplifiers around a loop: no co-content, no correction
    outputs = {regions.of(int(k)) for pair in circuit.output_numbers for k in pair if regions.is_free(int(k))}
    out = {weight[r] for r in outputs if r in weight}
    if len(out) != 1 or any(r not in weight for r in outputs):
        return scales  # outputs of different weights: one nudge strength can't serve them all
    (reference,) = out
    for k, t in enumerate(circuit.trainable):
        g, place = circuit.places[t.element]
        group = circuit.groups[g]
        ends = [int(group.positive[place]), int(group.negative[place])]
        free = [regions.of(e) for e in ends if regions.is_free(e)]
        if free and free[0] in weight:
            scales[k] = weight[free[0]] / reference
    return scales


def amplifiers(circuit) -> Iterator[tuple[int, int, float]]:
    """(h, a, f/A) of every bidirectional amplifier."""
    ground = circuit.n_unknowns
    by_device = {id(g.device): g for g in circuit.groups}
    e, f, v = (by_device.get(id(d)) for d in (linear.VCVS, linear.CCCS, linear.VOLTAGE_SOURCE))
    if e is None or f is None or v is None:
        return
    copies = {
        int(p): (int(h), float(gain))
        for p, n, h, hn, gain in zip(e.positive, e.negative, e.control_positive[0], e.control_negative[0], e.values[0])
        if n == ground and hn == ground
    }
    senses = {int(b): (int(p), int(n)) for p, n, b, dc in zip(v.positive, v.negative, v.branch, v.values[0]) if dc == 0}
    for h, n, branch, gain, m in zip(f.positive, f.negative, f.control_positive[0], f.values[0], f.values[1]):
        p, a = senses.get(int(branch), (-1, -1))
        if n == ground and p in copies and copies[p][0] == h and gain * copies[p][1] > 0:
            yield int(h), a, float(m * gain / copies[p][1])


class Regions:
    """Nodes joined by two-terminal elements; nodes held by grounded sources join nothing."""

    def __init__(self, circuit):
        ground = circuit.n_unknowns
        self.held = {ground}
        self.parent = list(range(ground + 1))
        for g in circuit.groups:
            if g.device is linear.VOLTAGE_SOURCE:
                self.held |= {int(p) for p, n in zip(g.positive, g.negative) if n == ground}
                self.held |= {int(n) for p, n in zip(g.positive, g.negative) if p == ground}
        for g in circuit.groups:
            if g.branch is None and g.device.controls and g.device is not linear.CCCS:
                for p, n in zip(g.positive, g.negative):
                    if self.is_free(int(p)) and self.is_free(int(n)):
                        self.parent[self.of(int(p))] = self.of(int(n))

    def is_free(self, node: int) -> bool:
        return node not in self.held

    def of(self, node: int) -> int:
        while self.parent[node] != node:
            self.parent[node] = node = self.parent[self.parent[node]]
        return node
