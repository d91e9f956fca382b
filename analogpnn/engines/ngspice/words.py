"""From ngspice's words to an error that says where, what and how to go on."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

from analogpnn.circuit.sweep import Sweep
from analogpnn.errors import AnalogError, ConvergenceError, SimulatorError
from analogpnn.netlist.flatten import FlatCard

# What a healthy or a converging run says as well, and what says nothing.
_CHATTER = re.compile(
    r"Note: (No compatibility|One successful|Starting|Transient op started)|Circuit:|Doing analysis"
    r"|No\. of Data Rows|Reference value|Trying gmin|Supplies reduced|Using |Warning: Further gmin"
    r"|Please check your input netlist|run simulation|Error: circuit not parsed|\s*$",
    re.IGNORECASE,
)
_TROUBLE = re.compile(
    r"=\s*(-?[\d.]+(?:e[+-]?\d+)?)\s*: trouble with (?:node |\S+-instance )?\"?([^\"\s]+)", re.IGNORECASE
)
_LINE = re.compile(r"(?:at|on|internal) line (?:no\. )?(\d+)|^Netlist line no\. (\d+)", re.IGNORECASE)
_INDEX = re.compile(r"\S+\s*=\s*[-+.\de]+(?=\s*:\s)", re.IGNORECASE)
_SINGULAR = re.compile(r"singular matrix:\s*check nodes? (.+)", re.IGNORECASE)
_NOT_CONVERGED = re.compile(r"timestep too small|iteration limit|no convergence|gmin stepping failed", re.IGNORECASE)
_ALIAS = re.compile(r"(?<![\w#])[a-z]#\d+")
_WIDTH = 160


def essence(words: Sequence[str], spelt: Mapping[str, str] | None = None, limit: int = 8) -> str:
    """The lines that matter, each once, the user's names put back, long ones cut."""
    kept: dict[str, None] = {}
    for word in words:
        word = word.strip()
        if word and not _CHATTER.match(word):
            word = _ALIAS.sub(lambda m: (spelt or {}).get(m.group(), m.group()), word)
            kept.setdefault(word if len(word) <= _WIDTH else word[: _WIDTH - 4] + " ...")
    return "\n  ".join(list(kept)[:limit])


def culprit(words: Sequence[str], deck: Sweep) -> FlatCard | None:
    """The card that ngspice complains about: it gives the deck's line, or repeats the card."""
    complaining = False
    for word in words:
        lowered = word.strip().lower()
        complaining |= any(s in lowered for s in ("error", "warning", "can't", "unknown", "model issue", "line no"))
        if not complaining:
            continue
        line = _LINE.search(word)
        number = int(line.group(1) or line.group(2)) if line else 0
        said = deck.lines[number - 1] if 0 < number <= len(deck.lines) else lowered
        for name in re.findall(r"[^\s:;,()=\"']+", said)[:3]:
            if name in deck.cards:
                return deck.cards[name]
    return None


def refused(words: Sequence[str], deck: Sweep) -> SimulatorError:
    """The deck could not be loaded or run at all."""
    said = essence(words, deck.spelt) or "it gave no reason"
    return _about(culprit(words, deck), "ngspice refused the circuit", said)


def died(how: str, words: Sequence[str], deck: Sweep) -> SimulatorError:
    """The worker process ended."""
    said = essence(words, deck.spelt)
    if how.startswith("no progress"):
        return _about(None, f"ngspice was ended: {how}", said, "Raise Ngspice(timeout=...).")
    cure = "The next job gets a new process; this deck would end it again."
    return _about(culprit(words, deck), f"ngspice died: {how}", said, cure)


def _about(card: FlatCard | None, what: str, said: str, cure: str | None = None) -> SimulatorError:
    if card is None:
        return SimulatorError(what, text=said or None, cure=cure)
    shown = f"{card.text}\n  {said}" if said else card.text
    return SimulatorError(what, path=card.path, line=card.line, text=shown, cure=cure)


def unsolved(
    words: Sequence[str],
    found: int,
    samples: Sequence[int] | np.ndarray,
    deck: Sweep,
) -> AnalogError:
    """The sweep ended early.

    Parameters
    ----------
    words : sequence of str
        ngspice's, while running.
    found : int
        Points of the sweep that were found.
    samples : sequence of int
        Numbers of the sweep's samples in the batch.
    """
    text = "\n".join(words)
    trouble = _TROUBLE.search(text)
    singular = _SINGULAR.search(text)
    failed = int(float(trouble.group(1))) if trouble else found
    place = int(np.searchsorted(deck.points, failed))
    sample = int(samples[min(place, len(samples) - 1)])
    if not _NOT_CONVERGED.search(text) and not singular:
        return refused(words, deck)
    node = trouble.group(2) if trouble else singular.group(1).strip() if singular else None
    node = None if node is None else deck.spelt.get(node, node)
    said = essence(words[-12:], deck.spelt)
    named = f", near '{node}'" if node else ""
    if singular:
        cure = "Check that every node has a DC path to ground and no voltage sources form a loop."
    else:
        cure = "Give diodes a series resistance (RS=1) and expressions smooth corners, or raise max_steps."
    return ConvergenceError(
        f"ngspice found no operating point: sample {sample}{named}",
        sample=sample, node=node, text=_INDEX.sub(f"sample {sample}", said) or None, cure=cure,
    )  # fmt: skip


def has_pseudo_transient(words: Sequence[str]) -> bool:
    """Whether Newton's method failed on some point, with all its crutches, and a pseudo-transient found it."""
    return any("Transient op finished" in word for word in words)


def floating(words: Sequence[str]) -> str | None:
    """The node of a singular matrix that ngspice covered up by a pseudo-transient, or None.

    What it finds then is no operating point, though the run ends as a success.
    """
    singular = _SINGULAR.search("\n".join(words))
    return singular.group(1).strip() if singular and has_pseudo_transient(words) else None
