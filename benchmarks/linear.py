"""Coupled learning on linear networks, free and clamped states of a batch: one factor for all, or one solve a state?

Resistor networks without diodes, four outputs, 64 samples, theta new every time. The reference row solves the same
equations with SciPy's `spsolve`, once for every sample and state. Median times by the clock.

    OPENBLAS_NUM_THREADS=1 python benchmarks/linear.py
"""

from __future__ import annotations

import numpy as np
import scipy.sparse.linalg as spl
from networks import text
from rich.console import Console
from rich.table import Table
from timing import seconds

from analogpnn import Circuit, Clamp, Netlist, Newton
from analogpnn.engines.fast.solver import Solver

BATCH, OUTPUTS = 64, 4


def network(kind: str, nodes: int) -> Circuit:
    """Of `networks.text`, without diodes, with outputs at some of the nodes that have a resistor to ground."""
    lines = text(kind, nodes, diodes=0.0).splitlines()
    outputs = [line.split()[1] for line in lines if line.startswith("RG")][:OUTPUTS]
    lines = [f"*@ output {' '.join(f'v({n})' for n in outputs)}" if "*@ output" in line else line for line in lines]
    return Circuit.from_netlist(Netlist.from_text("\n".join(lines)))


def row(kind: str, nodes: int) -> tuple[float, float]:
    """Seconds for both states of the batch: ours, one sparse solve a state."""
    circuit, engine = network(kind, nodes), Newton()
    x = np.random.default_rng(0).uniform(-2, 2, (BATCH, circuit.n_inputs))

    def step(k: int) -> None:
        theta = circuit.theta * (1 + 1e-9 * (k + 1))
        free = engine.equilibrium(circuit, theta, x)
        engine.equilibrium(circuit, theta, x, Clamp(free.outputs + 0.01), free)

    step(-1)
    systems = [Solver(circuit, circuit.theta, clamped).linear.matrix.tocsc() for clamped in (False, True)]
    few = 8 if nodes <= 1000 else 2
    each = seconds(lambda k: [spl.spsolve(a, np.ones(a.shape[0])) for a in systems for _ in range(few)], 3)
    return seconds(step, 15), each / few * BATCH


def main() -> None:
    table = Table("network", "ours, ms", "one solve a state, ms", "x", title=f"Free and clamped states, batch {BATCH}")
    for kind, nodes in (("grid", 1000), ("random", 1000), ("grid", 10_000)):
        ours, theirs = row(kind, nodes)
        table.add_row(f"{kind} {nodes}", f"{1e3 * ours:.2f}", f"{1e3 * theirs:.0f}", f"{theirs / ours:.0f}")
    Console().print(table)


if __name__ == "__main__":
    main()
