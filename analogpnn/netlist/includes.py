"""``.include``: the files a netlist is made of, and which it may take."""

from __future__ import annotations

import stat
from dataclasses import dataclass, field
from pathlib import Path

from analogpnn.netlist.cards import Card, Source, read_lines
from analogpnn.netlist.directives import Directive

MAX_DEPTH = 20
MAX_FILES = 1000
MAX_BYTES = 200_000_000


def decode(data: bytes) -> tuple[str, str]:
    """Text and encoding, chosen so that encoding the text gives `data` back.

    >>> decode(b"R1 \\xb5"), decode("R1 µ".encode())
    (('R1 µ', 'latin-1'), ('R1 µ', 'utf-8'))
    """
    try:
        return data.decode(), "utf-8"
    except UnicodeDecodeError:
        return data.decode("latin-1"), "latin-1"


def read_bytes(path: Path) -> bytes:
    """A regular file's (or a pipe's) bytes; never an endless device."""
    mode = path.stat().st_mode
    if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
        raise OSError(f"{path} is a device")
    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise OSError(f"more than {MAX_BYTES // 1_000_000} MB")
    return data


@dataclass(slots=True)
class Reading:
    """A netlist being read, with what it includes.

    `texts` holds the included files by name, so that a netlist with other numbers (`Netlist.with_values`)
    is made of the same files even if they have changed since.
    """

    path: str
    allowed: tuple[str, ...]
    texts: dict[str, str]
    title: str = ""
    cards: list[Card] = field(default_factory=list)
    directives: list[Directive] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    open_: list[str] = field(default_factory=list)
    files: int = 0

    def read(self, source: Source) -> None:
        """Add a source's cards, and those of the files it includes in their place."""
        lines = read_lines(source)
        if not source.included:
            self.title = lines.title
        where = f"{source.path}, " if source.included else ""
        self.notes += [where + note for note in lines.notes]
        self.directives += lines.directives
        for card in lines.cards:
            if card.text[:4].lower() == ".inc" and card.text.split(None, 1)[0].lower() in (
                ".include",
                ".inc",
            ):
                self.include(card)
            else:
                self.cards.append(card)

    def include(self, card: Card) -> None:
        name = "".join(card.text.split(None, 1)[1:])
        at = card.text.find(name) if name else None
        name = name.strip("\"'")
        if not name:
            raise card.error(".include names no file", None, "Write .include models.lib")
        try:
            path = (Path(card.path).parent / name).resolve()
            roots = [Path(self.path).parent.resolve(), *(Path(d).resolve() for d in self.allowed)]
        except (OSError, ValueError, RuntimeError) as error:
            raise card.error(f".include can't use this name: {error}", at) from None
        if not any(path.is_relative_to(root) for root in roots):
            raise card.error(
                f".include '{name}' leaves the directory of the netlist",
                at,
                f"If you trust it: --allow-include {path.parent} (in Python allow_include=[...]).",
            )
        key = str(path)
        if key in self.open_ or len(self.open_) >= MAX_DEPTH:
            raise card.error(f".include '{name}' includes itself, or files nest too deeply", at)
        self.files += 1
        if self.files > MAX_FILES:
            raise card.error(f"more than {MAX_FILES} included files", at)
        if key not in self.texts:
            try:
                self.texts[key] = decode(read_bytes(path))[0]
            except (OSError, ValueError) as error:
                reason = getattr(error, "strerror", None) or error
                cure = f"It is looked for relative to the including file: {path}"
                raise card.error(f".include '{name}' can't be read: {reason}", at, cure) from None
        self.open_.append(key)
        self.read(Source(str(Path(card.path).parent / name), self.texts[key], included=True))
        self.open_.pop()
