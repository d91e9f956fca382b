"""What does a transient cost at a given error: the package's batch, SciPy sample by sample, or ngspice?

    OPENBLAS_NUM_THREADS=1 python benchmarks/transient.py [--nodes 200] [--batch 64] [--references 3] [--error 1e-6]

A random network of resistors with a capacitor at every node and diodes at a fifth of them; every sample has its own
sinusoidal drive. Errors are the largest over nodes, times and the reference samples, against the package at 1e-9 (which
SciPy's Radau confirms). Each row is run at several tolerances; the last table reads all at the same error, by
interpolating log(time) over log(error). CPU seconds of one thread. Circuits are compiled beforehand: for SciPy the
equations with their analytic Jacobian, for ngspice the deck, loaded in a process that is already there.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from rich.console import Console
from rich.table import Table

from analogpnn import Circuit, Netlist, Ngspice, Transient
from analogpnn.engines.ode.bridge import solve_ivp

STOP, SAMPLES = 1e-4, 101


def network(nodes: int, drive: tuple[float, float, float], seed: int = 0) -> Circuit:
    """The circuit, with a sinusoid (amplitude, frequency, phase in degrees) on its input's card."""
    rng = np.random.default_rng(seed)
    pairs = {(int(rng.integers(0, a)), a) for a in range(1, nodes)}
    while len(pairs) < 2 * nodes:
        a, b = sorted(rng.integers(0, nodes, 2).tolist())
        if a != b:
            pairs.add((a, b))
    amplitude, frequency, phase = drive
    lines = [
        "RC-diode network", "*@ input Vin", ".model dd D(IS=1e-12 N=1)",
        f"Vin in 0 DC 0 SIN(0 {amplitude!r} {frequency!r} 0 0 {phase!r})",
        *(f"R{k} n{a} n{b} {rng.uniform(1e3, 1e4):.4g}" for k, (a, b) in enumerate(sorted(pairs))),
        *(f"Rs{k} in n{k} 1k" for k in range(5)),
        *(f"Rg{k} n{k} 0 2k" for k in range(5, 10)),
        *(f"C{k} n{k} 0 {rng.uniform(0.5e-9, 2e-9):.4g}" for k in range(nodes)),
    ]  # fmt: skip
    for k, j in enumerate(rng.choice(nodes, nodes // 5, replace=False)):
        lines.append(f"D{k} n{j} 0 dd" if k % 2 else f"D{k} 0 n{j} dd")
    return Circuit.from_netlist(Netlist.from_text("\n".join([*lines, ".end", ""])))


def timed(run):
    """(CPU seconds, the better of two runs; what it returned)."""
    seconds = []
    for _ in range(2):
        start = time.process_time()
        answer = run()
        seconds.append(time.process_time() - start)
    return min(seconds), answer


def at_error(rows: list[tuple[float, float]], error: float) -> float | None:
    """Milliseconds at this error, from (error, milliseconds); None beyond the rows."""
    points = sorted((np.log(e), np.log(ms)) for e, ms in rows)
    wanted = np.log(error)
    if not points[0][0] <= wanted <= points[-1][0]:
        return None
    return float(np.exp(np.interp(wanted, *zip(*points))))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--nodes", type=int, default=200)
    options.add_argument("--batch", type=int, default=64)
    options.add_argument("--references", type=int, default=2, help="samples that SciPy and ngspice run")
    options.add_argument("--error", type=float, default=1e-6, help="volts")
    chosen = options.parse_args()
    rng = np.random.default_rng(1)
    amplitude = rng.uniform(1, 4, chosen.batch)
    frequency, phase = rng.uniform(5e3, 2e4, chosen.batch), rng.uniform(0, 360, chosen.batch)
    few = range(chosen.references)
    times = np.linspace(0, STOP, SAMPLES)

    def inputs(t):
        return (amplitude * np.sin(2 * np.pi * frequency * t + np.radians(phase)))[:, None]

    circuit = network(chosen.nodes, (1.0, 1e4, 0.0))
    single = [network(chosen.nodes, (float(amplitude[k]), float(frequency[k]), float(phase[k]))) for k in few]
    exact = [Transient(rtol=1e-9, atol=1e-9).simulate(c, stop=STOP, times=times).node_voltages for c in single]
    check = solve_ivp(single[0], stop=STOP, times=times, method="Radau", rtol=1e-9, atol=1e-10)
    rows: dict[str, list[tuple[float, float, str]]] = {}

    def add(what, error, milliseconds, setting):
        rows.setdefault(what, []).append((error, milliseconds, setting))

    def worst(found):
        return max(float(np.abs(f - e).max()) for f, e in zip(found, exact))

    for method, tolerances in (("bdf", (1e-5, 1e-6, 1e-7, 1e-8)), ("esdirk5", (1e-5, 1e-6, 1e-7))):
        for tolerance in tolerances:
            engine = Transient(method=method, rtol=tolerance, atol=tolerance)
            seconds, waves = timed(lambda: engine.simulate(circuit, inputs=inputs, stop=STOP, times=times))  # noqa: B023
            error = worst(waves.node_voltages[: chosen.references])
            add(f"analogpnn {method}, whole batch", error, 1e3 * seconds / chosen.batch, f"rtol {tolerance:g}")
    for what, how in (("solve_ivp BDF", {}), ("solve_ivp BDF, Jacobian by differences", {"jac": None})):
        for tolerance in (1e-5, 1e-6, 1e-7, 1e-8) if not how else (1e-7, 1e-8):
            seconds, found = timed(
                lambda: [
                    solve_ivp(c, stop=STOP, times=times, rtol=tolerance, atol=tolerance, **how).node_voltages  # noqa: B023
                    for c in single
                ]
            )
            add(f"{what}, one by one", worst(found), 1e3 * seconds / len(single), f"rtol {tolerance:g}")
    spice = Ngspice()
    spice.simulate(single[0], stop=STOP, times=times)
    for steps, reltol in ((500, 1e-4), (2000, 1e-5), (8000, 1e-6)):
        start = time.perf_counter()
        found = [
            spice.simulate(c, stop=STOP, times=times, max_step=STOP / steps, reltol=reltol).node_voltages
            for c in single
        ]
        seconds = time.perf_counter() - start  # in another process, so by the clock
        add("ngspice .tran, one by one", worst(found), 1e3 * seconds / len(single), f"{steps} steps, reltol {reltol:g}")

    console = Console(width=110)
    table = Table("", "setting", "error [V]", "ms/sample")
    for what, entries in rows.items():
        for error, milliseconds, setting in entries:
            table.add_row(what, setting, f"{error:.1e}", f"{milliseconds:.1f}")
    console.print(table)
    console.print(f"Radau agrees with the reference to {np.abs(check.node_voltages - exact[0]).max():.1e} V")
    own, *others = rows
    ours = at_error([r[:2] for r in rows[own]], chosen.error)
    table = Table(f"at {chosen.error:g} V", "ms/sample", "ratio")
    for what in (own, *others):
        theirs = at_error([r[:2] for r in rows[what]], chosen.error)
        known = theirs is not None and ours is not None
        table.add_row(what, f"{theirs:.1f}" if theirs else "-", f"{theirs / ours:.1f}" if known else "-")
    console.print(table)


if __name__ == "__main__":
    main()
