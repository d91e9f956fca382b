"""Readers under random input: what they are given, and what may come out.

A target takes bytes and may raise an `AnalogError`; anything else is a failure, and so is a run that takes more than
`SLOW` seconds of the processor, or `STUCK` of the clock (on a busy machine a quick run may wait long).
"""

from __future__ import annotations

import hashlib
import io
import random
import signal
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from itertools import accumulate
from pathlib import Path

from analogpnn.circuit.circuit import Circuit
from analogpnn.circuit.deck import deck
from analogpnn.circuit.lint import lint
from analogpnn.errors import AnalogError
from analogpnn.expression import evaluate, format_expression, parse, to_sympy
from analogpnn.netlist.includes import decode
from analogpnn.netlist.netlist import Netlist

ROOT = Path(__file__).resolve().parent.parent
SLOW, STUCK = 5.0, 60.0
TIMERS = (signal.SIGPROF, signal.ITIMER_PROF, SLOW), (signal.SIGALRM, signal.ITIMER_REAL, STUCK)
LONGEST, SHORT = 4000, 100

WORDS = [
    b".param ",
    b".subckt ",
    b".ends\n",
    b".model ",
    b".if ",
    b".else\n",
    b".elseif (1)\n",
    b".endif\n",
    b".lib x y\n",
    b".endl\n",
    b".include ",
    b".func f(x) ",
    b".options ",
    b".ic v(a)=1\n",
    b"*@ train R* min=1u max=1\n",
    b"*@ input V*\n",
    b"*@ output v(a)\n",
    b"poly(2)",
    b"table {v(a)} = (0,0)(1,1)",
    b"pwl(",
    b"v(a,b)",
    b"i(v1)",
    b"{",
    b"}",
    b"'",
    b'"',
    b"(",
    b")",
    b"=",
    b"+",
    b"\n+",
    b"*",
    b";",
    b"$ ",
    b"//",
    b"1e999",
    b"-1",
    b"0",
    b"1Meg",
    b"4k7",
    b"1e-400",
    b"nan",
    b"inf",
    b"?",
    b":",
    b"&&",
    b"**",
    b"^",
    b"\x00",
    b"\xff",
    b"\r\n",
    b"\t",
    b"m=1e308",
    b"temp=-273.15",
    b"x1 a b s\n",
    b"1/0",
    b"sqrt(-1)",
    b"exp(1e9)",
    b"[train]\n",
    b"seed = 1\n",
    b"rule = {name = 'x'}\n",
    b"= [",
    b"1_000",
    b"2026-01-01",
    b"\xe2\x80\xa8",
]


def netlist(data: bytes) -> None:
    """Read, look over, flatten, compile, write."""
    text = decode(data)[0]
    source = Netlist.from_text(text, path=str(ROOT / "tests" / "decks" / "fuzz.cir"))
    assert source.text == text
    lint(source)
    circuit = Circuit.from_netlist(source)
    deck(circuit)


def expression(data: bytes) -> None:
    """Parse, evaluate, translate, write."""
    tree = parse(decode(data)[0])
    try:
        evaluate(tree, {"a": 0.5, "x": -2.0, "vt": 0.025})
    except AnalogError:
        pass
    if len(data) < 200:  # sympy's own simplifications may take their time
        format_expression(to_sympy(tree, []))


def experiment(data: bytes) -> None:
    """Read and check an experiment file."""
    from analogpnn.experiments.experiment import Experiment

    with tempfile.NamedTemporaryFile(suffix=".toml") as file:
        file.write(data)
        file.flush()
        Experiment.from_file(file.name)


def checkpoint(data: bytes) -> None:
    """Load a checkpoint."""
    from analogpnn.training.checkpoint import load

    with tempfile.NamedTemporaryFile(suffix=".npz") as file:
        file.write(data)
        file.flush()
        load(file.name)


TARGETS: dict[str, Callable[[bytes], None]] = {
    "netlist": netlist, "expression": expression, "experiment": experiment, "checkpoint": checkpoint,
}  # fmt: skip
_EXPRESSIONS = [
    b"{2*(w + 1k)}",
    b"i0*(exp(v(a,k)/vt) - 1)",
    b"v(a)>0.3 ? 1 : -x^2",
    b"if(a,pwl(x,0,0,1,1),min(1,2,x))",
    b"-2^3**0.5%3",
    b"!(a && x || 1e3k==2) + nint(2.5)",
    b"u(v(a))*table",
    b"pwr(x,1.5)+pow(a,-1)",
    b"atan2(x,a)*sgn(time)+temper",
    b"4k7+1Meg",
]


def seeds(name: str) -> list[bytes]:
    """Inputs to start from: of tests/fuzz/<target>, and what the repository has of that kind."""
    own = [path.read_bytes() for path in sorted((ROOT / "tests" / "fuzz" / name).glob("*"))]
    if name == "netlist":
        paths = [*sorted((ROOT / "tests" / "decks").glob("*.cir")), *sorted((ROOT / "netlists").glob("*.cir"))]
        return own + [path.read_bytes()[:LONGEST] for path in paths]
    if name == "expression":
        return own + _EXPRESSIONS
    if name == "experiment":
        return own + [path.read_bytes() for path in sorted((ROOT / "netlists").glob("*.toml"))]
    return [*own, *_checkpoints()]


