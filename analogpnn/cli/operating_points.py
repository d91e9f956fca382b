"""``analogpnn op --starts N``: all operating points that are found; and a word where `op` finds an unstable one."""

from __future__ import annotations

import sys

import numpy as np

from analogpnn.circuit.circuit import Circuit
from analogpnn.circuit.operating_point import OperatingPoint
from analogpnn.cli.terminal import print_json, print_rows
from analogpnn.errors import ExperimentError

LARGEST = 2000
"""Nodes up to which stability is looked at unasked: the determinant of a dense matrix."""


def print_all(circuit: Circuit, inputs: np.ndarray, starts: int, engine: str, json: bool) -> None:
    """Search, and print what is found: one column for each operating point."""
    from analogpnn.engines.multistability import operating_points

    if engine != "fast":
        raise ExperimentError("only the fast engine looks for several operating points", path="--starts")
    if starts < 0:
        raise ExperimentError(f"{starts} starts: at least one is needed", path="--starts")
    found = operating_points(circuit, circuit.theta, inputs, starts=starts)
    volts, amperes = found.points.node_voltages, found.points.source_currents
    if json:
        each = [
            {
                "nodes": dict(zip(circuit.nodes, map(float, volts[k]))),
                "branches": dict(zip(circuit.sources, map(float, amperes[k]))),
                "stable": bool(found.stable[k]), "settled": int(found.settled[k]),
            }
            for k in range(len(found))
        ]  # fmt: skip
        about = {"summary": str(found), "certain": found.certain, "complete": found.complete, "starts": found.starts}
        print_json({**each[0], **about, "operating_points": each})
        return
    print(found)
    rows = [("", "".join(f"{'stable' if s else 'unstable':>16}" for s in found.stable))]
    rows += [(f"v({name})", _columns(volts[:, k], "V")) for k, name in enumerate(circuit.nodes)]
    rows += [(f"i({name})", _columns(amperes[:, k], "A")) for k, name in enumerate(circuit.sources)]
    print_rows(rows, align="right")


def _columns(values: np.ndarray, unit: str) -> str:
    return "".join(f"{f'{value:.7g} {unit}':>16}" for value in values)


def warn(point: OperatingPoint) -> None:
    """Say on stderr where the circuit wouldn't stay at a point that Newton's method has found."""
    from analogpnn.engines.stability import index

    circuit = point.circuit
    if circuit.n_nodes > LARGEST or all(group.device.is_affine for group in circuit.groups):
        return
    if int(index(point)) < 0:
        print(
            "note: this operating point is unstable, so the circuit has others (a latch?); --starts 64 looks for them",
            file=sys.stderr,
        )
