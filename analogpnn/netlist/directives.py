"""Directives: comments that SPICE skips and this package reads, ``*@ word arguments name=value``.

``*@ input Vx*``, ``*@ output v(a) v(a,b)``, ``*@ train R* min=0.1u max=10u``, ``*@ task name key=value``,
``*@ ideal D*``.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field

from analogpnn.errors import NetlistError

WORDS = ("input", "output", "train", "task", "ideal")

_COMMENT = re.compile(r"\s*(?:;|(?<=\s)\$(?=\s)).*", re.DOTALL)
_ARGUMENT = re.compile(r"[^\s()=]*\([^()]*\)|[^\s=]+(?:\s*=\s*(?:\"[^\"]*\"|'[^']*'|\{[^{}]*\}|[^\s=]+))?|=")
_OUTPUT = re.compile(r"v\(([^\s(),]+)(?:,([^\s(),]+))?\)")


@dataclass(frozen=True, slots=True)
class Directive:
    """One ``*@`` line.

    Parameters
    ----------
    word : str
        ``'input'``, ``'output'``, ``'train'``, ``'task'`` or ``'ideal'``.
    arguments : tuple of str
        Globs of element names, outputs like ``'v(a,b)'`` (lower case, no blanks); a task's are as written.
    options : dict of str
        The ``name=value`` parts, names in lower case, values as written.
    path, line, text
        Where it is written.
    """

    word: str
    arguments: tuple[str, ...]
    options: dict[str, str] = field(default_factory=dict)
    path: str = ""
    line: int = 0
    text: str = ""


def is_directive(line: str) -> bool:
    """Whether a physical line is one.

    >>> is_directive("*@ input V*"), is_directive("* @home")
    (True, False)
    """
    return line.lstrip().startswith("*@")


def parse_directive(text: str, path: str = "<netlist>", line: int = 1) -> Directive:
    """Read one ``*@`` line; a comment in it starts with ``;``.

    Raises
    ------
    NetlistError

    Examples
    --------
    >>> d = parse_directive("*@ train R1_* M*.VTO min=0.1u max = 10u  ; the crossbar")
    >>> d.word, d.arguments, d.options
    ('train', ('r1_*', 'm*.vto'), {'min': '0.1u', 'max': '10u'})
    """
    start = text.index("*@") + 2
    end = _COMMENT.search(text, start)
    words = list(_ARGUMENT.finditer(text, start, end.start() if end else len(text)))

    def refuse(what: str, column: int, cure: str) -> NetlistError:
        return NetlistError(what, path=path, line=line, text=text, column=column, cure=cure)

    known = f"Directives are: {', '.join('*@ ' + word for word in WORDS)}."
    if not words:
        raise refuse("a directive without a word", start, known)
    word = words[0][0].lower()
    if word not in WORDS:
        close = difflib.get_close_matches(word, WORDS, 1)
        cure = f"Did you mean '*@ {close[0]}'? {known}" if close else known
        raise refuse(f"there is no directive '{word}'", words[0].start(), cure)
    arguments, options = [], {}
    for match in words[1:]:
        part = match[0]
        name, equals, value = part.partition("=")
        if part.endswith(")") and "(" in part and ("=" not in part or part.index("(") < part.index("=")):
            equals = ""
        if not equals:
            arguments.append(part if word == "task" else "".join(part.lower().split()))
        elif not name.strip() or not value.strip():
            raise refuse("'=' stands between a name and a value", match.start(), "Write name=value.")
        else:
            options[name.strip().lower()] = value.strip().strip("\"'")
        if word == "output" and not equals and not _OUTPUT.fullmatch(arguments[-1]):
            raise refuse(
                f"'{part}' is no output",
                match.start(),
                "Outputs are v(node) or v(node,node). A comment in a directive starts with ';'.",
            )
    if not arguments:
        examples = {"output": "v(a) v(b,c)", "input": "Vx*", "train": "R* min=0.1u max=10u", "ideal": "D*"}
        what = examples.get(word, "iris")
        raise refuse(f"'*@ {word}' names nothing", words[0].start(), f"Write for example: *@ {word} {what}")
    return Directive(word, tuple(arguments), options, path, line, text.strip())


def output_nodes(argument: str) -> tuple[str, str]:
    """The pair of nodes of an output.

    >>> output_nodes("v(a,b)"), output_nodes("v(a)")
    (('a', 'b'), ('a', '0'))
    """
    match = _OUTPUT.fullmatch(argument)
    if match is None:
        raise NetlistError(f"'{argument}' is no output", cure="Outputs are v(node) or v(node,node).")
    return match[1], match[2] or "0"
