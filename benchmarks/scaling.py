"""How do time and memory of an operating point grow with the size of the circuit?

2-D grids of resistors with diodes at a fifth of the nodes, 16 samples, theta new; each size in a process of its own,
whose largest memory is read at its end and compared with that of the circuit compiled and not solved.

    OPENBLAS_NUM_THREADS=1 python benchmarks/scaling.py [--largest 100000]
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time

import numpy as np
from rich.console import Console
from rich.table import Table

SIZES, BATCH = (100, 1000, 10_000, 100_000), 16


def measure(nodes: int) -> dict[str, float]:
    """In this process: seconds of CPU an operating point, and what solving adds to the largest memory [bytes]."""
    from networks import circuit as make_circuit

    from analogpnn import Newton

    circuit, engine = make_circuit("grid", nodes), Newton()
    x = np.random.default_rng(0).uniform(-2, 2, (BATCH, circuit.n_inputs))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    engine.equilibrium(circuit, None, x)
    times = []
    for k in range(3 if nodes > 20_000 else 9):
        began = time.process_time()
        engine.equilibrium(circuit, circuit.theta * (1 + 1e-9 * (k + 1)), x)
        times.append(time.process_time() - began)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"seconds": float(np.median(times)) / BATCH, "bytes": 1024.0 * (after - before)}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--largest", type=int, default=SIZES[-1])
    options.add_argument("--only", type=int, help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.only:
        print(json.dumps(measure(chosen.only)))
        return
    table = Table(
        "nodes", "CPU ms an operating point", "exponent", "memory, MB", "exponent", title="2-D grids, 20 % diodes"
    )
    last = None
    for nodes in (n for n in SIZES if n <= chosen.largest):
        done = subprocess.run(
            [sys.executable, __file__, "--only", str(nodes)], capture_output=True, text=True, check=True
        )
        found = json.loads(done.stdout.splitlines()[-1])
        growth = ["", ""]
        if last:
            growth = [f"{np.log(found[k] / last[1][k]) / np.log(nodes / last[0]):.2f}" for k in ("seconds", "bytes")]
        table.add_row(str(nodes), f"{1e3 * found['seconds']:.3f}", growth[0], f"{found['bytes'] / 1e6:.0f}", growth[1])
        last = nodes, found
    Console().print(table)


if __name__ == "__main__":
    main()
