"""libngspice in this process: find it, load it through PySpice, run a deck, read its vectors.

Only `PySpice.Spice.NgSpice.Shared.NgSpiceShared` is used, for its binding. Its own `exec_command`,
`load_circuit` and `plot` are not: they take notes on stderr and titles with the word 'error' for failures,
and never free a circuit.

Runs in worker processes only: there can be one ngspice in a process, and a bad deck may abort it.
"""

from __future__ import annotations

import ctypes.util
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass

COMMANDS_PER_HISTORY = 1000  # ngspice keeps every command (0.2 kB each) until its control structures are cleared


class LibraryMissing(Exception):
    """No libngspice could be loaded; the argument lists what was tried."""


def candidates(library: str | None = None) -> list[str]:
    """Names under which libngspice may be found, best first.

    An explicit `library`, then the environment's NGSPICE_LIBRARY_PATH, each stand alone: who names a library
    wants no other. Debian's `libngspice0` holds only 'libngspice.so.0', the name PySpice does not know.
    """
    named = library or os.environ.get("NGSPICE_LIBRARY_PATH")
    if named:
        return [named]
    if sys.platform == "win32":
        names = ["ngspice.dll", "libngspice-0.dll"]
    elif sys.platform == "darwin":
        names = ["libngspice.dylib", "libngspice.0.dylib"]
        names += [f"{folder}/lib/libngspice.dylib" for folder in ("/opt/homebrew", "/usr/local")]
    else:
        names = ["libngspice.so.0", "libngspice.so"]
    suffix = {"win32": "dll", "darwin": "dylib"}.get(sys.platform, "so")
    names.append(os.path.join(sys.prefix, "lib", f"libngspice.{suffix}"))  # conda's ngspice-lib
    return names


@dataclass
class Run:
    """What one deck gave: the plot's name ('' if there is none), its vectors, and every word ngspice said."""

    plot: str
    vectors: dict[str, bytes]
    loading: list[str]
    running: list[str]


class Library:
    """The one ngspice of this process.

    Attributes
    ----------
    path : str
        The library's file.
    version : int or None
        ngspice's major version.
    klu : bool
        Whether it was built with the KLU solver.
    finished : bool
        ngspice asked to be unloaded: it can do no more in this process.
    """

    def __init__(self, library: str | None = None):
        from PySpice.Spice.NgSpice import Shared

        ffi = Shared.ffi
        path = _load(ffi, candidates(library))
        self.words: list[str] = []
        self.finished = False
        outer = self

        class Binding(Shared.NgSpiceShared):
            library_path = path

            def send_char(self, message, ngspice_id):
                outer.hear(message)
                return 0

            def send_stat(self, message, ngspice_id):
                outer.progress(message)
                return 0

            def exec_command(self, command, join_lines=True):
                outer.call(self._ngspice_shared, command)
                return self.stdout if join_lines else self._stdout

            @staticmethod
            def _exit(status, immediate, is_quit, ngspice_id, user_data):
                outer.finished = True
                return status

        self._ffi, self._null = ffi, ffi.NULL
        self._commands = 0
        self._binding = Binding()
        self._lib = self._binding._ngspice_shared
        self._loaded = False
        self.version: int | None = self._binding.ngspice_version
        self.klu = any("KLU" in word for word in self.words)
        self.path = _mapped_file(path)

    # -- talking to it -------------------------------------------------------------------------------------

    def hear(self, message: str) -> None:
        """Keep one line of ngspice's output; a subclass may pass it on."""
        stream, _, text = message.partition(" ")
        self.words.append((text if stream in ("stdout", "stderr") else message).rstrip())

    def progress(self, message: str) -> None:
        """Take note of a sign of progress ('dc: 26.6%', some ten a second); for subclasses."""

    def call(self, lib, command: str) -> None:
        """Run one command of ours. Never put a user's string into one: ngspice runs shells from there."""
        self._commands += 1
        if self._commands % COMMANDS_PER_HISTORY == 0:
            lib.ngSpice_Command(self._null)
        lib.ngSpice_Command(command.encode("ascii"))

    def command(self, command: str) -> None:
        self.call(self._lib, command)

    def run(self, lines: Sequence[str], names: Sequence[str] | None) -> Run:
        """Load a deck in place of the last one, `run` it and read vectors.

        Parameters
        ----------
        lines : sequence of str
            The deck, title first, '.end' last, with the analysis card in it.
        names : sequence of str or None
            Vectors wanted ('out', 'v1#branch'); those that don't exist are left out. None: all of them.
        """
        self.words.clear()
        self._binding.clear_output()
        self.command("destroy all")  # else the old plot stays current after a failure and looks like a result
        if self._loaded:
            self.command("remcirc")  # PySpice's leak: 280 kB a circuit without it
        self.words.clear()
        self._loaded = True
        keep = [self._ffi.new("char[]", line.encode("utf-8")) for line in (*lines, "")]
        failed = self._lib.ngSpice_Circ(self._ffi.new("char *[]", [*keep, self._null]))
        loading = list(self.words)
        if failed or self.finished:
            return Run("", {}, loading, [])
        self.words.clear()
        self.command("run")
        running = list(self.words)
        current = self._lib.ngSpice_CurPlot()
        plot = "" if self.finished or current == self._null else self._text(current)
        if plot in ("", "const"):
            return Run("", {}, loading, running)
        return Run(plot, self._vectors(plot, names), loading, running)

    # -- reading -------------------------------------------------------------------------------------------

    def _vectors(self, plot: str, names: Sequence[str] | None) -> dict[str, bytes]:
        wanted = None if names is None else set(names)
        vectors = {}
        array, index = self._lib.ngSpice_AllVecs(plot.encode()), 0
        while array[index] != self._null:
            spelt = self._text(array[index])
            index += 1
            numbered = re.fullmatch(r"V\((.*)\)", spelt)  # a node '1' is listed as 'V(1)'
            name = numbered.group(1) if numbered else spelt
            if wanted is not None and name not in wanted:
                continue
            info = self._lib.ngGet_Vec_Info(f"{plot}.{spelt}".encode())
            if info != self._null and info.v_realdata != self._null:
                vectors[name] = bytes(self._ffi.buffer(info.v_realdata, 8 * info.v_length))
        return vectors

    def _text(self, chars) -> str:
        return self._ffi.string(chars).decode("utf-8", "replace")


def _load(ffi, names: list[str]) -> str:
    """The first of `names` that loads. `find_library` comes last: it runs other programs (50 ms)."""
    tried = []
    for name in names:
        try:
            ffi.dlopen(name)
            return name
        except OSError:
            tried.append(name)
    if len(names) > 1:
        found = ctypes.util.find_library("ngspice")
        if found:
            try:
                ffi.dlopen(found)
                return found
            except OSError:
                tried.append(found)
    raise LibraryMissing(", ".join(tried))


def _mapped_file(path: str) -> str:
    """The file behind a library's short name, where the system tells (Linux)."""
    try:
        with open("/proc/self/maps", encoding="utf-8", errors="replace") as maps:
            for line in maps:
                file = line.rstrip("\n").partition("/")[2]
                if "ngspice" in os.path.basename(file) and ".so" in file:
                    return "/" + file
    except OSError:
        pass  # no /proc here: the short name must do
    return path
