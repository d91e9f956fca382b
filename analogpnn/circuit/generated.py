"""Circuits too big to be read from text: the records are made directly, the text is written when asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, overload

from analogpnn.netlist.directives import Directive, parse_directive
from analogpnn.netlist.flatten import flatten
from analogpnn.netlist.netlist import Netlist


class Lazy(Sequence):
    """A sequence whose items are made when looked at, in pieces of a known length.

    >>> names = Lazy((2, lambda k: f"a{k}"), (3, lambda k: f"b{k}"))
    >>> len(names), names[0], names[-1], list(names)
    (5, 'a0', 'b2', ['a0', 'a1', 'b0', 'b1', 'b2'])
    """

    def __init__(self, *pieces: tuple[int, Callable[[int], Any]]):
        self._pieces = pieces
        self._length = sum(count for count, _ in pieces)

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> tuple: ...
    def __getitem__(self, index):
        if isinstance(index, slice):
            return tuple(self[k] for k in range(*index.indices(self._length)))
        k = index + self._length if index < 0 else index
        if not 0 <= k < self._length:
            raise IndexError(index)
        for count, make in self._pieces:
            if k < count:
                return make(int(k))
            k -= count
        raise IndexError(index)

    def __iter__(self) -> Iterator[Any]:
        for count, make in self._pieces:
            yield from map(make, range(count))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and len(self) == len(other) and all(a == b for a, b in zip(self, other))

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True, eq=False, repr=False)
class GeneratedNetlist:
    """What a `Netlist` is, with the text written on demand.

    Parameters
    ----------
    title : str
    head : tuple of str
        The directive lines.
    body : callable
        Numbers of all trainables' cards -> the other lines.
    numbers : sequence of float
        What the trainables' cards carry.
    trainable : sequence of (element, parameter)
        In the same order.
    """

    title: str
    head: tuple[str, ...]
    body: Callable[[Sequence[float]], Iterator[str]]
    numbers: Sequence[float]
    trainable: Sequence[tuple[str, str]]
    path: str = "<generated>"
    notes: tuple[str, ...] = ()
    encoding: str = "utf-8"
    allow_include: tuple[str, ...] = ()
    included: Mapping[str, str] = field(default_factory=dict)

    def lines(self) -> Iterator[str]:
        """The text, line by line."""
        yield self.title
        yield from self.head
        yield from self.body(self.numbers)
        yield ".end"

    @cached_property
    def text(self) -> str:
        """The text."""
        return "\n".join(self.lines()) + "\n"

    @cached_property
    def read(self) -> Netlist:
        """The text, read: a minute for a million cards."""
        return Netlist.from_text(self.text, self.path)

    @property
    def cards(self):
        return self.read.cards

    @cached_property
    def directives(self) -> tuple[Directive, ...]:
        return tuple(parse_directive(line, self.path, 2 + k) for k, line in enumerate(self.head))

    def with_values(self, values: Mapping[tuple[str, str], float]):
        """The same text with other numbers (see `Netlist.with_values`)."""
        if len(values) == len(self.trainable) and all(key in values for key in self.trainable):
            numbers = [values[key] for key in self.trainable]
            return GeneratedNetlist(self.title, self.head, self.body, numbers, self.trainable, self.path)
        return self.read.with_values(values)

    def to_file(self, path) -> None:
        """Write the text."""
        with open(path, "w", encoding=self.encoding, newline="\n") as file:
            file.writelines(line + "\n" for line in self.lines())

    def __repr__(self) -> str:
        return f"<Netlist {self.path}: {self.title!r}, generated>"


@dataclass(frozen=True, eq=False, repr=False)
class GeneratedFlat:
    """What a `Flat` is; the cards are flattened from the text when they are looked at."""

    netlist: GeneratedNetlist
    options: Mapping[str, float] = field(default_factory=dict)
    initial: Mapping[str, float] = field(default_factory=dict)
    nodeset: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        return self.netlist.title

    @property
    def path(self) -> str:
        return self.netlist.path

    @property
    def directives(self) -> tuple[Directive, ...]:
        return self.netlist.directives

    @cached_property
    def cards(self):
        return flatten(self.netlist.read).cards
