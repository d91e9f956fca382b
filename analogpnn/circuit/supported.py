"""The page of the manual that says what is supported, written from the code so that it can't be out of date.

``python -m analogpnn.circuit.supported > docs/reference/supported.md``
"""

from __future__ import annotations

from collections.abc import Iterable

from analogpnn.circuit.elements import KNOWN
from analogpnn.devices import bjt, diode, jfet, mosfet, switch
from analogpnn.expression.evaluate import BUILT_IN, CHOICE, CONSTANTS
from analogpnn.expression.parse import MAX_DEPTH as EXPRESSION_DEPTH
from analogpnn.expression.parse import MAX_LENGTH
from analogpnn.netlist.element_cards import LETTERS
from analogpnn.netlist.flatten import MAX_DEPTH, MAX_ELEMENTS
from analogpnn.netlist.includes import MAX_BYTES, MAX_FILES
from analogpnn.netlist.includes import MAX_DEPTH as FILE_DEPTH
from analogpnn.netlist.instance import LABELS
from analogpnn.netlist.structure import ANALYSES, CONDITIONALS, CONTROL_CARDS, MAX_CONDITIONS
from analogpnn.netlist.waveforms import FEWEST

FORMS = {
    "b": ("behavioural source", "`v=` or `i=` an expression of `v(a)`, `v(a,b)`, `i(source)`; `m= tc1= tc2= temp=`"),
    "c": ("capacitor", "a value, `c=` an expression, a model (`cj cjsw narrow`); open at an operating point"),
    "d": ("diode", "`D1 a k model [area] [off] [ic=v]`; `m= temp= dtemp=`"),
    "e": ("voltage-controlled voltage source", "gain, `POLY(n)`, `TABLE {expression} = (x,y) ...`, `VALUE={}`, `vol=`"),
    "f": ("current-controlled current source", "gain, `POLY(n)`"),
    "g": ("voltage-controlled current source", "gain, `POLY(n)`, `TABLE`, `VALUE={}`, `cur=`; `m=`"),
    "h": ("current-controlled voltage source", "gain, `POLY(n)`"),
    "i": ("current source", "`DC`, `AC`, waveforms; `m=`"),
    "j": ("junction field-effect transistor", "`J1 d g s model [area] [off]`; level 1"),
    "k": ("coupled inductors", "`K1 L1 L2 ... k`; without effect at an operating point"),
    "l": ("inductor", "a value, `l=` an expression; a short at an operating point"),
    "m": ("MOSFET", "level 1; `w l m ad as pd ps nrd nrs off ic temp dtemp`"),
    "q": ("bipolar transistor", "`Q1 c b e [substrate] model [area] [off]`; Gummel-Poon at direct current"),
    "r": (
        "resistor",
        "a value, `r=` an expression (also of voltages), a model (`rsh narrow defw l w`); `m tc1 tc2 ac scale`",
    ),
    "s": ("voltage-controlled switch", "`S1 a b c+ c- model [on|off]`, abrupt at vt +- vh"),
    "v": ("voltage source", "`DC`, `AC`, waveforms"),
    "w": ("current-controlled switch", "`W1 a b source model [on|off]`"),
    "x": ("subcircuit, or a device of yours", "`X1 node ... name [parameter=value ...]`; `m=`"),
}
"""Letter -> what it is, the forms that are read."""

IN_TRANSIENTS = {
    "b": "an expression may depend on `time`",
    "c": "q = C v, unless C depends on voltages; `ic=`",
    "d": "diffusion and depletion charge: `tt cjo vj m fc`, side walls `cjsw php mjsw fcs` (with `pj=`), "
    "their temperatures `ttt1 ttt2 tm1 tm2 tlevc cta ctp tpb tphp`",
    "j": "depletion charge of the gate: `cgs cgd pb fc`",
    "m": "Meyer's gate capacitances, overlaps, bulk depletion: `tox cgso cgdo cgbo cbd cbs cj mj cjsw mjsw pb fc`",
    "q": "transit times and depletion charges: `tf xtf vtf itf tr cje vje mje cjc vjc mjc xcjc cjs vjs mjs fc`, "
    "their temperatures `tlevc cte ctc cts tvje tvjc tvjs`",
    "k": "mutual flux of two inductors",
    "l": "flux = L i, unless L depends on currents; `ic=`",
    "i": "its waveform, unless it is an input that is given",
    "v": "its waveform, unless it is an input that is given",
    "s": "open or closed by its control, as at an operating point",
    "w": "open or closed by its control, as at an operating point",
    "x": "a device of yours: its `charge=`",
}
"""Letter -> what a card of it adds to a transient."""
NOT_IN_TRANSIENTS = {"q": ("ptf",)}
"""Letter -> what its model asks for over time that isn't modelled: a transient refuses what has it."""

