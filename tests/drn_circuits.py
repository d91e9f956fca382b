"""Layered networks as text, for the tests of blocks and of the layered engine."""

import numpy as np

from analogpnn import Circuit, Netlist

SHOCKLEY = "IS=1e-9 N=1.5"
SHARP = "IS=1e-12 N=0.01 RS=1m"


def cards(n_in, hidden, n_out, *, seed=0, rails=False, model=SHOCKLEY, ideal=False):
    """Lines of a layered network: resistors, bias currents, one diode to ground or two to rails a hidden node."""
    rng = np.random.default_rng(seed)
    lines = ["*@ input Vx*", "*@ output " + " ".join(f"v(o{k})" for k in range(n_out))]
    lines += ["*@ train R* min=0 max=1", "*@ train Ib*"] + ["*@ ideal D*"] * ideal
    lines += [f".model d D({model})", *(f"Vx{i} x{i} 0 DC 0" for i in range(n_in))]
    below = [f"x{i}" for i in range(n_in)]
    for layer, width in enumerate(hidden):
        above = [f"h{layer}_{k}" for k in range(width)]
        lines += [f"R{layer}_{a}_{b} {a} {b} {1 / rng.uniform(1e-3, 0.1)!r}" for a in below for b in above]
        lines += [f"Ib_{b} 0 {b} DC {0.01 * rng.normal()!r}" for b in above]
        for k, b in enumerate(above):
            if rails:
                lines += [f"Du_{b} {b} up d", f"Dd_{b} down {b} d"]
            else:
                lines.append(f"D_{b} 0 {b} d" if k < width // 2 else f"D_{b} {b} 0 d")
        below = above
    if rails:
        lines += ["Vup up 0 DC 0.3", "Vdown down 0 DC -0.2"]
    lines += [f"Ro_{a}_{k} {a} o{k} {1 / rng.uniform(1e-3, 0.1)!r}" for a in below for k in range(n_out)]
    return lines


def circuit(*sizes, **options):
    return read(cards(*sizes, **options))


def read(lines):
    return Circuit.from_netlist(Netlist.from_text("\n".join(["layered", *lines, ".end", ""])))
