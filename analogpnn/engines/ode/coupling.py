"""Coupled inductors: the flux that each of a K card's inductors gets from the other's current."""

from __future__ import annotations

from math import sqrt

import numpy as np

from analogpnn.circuit.circuit import Circuit, Group
from analogpnn.devices.device import Device
from analogpnn.errors import NetlistError

MUTUAL = Device("mutual inductance", current="0*i", charge="m*i", controls=("i",), parameters={"m": None})
"""flux = m i, written as a charge whose 'current' leaves the row of the other inductor's branch."""


def mutual_fluxes(circuit: Circuit) -> list[Group]:
    """One group of all pairs, M = k sqrt(L1 L2), both ways; empty where there are no K cards."""
    rows: list[int] = []
    reads: list[int] = []
    values: list[float] = []
    names: list[str] = []
    for card in circuit.flat.cards:
        if card.letter != "k":
            continue
        inductors = [circuit.places[name] for name in card.controls if name in circuit.places]
        groups = [circuit.groups[p[0]] for p in inductors]
        if len(groups) != len(card.controls) or any(g.branch is None or "l" not in g.device.parameters for g in groups):
            raise NetlistError(
                f"'{card.name}' couples something that is no plain inductor",
                path=card.path, line=card.line, text=card.text, cure="K1 L1 L2 0.9",
            )  # fmt: skip
        branches = [int(g.branch[p[1]]) for g, p in zip(groups, inductors) if g.branch is not None]
        henries = [float(g.values[list(g.device.parameters).index("l")][p[1]]) for g, p in zip(groups, inductors)]
        for a in range(len(branches)):
            for b in range(len(branches)):
                if a != b:
                    rows.append(branches[a])
                    reads.append(branches[b])
                    values.append(card.values["k"] * sqrt(henries[a] * henries[b]))
                    names.append(f"{card.name}#{len(names)}")
    if not rows:
        return []
    ground = np.full(len(rows), circuit.n_unknowns)
    # Row of a branch: v(n+) - v(n-) - d flux/dt = 0; what leaves it is taken at n-.
    row, read = np.array(rows), np.array(reads)
    columns = np.zeros(len(rows), dtype=np.intp)
    return [
        Group(MUTUAL, tuple(names), columns, ground, row, read[None, :], ground[None, :], (np.array(values),), None)
    ]
