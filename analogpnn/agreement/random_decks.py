"""Random circuits of all kinds of devices: connected, values over many decades, inputs up to 10 V."""

from __future__ import annotations

import numpy as np

KINDS = "rvidmqjbegfhs"
_MODELS = """.model d0 D(IS=1e-14 N=1)
.model d1 D(IS=1e-12 N=1.8 RS=2)
.model d2 D(IS=1e-9 N=1.1 BV=6 IBV=1m)
.model n0 NMOS(LEVEL=1 VTO=0.7 KP=1e-4 LAMBDA=0.02 GAMMA=0.4)
.model p0 PMOS(LEVEL=1 VTO=-0.8 KP=4e-5 LAMBDA=0.03)
.model q0 NPN(BF=100 IS=1e-15 VAF=80 RB=50)
.model q1 PNP(BF=60 IS=1e-14 IKF=10m ISE=1e-13 RC=5 RE=0.5)
.model j0 NJF(VTO=-2 BETA=1m LAMBDA=0.01)
.model j1 PJF(VTO=-3 BETA=0.5m)
.model s0 SW(VT=0.5 VH=0.1 RON=10 ROFF=1e8)"""


def random_deck(
    rng: np.random.Generator, nodes: int = 10, kinds: str = KINDS, decades: float = 9.0, volts: float = 10.0
) -> str:
    """The text of a random circuit.

    Parameters
    ----------
    rng : numpy Generator
    nodes : int
        Besides ground.
    kinds : str
        Letters of the cards that may occur; resistors always do, and span the circuit.
    decades : float
        Over how many decades the resistances spread, around 10 kohm.
    volts : float
        Largest source.

    Returns
    -------
    str

    Examples
    --------
    >>> text = random_deck(np.random.default_rng(0), nodes=3, kinds="rvd")
    >>> text.splitlines()[0], ".end" in text
    ('random circuit: 3 nodes, rvd', True)
    """

    def resistance() -> float:
        return float(f"{10 ** (4 + rng.uniform(-0.5, 0.5) * decades):.4g}")

    names = ["0", *(f"n{k}" for k in range(1, nodes + 1))]

    def some(count: int) -> list[str]:
        return [names[k] for k in rng.choice(len(names), count, replace=count > len(names))]

    lines = [f"random circuit: {nodes} nodes, {kinds}", _MODELS]
    edges = [(names[k], names[int(rng.integers(0, k))]) for k in range(1, nodes + 1)]
    edges += [(a, b) for a, b in (some(2) for _ in range(nodes // 2))]
    lines += [f"R{k} {a} {b} {resistance():.4g}" for k, (a, b) in enumerate(edges)]
    sources = max(1, nodes // 8)
    for k in range(sources):  # behind a resistor, so that no two of them make a loop
        (node,) = some(1)
        lines.append(f"Vin{k} in{k} 0 {rng.uniform(-volts, volts):.5g}")
        lines.append(f"Rin{k} in{k} {node if node != '0' else names[1]} {resistance():.4g}")
    others = [kind for kind in kinds if kind not in "rv"]
    for k in range(nodes if others else 0):
        lines += _device(str(rng.choice(others)), k, some, rng, sources)
    return "\n".join([*lines, ".end", ""])


def _device(kind: str, k: int, some, rng: np.random.Generator, sources: int) -> list[str]:
    a, b, c, d = some(4)
    gain = float(rng.uniform(-5, 5))
    source = f"Vin{rng.integers(sources)}"
    if kind == "i":
        return [f"I{k} {a} {b} {rng.uniform(-1, 1) * 10 ** rng.uniform(-6, -3):.4g}"]
    if kind == "d":
        return [f"D{k} {a} {b} d{rng.integers(3)}"]
    if kind == "m":
        model = str(rng.choice(["n0", "p0"]))
        return [f"M{k} {a} {b} {c} {c if rng.random() < 0.5 else d} {model} W={rng.uniform(1, 50):.3g}u L=1u"]
    if kind == "q":
        return [f"Q{k} {a} {b} {c} q{rng.integers(2)}"]
    if kind == "j":
        return [f"J{k} {a} {b} {c} j{rng.integers(2)}"]
    if kind == "b":
        law = str(
            rng.choice(
                [
                    "{g}*tanh(v({a},{b})*3)",
                    "{g}*v({a},{b})^3",
                    "{g}*v({c},{d})*v({a},{b})",
                    "{g}*(v({c})>0.3 ? v({a},{b}) : 2*v({a},{b}))",
                    "{g}*sinh(min(max(v({a},{b}),-3),3))",
                ]
            )
        )
        return [f"B{k} {a} {b} i={law.format(g=f'{10 ** rng.uniform(-7, -3):.3g}', a=a, b=b, c=c, d=d)}"]
    if kind == "e":  # behind a resistor
        return [f"E{k} e{k} 0 {c} {d} {gain:.3g}", f"Re{k} e{k} {a} {10 ** rng.uniform(2, 6):.4g}"]
    if kind == "h":
        return [f"H{k} h{k} 0 {source} {gain * 1e3:.3g}", f"Rh{k} h{k} {a} {10 ** rng.uniform(2, 6):.4g}"]
    if kind == "g":
        return [f"G{k} {a} {b} {c} {d} {gain * 10 ** rng.uniform(-8, -5):.3g}"]
    if kind == "f":
        return [f"F{k} {a} {b} {source} {gain / 5:.3g}"]
    assert kind == "s"
    return [f"S{k} {a} {b} {source.replace('V', '', 1)} 0 s0"]
