"""Keeping Newton's method inside the reach of exponentials.

Near a junction the tangent overshoots wildly. Where the linear resistance R seen by the junction is known, the
Newton voltage u and current i are combined to the wave w = u + R i and the junction chooses its own voltage on that
load line, u + R Is (exp(u/nVt) - 1) = w, in closed form by the Wright omega function: 5 to 9 iterations whatever the
drive. Elsewhere SPICE's logarithmic limit is used.
"""

from __future__ import annotations

import numpy as np
from scipy.special import wrightomega


def on_load_line(w: np.ndarray, r: np.ndarray, saturation: np.ndarray, slope: np.ndarray) -> np.ndarray:
    """Voltage of a junction behind resistance r at open-circuit voltage w [V].

    Examples
    --------
    >>> u = on_load_line(np.array([1.0]), 1e3, 1e-14, 0.025)
    >>> float(np.round(u + 1e3 * 1e-14 * np.expm1(u / 0.025), 12)[0])
    1.0
    """
    r_is = r * saturation
    top = w + r_is
    omega = wrightomega(np.log(np.maximum(r_is / slope, 1e-300)) + top / slope)
    return np.where(w > 0, top - slope * omega, w)


def logarithmic(new: np.ndarray, old: np.ndarray, saturation: np.ndarray, slope: np.ndarray) -> np.ndarray:
    """SPICE's pnjlim: beyond the critical voltage a step grows the current, not the voltage, linearly."""
    critical = slope * np.log(slope / (np.sqrt(2.0) * np.maximum(saturation, 1e-300)))
    far = (new > critical) & (np.abs(new - old) > 2 * slope)
    step = (new - old) / slope
    grown = old + slope * np.log1p(np.maximum(step, -0.999999))
    from_below = slope * np.log(np.maximum(new / slope, 1e-300))
    limited = np.where(old > 0, np.where(step > -1.0, grown, critical), from_below)
    return np.where(far, limited, new)