def _checkpoints() -> list[bytes]:
    import numpy as np

    buffer = io.BytesIO()
    about = '{"format": "analogpnn checkpoint 1", "epoch": 3, "seed": 0}'
    np.savez(buffer, theta=np.ones(3), about=np.array(about))
    return [buffer.getvalue(), b"PK\x03\x04", b""]


class _TooSlow(BaseException):
    """Not an Exception, so that nobody catches it on its way."""


_stopped = [False]


def _stop(number, frame):
    # A process that was stopped for a while finds the clock run out, and gets another turn.
    if number == signal.SIGALRM and not _stopped[0]:
        _stopped[0] = True
        signal.setitimer(signal.ITIMER_REAL, STUCK)
        return
    raise _TooSlow


class Fuzzer:
    """Mutates seeds of one target and watches what its reader does."""

    def __init__(self, name: str, seed: int = 0, keep: Path | None = None):
        self.name, self.target, self.keep = name, TARGETS[name], keep
        self.rng = random.Random(f"{name} {seed}")
        self.pool = seeds(name)
        # Short seeds more often: they are read faster, and a mutation more often hits what matters.
        self.weights = list(accumulate(1.0 / (SHORT + len(data)) for data in self.pool))
        self.executions, self.seconds, self.slowest = 0, 0.0, 0.0
        self.failures: list[str] = []
        self._seen: set[str] = set()

    def corpus(self) -> Path:
        """A folder with the seeds, for a fuzzer that wants files."""
        folder = Path(tempfile.mkdtemp(prefix="corpus-"))
        for k, data in enumerate(self.pool):
            (folder / f"{k}").write_bytes(data)
        return folder

    def run(self, seconds: float, executions: int = 0) -> None:
        """Seeds as they are, then mutations, until the time (or the number) is used up."""
        warnings.simplefilter("ignore")
        started = time.perf_counter()
        todo = list(self.pool)
        while time.perf_counter() - started < seconds and not (executions and self.executions >= executions):
            self.execute(todo.pop() if todo else self.mutate())
        self.seconds = time.perf_counter() - started

    def execute(self, data: bytes) -> None:
        """One run; failures are recorded, each kind once."""
        self.executions += 1
        before, _stopped[0] = time.process_time(), False
        for sent, timer, seconds in TIMERS:
            signal.signal(sent, _stop)
            signal.setitimer(timer, seconds)
        try:
            self.target(data)
        except AnalogError as error:
            assert str(error)
        except _TooSlow as error:
            trace = traceback.extract_tb(error.__traceback__)
            frames = [f for f in trace if "analogpnn" in f.filename] or trace
            self._fail(f"a hang at {Path(frames[-1].filename).name}:{frames[-1].lineno}", data)
        except Exception as error:
            frame = traceback.extract_tb(error.__traceback__)[-1]
            self._fail(f"{type(error).__name__}: {error} at {Path(frame.filename).name}:{frame.lineno}"[:160], data)
        finally:
            for _, timer, _ in TIMERS:
                signal.setitimer(timer, 0)
        spent = time.process_time() - before
        self.slowest = max(self.slowest, spent)

    def execute_or_raise(self, data: bytes) -> None:
        try:
            self.target(bytes(data))
        except AnalogError:
            pass

    def _fail(self, what: str, data: bytes) -> None:
        kind = what.split(" at ")[-1]
        if kind in self._seen:
            return
        self._seen.add(kind)
        name = ""
        if self.keep is not None:
            self.keep.mkdir(parents=True, exist_ok=True)
            path = self.keep / f"{self.name}-{hashlib.sha256(data).hexdigest()[:12]}"
            path.write_bytes(data)
            name = f" ({path})"
        self.failures.append(what + name)

    def mutate(self) -> bytes:
        """A seed with a few changes."""
        rng = self.rng
        data = bytearray(rng.choices(self.pool, cum_weights=self.weights)[0])
        for _ in range(rng.choice((1, 1, 2, 3, 5, 8))):
            at = rng.randrange(len(data) + 1)
            end = min(len(data), at + rng.choice((1, 1, 2, 4, 10, 40)))
            choice = rng.randrange(7)
            if choice == 0:
                del data[at:end]
            elif choice == 1:
                data[at:at] = rng.choice(WORDS)
            elif choice == 2:
                data[at:end] = rng.choice(WORDS)
            elif choice == 3:
                data[at:at] = data[at:end] * rng.choice((1, 2, 30))
            elif choice == 4 and data:
                data[min(at, len(data) - 1)] = rng.randrange(256)
            elif choice == 5:  # lines of two seeds
                other = rng.choice(self.pool).splitlines(keepends=True)
                data[at:at] = b"".join(other[k] for k in sorted(rng.sample(range(len(other)), min(3, len(other)))))
            else:
                lines = bytes(data).splitlines(keepends=True)
                rng.shuffle(lines)
                data = bytearray(b"".join(lines))
            del data[LONGEST:]
        return bytes(data)
