"""Where a junction is linearised next, one number at a time, for the compiled kernels: the limits of `limiting`."""

from __future__ import annotations

from math import exp, log, log1p, sqrt

from numba import njit

_inline = njit(error_model="numpy", nogil=True)


@_inline
def omega(y: float) -> float:
    """Wright's omega function, w + log w = y, for real y.

    Two steps of Fritsch, Shafer and Crowley (CACM 16, 123, 1973), each of fourth order, from a start good to 20 %.
    """
    if y < -30.0:
        return exp(y)
    if y < -2.0:
        w = exp(y)
        w = w / (1.0 + w)
    elif y < 2.0:
        w = 0.5671432904 + 0.3618962566 * y + 0.0737 * y * y
    else:
        w = y - log(y)
    for _ in range(2):
        residual = y - w - log(w)
        one = w + 1.0
        half = 2.0 * one * (one + 2.0 / 3.0 * residual)
        w *= 1.0 + residual / one * (half - residual) / (half - 2.0 * residual)
    return w


@_inline
def on_load_line(new: float, old: float, saturation: float, slope: float, resistance: float) -> float:
    """The voltage a junction chooses behind `resistance`; `new` itself where it blocks, hardly moves or is held."""
    if not (new > 0.0 and abs(new - old) > 1e-3 * slope and resistance > 0.0):
        return new
    e = exp(min(old / slope, 700.0))
    # Its own current on the tangent it was solved with.
    wave = new + resistance * saturation * (e - 1.0 + e / slope * (new - old))
    r_is = resistance * saturation
    if not wave > 0.0:
        return wave if wave == wave else old
    top = wave + r_is
    found = top - slope * omega(log(max(r_is / slope, 1e-300)) + top / slope)
    return found if abs(found) < 1e300 else old


@_inline
def logarithmic(new: float, old: float, saturation: float, slope: float) -> float:
    """SPICE's pnjlim, see `limiting.logarithmic`."""
    if not abs(new - old) > 2.0 * slope:
        return new
    critical = slope * log(slope / (sqrt(2.0) * max(saturation, 1e-300)))
    if not new > critical:
        return new
    if not old > 0.0:
        return slope * log(max(new / slope, 1e-300))
    step = (new - old) / slope
    return old + slope * log1p(step) if step > -1.0 else critical
