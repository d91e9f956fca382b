"""A netlist: SPICE text, read without losing a character."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from analogpnn.errors import NetlistError
from analogpnn.garbage import collector_paused
from analogpnn.netlist.cards import Card, Source
from analogpnn.netlist.directives import Directive
from analogpnn.netlist.includes import Reading, decode, read_bytes


@dataclass(frozen=True, eq=False, repr=False)
class Netlist:
    """SPICE text and the cards in it; made by `from_file` or `from_text`.

    Parameters
    ----------
    text : str
        The text, character for character.
    path : str
        Where it is from (for messages, and where its ``.include`` files are looked for).
    title : str
        Its first line.
    cards : tuple of Card
        The logical cards, those of included files in their place; comments, ``.control`` blocks and ``.end``
        are none.
    directives : tuple of Directive
        The ``*@`` lines.
    notes : tuple of str
        What was read and not acted on.
    encoding : str
        The text's encoding in its file: utf-8, or latin-1 where it isn't that.

    Examples
    --------
    >>> netlist = Netlist.from_text('''divider
    ... V1 in 0 1
    ... R1 in out 1k ; upper
    ... R2 out 0 2k
    ... ''')
    >>> [card.text for card in netlist.cards]
    ['V1 in 0 1', 'R1 in out 1k', 'R2 out 0 2k']
    >>> print(netlist.with_values({("r1", "r"): 833.33}).text, end="")
    divider
    V1 in 0 1
    R1 in out 833.33 ; upper
    R2 out 0 2k
    """

    text: str
    path: str = "<netlist>"
    title: str = ""
    cards: tuple[Card, ...] = ()
    directives: tuple[Directive, ...] = ()
    notes: tuple[str, ...] = ()
    encoding: str = "utf-8"
    allow_include: tuple[str, ...] = ()
    included: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_file(cls, path: str | Path, allow_include: Iterable[str | Path] = ()) -> Netlist:
        """Read a file.

        Parameters
        ----------
        path : path
        allow_include : iterable of paths, optional
            Directories, besides the file's own and those below it, from which ``.include`` may take files.

        Raises
        ------
        NetlistError
            If the file (or one it includes) can't be read, or isn't a netlist.
        """
        try:
            data = read_bytes(Path(path))
        except (OSError, ValueError) as error:
            if "\n" in str(path):
                cure = "Circuit.from_netlist(Netlist.from_text(text))"
                raise NetlistError("this is a netlist's text, not the name of its file", cure=cure) from None
            reason = getattr(error, "strerror", None) or error
            raise NetlistError(f"the netlist can't be read: {reason}", path=path) from None
        text, encoding = decode(data)
        return cls._read(text, str(path), encoding, allow_include, {})

    @classmethod
    def from_text(cls, text: str, path: str | Path = "<netlist>", allow_include: Iterable[str | Path] = ()) -> Netlist:
        """Read a text, as if it stood in the file `path` (which need not exist)."""
        return cls._read(text, str(path), "utf-8", allow_include, {})

    @classmethod
    def _read(cls, text, path, encoding, allow_include, included) -> Netlist:
        allow_include = (allow_include,) if isinstance(allow_include, (str, Path)) else allow_include
        reading = Reading(path, tuple(str(directory) for directory in allow_include), dict(included))
        with collector_paused():
            reading.read(Source(path, text))
        return cls(
            text=text,
            path=path,
            title=reading.title,
            cards=tuple(reading.cards),
            directives=tuple(reading.directives),
            notes=tuple(reading.notes),
            encoding=encoding,
            allow_include=reading.allowed,
            included=reading.texts,
        )

    def with_values(self, values: Mapping[tuple[str, str], float]) -> Netlist:
        """The same text with other numbers.

        Parameters
        ----------
        values : Mapping[(element, parameter), float]
            Like ``{("r1", "r"): 833.33, ("vb", "dc"): 0.3, ("m1", "vto"): 0.8}``, in the card's own units.
            A number is written as the shortest text that reads back to the same float; everything else
            stays as it was.

        Returns
        -------
        Netlist

        Raises
        ------
        NetlistError
            For an element that is not in this text itself: inside a subcircuit, or in an included file.
        """
        from analogpnn.netlist.replace import replaced  # it reads element cards, which is above reading text

        text = replaced(self, values)
        return self._read(text, self.path, self.encoding, self.allow_include, self.included)

    def to_file(self, path: str | Path) -> None:
        """Write the text, byte for byte as it was read."""
        Path(path).write_bytes(self.text.encode(self.encoding, "surrogatepass"))

    def __repr__(self) -> str:
        return f"<Netlist {self.path}: {self.title!r}, {len(self.cards)} cards>"
