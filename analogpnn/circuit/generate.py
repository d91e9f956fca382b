"""Netlists of whole families: lattices, random graphs, crossbars, layered networks.

Each function returns a `Netlist`: plain SPICE text with directives, to train, to print or to save.
`deep_resistive_network`, which may have millions of resistors, returns the `Circuit` itself.

>>> from analogpnn import Circuit
>>> Circuit.from_netlist(crossbar(3, 2)).n_trainable
6
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from analogpnn.circuit.deep_resistive_network import deep_resistive_network as deep_resistive_network
from analogpnn.errors import NetlistError
from analogpnn.netlist.netlist import Netlist
from analogpnn.units import format_number


def network(
    edges: Iterable[tuple[str, str]],
    *,
    inputs: Sequence[str],
    outputs: Sequence[str | tuple[str, str]],
    conductances: float | Sequence[float] = 1e-3,
    bounds: tuple[float, float] = (1e-6, 1e-2),
    rails: Mapping[str, float] | None = None,
    ground: Iterable[str] = (),
    title: str = "network",
) -> Netlist:
    """Resistors along edges: the form in which physics groups keep their networks.

    Parameters
    ----------
    edges : pairs of node names
        Tuples from a file, or ``graph.edges`` of networkx with names made strings.
    inputs : node names
        Each gets a voltage source that data drive.
    outputs : node names, or pairs of them for a difference
    conductances : float or sequence
        One for all or one an edge [S].
    bounds : (lower, upper)
        Of every conductance [S].
    rails : mapping, optional
        Node -> fixed voltage [V].
    ground : node names
        Nodes that are ground.

    Examples
    --------
    >>> print(network([("a", "b"), ("b", "c")], inputs=["a"], outputs=["b"], ground=["c"]).text)
    network
    *@ input  V_a
    *@ output v(b)
    *@ train  R* min=1e-06 max=0.01
    V_a a 0 DC 0
    R1 a b 1000.0
    R2 b 0 1000.0
    .end
    <BLANKLINE>
    """
    edges = list(edges)
    grounded = {str(n) for n in ground} | {"0"}
    values = np.broadcast_to(np.asarray(conductances, dtype=float), (len(edges),))

    def name(node) -> str:
        return "0" if str(node) in grounded else str(node)

    lines = [title, "*@ input  " + " ".join(f"V_{n}" for n in inputs), "*@ output " + " ".join(map(_probe, outputs))]
    lines.append(f"*@ train  R* min={format_number(bounds[0])} max={format_number(bounds[1])}")
    lines += [f"V_{n} {n} 0 DC 0" for n in inputs]
    lines += [f"V_{n} {n} 0 DC {format_number(v)}" for n, v in (rails or {}).items()]
    for k, ((a, b), g) in enumerate(zip(edges, values), 1):
        if name(a) != name(b):
            lines.append(f"R{k} {name(a)} {name(b)} {format_number(1.0 / g)}")
    return _netlist(lines)


def lattice(rows: int, columns: int, *, periodic: bool = False, **options) -> Netlist:
    """A square lattice; node of row r and column c is called ``n{r}_{c}``. Options as for `network`.

    Examples
    --------
    >>> lattice(4, 4, periodic=True, inputs=["n0_0"], outputs=["n2_2"], ground=["n0_2"]).text.count("\\nR")
    32
    """
    edges = []
    for r in range(rows):
        for c in range(columns):
            for a, b in ((r, c + 1), (r + 1, c)):
                if periodic or (a < rows and b < columns):
                    edges.append((f"n{r}_{c}", f"n{a % rows}_{b % columns}"))
    return network(edges, **{"title": f"{rows} x {columns} lattice"} | options)


def random_graph(nodes: int, degree: float = 4.0, *, seed: int = 0, **options) -> Netlist:
    """A connected random graph of the given mean degree; nodes are called ``n0, n1, ...``. Options as for `network`.

    Examples
    --------
    >>> random_graph(20, 4, inputs=["n0"], outputs=["n5"], ground=["n9"]).text.count("\\nR")
    40
    """
    wanted = round(nodes * degree / 2)
    if wanted < nodes - 1:
        what = f"{nodes} nodes of mean degree {degree:g} can't be connected"
        raise NetlistError(what, cure="take a degree of 2 or more")
    rng = np.random.default_rng(seed)
    chosen = {(int(rng.integers(k)), k) for k in range(1, nodes)}
    limit = nodes * (nodes - 1) // 2
    while len(chosen) < min(wanted, limit):
        a, b = sorted(int(k) for k in rng.integers(nodes, size=2))
        if a != b:
            chosen.add((a, b))
    edges = [(f"n{a}", f"n{b}") for a, b in sorted(chosen)]
    return network(edges, **{"title": f"random graph of {nodes} nodes"} | options)


def crossbar(
    n_inputs: int, n_outputs: int, *, conductances: float = 1e-6, bounds: tuple[float, float] = (1e-7, 1e-5)
) -> Netlist:
    """Every input to every output through one conductance; outputs float between them.

    Examples
    --------
    >>> crossbar(2, 1).text.splitlines()[-3:]
    ['R_1_1 x1 y1 1000000.0', 'R_2_1 x2 y1 1000000.0', '.end']
    """
    edges = [(f"x{i}", f"y{j}") for i in range(1, n_inputs + 1) for j in range(1, n_outputs + 1)]
    lines = _head(f"{n_inputs} x {n_outputs} crossbar", n_inputs, [f"v(y{j})" for j in range(1, n_outputs + 1)], bounds)
    lines += [f"R_{a[1:]}_{b[1:]} {a} {b} {format_number(1.0 / conductances)}" for a, b in edges]
    return _netlist(lines)


def layered(
    layers: Sequence[int],
    *,
    doubled: bool = True,
    gain: float = 4.0,
    rails: tuple[float, float] = (-0.1, 0.3),
    bias: float = 1.0,
    differential: bool = True,
    range_of_start: tuple[float, float] = (5e-7, 3e-6),
    bounds: tuple[float, float] = (1e-7, 1e-5),
    diode: str = "IS=1e-12 N=1",
    seed: int = 0,
) -> Netlist:
    """Layers of nodes, each dense with the next: hidden nodes clamped by diodes and copied by bidirectional amplifiers.

    Parameters
    ----------
    layers : sequence of int
        Features, hidden nodes of each layer, outputs: ``(4, 10, 3)``.
    doubled : bool
        Every input comes with its negative: conductances can't be negative.
    gain : float
        Voltage gain of the amplifiers (their current gain is 1/gain).
    rails : (low, high)
        Where the diodes of a hidden node end [V].
    bias : float
        Rails at +-bias feed every layer [V].
    differential : bool
        An output is the difference of two nodes.
    range_of_start : (low, high)
        Start conductances, log-uniform by the seed [S].

    References
    ----------
    Kendall et al., arXiv:2006.01981 (2020); Watfa et al., Front. Comput. Neurosci. 17:1114651 (2023).

    Examples
    --------
    >>> from analogpnn import Circuit
    >>> circuit = Circuit.from_netlist(layered((4, 10, 3)))
    >>> circuit.n_inputs, circuit.n_outputs, circuit.n_trainable
    (8, 3, 172)
    """
    if len(layers) < 2:
        raise NetlistError("a layered network needs inputs and outputs at least: layers=(4, 3)")
    rng = np.random.default_rng(seed)
    n_in, *hidden, n_out = layers
    names = [f"o{k}{s}" for k in range(1, n_out + 1) for s in ("pn" if differential else "p")]
    probes = [f"v(o{k}p,o{k}n)" if differential else f"v(o{k}p)" for k in range(1, n_out + 1)]
    lines = _head(f"layered network {'-'.join(map(str, layers))}", n_in, probes, bounds, doubled=doubled)
    lines.insert(-n_in * (1 + doubled), f".param gain={format_number(gain)}")
    lines += [f".model clamp D({diode})", f"VBp bp 0 DC {format_number(bias)}", f"VBn bn 0 DC {format_number(-bias)}"]
    lines += [f"Vup up 0 DC {format_number(rails[1])}", f"Vdown down 0 DC {format_number(rails[0])}"]

    def resistor(layer: int, a: str, b: str) -> str:
        g = np.exp(rng.uniform(*np.log(range_of_start)))
        return f"R{layer}_{a}_{b} {a} {b} {float(f'{1 / g:.4g}')!r}"

    below = [f"x{k}" for k in range(1, n_in + 1)] + ([f"n{k}" for k in range(1, n_in + 1)] if doubled else [])
    for layer, width in enumerate(hidden, 1):
        above = [f"h{layer}_{k}" for k in range(1, width + 1)]
        for k, h in enumerate(above, 1):
            lines += [resistor(layer, a, h) for a in [*below, "bp", "bn"]]
            t = f"{layer}_{k}"
            lines += [f"DU{t} {h} up clamp", f"DD{t} down {h} clamp", f"E{t} e{t} 0 {h} 0 {{gain}}"]
            lines += [f"VS{t} e{t} a{t} DC 0", f"F{t} {h} 0 VS{t} {{1/gain}}"]
        below = [f"a{layer}_{k}" for k in range(1, width + 1)]
    for o in names:
        lines += [resistor(len(hidden) + 1, a, o) for a in [*below, "bp", "bn"]]
    return _netlist(lines)


def _head(title: str, n_in: int, probes: Sequence[str], bounds, doubled: bool = False) -> list[str]:
    lines = [title, "*@ input  Vx*" + (" Vn*" if doubled else ""), "*@ output " + " ".join(probes)]
    lines.append(f"*@ train  R* min={format_number(bounds[0])} max={format_number(bounds[1])}")
    lines += [f"Vx{k} x{k} 0 DC 0" for k in range(1, n_in + 1)]
    if doubled:
        lines += [f"Vn{k} n{k} 0 DC 0" for k in range(1, n_in + 1)]
    return lines


def _probe(output) -> str:
    return f"v({output})" if isinstance(output, str) else f"v({output[0]},{output[1]})"


def _netlist(lines: Sequence[str]) -> Netlist:
    return Netlist.from_text("\n".join([*lines, ".end", ""]))
