"""The 571-edge NMOS network that classifies digits: one operating point, against ngspice in one process.

64 inputs and 10 outputs joined by 571 transistors of level 1 with body effect and series resistance, gates held by
trainable sources; 64 samples, theta new every time. Reference rows: `alter` + `op`, and the index sweep of our ngspice
engine.

    OPENBLAS_NUM_THREADS=1 python benchmarks/transistors.py
"""

from __future__ import annotations

import time

import numpy as np
from references import alter_and_op
from rich.console import Console
from rich.table import Table

from analogpnn import Circuit, Netlist, Newton, Ngspice

INPUTS, OUTPUTS, EDGES, BATCH = 64, 10, 571, 64
ROUNDS, REPEATS = 7, 25
MODEL = ".model ncg NMOS(LEVEL=1 VTO=0.75 GAMMA=1.09 PHI=0.95 KP=62.496u LAMBDA=0.2 RSH=73.2)"


def text(seed: int = 0) -> str:
    """The network as SPICE text."""
    rng = np.random.default_rng(seed)
    chosen = sorted(rng.choice(INPUTS * OUTPUTS, EDGES, replace=False).tolist())
    lines = [
        "NMOS digits", f"*@ input {' '.join(f'V{k}' for k in range(INPUTS))}",
        f"*@ output {' '.join(f'v(o{k})' for k in range(OUTPUTS))}", "*@ train VG* min=0.4 max=8", MODEL,
        *(f"V{k} x{k} 0 0" for k in range(INPUTS)),
    ]  # fmt: skip
    for k, pair in enumerate(chosen):
        a, b = divmod(pair, OUTPUTS)
        lines += [f"VG{k} g{k} 0 {rng.uniform(1.5, 5)!r}", f"M{k} x{a} g{k} o{b} 0 ncg L=7.8u W=138u"]
    return "\n".join([*lines, ".end", ""])


def main() -> None:
    netlist = Netlist.from_text(text())
    circuit = Circuit.from_netlist(netlist)
    x = np.random.default_rng(1).uniform(0, 0.45, (BATCH, INPUTS))
    engine, spice = Newton(), Ngspice()
    point, few = engine.equilibrium(circuit, None, x), x[:8]
    gap = np.abs(spice.equilibrium(circuit, None, few).outputs - point.outputs[:8]).max()
    rounds = [_round(netlist, circuit, engine, spice, x, few, k) for k in range(ROUNDS)]
    table = Table(
        "", "ms an operating point", "x", "in the rounds",
        title=f"{EDGES} NMOS edges, batch {BATCH}, {ROUNDS} rounds; engines agree to {gap:.0e} V",
    )  # fmt: skip
    for column, name in enumerate(("fast", "ngspice, index sweep", "ngspice, alter + op")):
        times = np.array([r[column] for r in rounds])
        ratios = times / [r[0] for r in rounds]
        spread = f"{ratios.min():.0f} to {ratios.max():.0f}" if column else ""
        table.add_row(name, f"{1e3 * np.median(times):.3f}", f"{np.median(ratios):.0f}", spread)
    Console().print(table)


def _round(netlist, circuit, engine, spice, x, few, k: int) -> tuple[float, float, float]:
    """Seconds an operating point by each, one after the other: the machine's pace changes from second to second."""
    times = []
    for j in range(REPEATS):
        began = time.perf_counter()
        engine.equilibrium(circuit, circuit.theta * (1 + 1e-9 * (k * REPEATS + j + 1)), x)
        times.append(time.perf_counter() - began)
    began = time.perf_counter()
    spice.equilibrium(circuit, None, few)
    sweep = (time.perf_counter() - began) / len(few)
    return float(np.median(times)) / len(x), sweep, alter_and_op(netlist, few)


if __name__ == "__main__":
    main()
