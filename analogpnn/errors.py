"""Errors are sentences: where, what, cure.

Every error a user can cause derives from `AnalogError`, so that a command line or a notebook can show it
without a traceback. `str(error)` is the text meant for people.
"""

from __future__ import annotations


class AnalogError(Exception):
    """An error with a place, a sentence and, where one is known, a cure.

    Parameters
    ----------
    what : str
        What is wrong, in one sentence.
    path, line : optional
        The file and the line (counted from 1) it was found at.
    text, column : optional
        The offending line itself and the position (counted from 0) of the mistake in it; shown with a caret.
    cure : str, optional
        What to do about it.
    """

    def __init__(
        self,
        what: str,
        *,
        path: object = None,
        line: int | None = None,
        text: str | None = None,
        column: int | None = None,
        cure: str | None = None,
    ):
        self.what, self.path, self.line = what, path, line
        self.text, self.column, self.cure = text, column, cure
        super().__init__(what)

    def __reduce__(self):  # keyword-only arguments survive the trip out of a worker process
        return _rebuild, (type(self), self.__dict__)

    def __str__(self) -> str:
        place = f"{self.path}" if self.path is not None else ""
        if self.line is not None:
            place += f"{', ' if place else ''}line {self.line}"
        lines = [f"{place}: {self.what}" if place else self.what]
        if self.text is not None:
            lines.append(f"  {self.text}")
            if self.column is not None:
                lines.append("  " + " " * self.column + "^")
        if self.cure:
            lines.append(self.cure)
        return "\n".join(lines)


class IgnoredWarning(UserWarning):
    """Something in a netlist that ngspice ignores with a word, and so do we.

    Parameters
    ----------
    what : str
        In one sentence.
    path : optional
        The file it stands in.
    """

    def __init__(self, what: str, path: object = None):
        self.what, self.path = what, path
        super().__init__(what, path)

    def __str__(self) -> str:
        return str(AnalogError(self.what, path=self.path))


def _rebuild(kind: type[AnalogError], state: dict) -> AnalogError:
    error = kind.__new__(kind)
    error.__dict__.update(state)
    error.args = (state["what"],)
    return error


class NetlistError(AnalogError):
    """The netlist can't be read, or what it describes is no circuit."""


class ExperimentError(AnalogError):
    """An experiment file, a task or a command-line value is wrong."""


class SimulatorError(AnalogError):
    """ngspice is missing, refused a deck, or died; carries ngspice's own words."""


class ConvergenceError(AnalogError):
    """No operating point was found.

    Attributes
    ----------
    sample : int or None
        Index of the (first) failing sample in the batch.
    node : str or None
        The node with the largest residual.
    residual : float or None
        That residual of Kirchhoff's current law [A].
    """

    def __init__(self, what, *, sample=None, node=None, residual=None, **where):
        super().__init__(what, **where)
        self.sample, self.node, self.residual = sample, node, residual
