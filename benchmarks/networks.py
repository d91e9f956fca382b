"""Diode-resistor networks as SPICE text, for benchmarks: a 2-D grid or a random graph of mean degree 4."""

from __future__ import annotations

import numpy as np

from analogpnn import Circuit, Netlist


def text(
    kind: str, nodes: int, *, diodes: float = 0.2, amplifiers: float = 0.0, inputs: int = 4, decades: float = 2.0,
    seed: int = 0,
) -> str:  # fmt: skip
    """Resistors over `decades` around 10 kohm, 1N4148-like diodes at a share of the nodes, voltage inputs at some.

    Amplifiers, of gains up to 1 and output resistances of 10 kohm, lead from random nodes to a share of the nodes.
    """
    rng = np.random.default_rng(seed)
    if kind == "grid":
        side = round(np.sqrt(nodes))
        nodes = side * side
        k = np.arange(nodes).reshape(side, side)
        edges = np.concatenate(
            [np.c_[k[:, :-1].ravel(), k[:, 1:].ravel()], np.c_[k[:-1].ravel(), k[1:].ravel()]], axis=0
        )
    else:
        # A random tree keeps it connected; the rest of the edges are uniform.
        tree = np.array([(rng.integers(a), a) for a in range(1, nodes)])
        extra = rng.integers(nodes, size=(nodes + 1, 2))
        edges = np.concatenate([tree, extra[extra[:, 0] != extra[:, 1]]])
    ohms = 1e4 * 10 ** rng.uniform(-decades / 2, decades / 2, len(edges))
    driven = rng.choice(nodes, inputs, replace=False)
    free = np.setdiff1d(np.arange(nodes), driven)
    lines = [f"{kind} network of {nodes} nodes", "*@ input V*", f"*@ output v(n{free[0]})", "*@ train R* min=1n max=1",
             ".model dd D(IS=2.52e-9 N=1.752)"]  # fmt: skip
    lines += [f"V{k} n{node} 0 1" for k, node in enumerate(driven)]
    lines += [f"R{k} n{a} n{b} {r!r}" for k, ((a, b), r) in enumerate(zip(edges.tolist(), ohms.tolist()))]
    lines += [f"RG{k} n{node} 0 1meg" for k, node in enumerate(free[:: max(1, len(free) // 10)])]
    chosen = rng.choice(free, int(diodes * nodes), replace=False)
    lines += [f"D{k} {f'n{node} 0' if k % 2 else f'0 n{node}'} dd" for k, node in enumerate(chosen)]
    for k, node in enumerate(rng.choice(free, int(amplifiers * nodes), replace=False)):
        lines += [f"E{k} a{k} 0 n{rng.choice(free)} 0 {rng.uniform(-1, 1)!r}", f"RA{k} a{k} n{node} 10k"]
    return "\n".join([*lines, ".end", ""])


def circuit(kind: str, nodes: int, **options) -> Circuit:
    """The compiled network."""
    return Circuit.from_netlist(Netlist.from_text(text(kind, nodes, **options)))
