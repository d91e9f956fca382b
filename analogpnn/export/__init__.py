"""A trained circuit, taken away: as the same netlist with other numbers, a deck, a test bench, a table."""

from analogpnn.export.deck import trained_bench, trained_deck
from analogpnn.export.netlist import trained_netlist
from analogpnn.export.table import trainables_csv
from analogpnn.export.testbench import bench
from analogpnn.export.verify import BenchResult, Replay, replay, run_bench

__all__ = [
    "BenchResult",
    "Replay",
    "bench",
    "replay",
    "run_bench",
    "trainables_csv",
    "trained_bench",
    "trained_deck",
    "trained_netlist",
]
