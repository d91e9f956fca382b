"""A card's text to words and ``name = value`` assignments."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from analogpnn.errors import NetlistError

WORD = re.compile(r"\{[^{}]*\}|'[^']*'|\"[^\"]*\"|[^\s(),={}'\"]+")
_SCAN = re.compile(r"[(){}'\"]|(?<![\w.#])([a-z_][\w.#]*)\s*=(?!=)", re.IGNORECASE | re.ASCII)
_SPECIAL = re.compile(r"[(){}=,'\"]")
_CLOSES = {")": "(", "}": "{"}


class Assignment(NamedTuple):
    """``name = value``, and where the two stand in the text."""

    name: str
    value: str
    at: int
    value_at: int


class Syntax(NetlistError):
    """A mistake at a position of a card; whoever knows the card adds the place (see `located`)."""


def assignments(text: str, start: int = 0) -> tuple[int, list[Assignment]]:
    """The assignments of a text, each up to the next one's name.

    Only ``=`` outside of brackets and quotes counts, and ``== <= >= !=`` are comparisons.

    Returns
    -------
    int
        Where the first assignment starts (the text's length if there is none).
    list of Assignment

    Raises
    ------
    Syntax
        For brackets and quotes that don't pair.

    Examples
    --------
    >>> stop, found = assignments("r1 a b r = 2*(w==1) m=3")
    >>> stop, [(name, value) for name, value, *_ in found]
    (7, [('r', '2*(w==1)'), ('m', '3')])
    """
    opened: list[tuple[str, int]] = []
    starts = []
    position = start
    while match := _SCAN.search(text, position):
        position = match.end()
        mark = match[0]
        if match[1] is not None:
            if not opened:
                starts.append(match)
        elif mark in "({":
            opened.append((mark, match.start()))
        elif mark in ")}":
            if not opened or opened[-1][0] != _CLOSES[mark]:
                raise unbalanced(mark, match.start())
            opened.pop()
        else:
            close = text.find(mark, position)
            if close < 0:
                raise unbalanced(mark, match.start())
            position = close + 1
    if opened:
        raise unbalanced(*opened[-1])
    found = []
    for k, match in enumerate(starts):
        stop = starts[k + 1].start() if k + 1 < len(starts) else len(text)
        raw = text[match.end() : stop]
        value = raw.strip()
        at = match.end() + len(raw) - len(raw.lstrip())
        found.append(Assignment(match[1], value.rstrip(", \t"), match.start(), at))
    return (found[0].at if found else len(text)), found


def unbalanced(mark: str, at: int) -> Syntax:
    return Syntax(f"'{mark}' has no partner", column=at, cure="Brackets and quotes come in pairs.")


def words_and_assignments(text: str) -> tuple[list[str], list[Assignment]]:
    """The words of an element's card before its first assignment, and the assignments.

    Blanks, commas and parentheses separate words; ``{...}``, ``'...'`` are one word.

    >>> words_and_assignments("m1 d g s b nch w={2*u}")[0]
    ['m1', 'd', 'g', 's', 'b', 'nch']
    """
    if not _SPECIAL.search(text):
        return text.split(), []
    stop, found = assignments(text)
    return WORD.findall(text, 0, stop), found


def word_position(text: str, k: int) -> int | None:
    """Where the k-th word of a card stands."""
    for index, match in enumerate(WORD.finditer(text)):
        if index == k:
            return match.start()
    return None


def top_level_words(text: str) -> Iterator[tuple[str, int]]:
    """Words separated by blanks and commas outside of brackets, and where they stand.

    >>> [word for word, _ in top_level_words("2*(a, b) off")]
    ['2*(a, b)', 'off']
    """
    depth, start, quote = 0, None, ""
    for position, letter in enumerate(text):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "({":
            depth += 1
        elif letter in ")}":
            depth -= 1
        elif letter in "'\"":
            quote = letter
        elif depth == 0 and (letter.isspace() or letter == ","):
            if start is not None:
                yield text[start:position], start
            start = None
            continue
        if start is None:
            start = position
    if start is not None:
        yield text[start:], start
