"""How long does an epoch of Iris take, on either engine?

105 samples in batches of 35, three equilibria a sample (free, nudged up, nudged down), updates included, without
evaluation on the test set: python benchmarks/iris.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from analogpnn import Experiment, Newton, Ngspice, train

NETLISTS = Path(__file__).resolve().parent.parent / "netlists"
RULES = {
    "centred EP (3 equilibria)": {"name": "centred-equilibrium-propagation", "beta": 1e-8},
    "EP (2 equilibria)": {"name": "equilibrium-propagation", "beta": 1e-9},
    "coupled learning (2 equilibria)": {"name": "coupled-learning", "eta": 1e-4},
}


def epoch_seconds(engine, rule, epochs: int) -> np.ndarray:
    """Seconds of every epoch but the first."""
    experiment = Experiment.from_file(NETLISTS / "iris.toml")
    settings = experiment.table["train"]
    steps = train(
        experiment.circuit, experiment.task, engine=engine, rule=rule, rate=settings["rate"], epochs=epochs,
        batch=settings["batch"], optimiser=settings["optimiser"], cost=settings["cost"], evaluate_every=0,
    )  # fmt: skip
    return np.array([record.seconds for record in steps])[1:]


def main() -> None:
    table = Table("rule", "fast: ms an epoch (min, median)", "ngspice: ms an epoch", "ratio", title="Iris, 105 samples")
    for name, rule in RULES.items():
        fast = epoch_seconds(Newton(), rule, 41) * 1e3
        spice = epoch_seconds(Ngspice(workers=2), rule, 4) * 1e3
        ratio = np.median(spice) / np.median(fast)
        table.add_row(name, f"{fast.min():.1f}, {np.median(fast):.1f}", f"{np.median(spice):.0f}", f"{ratio:.0f}")
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
