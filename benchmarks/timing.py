"""Time by the clock, for benchmarks."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np


def seconds(function: Callable[[int], object], repeats: int) -> float:
    """Median time by the clock of function(0), function(1), ..."""
    times = []
    for k in range(repeats):
        began = time.perf_counter()
        function(k)
        times.append(time.perf_counter() - began)
    return float(np.median(times))
