"""A test bench: a deck that stock ngspice runs by itself and that says PASS or FAIL for every sample.

``ngspice -b bench.cir`` sets the inputs of each sample (`alter`), finds the operating point (`op`) and
compares every output with the one that training saw. The deck ends with one line of summary and the exit code
0 or 1. It needs no file besides itself.

A comparison counts only if it succeeds (`if deviation <= tolerance`): an operating point that ngspice
couldn't find, or that isn't a number, leaves nothing to compare and so fails.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from analogpnn.units import format_number

MARK = "* analogpnn test bench"
"""Second line of every bench: how one is recognised."""

PRECISION = "reltol=1e-9 vntol=1e-12 abstol=1e-15 itl1=1000"
"""At ngspice's own tolerances it can be 1e-5 off by itself; these cost an iteration."""


def bench(
    deck: str,
    *,
    inputs: Sequence[str],
    outputs: Sequence[tuple[str, str]],
    samples: np.ndarray,
    expected: np.ndarray,
    tolerance: float,
    labels: Sequence[str] | None = None,
) -> str:
    """Text of a test bench around a flat deck.

    Parameters
    ----------
    deck : str
        SPICE text of the circuit, flat, from its title to ``.end``.
    inputs : sequence of str
        Names of the sources that take the samples.
    outputs : sequence of (str, str)
        Node pairs of the outputs.
    samples : ndarray, shape (n_samples, n_inputs)
        What the sources are set to [V or A].
    expected : ndarray, shape (n_samples, n_outputs)
        The outputs that training saw [V].
    tolerance : float
        Largest deviation that passes [V].
    labels : sequence of str, optional
        What each sample is called in the report; "1", "2", ... if left out.

    Returns
    -------
    str
    """
    samples, expected = np.atleast_2d(samples), np.atleast_2d(expected)
    labels = labels or [str(k + 1) for k in range(len(samples))]
    title, body = _split(deck)
    prefix = _free_name("bench", deck)
    # Outputs are measured by ideal unloaded followers: a pair of nodes, or a name that ngspice's expressions
    # would misread (a-b, x1.n[3]), becomes one node with a plain name.
    followers = [f"E{prefix}_{k} {prefix}_{k} 0 {plus} {minus} 1" for k, (plus, minus) in enumerate(outputs, 1)]
    lines = [
        title,
        MARK,
        f"* {len(samples)} samples, tolerance {tolerance:g} V; run: ngspice -b FILE",
        *body,
        "",
        "* followers that measure the outputs without loading them",
        *followers,
        "",
        ".control",
        "setplot const",
        "let failed = 0",
        "let good = 0",
        "let worst = 0",
        "let here = 0",
        f"let tolerance = {format_number(tolerance)}",
    ]
    for label, row, outs in zip(labels, samples, expected):
        lines += _sample(_plain(label), prefix, inputs, row, outs)
    total = len(samples)
    figures = f"of {total} samples: largest deviation $&worst V with tolerance {tolerance:g} V"
    lines += [
        f"let passed = {total} - failed",
        "if failed = 0",
        f"  echo bench: PASS $&passed {figures}",
        "  quit 0",
        "else",
        f"  echo bench: FAIL $&failed {figures}",
        "  quit 1",
        "end",
        ".endc",
        ".end",
    ]
    return "\n".join(lines) + "\n"


def _sample(label: str, prefix: str, inputs, row, outs) -> list[str]:
    lines = ["", f"* sample {label}"]
    lines += [f"alter {name} dc = {format_number(value)}" for name, value in zip(inputs, row)]
    lines += ["op > /dev/null", "let const.good = 0", "let const.here = -1"]
    for k, value in enumerate(outs, 1):
        lines += [
            f"let d = abs(v({prefix}_{k}) - ({format_number(value)}))",
            "if d > const.here",
            "  let const.here = d",
            "end",
            "if d <= const.tolerance",
            "  let const.good = const.good + 1",
            "end",
        ]
    return [
        *lines,
        "destroy all",
        "setplot const",
        "if here > worst",
        "  let worst = here",
        "end",
        f"if good = {len(outs)}",
        f"  echo sample {label}: PASS  deviation $&here V",
        "else",
        "  let failed = failed + 1",
        "  if here < 0",
        f"    echo sample {label}: FAIL  no operating point",
        "  else",
        f"    echo sample {label}: FAIL  deviation $&here V",
        "  end",
        "end",
    ]


def _split(deck: str) -> tuple[str, list[str]]:
    """Title and the lines up to ``.end``, with tight tolerances."""
    title, *lines = deck.splitlines() or ["* deck"]
    body = [line for line in lines if line.strip().lower() != ".end"]
    # of several .options lines ngspice obeys the last, inside a line the first of equal names
    for k, line in enumerate(body):
        if line.lower().startswith(".options "):
            body[k] = f".options {PRECISION} {line.split(maxsplit=1)[1]}"
            return title, body
    return title, [f".options {PRECISION}", *body]


def _free_name(name: str, deck: str) -> str:
    while re.search(rf"\b{name}_\d", deck, re.IGNORECASE):
        name += "x"
    return name


def _plain(label: str) -> str:
    # in a .control block $ ` ; and quotes mean something
    return re.sub(r"[^A-Za-z0-9_.+-]", "_", label)
