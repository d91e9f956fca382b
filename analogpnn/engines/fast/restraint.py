"""Keeping a step of Newton's method to where each law still looks like its tangent, whatever the law.

Where a law gives a much larger current than its tangent promised, the step of that element is cut to the point
where it gives what was promised: SPICE's logarithmic limit of a junction, for any law and without knowing its formula.
Reverse breakdown, cubes and hyperbolic sines are caught as forward junctions are.
"""

from __future__ import annotations

import numpy as np

from analogpnn.engines.fast.laws import Laws, Tangent

GROWTH = 10.0
"""Times the promised current that is let pass, if nothing else is asked for."""
FLOOR = 1e-12
"""Currents nobody minds [A]."""
OCTAVES, POINTS = 26.0, 20
"""How far a step may be cut, kilovolts to tenths of a millivolt; and places tried at a time, twice: to a 20th of it."""
BESIDE = 1e-6
"""How far from a point without a tangent, such as that of sqrt(abs(v)) at 0, one is taken [V]."""


Controls = list[list[np.ndarray]]


def restrain(laws: Laws, new: Controls, old: Controls, growth: float | None = GROWTH) -> Controls:
    """Controls from old towards new, per group and control (B, n), no law giving `growth` times its tangent's.

    None restrains junctions alone: their breakdown overflows where the logarithmic limit doesn't look.
    """
    return [
        _between(g.device.law, fresh, past, values, growth or GROWTH)
        if g.branch is None and (growth or g.device.junctions)
        else fresh
        for g, fresh, past, values in zip(laws.groups, new, old, laws.parameters)
    ]


def _between(law, new, old, values, growth):
    now, *slopes = law(*old, *values)
    promised = np.maximum(np.abs(now + sum(d * (f - p) for d, f, p in zip(slopes, new, old))), np.abs(now))
    most = growth * promised + FLOOR
    far = ~(np.abs(law(*new, *values)[0]) <= most)
    if not far.any():
        return new
    shape = new[0].shape
    values = [np.broadcast_to(v, shape)[far] for v in values]
    start, way = [p[far] for p in old], [f[far] - p[far] for f, p in zip(new, old)]
    promised = promised[far] + FLOOR
    # Where along its way each element first gives more, in octaves from the end: places between two, all in one call.
    near, apart, places = np.full(len(promised), -OCTAVES), OCTAVES, np.arange(1, POINTS + 1)[:, None] / POINTS
    for _ in range(2):
        parts = np.exp2(near + apart * places)
        beyond = ~(np.abs(law(*(p + parts * w for p, w in zip(start, way)), *values)[0]) <= promised)
        beyond[-1] = True
        apart /= POINTS
        near += apart * beyond.argmax(axis=0)
    high = np.exp2(near + apart)
    out = [np.array(f) for f in new]
    for f, p, w in zip(out, start, way):
        f[far] = p + high * w
    return out


def tangent_beside(laws: Laws, at: list[list[np.ndarray]]) -> tuple[list[list[np.ndarray]], Tangent]:
    """The tangent, and where it was taken: a little beside `at` where there is none."""
    t = laws.tangent(at)
    if all(np.isfinite(d).all() for slopes in t.slopes for d in slopes):
        return at, t
    moved = []
    for controls, slopes in zip(at, t.slopes):
        none = np.zeros(controls[0].shape, dtype=bool)
        for d in slopes:
            none |= ~np.isfinite(d)
        moved.append([np.where(none, c + BESIDE, c) for c in controls])
    return moved, laws.tangent(moved)


def moved(new: Controls, old: Controls) -> np.ndarray:
    """Largest change of any control, relative and in volts, per sample (B,)."""
    error = np.zeros(new[0][0].shape[0])
    for fresh, past in zip(new, old):
        for f, p in zip(fresh, past):
            error = np.maximum(error, (np.abs(f - p) / (1.0 + np.abs(f))).max(axis=1))
    return error