DIFFERENCES = (
    (
        "`m=` of a subcircuit's instance multiplies everything inside, also instances inside it and elements that have "
        "an `m=` of their own. ngspice 39 drops one of the two; a note says so when it happens."
    ),
    (
        "The saturation current of a bipolar transistor's collector junction grows with area times `areab` (PNP: "
        "`areac`), which are the area unless given: so ngspice 39 computes it, and so it is here."
    ),
    "`.lib file` without a section includes the file, as LTspice has it. ngspice wants `.include` for that.",
    "A switch within its hysteresis has the state it starts from (`on`, `off`). In ngspice its history in Newton's "
    "method decides, which is the same unless the switch acts on its own control.",
    "The corners of a `TABLE` are rounded as by ngspice's code model, a parabola over a tenth of the shorter segment.",
    "The charge of a diode's side walls is continuous; ngspice's jumps at `fcs` times `php`, where its transient may "
    "stop.",
    "`atan2`, `if()` and digits behind a suffix (`4k7`) are read; ngspice 39 has none of them.",
)


def supported() -> str:
    """The page, in Markdown."""
    missing = [letter for letter in LETTERS if letter not in FORMS or letter not in KNOWN]
    assert not missing, f"no description of {missing}"
    lines = [
        "# What is supported",
        "",
        "This page is written by `python -m analogpnn.circuit.supported` from the code. What is not listed is refused "
        "with the line it stands on; nothing is ignored silently. Model parameters that ngspice doesn't know either "
        "are ignored with a warning, as there.",
        "",
        "## Cards",
        "",
        "| card | is | forms |",
        "|---|---|---|",
        *(
            f"| `{letter.upper()}` | {FORMS[letter][0]} | {FORMS[letter][1].replace('|', chr(92) + '|')} |"
            for letter in sorted(LETTERS)
        ),
        "",
        "## Control cards",
        "",
        _words((*CONTROL_CARDS, *CONDITIONALS, ".subckt", ".ends", ".include", ".lib", ".endl", ".end")),
        "",
        f"Kept as text and not acted on: {_words(ANALYSES - {'.op'})} and `.control` blocks; "
        "and `.op`, which is done anyway.",
        "",
        "## Waveforms of sources",
        "",
        _words(name.upper() for name in FEWEST) + ". An operating point uses the DC value, or the value at time zero.",
        "",
        "## In transients",
        "",
        "Elements that are not in this list are the same at every moment as at an operating point.",
        "",
        "| card | over time |",
        "|---|---|",
        *(f"| `{letter.upper()}` | {text} |" for letter, text in sorted(IN_TRANSIENTS.items())),
        "",
        "A capacitance or inductance that depends on voltages or currents is refused, and so are, where they aren't "
        "zero, "
        + "; ".join(f"`{letter.upper()}` {_words(names)}" for letter, names in sorted(NOT_IN_TRANSIENTS.items()))
        + ". Use `--engine ngspice` for those.",
        "",
        "## Model parameters",
        "",
        "| type | at an operating point | read, without effect there |",
        "|---|---|---|",
        *(f"| {kind} | {_words(known)} | {_words(silent)} |" for kind, known, silent in _models()),
        "",
        "Of a level other than 1 (D: 1 and 3) or with another parameter that isn't zero, a model is refused; "
        f"LTspice's labels {_words(LABELS)} are skipped.",
        "",
        "## Expressions",
        "",
        "Operators `+ - * / ** ^ % == != <> < > <= >= && || ! ?:`, names `time temper hertz`, constants "
        f"{_words(CONSTANTS)}, functions {_words((*BUILT_IN, *CHOICE))}. "
        "In formulas of sources `x^y` is `|x|^y`, as in ngspice.",
        "",
        "## Limits",
        "",
        "| what | at most |",
        "|---|---|",
        f"| elements of the flattened netlist | {MAX_ELEMENTS} |",
        f"| subcircuits inside one another | {MAX_DEPTH} |",
        f"| `.if` inside one another | {MAX_CONDITIONS} |",
        f"| a file | {MAX_BYTES // 1_000_000} MB |",
        f"| included files | {MAX_FILES}, {FILE_DEPTH} inside one another |",
        f"| an expression | {MAX_LENGTH} characters, {EXPRESSION_DEPTH} brackets inside one another |",
        "",
        "## Where ngspice computes something else",
        "",
        *(f"* {text}" for text in DIFFERENCES),
        "",
    ]
    return "\n".join(lines)


def _models() -> Iterable[tuple[str, Iterable[str], Iterable[str]]]:
    yield "D", diode.MODEL, diode.SILENT
    yield "NMOS, PMOS", mosfet.MODEL, mosfet.SILENT
    yield "NPN, PNP", bjt.MODEL, bjt.SILENT
    yield "NJF, PJF", jfet.MODEL, jfet.SILENT
    yield "SW", switch.MODEL["sw"], ()
    yield "CSW", switch.MODEL["csw"], ()
    yield "R", ("r", "rsh", "narrow", "short", "defw", "l", "w", "tc1", "tc2", "tnom"), ()
    yield "C", ("cap", "cj", "cjsw", "narrow", "short", "defw", "defl", "tc1", "tc2", "tnom"), ()
    yield "L", ("ind", "tc1", "tc2", "tnom"), ()


def _words(names: Iterable[str]) -> str:
    return " ".join(f"`{name}`" for name in sorted(names))


if __name__ == "__main__":
    print(supported(), end="")
