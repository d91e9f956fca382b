"""The worker process: one libngspice, deck after deck, until its standard input ends.

Started by `pool` as a program of its own, not by `multiprocessing`, whose spawn runs the user's script again.

Standard output carries messages (see `wire`); standard error goes to a file that the parent shows if this
process dies. Every word of ngspice is put there as it comes: a library that aborts leaves its last words.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import sys
from typing import BinaryIO

from analogpnn.engines.ngspice import wire
from analogpnn.engines.ngspice.library import Library, LibraryMissing


def main(folder: str, library: str | None) -> None:
    """Serve jobs from the empty `folder`: ngspice runs any `.spiceinit` of its working or home folder."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle: it ends us
    jobs, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a stray printf of the library must not end up among the messages
    try:
        spice = _start(folder, library)
    except LibraryMissing as missing:
        wire.send(answers, {"missing": str(missing)})
        return
    except ImportError as missing:
        wire.send(answers, {"unusable": f"PySpice can't be imported: {missing}"})
        return
    wire.send(answers, {"library": spice.path, "version": spice.version, "klu": spice.klu})
    spice.answers = answers
    while not spice.finished:
        try:
            job, _ = wire.receive(jobs)
        except EOFError:  # the parent has ended, perhaps without time to clear up
            os.chdir(os.path.dirname(folder))
            shutil.rmtree(folder, ignore_errors=True)
            return
        run = spice.run(job["lines"], job["names"])
        header = {
            "plot": run.plot,
            "names": list(run.vectors),
            "loading": run.loading,
            "running": run.running,
            "finished": spice.finished,
        }
        wire.send(answers, header, b"".join(run.vectors.values()))


class _Heard(Library):
    """Every word goes to standard error as well, every sign of progress to the parent."""

    answers: BinaryIO | None = None

    def progress(self, message: str) -> None:
        if self.answers is not None:
            wire.send(self.answers, {"progress": message})

    def hear(self, message: str) -> None:
        super().hear(message)
        os.write(2, self.words[-1].encode("utf-8", "replace") + b"\n")


def _start(folder: str, library: str | None) -> _Heard:
    # PySpice logs every note of ngspice as an error; we keep the words ourselves.
    logging.disable(logging.CRITICAL)
    # Before HOME moves: PySpice may live in the user's own site-packages.
    import PySpice.Spice.NgSpice.Shared  # noqa: F401

    os.chdir(folder)
    for name in ("HOME", "USERPROFILE", "SPICE_USERINIT_DIR", "SPICE_LIB_DIR"):
        os.environ[name] = folder  # no start-up file of anybody's: the same deck means the same everywhere
    return _Heard(library)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None)
