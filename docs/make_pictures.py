#!/usr/bin/env python3
"""The pictures of the documentation, made from real runs: docs/make_pictures.py [FOLDER]

Trains `netlists/iris.toml` and the tutorial's squarer (some seconds) and draws them into docs/img.
"""

import re
import sys
import tempfile
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap, LogNorm, Normalize
from matplotlib.figure import Figure
from PIL import Image

from analogpnn import Experiment, Newton
from analogpnn.experiments.report import plot_accuracy, plot_history, read_history

DOCS = Path(__file__).resolve().parent
CLASSES = {"setosa": "#3b6fb6", "versicolor": "#e0892c", "virginica": "#3d9b58"}
INK = "#2b3440"
SHADES = LinearSegmentedColormap.from_list("shades", ["#e4edf1", "#a9c8d4", "#4e8fa8", "#123c54"])
STYLE = {"font.size": 9, "axes.edgecolor": INK, "axes.labelcolor": INK, "xtick.color": INK, "ytick.color": INK}


def figure_of(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), layout="constrained", dpi=150)
    FigureCanvasAgg(figure)
    return figure


def iris(folder: Path, out: Path) -> None:
    """The trained network with one flower's node voltages, the curves, the outputs of the test set."""
    experiment = Experiment.from_file(DOCS.parent / "netlists" / "iris.toml")
    run = experiment.run(folder / "iris")
    circuit, task = experiment.circuit, experiment.task
    theta = run.samples()["theta"]
    order = np.argsort(task.test_labels, kind="stable")
    labels = task.test_labels[order]
    point = Newton().equilibrium(circuit, theta, task.test_inputs[order])
    flower = int(np.flatnonzero(labels == 2)[4])  # one virginica

    figure = figure_of(10.0, 5.2)
    left, right = figure.subfigures(1, 2, width_ratios=[1.5, 1.0])
    network(left, circuit, theta, point.node_voltages[flower])
    loss, accuracy, answers = right.subplots(3, 1, height_ratios=[1.0, 0.8, 1.5])
    rows = read_history(run.file("history.csv"))
    plot_history(rows, loss)
    loss.tick_params(labelbottom=False)
    loss.set_xlabel("")
    plot_accuracy(rows, accuracy).get_legend().remove()
    outputs(answers, point.outputs, labels)
    save(figure, out)


def save(figure, out: Path) -> None:
    """A PNG of 256 colours: small enough for a repository."""
    figure.savefig(out)
    with Image.open(out) as image:
        few = image.convert("RGB").quantize(256, Image.Quantize.FASTOCTREE, dither=Image.Dither.FLOYDSTEINBERG)
    few.save(out, optimize=True)


def network(figure, circuit, theta, volts) -> None:
    """Nodes coloured by voltage, trained resistors by conductance."""
    ax = figure.subplots()
    columns = {
        "inputs": ["x1", "n1", "x2", "n2", "x3", "n3", "x4", "n4", "bp", "bn"],
        "hidden": [f"a{k}" for k in range(1, 11)],
        "outputs": ["o1p", "o1n", "o2p", "o2n", "o3p", "o3n"],
    }
    places = {}
    for x, names in zip((0.0, 1.0, 2.0), columns.values()):
        heights = np.linspace(0.96, 0.04, len(names))
        if len(names) == 6:
            heights = np.array([0.87, 0.77, 0.55, 0.45, 0.23, 0.13])
        places |= {name: (x, y) for name, y in zip(names, heights)}
    voltage = dict(zip(circuit.nodes, volts))
    hidden = {f"h{k}": f"a{k}" for k in range(1, 11)}  # an amplifier's two ends are drawn as one node
    ends = {card.name: [hidden.get(n, n) for n in card.nodes[:2]] for card in circuit.flat.cards}
    lines, values = [], []
    for trainable, g in zip(circuit.trainable, theta):
        a, b = sorted(ends[trainable.element], key=lambda node: places[node][0])
        lines.append(curve(places[a], places[b]))
        values.append(g)
    norm = LogNorm(1e-7, 1e-5)
    strength = norm(np.array(values))
    rank = np.argsort(strength)
    edges = LineCollection(
        [lines[k] for k in rank],
        linewidths=[0.2 + 2.2 * strength[k] ** 2.5 for k in rank],
        array=np.array(values)[rank],
        cmap=SHADES,
        norm=norm,
        capstyle="round",
    )
    ax.add_collection(edges)
    colours, colour_norm = "RdBu_r", Normalize(-1, 1)
    names = [name for column in columns.values() for name in column]
    xy = np.array([places[name] for name in names])
    rings = [list(CLASSES.values())[int(name[1]) - 1] if name.startswith("o") else INK for name in names]
    ax.scatter(
        *xy.T,
        c=[voltage[name] for name in names],
        s=170,
        cmap=colours,
        norm=colour_norm,
        edgecolors=rings,
        linewidths=[2.4 if name.startswith("o") else 1.1 for name in names],
        zorder=3,
    )
    features = ("sepal length", "sepal width", "petal length", "petal width")
    for name in names:
        x, y = places[name]
        text = {"bp": "+1 V", "bn": "−1 V"}.get(name)
        if name[0] in "xn":
            text = ("+ " if name[0] == "x" else "− ") + features[int(name[1]) - 1]
        if text:
            ax.text(x - 0.1, y, text, ha="right", va="center", fontsize=8, color=INK)
    for k, (name, colour) in enumerate(CLASSES.items(), 1):
        y = (places[f"o{k}p"][1] + places[f"o{k}n"][1]) / 2
        value = voltage[f"o{k}p"] - voltage[f"o{k}n"]
        text = f"{name}\n{1e3 * value:+.0f} mV".replace("-", "−")
        ax.text(2.12, y, text, va="center", fontsize=9, color=colour, weight="bold")
    for x, text in ((0.0, "inputs and biases"), (1.0, "hidden nodes, ×4"), (2.0, "differential outputs")):
        ax.text(x, 1.03, text, ha="center", va="bottom", fontsize=9, color=INK)
    ax.set_xlim(-0.72, 2.62)
    ax.set_ylim(-0.24, 1.09)
    ax.axis("off")
    scales = (
        (0.2, ScalarMappable(colour_norm, colours), "node voltage, one flower [V]"),
        (0.6, ScalarMappable(norm, SHADES), "trained conductance [S]"),
    )
    for x, mapped, text in scales:
        bar = figure.colorbar(mapped, cax=ax.inset_axes([x, 0.07, 0.3, 0.022]), orientation="horizontal")
        bar.set_label(text, fontsize=8, color=INK)
        bar.outline.set_visible(False)
        bar.ax.tick_params(labelsize=8)


