"""``.include`` and ``.lib``: the files a netlist is made of, and which it may take."""

from __future__ import annotations

import re
import stat
from dataclasses import dataclass, field
from pathlib import Path

from analogpnn.errors import NetlistError
from analogpnn.netlist.cards import Card, Source, read_lines
from analogpnn.netlist.directives import Directive

MAX_DEPTH = 20
MAX_FILES = 1000
MAX_BYTES = 200_000_000
_WORDS = re.compile(r"\"[^\"]*\"|'[^']*'|\S+")


def decode(data: bytes) -> tuple[str, str]:
    """Text and encoding, chosen so that encoding the text gives `data` back.

    >>> decode(b"R1 \\xb5"), decode("R1 µ".encode())
    (('R1 µ', 'latin-1'), ('R1 µ', 'utf-8'))
    """
    try:
        return data.decode(), "utf-8"
    except UnicodeDecodeError:
        return data.decode("latin-1"), "latin-1"


def _has_end(cards: list[Card], opening: Card) -> bool:
    """Whether an ``.endl`` follows a ``.lib name`` before the next such card."""
    for card in cards[next(k for k, card in enumerate(cards) if card is opening) + 1 :]:
        word = card.text.split(None, 1)[0].lower()
        if word == ".endl":
            return True
        if word == ".lib" and len(_WORDS.findall(card.text)) == 2:
            return False
    return False


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

    def read(self, source: Source, section: str | None = None) -> None:
        """Add a source's cards (or those of one ``.lib`` section), and of the files it includes in their place."""
        lines = read_lines(source)
        if not source.included:
            self.title = lines.title
        where = f"{source.path}, " if source.included else ""
        self.notes += [where + note for note in lines.notes]
        self.directives += lines.directives
        inside: Card | None = None  # the card that opened the section at hand
        wanted, found = section is None, section is None
        sections: list[str] = []
        for card in lines.cards:
            word = card.text.split(None, 1)[0].lower() if card.text[0] == "." else ""
            if word in (".include", ".inc"):
                if wanted:
                    self.include(card, "".join(card.text.split(None, 1)[1:]))
            elif word == ".lib":
                words = _WORDS.findall(card.text)[1:]
                if len(words) == 2:
                    if wanted:
                        self.include(card, words[0], words[1].lower())
                elif len(words) == 1 and _has_end(lines.cards, card):
                    if inside is not None:
                        raise card.error(".lib inside a .lib section", 0, "End the section before it with .endl")
                    inside = card
                    sections.append(words[0].lower())
                    wanted = section == sections[-1]
                    found |= wanted
                elif len(words) == 1:  # LTspice's and KiCad's .lib file: all of it
                    if wanted:
                        self.include(card, words[0])
                else:
                    raise card.error(".lib names no file", None, "Write .lib models.lib section")
            elif word == ".endl":
                if inside is None:
                    raise card.error(".endl without .lib", 0, "Delete it, or open the section with .lib name")
                inside, wanted = None, section is None
            elif wanted:
                self.cards.append(card)
        if inside is not None:
            raise inside.error("this .lib section is never closed", 0, "End it with .endl")
        if not found:
            known = f"Its sections: {' '.join(sections) or 'none'}."
            raise NetlistError(f"there is no .lib section '{section}'", path=source.path, cure=known)

    def include(self, card: Card, name: str, section: str | None = None) -> None:
        word = card.text.split(None, 1)[0].lower()
        at = card.text.find(name) if name else None
        name = name.strip("\"'")
        if not name:
            raise card.error(f"{word} names no file", None, f"Write {word} models.lib")
        try:
            path = (Path(card.path).parent / name).resolve()
            roots = [Path(self.path).parent.resolve(), *(Path(d).resolve() for d in self.allowed)]
        except (OSError, ValueError, RuntimeError) as error:
            raise card.error(f"{word} can't use this name: {error}", at) from None
        if not any(path.is_relative_to(root) for root in roots):
            raise card.error(
                f"{word} '{name}' leaves the directory of the netlist",
                at,
                f"If you trust it: --allow-include {path.parent} (in Python allow_include=[...]).",
            )
        key, this = str(path), f"{path} {section or ''}"
        if this in self.open_ or len(self.open_) >= MAX_DEPTH:
            raise card.error(f"{word} '{name}' includes itself, or files nest too deeply", at)
        self.files += 1
        if self.files > MAX_FILES:
            raise card.error(f"more than {MAX_FILES} included files", at)
        if key not in self.texts:
            try:
                self.texts[key] = decode(read_bytes(path))[0]
            except (OSError, ValueError) as error:
                reason = getattr(error, "strerror", None) or error
                cure = f"It is looked for relative to the including file: {path}"
                raise card.error(f"{word} '{name}' can't be read: {reason}", at, cure) from None
        self.open_.append(this)
        try:
            self.read(Source(str(Path(card.path).parent / name), self.texts[key], included=True), section)
        except NetlistError as error:
            if error.line is None:  # no such section: it is this card that asks for it
                raise card.error(
                    f"{error.what} in {name}", card.text.lower().rfind(section or ""), error.cure
                ) from None
            raise
        self.open_.pop()
