"""Waveforms of sources, as ngspice defines them."""

from __future__ import annotations

import math
from bisect import bisect_right

FEWEST = {"sin": 2, "pulse": 2, "exp": 2, "pwl": 2, "sffm": 2, "am": 2}
"""The waveforms, and how many numbers each needs at least."""
ALIASES = {"sine": "sin"}
"""What else a waveform is called; LTspice writes SINE."""
MOST = {"sin": 6, "pulse": 8, "exp": 6, "sffm": 7, "am": 7}


def value_at(waveform: tuple, time: float = 0.0, step: float = 0.0, stop: float = math.inf) -> float:
    """A waveform's value [V, A].

    Parameters
    ----------
    waveform : tuple
        ``(name, numbers...)`` as in `FlatCard.waveform`.
    time : float
        [s]
    step, stop : float
        The transient analysis' step and end [s], which ngspice takes for times that are not given.

    Returns
    -------
    float

    Examples
    --------
    >>> value_at(("sin", 1.0, 2.0, 1e3), 0.25e-3), value_at(("pwl", 0.0, 1.0, 1.0, 2.0), 0.5)
    (3.0, 1.5)
    """
    name, *numbers = waveform
    return _AT[name](numbers, time, step, stop)


def _get(numbers, k: int, default: float) -> float:
    """The k-th number; like ngspice, zero where zero is no time or frequency means 'not given'."""
    return numbers[k] if k < len(numbers) and numbers[k] else default


def _sin(n, t, step, stop):
    frequency, delay, damping, phase = (
        _get(n, 2, 0.0 if math.isinf(stop) else 1 / stop),
        _get(n, 3, 0.0),
        _get(n, 4, 0.0),
        math.radians(_get(n, 5, 0.0)),
    )
    t -= delay
    if t <= 0:
        return n[0] + n[1] * math.sin(phase)
    return n[0] + n[1] * math.sin(2 * math.pi * frequency * t + phase) * math.exp(-t * damping)


def _pulse(n, t, step, stop):
    low, high = n[0], n[1]
    rise, fall = _get(n, 3, step), _get(n, 4, step)
    width, period = _get(n, 5, stop), _get(n, 6, stop)
    count = _get(n, 7, 0.0)
    t -= _get(n, 2, 0.0)
    if period > 0 and not math.isinf(period) and t > period:
        if count and t > count * period:
            return low
        t -= period * math.floor(t / period)
    if t <= 0 or t >= rise + width + fall:
        return low
    if t < rise:
        return low + (high - low) * t / rise
    if t <= rise + width:
        return high
    return high + (low - high) * (t - rise - width) / fall


def _exp(n, t, step, stop):
    start, up = _get(n, 2, step), _get(n, 3, step)
    end, down = _get(n, 4, start + step), _get(n, 5, step)
    value = n[0]
    if t > start:
        value += (n[1] - n[0]) * (1 - math.exp(-(t - start) / up) if up else 1.0)
    if t > end:
        value += (n[0] - n[1]) * (1 - math.exp(-(t - end) / down) if down else 1.0)
    return value


def _pwl(n, t, step, stop):
    times, values = n[0::2], n[1::2]
    k = bisect_right(times, t)
    if k == 0:
        return values[0]
    if k == len(times):
        return values[-1]
    share = (t - times[k - 1]) / (times[k] - times[k - 1])
    return values[k - 1] + share * (values[k] - values[k - 1])


def _sffm(n, t, step, stop):
    default = 0.0 if math.isinf(stop) else 1 / stop
    carrier, index, signal = _get(n, 2, default), _get(n, 3, 0.0), _get(n, 4, default)
    phase_c, phase_s = math.radians(_get(n, 5, 0.0)), math.radians(_get(n, 6, 0.0))
    modulation = index * math.sin(2 * math.pi * signal * t + phase_s)
    return n[0] + n[1] * math.sin(2 * math.pi * carrier * t + phase_c + modulation)


def _am(n, t, step, stop):
    default = 0.0 if math.isinf(stop) else 1 / stop
    modulation, carrier, delay = _get(n, 2, default), _get(n, 3, 0.0), _get(n, 4, 0.0)
    phase_m, phase_c = math.radians(_get(n, 5, 0.0)), math.radians(_get(n, 6, 0.0))
    t -= delay
    if t <= 0:
        return 0.0
    envelope = n[1] + math.sin(2 * math.pi * modulation * t + phase_m)
    return n[0] * envelope * math.sin(2 * math.pi * carrier * t + phase_c)


_AT = {"sin": _sin, "pulse": _pulse, "exp": _exp, "pwl": _pwl, "sffm": _sffm, "am": _am}
