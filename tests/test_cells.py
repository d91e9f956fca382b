"""Cells: inner nodes eliminated one device at a time give what the whole circuit's equations give."""

import numpy as np
import pytest
from circuits import read

from analogpnn import Clamp, ConvergenceError, Inject, Newton, Ngspice
from analogpnn.engines.fast import choice

MODELS = """
.model n1 NMOS(LEVEL=1 VTO=0.75 GAMMA=1.09 PHI=0.95 KP=62u LAMBDA=0.2 RSH=73)
.model d1 D(IS=1e-12 RS=25 N=1.2)
.model q1 NPN(IS=1e-15 BF=80 RB=120 RC=15 RE=3 VAF=60)
.model p1 PMOS(LEVEL=1 VTO=-0.8 KP=30u RD=40 RS=60 LAMBDA=0.05)
"""
SORTS = {
    "transistors": lambda k, a, b: f"M{k} n{a} g n{b} 0 n1 W=20u L=2u",
    "diodes": lambda k, a, b: f"D{k} n{a} n{b} d1",
    "bipolar transistors": lambda k, a, b: f"Q{k} n{a} n{(a + b) % 30} n{b} q1",
    "two kinds": lambda k, a, b: f"M{k} n{a} n{b} 0 0 p1 W=9u L=1u" if k % 2 else f"D{k} n{a} n{b} d1",
}


def lattice(sort: str, *more: str, nodes: int = 30, devices: int = 60, seed: int = 0):
    """Nodes joined by resistors in a ring, and by devices at random; two inputs, two outputs."""
    rng = np.random.default_rng(seed)
    pairs = [rng.choice(nodes, 2, replace=False).tolist() for _ in range(devices)]
    lines = [
        "cells", "*@ input VA VB", "*@ output v(n5) v(n9,n20)", "*@ train R* min=1u max=10m", "VA n0 0 1",
        "VB n10 0 -0.5", "VG g 0 3",
        *(f"R{k} n{k} n{(k + 1) % nodes} {10 ** rng.uniform(3, 4.5):.6g}" for k in range(nodes)), "RG n7 0 5k", *more,
        *(SORTS[sort](k, a, b) for k, (a, b) in enumerate(pairs)), MODELS, ".end",
    ]  # fmt: skip
    return read("\n".join(lines))


@pytest.mark.parametrize("sort", SORTS)
def test_cells_give_what_the_whole_equations_give(sort, monkeypatch):
    x = np.random.default_rng(1).uniform(-2, 2, (11, 2))
    circuit, engine = lattice(sort), Newton()
    assert engine.explain(circuit).startswith("cells: ")
    boundaries = [None, Inject(np.full((11, 2), 1e-5)), Clamp(np.full((11, 2), 0.3))]
    found = [engine.equilibrium(circuit, None, x, *([b] if b else [])) for b in boundaries]
    monkeypatch.setattr(choice, "condense", lambda s: None)
    whole, plain = lattice(sort), Newton()
    assert not plain.explain(whole).startswith("cells")
    for point, b in zip(found, boundaries):
        other = plain.equilibrium(whole, None, x, *([b] if b else []))
        np.testing.assert_allclose(point.node_voltages, other.node_voltages, rtol=1e-9, atol=1e-11)
        np.testing.assert_allclose(point.source_currents, other.source_currents, rtol=1e-8, atol=1e-14)


@pytest.mark.parametrize("sort", SORTS)
def test_cells_agree_with_ngspice(sort, ngspice):
    x = np.array([[1.5, -0.7], [-2.0, 2.0]])
    circuit = lattice(sort)
    fast, spice = (e.equilibrium(circuit, None, x) for e in (Newton(), Ngspice()))
    np.testing.assert_allclose(fast.node_voltages, spice.node_voltages, rtol=1e-7, atol=1e-9)


def test_a_start_is_taken():
    circuit, engine = lattice("transistors"), Newton(max_steps=3)
    x = np.random.default_rng(2).uniform(-2, 2, (9, 2))
    point = Newton().equilibrium(circuit, None, x)
    near = engine.equilibrium(circuit, None, x + 1e-6, start=point)
    np.testing.assert_allclose(near.node_voltages, point.node_voltages, atol=1e-4)


def test_a_circuit_at_rest_has_its_sources_on(monkeypatch):
    from analogpnn.engines.fast import lanes

    circuit, step, steps = lattice("transistors"), lanes.step, []
    monkeypatch.setattr(lanes, "step", lambda *given: steps.append(1) or step(*given))
    point = Newton().equilibrium(circuit, None, [[0.3, -0.2]])
    at_rest = len(steps)
    dead = point.with_node_voltages(np.zeros_like(point.node_voltages))
    again = Newton().equilibrium(circuit, None, [[0.3, -0.2]], start=dead)
    np.testing.assert_allclose(again.node_voltages, point.node_voltages, atol=1e-9)
    assert at_rest + 2 <= len(steps) - at_rest, "gates that are held needn't be climbed to"


def test_a_failure_names_a_node_of_the_circuit():
    circuit = lattice("transistors", "B1 n7 0 I=1+v(n7)^2")  # a current that no voltage can carry
    with pytest.raises(ConvergenceError, match="sample 0, node '"):
        Newton(max_steps=20).equilibrium(circuit, None, [[1.0, 1.0]])
