"""SPICE text of a compiled circuit: a flat deck that stock ngspice runs, with any theta.

Written from the circuit's flattened cards, never from the user's text: no subcircuits, no `.param`
arithmetic, no `.include`, no control section can reach the simulator. Numbers have 17 digits where they need
them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from analogpnn.circuit.bsource import expression_text
from analogpnn.circuit.circuit import Circuit
from analogpnn.errors import NetlistError
from analogpnn.expression import Node, format_expression, parse
from analogpnn.netlist.flatten import FlatCard, Model
from analogpnn.units import T_NOMINAL, format_number

# What ngspice takes on an instance card; anything else that is trained goes into a model of its own.
_INSTANCE = {
    "d": {"area", "m", "pj", "w", "l", "off", "ic", "temp", "dtemp"},
    "m": {"w", "l", "m", "ad", "as", "pd", "ps", "nrd", "nrs", "off", "ic", "temp", "dtemp"},
    "r": {"r", "ac", "m", "tc", "tc1", "tc2", "w", "l", "temp", "dtemp", "scale"},
    "c": {"c", "m", "tc1", "tc2", "w", "l", "ic", "temp", "dtemp", "scale"},
    "l": {"l", "m", "tc1", "tc2", "nt", "ic", "temp", "dtemp", "scale"},
    "q": {"area", "areab", "areac", "m", "off", "ic", "icvbe", "icvce", "temp", "dtemp"},
    "j": {"area", "m", "off", "ic", "icvds", "icvgs", "temp", "dtemp"},
    "s": {"on"},
    "w": {"on"},
}
_POSITIONAL = dict(r="r", c="c", l="l", v="dc", i="dc", e="gain", f="gain", g="gain", h="gain")
# Flags of `.options` choose what is printed, or the solver; they mean nothing for the circuit.
_FLAGS = set("acct list node opts nopage nomod klu sparse keepopinfo savecurrents interp noinit trytocompact".split())
_QUANTITY = {"e": {"v": "vol", "i": "vol"}, "g": {"v": "cur", "i": "cur"}}  # others are written as B sources


def deck(
    circuit: Circuit,
    theta: np.ndarray | None = None,
    *,
    title: str | None = None,
    analysis: Iterable[str] = (".op",),
) -> str:
    """The circuit as a flat SPICE deck, inputs at their cards' values.

    Parameters
    ----------
    circuit : Circuit
    theta : ndarray, shape (n_trainable,), optional
        What the trainables are; the circuit's own by default.
    title : str, optional
        First line; the netlist's by default.
    analysis : iterable of str
        Lines put before ``.end``.

    Returns
    -------
    str
        Text that `Circuit.from_netlist` reads back to the same inputs, outputs, trainables, bounds and theta.
        A device of the user's becomes a B source with its law, and is no longer trainable.
    """
    writer = Writer(circuit, theta)
    title = circuit.title if title is None else title
    lines = [_one_line(title) or "circuit", *directive_lines(circuit), *writer.options()]
    cards = [line for card in circuit.flat.cards for line in writer.card(card)]
    lines += [*writer.definitions(), *cards, *writer.starts(), *analysis, ".end"]
    return "\n".join(lines) + "\n"


def directive_lines(circuit: Circuit) -> list[str]:
    """The `*@` lines of the flat circuit: globs resolved, bounds written out."""
    lines = []
    if circuit.inputs:
        lines.append(f"*@ input {' '.join(circuit.inputs)}")
    if circuit.outputs:
        pairs = (f"v({a})" if b == "0" else f"v({a},{b})" for a, b in circuit.outputs)
        lines.append(f"*@ output {' '.join(pairs)}")
    order: list[tuple[tuple[float, float], list[str]]] = []
    for t, low, high in zip(circuit.trainable, *circuit.bounds.tolist()):
        if t.element.startswith("x"):
            continue
        # Trainables keep their order, so only neighbours share a line.
        if not order or order[-1][0] != (low, high) or len(order[-1][1]) == 12:
            order.append(((low, high), []))
        order[-1][1].append(t.name)
    for (low, high), names in order:
        limits = [f"{k}={format_number(x)}" for k, x in (("min", low), ("max", high)) if math.isfinite(x)]
        lines.append(" ".join(["*@ train", *names, *limits]))
    lines += [d.text.strip() for d in circuit.flat.directives if d.word not in ("input", "output", "train")]
    return lines


@dataclass
class Writer:
    """Writes one circuit's cards; collects the models and constants they need.

    Parameters
    ----------
    circuit : Circuit
    theta : ndarray, shape (n_trainable,), or None
    spell, call : callable
        Name of a node, of an element -> the name to write.
    for_reading : bool
        Whether to write collector resistances as cards of their own: the node behind them is called ``q1#collCX``, and
        ``.save`` knows lower case only.
    for_op : bool
        Whether to write inductors that are formulas as plain ones, which is the same at an operating point: the
        formulas' currents get other names.
    """

    circuit: Circuit
    theta: np.ndarray | None = None
    spell: Callable[[str], str] = str
    call: Callable[[str], str] = str
    for_reading: bool = False
    for_op: bool = False
    _models: dict[str, str] = field(default_factory=dict)
    _constants: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        cards = self.circuit.flat.cards
        users = {c.name for c in cards if c.letter == "x" or (c.letter in "fh" and c.expression)}
        self._users = users.union(*self.circuit.states.values())
        self._overrides: dict[str, dict[str, float]] = {}
        if self.circuit.trainable:
            theta = self.circuit.theta if self.theta is None else self.theta
            for (element, parameter), value in self.circuit.card_values(theta).items():
                self._overrides.setdefault(element, {})[parameter] = value

    # -- parts of a deck -----------------------------------------------------------------------------------

    def options(self, **more: float | None) -> list[str]:
        """One `.options` line: of several, ngspice obeys only the last. A value None makes a flag."""
        given = {k: v for k, v in self.circuit.flat.options.items() if k not in _FLAGS} | more
        given["temp"] = self.circuit.temperature
        given["tnom"] = self.circuit.flat.options.get("tnom", T_NOMINAL)
        given["gmin"] = self.circuit.gmin
        words = (k if v is None else f"{k}={format_number(v)}" for k, v in given.items())
        return [f".options {' '.join(words)}"]

    def definitions(self) -> list[str]:
        """The `.param` and `.model` lines that the cards written so far need."""
        return [
            *(f".param {k}={format_number(v)}" for k, v in self._constants.items()),
            *self._models.values(),
        ]

    def starts(self) -> list[str]:
        """`.ic` and `.nodeset` lines."""
        flat = self.circuit.flat
        return [
            f"{word} v({self.spell(node)})={format_number(volts)}"
            for word, known in ((".ic", flat.initial), (".nodeset", flat.nodeset))
            for node, volts in known.items()
        ]

    def card(self, card: FlatCard) -> list[str]:
        """The line (for a device of the user's: lines) of one flattened card."""
        own = self._overrides.get(card.name, {})
        if card.letter == "x":
            return self._user_device(card, own)
        values = {**card.values, **{k: v for k, v in own.items() if not self._in_model(card, k)}}
        nodes, more = card.nodes, []
        if self.for_reading and card.letter == "q" and f"{card.name}#rc" in self.circuit.places:
            group, place = self.circuit.places[f"{card.name}#rc"]
            ohms = 1.0 / float(self.circuit.groups[group].values[0][place])
            nodes, own = (f"{card.name}#collector", *nodes[1:]), {**own, "rc": 0.0}
            more = [f"r#{self.call(card.name)} {self.spell(card.nodes[0])} {self.spell(nodes[0])} {ohms!r}"]
        words = [
            self.call(card.name),
            *map(self.spell, nodes),
            *(map(self._control(card), card.controls)),
        ]
        if card.expression is not None and card.letter == "l" and self.for_op:
            return [" ".join([*words, "1"])]
        if card.expression is not None:
            words[0] = self.branch(card.name)
            return [" ".join([*words, self._behavioural(card, card.expression, values)])]
        position = "k" if card.letter == "k" else _POSITIONAL.get(card.letter, "")
        if position in values:
            words.append(("dc " if position == "dc" else "") + self._number(card, values.pop(position)))
        if card.letter in "vi":
            words += self._stimulus(card, values)
        if card.model is not None:
            words.append(self._model(card, card.model, {k: v for k, v in own.items() if self._in_model(card, k)}))
        words += self._instance(card, values)
        return [" ".join(words), *more]

    # -- parts of a card -----------------------------------------------------------------------------------

    def _number(self, card: FlatCard, value: float) -> str:
        if not math.isfinite(value):
            raise NetlistError(
                f"'{card.name}': {value} is not a value that a deck can carry",
                path=card.path, line=card.line, text=card.text, cure="check theta and the card's parameters",
            )  # fmt: skip
        return format_number(value)

    def _control(self, card: FlatCard) -> Callable[[str], str]:
        return self.branch if card.letter in "fhwk" else self.spell

    def _stimulus(self, card: FlatCard, values: dict[str, float]) -> list[str]:
        words = []
        if "ac" in values:
            words.append(f"ac {self._number(card, values.pop('ac'))}")
            if "acphase" in values:
                words.append(self._number(card, values.pop("acphase")))
        if card.waveform:
            kind, *numbers = card.waveform
            words.append(f"{kind}({' '.join(x if isinstance(x, str) else format_number(x) for x in numbers)})")
        return words

    def _instance(self, card: FlatCard, values: Mapping[str, float]) -> list[str]:
        values, words = dict(values), []
        if values.pop("off", 0.0):
            words.append("off")
        if "on" in values:
            words.append("on" if values.pop("on") else "off")
        start = [values.pop(k) for k in ("ic", "icvgs", "icvce", "icvbs") if k in values]
        words += [f"{k}={self._number(card, v)}" for k, v in values.items()]
        return [*words, "ic=" + ",".join(self._number(card, v) for v in start)] if start else words

    def _in_model(self, card: FlatCard, parameter: str) -> bool:
        known = _INSTANCE.get(card.letter, ())
        return card.model is not None and parameter not in card.values and parameter not in known

    def _model(self, card: FlatCard, model: Model, own: Mapping[str, float]) -> str:
        """The name of the card's model, defined with the values this card needs."""
        # ngspice reads these as integers.
        body = " ".join(
            f"{k}={int(v) if k == 'level' and v == int(v) else self._number(card, v)}"
            for k, v in {**model.values, **own}.items()
        )
        definition = f"{model.type}({body})"
        suffix = f"_of_{card.name}" if own and not model.name.endswith(f"_of_{card.name}") else ""
        name = _identifier(model.name + suffix)
        return _unique(name, self._models, lambda n: f".model {n} {definition}")

    def constant(self, value: float, hint: str = "const") -> str:
        """A number inside an expression, through a `.param`: ngspice cuts literals there to 11 digits."""
        return f"{{{_unique(_identifier(hint), self._constants, lambda _: float(value))}}}"

    def _behavioural(self, card: FlatCard, expression: Node, values: Mapping[str, float]) -> str:
        text, used = expression_text(expression, values, self.constant, self.spell, self.branch)
        left = card.letter if card.letter in "rcl" else _QUANTITY.get(card.letter, {}).get(card.kind, card.kind)
        rest = self._instance(card, {k: v for k, v in values.items() if k not in used})
        return " ".join([f"{left}={text}", *rest])

    def branch(self, name: str) -> str:
        """The name of an element as it is written: a B source stands for a user's device X1, for a POLY of F and H."""
        return f"b.{self.call(name)}" if name in self._users else self.call(name)

    def _user_device(self, card: FlatCard, own: Mapping[str, float]) -> list[str]:
        """A device of the user's as a B source made from its law."""
        lines = []
        for name in (card.name, *self.circuit.states.get(card.name, ())):
            group_number, place = self.circuit.places[name]
            group = self.circuit.groups[group_number]
            device = group.device
            values = dict(zip(device.parameters, (float(column[place]) for column in group.values)))
            values.update({k: v for k, v in own.items() if k in values})
            values.pop("time", None)  # ngspice's own
            pairs = zip(group.control_positive[:, place], group.control_negative[:, place])
            names = {device.symbol(c): _voltage(*map(self._spelt, p)) for c, p in zip(device.controls, pairs)}
            names |= {device.symbol(p): p for p in device.parameters}
            expression = device.expression.subs(device.parts[::-1])
            if device.is_state and self.for_op:  # in a .dc sweep ngspice's time is what is swept
                expression = expression.subs(device.symbol("time"), 0)
            law = parse(format_expression(expression, names))
            text, _ = expression_text(law, values, self.constant)
            a, b = self._spelt(group.positive[place]), self._spelt(group.negative[place])
            lines.append(f"{self.branch(name)} {a} {b} {'v' if device.is_voltage else 'i'}={text}")
            if device.is_state:
                lines.append(f"c.{self.call(name)} {a} {b} 1")
        return lines

    def _spelt(self, number: int) -> str:
        """The name of an unknown's node."""
        return "0" if number == self.circuit.n_unknowns else self.spell(self.circuit.nodes[number])


def _unique(name: str, taken: dict, entry: Callable) -> str:
    """`name`, or `name_2`, ...: the first under which `taken` holds, or may hold, this entry."""
    k, candidate = 1, name
    while taken.setdefault(candidate, entry(candidate)) != entry(candidate):
        k += 1
        candidate = f"{name}_{k}"
    return candidate


def _voltage(a: str, b: str) -> str:
    return f"v({a})" if b == "0" else f"v({a},{b})"


def _identifier(name: str) -> str:
    return re.sub(r"[^a-z0-9_]", "_", name.lower())


def _one_line(title: str) -> str:
    """A title that is no command to ngspice: one line, no control characters, not '*ng_script'."""
    text = " ".join("".join(c if c.isprintable() else " " for c in title).split())
    return re.sub(r"^\*(?=ng_script|#|@)", "* ", text, flags=re.IGNORECASE)
