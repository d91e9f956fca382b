"""How many operating points a second, against the ways people do it today?

Diode-resistor networks (20 % of the nodes with a diode), inputs +-2 V; "amplified" ones have voltage amplifiers at 5 %
of their nodes besides, so that their equations are not symmetric. Rows of one circuit are measured in turn in one run.
The fast engine gets a new theta every time, so the work per update is included; its first solve (compilation of
kernels, elimination order) is not. python benchmarks/operating_points.py [--large]
"""

from __future__ import annotations

import sys

import numpy as np
from networks import text
from references import SciPyNewton, alter_and_op, pyspice_rebuild
from rich.console import Console
from rich.table import Table
from timing import seconds

from analogpnn import Circuit, Netlist, Newton, Ngspice

SMALL = [("grid", 9), ("grid", 100), ("grid", 1000), ("random", 1000)]
AMPLIFIED = [("amplified grid", 100), ("amplified grid", 1000), ("amplified random", 1000)]
LARGE = [("grid", 10_000), ("amplified grid", 10_000)]


def main(large: bool) -> None:
    table = Table(
        "circuit", "batch", "fast ms", "points/s", "SciPy ms", "x", "ngspice sweep ms", "x", "ngspice alter+op ms", "x",
        "PySpice ms", "x", title="One operating point, milliseconds a sample (median)",
    )  # fmt: skip
    for name, nodes in SMALL + AMPLIFIED + LARGE * large:
        kind = name.split()[-1]
        netlist = Netlist.from_text(text(kind, nodes, amplifiers=0.05 * (name != kind)))
        circuit = Circuit.from_netlist(netlist)
        rng = np.random.default_rng(0)
        for batch in (1, 64):
            inputs = rng.uniform(-2, 2, (batch, circuit.n_inputs))
            engine, spice, reference = Newton(), Ngspice(), SciPyNewton(circuit)
            engine.equilibrium(circuit, None, inputs)
            few = max(1, min(batch, 2000 // nodes))
            fast = seconds(
                lambda k, x=inputs, c=circuit, e=engine: e.equilibrium(c, c.theta * (1 + 1e-9 * (k + 1)), x), 9
            )
            rows = {"scipy": seconds(lambda k, x=inputs, r=reference, m=few: [r.solve(v) for v in x[:m]], 3) / few}
            if nodes <= 1000:
                spice.equilibrium(circuit, None, inputs[:1])
                part = inputs[: 8 if nodes == 1000 else batch]
                rows["sweep"] = seconds(lambda k, x=part, c=circuit, s=spice: s.equilibrium(c, None, x), 3) / len(part)
                rows["alter"] = alter_and_op(netlist, inputs[:few])
                if name == kind:
                    rows["pyspice"] = pyspice_rebuild(netlist, inputs[: min(few, 3)])
            cells = [f"{name} {nodes}", str(batch), f"{fast / batch * 1e3:.3f}", f"{batch / fast:.0f}"]
            for key in ("scipy", "sweep", "alter", "pyspice"):
                value = rows.get(key)
                cells += ["", ""] if value is None else [f"{value * 1e3:.2f}", f"{value / (fast / batch):.0f}"]
            table.add_row(*cells)
    Console(width=150).print(table)


if __name__ == "__main__":
    main("--large" in sys.argv[1:])
