"""How long does a big deck take to read and compile?

Crossbars of resistors with 17 digits, all trainable; seconds of processor time, best of three, and the peak memory of
the process. The reference row reads the same text with ``str.splitlines`` and ``str.split``, which makes no
circuit.

    python benchmarks/reading.py [--large]
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable

import numpy as np
from rich.console import Console
from rich.table import Table

from analogpnn import Circuit, Netlist


def crossbar(n: int) -> str:
    """A deck of n sources, n rows and n columns."""
    rng = np.random.default_rng(0)
    lines = ["crossbar", "*@ input Vx*", "*@ output v(h1)", "*@ train R* min=0.1u max=10u"]
    lines += [f"Vx{i} x{i} 0 DC {volts!r}" for i, volts in enumerate(rng.uniform(-1, 1, n).tolist())]
    ohms = rng.uniform(0.5e6, 1.5e6, (n, n)).tolist()
    lines += [f"R{i}_{j} x{i} h{j} {r!r}" for i, row in enumerate(ohms) for j, r in enumerate(row)]
    return "\n".join([*lines, ".end", ""])


def cost(function: Callable[[], object]) -> float:
    """Seconds of processor time, the best of three."""
    best = np.inf
    for _ in range(3):
        began = time.process_time()
        function()
        best = min(best, time.process_time() - began)
    return best


def main() -> None:
    table = Table("cards", "MB", "read, s", "compile, s", "split alone, s", "peak, MB", title="Reading a deck")
    for n in (32, 100, 300, *((1000,) if "--large" in sys.argv else ())):
        text = crossbar(n)
        read = cost(lambda text=text: Netlist.from_text(text))
        netlist = Netlist.from_text(text)
        compiled = cost(lambda netlist=netlist: Circuit.from_netlist(netlist))
        split = cost(lambda text=text: [line.split() for line in text.splitlines()])
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        figures = f"{len(text) / 1e6:.2f}", f"{read:.4f}", f"{compiled:.4f}", f"{split:.4f}", f"{peak:.0f}"
        table.add_row(str(n * n + n), *figures)
    Console().print(table)


if __name__ == "__main__":
    main()
