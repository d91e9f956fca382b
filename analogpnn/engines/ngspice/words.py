"""From ngspice's words to an error that says where, what and how to go on."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from analogpnn.circuit.flatten import FlatCard
from analogpnn.errors import AnalogError, ConvergenceError, SimulatorError

# What a healthy or a converging run says as well, and what says nothing.
_CHATTER = re.compile(
    r"Note: (No compatibility|One successful|Starting|Transient op started)|Circuit:|Doing analysis"
    r"|No\. of Data Rows|Reference value|Trying gmin|Supplies reduced|Using |Warning: Further gmin"
    r"|Please check your input netlist|run simulation|Error: circuit not parsed|\s*$",
    re.IGNORECASE,
)
_TROUBLE = re.compile(r"=\s*(-?[\d.]+(?:e[+-]?\d+)?)\s*: trouble with (?:node )?\"?([^\"\s]+)", re.IGNORECASE)
_SINGULAR = re.compile(r"singular matrix:\s*check nodes? (.+)", re.IGNORECASE)
_NOT_CONVERGED = re.compile(
    r"timestep too small|iteration limit|no convergence|gmin stepping failed", re.IGNORECASE
)
_WIDTH = 160


def essence(words: Sequence[str], spelt: Mapping[str, str] | None = None, limit: int = 8) -> str:
    """The lines that matter, each once, the user's names put back, long ones cut."""
    kept: dict[str, None] = {}
    for word in words:
        word = word.strip()
        if word and not _CHATTER.match(word):
            for alias, name in (spelt or {}).items():
                word = word.replace(alias, name)
            kept.setdefault(word if len(word) <= _WIDTH else word[: _WIDTH - 4] + " ...")
    return "\n  ".join(list(kept)[:limit])


def culprit(words: Sequence[str], cards: Mapping[str, FlatCard]) -> FlatCard | None:
    """The card that ngspice's complaint repeats, if it does."""
    complaining = False
    for word in words:
        lowered = word.strip().lower()
        complaining |= any(
            sign in lowered for sign in ("error", "warning", "can't", "unknown", "model issue")
        )
        if complaining:
            for name in re.findall(r"[^\s:;,()=\"']+", lowered)[:3]:
                if name in cards:
                    return cards[name]
    return None


def refused(words: Sequence[str], cards: Mapping[str, FlatCard], spelt: Mapping[str, str]) -> SimulatorError:
    """The deck could not be loaded or run at all."""
    said = essence(words, spelt)
    card = culprit(words, cards)
    where = dict(path=card.path, line=card.line) if card else {}
    shown = "\n  ".join(x for x in (card.text if card else "", said) if x)
    return SimulatorError("ngspice refused the circuit", text=shown or "it gave no reason", **where)


def died(
    how: str, words: Sequence[str], cards: Mapping[str, FlatCard], spelt: Mapping[str, str]
) -> SimulatorError:
    """The worker process ended."""
    slow = how.startswith("no answer")
    card = None if slow else culprit(words, cards)
    where = dict(path=card.path, line=card.line) if card else {}
    shown = "\n  ".join(x for x in (card.text if card else "", essence(words, spelt)) if x)
    cure = (
        "Raise Ngspice(timeout=...), or run smaller batches."
        if slow
        else "The next job gets a new process; this deck would end it again."
    )
    return SimulatorError(f"ngspice died: {how}", text=shown or None, cure=cure, **where)


def unsolved(
    words: Sequence[str],
    found: int,
    samples: Sequence[int],
    cards: Mapping[str, FlatCard],
    spelt: Mapping[str, str],
) -> AnalogError:
    """The sweep ended early.

    Parameters
    ----------
    words : sequence of str
        ngspice's, while running.
    found : int
        Points that were found, of which the first is the first sample's run-up.
    samples : sequence of int
        Numbers of the sweep's samples in the batch.
    """
    text = "\n".join(words)
    trouble = _TROUBLE.search(text)
    singular = _SINGULAR.search(text)
    place = max((int(float(trouble.group(1))) if trouble else found) - 1, 0)
    sample = int(samples[min(place, len(samples) - 1)])
    if not _NOT_CONVERGED.search(text) and not singular:
        return refused(words, cards, spelt)
    node = trouble.group(2) if trouble else singular.group(1).strip() if singular else None
    node = None if node is None else spelt.get(node, node)
    named = f", near '{node}'" if node else ""
    if singular:
        cure = "Check that every node has a DC path to ground and no voltage sources form a loop."
    else:
        cure = "Give diodes a series resistance (RS=1) and expressions smooth corners, or raise max_steps."
    return ConvergenceError(
        f"ngspice found no operating point: sample {sample}{named}",
        sample=sample, node=node, text=essence(words[-12:], spelt) or None, cure=cure,
    )  # fmt: skip


def floating(words: Sequence[str]) -> str | None:
    """The node of a singular matrix that ngspice covered up by a pseudo-transient, or None.

    What it finds then is no operating point, though the run ends as a success.
    """
    text = "\n".join(words)
    singular = _SINGULAR.search(text)
    return singular.group(1).strip() if singular and "Transient op finished" in text else None
