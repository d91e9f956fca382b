"""Worker processes: started when needed, kept for the next job, replaced when they die.

A bad deck can abort or poison libngspice for good, and one libngspice holds one circuit: so each lives in a
process of its own. Idle workers are shared by all engines that use the same library, and end with this
process.
"""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from analogpnn.engines.ngspice import wire
from analogpnn.errors import SimulatorError

STARTING = 60.0  # seconds a new worker may take to import PySpice and load the library
_ROOT = str(Path(__file__).resolve().parents[3])  # the folder that holds the package, installed or not
_idle: dict[tuple[int, str | None], list[Worker]] = {}
_lock = threading.Lock()


@dataclass(frozen=True)
class Info:
    """Which ngspice it is.

    Attributes
    ----------
    library : str
        The shared library's file.
    version : int or None
        ngspice's major version.
    klu : bool
        Whether the build has the KLU solver, several times faster than SPARSE from some hundred nodes on.
    """

    library: str
    version: int | None
    klu: bool

    def __str__(self) -> str:
        return f"ngspice {self.version or '(version unknown)'}{' with KLU' if self.klu else ''}, {self.library}"


@dataclass(frozen=True, eq=False)
class Answer:
    """What ngspice gave for one deck: its vectors, and its words while loading and while running."""

    plot: str
    vectors: dict[str, np.ndarray] = field(repr=False)
    loading: tuple[str, ...]
    running: tuple[str, ...]


class WorkerDied(Exception):
    """The process ended during a job; carries how, and its last words."""

    def __init__(self, how: str, words: Sequence[str]):
        super().__init__(how)
        self.how, self.words = how, tuple(words)


class _Watch:
    """Calls `expire` once nothing has touched it for `timeout` seconds.

    Ending the process wakes the read that waits for it, on every system; `select` on pipes is not everywhere.
    """

    def __init__(self, expire: Callable[[], None], timeout: float):
        self._expire, self._timeout = expire, timeout
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.expired = False

    def touch(self) -> None:
        self._deadline = time.monotonic() + self._timeout

    def _run(self) -> None:
        while (left := self._deadline - time.monotonic()) > 0:
            if self._over.wait(left):
                return
        self.expired = True
        self._expire()

    def __enter__(self) -> _Watch:
        self.touch()
        self._thread.start()
        return self

    def __exit__(self, *error) -> None:
        self._over.set()


