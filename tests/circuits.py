"""Circuits that several test files share: the shipped netlists, and random networks."""

from pathlib import Path

from analogpnn import Circuit, Netlist

FOLDER = Path(__file__).resolve().parent.parent / "netlists"
SHIPPED = tuple(sorted(path.stem for path in FOLDER.glob("*.cir")))
LEARNING = tuple(name for name in SHIPPED if "*@ train" in (FOLDER / f"{name}.cir").read_text(encoding="utf-8"))
RANGES = {"nmos-xor": (0.0, 0.45), "nmos-regression": (0.0, 0.45)}
"""Inputs [V]; -1 to 1 where nothing else is said."""


def read(text, **more):
    return Circuit.from_netlist(Netlist.from_text(text), **more)


def shipped(name):
    return Circuit.from_netlist(FOLDER / f"{name}.cir")


def draw_inputs(name, circuit, samples, rng):
    return rng.uniform(*RANGES.get(name, (-1.0, 1.0)), (samples, circuit.n_inputs))


def draw_theta(circuit, rng, spread=0.5):
    """Theta around its start, within its bounds: no two elements alike."""
    factor = rng.uniform(1 - spread, 1 + spread, circuit.n_trainable)
    return circuit.clip(circuit.theta * factor)


def scale(name, circuit):
    """A current [A] that moves the outputs by some millivolts: for injections, and nudges per volt."""
    return {"iris": 1e-9, "nmos-regression": 1e-6, "nmos-xor": 1e-6, "xor": 1e-7}.get(name, 1e-5)


def network(rng, nodes, diodes=0, sources=2, text="random network"):
    """A netlist: a random tree plus as many edges again, resistors of 1k to 100k, diodes between random nodes.

    Sources hold the first nodes and ground is among the nodes; diodes touch no source, so that no chain of them
    shorts two. Every resistor is trainable.
    """
    names = ["0"] + [f"n{k}" for k in range(1, nodes + 1)]
    held = list(range(1, sources + 1))
    lines = [text, "*@ input V*", f"*@ output v(n{nodes}) v(n{nodes - 1},n{nodes - 2})", "*@ train R* min=1u max=10m"]
    lines += [".model dd D(IS=1e-12 N=1.5)", ".model dr D(IS=1e-10 N=1 RS=10)"]
    lines += [f"V{k} n{k} 0 {rng.uniform(-1, 1)!r}" for k in held]
    edges = [(k, int(rng.integers(0, k))) for k in range(1, nodes + 1)]
    edges += [tuple(int(x) for x in rng.choice(nodes + 1, 2, replace=False)) for _ in range(nodes)]
    for j, (a, b) in enumerate(edges):
        lines.append(f"R{j} {names[a]} {names[b]} {float(10 ** rng.uniform(3, 5))!r}")
    for j in range(diodes):
        a, b = rng.choice([0, *range(sources + 1, nodes + 1)], 2, replace=False)
        lines.append(f"D{j} {names[a]} {names[b]} {'dr' if rng.random() < 0.2 else 'dd'}")
    return "\n".join(lines) + "\n"
