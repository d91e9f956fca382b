"""Physical lines to logical cards: comments off, continuations joined, every character's place remembered."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import StringIO
from typing import NamedTuple

from analogpnn.errors import NetlistError
from analogpnn.netlist.directives import Directive, is_directive, parse_directive

_NEWLINE = re.compile(r"\r\n|\n|\r")
# As in ngspice: ';' and '//' anywhere, '$' after a blank or a comma; not inside double quotes (file names).
_COMMENT = re.compile(r"\"[^\"]*\"|(;|//|(?:(?<=[\s,])|^)\$)")
_UPPER = {ord(upper): ord(upper.lower()) for upper in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}


def fold(text: str) -> str:
    """Lower case, letter for letter (``str.lower`` may lengthen a text that isn't ASCII)."""
    return text.lower() if text.isascii() else text.translate(_UPPER)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Source:
    """One text: the netlist itself, or a file it includes."""

    path: str
    text: str
    included: bool = False


class Card(NamedTuple):
    """One logical card. (A tuple: of a million cards each field set by name would cost a second.)

    Parameters
    ----------
    text : str
        Without comments, continuation lines joined by a blank.
    source : Source
        The text it is from.
    line : int
        Its first physical line, from 1.
    offset : int
        Where it starts in the source's text.
    continued : tuple of (int, int, int)
        For every further physical line: where its part starts in `text`, where in the source's text, its number.
    """

    text: str
    source: Source
    line: int
    offset: int
    continued: tuple[tuple[int, int, int], ...] = ()

    @property
    def pieces(self) -> tuple[tuple[int, int, int], ...]:
        """For every physical line, the first too, what `continued` says."""
        return ((0, self.offset, self.line), *self.continued)

    @property
    def path(self) -> str:
        return self.source.path

    def place(self, position: int | None = 0) -> dict:
        """Where a position in `text` is: the keywords for a `NetlistError`."""
        if position is None:
            return {"path": self.path, "line": self.line, "text": self._physical(self.offset)[0]}
        pieces = self.pieces
        start, offset, line = pieces[max(bisect_right(pieces, (position, float("inf"), 0)) - 1, 0)]
        text, line_start = self._physical(offset)
        # a tab is one character of the line and of the caret line's blanks: show both as one blank
        column = min(offset + position - start - line_start, len(text))
        return {"path": self.path, "line": line, "text": text.replace("\t", " "), "column": column}

    def _physical(self, offset: int) -> tuple[str, int]:
        text = self.source.text
        start = max(text.rfind("\n", 0, offset), text.rfind("\r", 0, offset)) + 1
        end = _NEWLINE.search(text, offset)
        return text[start : end.start() if end else len(text)], start

    def spans(self, start: int, end: int) -> list[tuple[int, int]]:
        """The ranges of the source's text that hold ``text[start:end]``: one a physical line."""
        ranges, pieces = [], self.pieces
        for k, (begin, offset, _) in enumerate(pieces):
            stop = pieces[k + 1][0] - 1 if k + 1 < len(pieces) else len(self.text)
            low, high = max(start, begin), min(end, stop)
            if low < high:
                ranges.append((offset + low - begin, offset + high - begin))
        return ranges

    def error(self, what: str, position: int | None = 0, cure: str | None = None) -> NetlistError:
        return NetlistError(what, cure=cure, **self.place(position))


@dataclass(slots=True)
class Lines:
    """What one source's lines say."""

    title: str = ""
    cards: list[Card] = field(default_factory=list)
    directives: list[Directive] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def physical_lines(text: str) -> Iterator[tuple[int, int, str]]:
    """Number (from 1), offset and text of every line, without its end."""
    start = 0
    for number, line in enumerate(StringIO(text, newline=""), 1):  # whichever of \r\n, \n and \r ends them
        yield number, start, line.rstrip("\r\n")
        start += len(line)


def read_lines(source: Source) -> Lines:
    """Read a source's lines.

    The first line of a netlist is its title, whatever it looks like. ``.control`` blocks and what follows
    ``.end`` are no cards; directives are read anywhere.
    """
    result = Lines()
    cards = result.cards
    more: list[tuple[int, int, str]] = []  # continuations of the last card: (line number, offset, text)
    continues = False  # whether the last card may have some
    control = ended = 0
    for number, start, line in physical_lines(source.text):
        stripped = line.lstrip()
        if stripped.startswith("*"):
            if is_directive(stripped):
                result.directives.append(parse_directive(line.replace("\t", " "), source.path, number))
            if number > 1 or source.included:
                continue
        if number == 1 and not source.included:
            result.title = line.strip("\ufeff*@ \t")
            if re.match(r"[rcldvimefgbh]\w*\s+\S+\s+\S+\s+\S", line, re.IGNORECASE | re.ASCII):
                result.notes.append(f"line 1 is the title, though it looks like an element: {line.strip()[:60]}")
            continue
        if not stripped or ended:
            if stripped and ended > 0:
                result.notes.append(f"line {number}: what follows .end (line {ended}) is not read")
                ended = -1
            continue
        if control:
            if stripped[:5].lower() == ".endc":
                control = 0
            continue
        offset = start + len(line) - len(stripped)
        if ";" in stripped or "$" in stripped or "//" in stripped:
            stripped = strip_comment(stripped)
            if not stripped:
                continue
        if stripped[0] == "+":
            if not continues:
                raise NetlistError(
                    "a continuation of nothing",
                    path=source.path,
                    line=number,
                    text=line,
                    column=offset - start,
                    cure="'+' continues the card of the line before; the first line of a file is its title.",
                )
            rest = stripped[1:].lstrip()
            if rest:
                more.append((number, offset + len(stripped) - len(rest), rest.rstrip()))
            continue
        if more:
            cards[-1] = _join(cards[-1], more)
            more = []
        continues = False
        if stripped[0] == "." and stripped[:4].lower() in (".end", ".con"):
            word = stripped.split(None, 1)[0].lower()
            if word == ".end":
                ended = number
                continue
            if word == ".control":
                control = number
                result.notes.append(f"line {number}: a .control block is kept as text and not run")
                continue
        cards.append(Card(stripped.rstrip(), source, number, offset))
        continues = True
    if more:
        cards[-1] = _join(cards[-1], more)
    return result


def strip_comment(line: str) -> str:
    """The line without its comment.

    >>> strip_comment("R1 a b 1k ; load"), strip_comment('.include "a//b;c" $ parts')
    ('R1 a b 1k', '.include "a//b;c"')
    """
    for match in _COMMENT.finditer(line):
        if match[1]:
            return line[: match.start()].rstrip()
    return line


def _join(card: Card, more: list[tuple[int, int, str]]) -> Card:
    continued, position = [], len(card.text) + 1
    for number, offset, text in more:
        continued.append((position, offset, number))
        position += len(text) + 1
    return card._replace(text=" ".join([card.text, *(text for _, _, text in more)]), continued=tuple(continued))