class Worker:
    """A running worker process."""

    def __init__(self, library: str | None):
        self._folder = tempfile.mkdtemp(prefix="analogpnn-")
        self._words = tempfile.TemporaryFile()
        program = [sys.executable, "-P", "-m", "analogpnn.engines.ngspice.worker", self._folder]
        path = os.pathsep.join(filter(None, [_ROOT, os.environ.get("PYTHONPATH")]))
        # One thread is all that NumPy, which comes with PySpice, needs there.
        environment = {**os.environ, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1"}
        pipe = subprocess.PIPE
        program += [library] if library else []
        self._process = subprocess.Popen(program, stdin=pipe, stdout=pipe, stderr=self._words, env=environment)
        assert self._process.stdin is not None and self._process.stdout is not None
        self._to, self._from = cast(BinaryIO, self._process.stdin), cast(BinaryIO, self._process.stdout)
        self.alive = True
        try:
            hello, _ = self._exchange(None, STARTING)
        except WorkerDied as death:
            raise SimulatorError(
                f"the ngspice worker could not start: {death.how}", text="\n  ".join(death.words) or None
            ) from None
        except BaseException:
            self.close()
            raise
        if "library" not in hello:
            self.close()
            raise _unusable(hello)
        self.info = Info(hello["library"], hello["version"], hello["klu"])

    @property
    def pid(self) -> int:
        return self._process.pid

    def job(self, lines: Sequence[str], names: Sequence[str] | None, timeout: float) -> Answer:
        """Run one deck; `WorkerDied` if that ended the process, or nothing moved for `timeout` seconds."""
        self._words.seek(0)  # both processes write through one file position
        self._words.truncate()
        try:
            header, data = self._exchange({"lines": list(lines), "names": names and list(names)}, timeout)
        except BaseException:
            # After a Ctrl-C between question and answer the answer would be taken for the next job's.
            self.close()
            raise
        if header["finished"]:
            self.close()
        found = header["names"]
        values = np.frombuffer(data, dtype="<f8").reshape(len(found), -1 if found else 0)
        vectors = dict(zip(found, values))
        return Answer(header["plot"], vectors, tuple(header["loading"]), tuple(header["running"]))

    def _exchange(self, header: dict | None, timeout: float) -> tuple[dict, bytes]:
        with _Watch(self._process.kill, timeout) as watch:
            try:
                if header is not None:
                    wire.send(self._to, header)
                while True:
                    answer, data = wire.receive(self._from)
                    if "progress" not in answer:
                        return answer, data
                    watch.touch()
            except (EOFError, OSError):
                status = self._process.wait()
                how = f"no progress within {timeout:g} s" if watch.expired else _ending(status)
        words = self._last_words()
        self.close()
        raise WorkerDied(how, words)

    def _last_words(self) -> list[str]:
        self._words.seek(0)
        return self._words.read().decode("utf-8", "replace").splitlines()[-40:]

    def close(self) -> None:
        """End the process and remove its folder."""
        if self.alive:
            self.alive = False
            self._process.kill()
            self._process.wait()
            for stream in (self._to, self._from, self._words):
                try:
                    stream.close()
                except OSError:
                    pass  # a pipe to a dead process can't be flushed
            shutil.rmtree(self._folder, ignore_errors=True)


def _ending(status: int) -> str:
    if status < 0:
        return f"killed by signal {-status}"
    return f"exit status {status}"


def _unusable(hello: dict) -> SimulatorError:
    if "missing" in hello:
        return SimulatorError(
            f"libngspice was not found (tried: {hello['missing']})",
            cure="Install it (Debian, Ubuntu: apt-get install libngspice0; macOS: brew install libngspice; "
            "conda: ngspice-lib), or name its file in the environment variable NGSPICE_LIBRARY_PATH; "
            "or use the fast engine.",
        )
    return SimulatorError(
        hello.get("unusable", "the ngspice worker could not start"),
        cure="pip install PySpice, or use the fast engine.",
    )


def acquire(library: str | None) -> Worker:
    """An idle worker, or a new one."""
    while True:
        with _lock:
            # Keyed by process: after a fork the parent's pipes must not be used by two.
            idle = _idle.setdefault((os.getpid(), library), [])
            worker = idle.pop() if idle else None
        if worker is None:
            return Worker(library)
        if worker._process.poll() is None:
            return worker
        worker.close()  # died while idle, through no deck of ours


def release(worker: Worker, library: str | None) -> None:
    """Give a worker back for the next job (a dead one is dropped)."""
    if worker.alive:
        with _lock:
            _idle.setdefault((os.getpid(), library), []).append(worker)


def close() -> None:
    """End all idle workers of this process."""
    with _lock:
        mine = [key for key in _idle if key[0] == os.getpid()]
        workers = [worker for key in mine for worker in _idle.pop(key)]
    for worker in workers:
        worker.close()


atexit.register(close)


def info(library: str | None = None) -> Info:
    """Which ngspice is found: its file, version, and whether it has KLU.

    Raises
    ------
    SimulatorError
        None is found; says how to get one.
    """
    worker = acquire(library)
    release(worker, library)
    return worker.info


def run(lines: Sequence[str], names: Sequence[str] | None = None, *, library=None, timeout=60.0) -> Answer:
    """Run one deck in a worker, exactly as written.

    Parameters
    ----------
    lines : sequence of str
        Title first, ``.end`` last.
    names : sequence of str, optional
        Vectors wanted; all by default.

    Raises
    ------
    WorkerDied
        Through this deck, or `timeout` seconds after the last sign of progress.
    """
    worker = acquire(library)
    try:
        return worker.job(lines, names, timeout)
    finally:
        release(worker, library)