def curve(a, b) -> np.ndarray:
    """An S from a to b."""
    t = np.linspace(0, 1, 40)
    s = t * t * (3 - 2 * t)
    return np.column_stack([a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * s])


def outputs(ax, volts, labels) -> None:
    """Output voltages of every test flower, species by species."""
    for k, (name, colour) in enumerate(CLASSES.items()):
        here = np.flatnonzero(labels == k)
        ax.axvspan(here[0] - 0.5, here[-1] + 0.5, color=colour, alpha=0.10, linewidth=0)
        ax.text(here.mean(), 0.97, name, color=colour, fontsize=8.5, weight="bold", ha="center", va="top",
                transform=ax.get_xaxis_transform())  # fmt: skip
        ax.scatter(range(len(labels)), volts[:, k], s=14, color=colour, zorder=3, linewidths=0)
    low, high = volts.min(), volts.max()
    ax.set_ylim(low - 0.05 * (high - low), high + 0.25 * (high - low))
    ax.set_xlim(-0.5, len(labels) - 0.5)
    ax.set_xticks([])
    ax.set_ylabel("output [V]")
    ax.set_title("45 test flowers: the highest output names the species", loc="left", fontsize=8.5, color=INK)
    ax.spines[["top", "right"]].set_visible(False)


def squarer(folder: Path, out: Path) -> None:
    """The tutorial's circuit: transfer curve before and after."""
    for name, text in files(DOCS / "tutorial.md").items():
        (folder / name).write_text(text)
    experiment = Experiment.from_file(folder / "squarer.toml")
    run = experiment.run(folder / "squarer")
    samples = run.samples()
    x = np.linspace(-1, 1, 201)
    curves = {
        name: Newton().equilibrium(experiment.circuit, samples[key], np.column_stack([x, -x])).outputs[:, 0]
        for name, key in (("before", "theta0"), ("after", "theta"))
    }
    figure = figure_of(6.4, 3.8)
    ax = figure.add_subplot()
    ax.plot(x, 0.3 * x**2, color="#e0892c", linewidth=5, alpha=0.45, label="wanted: $0.3\\,x^2$")
    ax.plot(x, curves["before"], color="#8c99a8", linewidth=1.6, label="before")
    ax.plot(x, curves["after"], color="#1f6fb4", linewidth=1.8, label="after")
    ax.set_xlabel("x [V]")
    ax.set_ylabel("v(out) [V]")
    ax.legend(frameon=False, loc="upper center")
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(color="0.92", linewidth=0.8)
    save(figure, out)


def files(page: Path) -> dict[str, str]:
    """The files that a page asks its reader to save: fenced blocks with a file name."""
    blocks = re.findall(r"^```\w+ (\S+\.\w+)\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return dict(blocks)


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else DOCS / "img"
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, rc_context(STYLE):
        iris(Path(scratch), target / "iris.png")
        squarer(Path(scratch), target / "squarer.png")
