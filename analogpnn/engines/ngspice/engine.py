"""The engine that is ngspice itself."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from weakref import WeakSet

import numpy as np

from analogpnn.circuit.boundary import Boundary, Clamp, Free, Inject
from analogpnn.circuit.circuit import Circuit
from analogpnn.circuit.operating_point import OperatingPoint
from analogpnn.circuit.sweep import Sweep, sweep
from analogpnn.circuit.waveforms import Waveforms
from analogpnn.engines.arguments import prepare
from analogpnn.engines.ngspice import pool, words
from analogpnn.errors import AnalogError, ConvergenceError, SimulatorError

KLU_NODES = 200  # from here on KLU beats SPARSE in a sweep
NUMBERS_PER_DECK = 2_000_000  # what ngspice keeps of one sweep: 16 MB
SAMPLES_PER_DECK = 500  # a source interpolated at sample k is off by k roundings
# KLU keeps its pivots from sample to sample and fails on some circuits with diodes where SPARSE does not; then it is
# to fail quickly, and is believed only where Newton's method alone found every sample.
_KLU: dict[str, float | None] = {"klu": None, "itl1": 100.0, "itl2": 100.0, "gminsteps": 0.0, "srcsteps": 0.0}
_not_for_klu: WeakSet[Circuit] = WeakSet()
LOOSE = {"reltol": 1e-9, "vntol": 1e-12, "abstol": 1e-15}  # where the tolerances asked for can't be met
SAMPLES_PER_WORKER = 8  # fewer are not worth loading the deck in one more worker


@dataclass(frozen=True)
class Ngspice:
    """Operating points by ngspice, in worker processes.

    Solves the same equations as `Newton`: Kirchhoff's laws with the devices' own laws,
    ``A^T i(A v; theta) = j``, by ngspice's modified nodal analysis. A batch is one deck and one sweep.

    Parameters
    ----------
    workers : int
        Processes that may work at the same time.
    library : str, optional
        The shared library's file; found by itself if not given (environment NGSPICE_LIBRARY_PATH, then
        ``libngspice.so.0`` and its like).
    reltol : float
        Relative tolerance. An answer of a sweep is off by about half of it, so the default is far tighter
        than ngspice's own 1e-3 and costs one iteration more. Below 1e-15 ngspice no longer converges.
    vntol, abstol : float
        Absolute tolerances [V], [A].
    max_steps : int
        Newton iterations for one point (ngspice's itl1 and itl2).
    timeout : float
        Seconds without a sign of progress (a sample of the sweep done, say) before the worker is ended.
    klu : bool, optional
        Whether to use the KLU solver, where the build has it; by default for circuits of 200 nodes and more.
        Where KLU has difficulties, SPARSE does the circuit from then on.

    Examples
    --------
    >>> from analogpnn.netlist.netlist import Netlist
    >>> text = '''divider
    ... *@ input V1
    ... *@ output v(out)
    ... V1 in 0 1
    ... R1 in out 10k
    ... R2 out 0 10k
    ... '''
    >>> circuit = Circuit.from_netlist(Netlist.from_text(text))
    >>> engine = Ngspice(workers=2)
    >>> engine.equilibrium(circuit, circuit.theta, [[1.0], [3.0]]).outputs    # doctest: +SKIP
    array([[0.5],
           [1.5]])
    """

    workers: int = 1
    library: str | None = None
    reltol: float = 1e-11
    vntol: float = 1e-14
    abstol: float = 1e-17
    max_steps: int = 1000
    timeout: float = 60.0
    klu: bool | None = None

    def info(self) -> pool.Info:
        """Which ngspice this is: library, version, KLU or not."""
        return pool.info(self.library)

    def equilibrium(
        self,
        circuit: Circuit,
        theta: np.ndarray | None = None,
        inputs: np.ndarray | None = None,
        boundary: Boundary = Free(),  # noqa: B008  (frozen, without fields)
        start: OperatingPoint | None = None,
    ) -> OperatingPoint:
        """Find where the circuit settles.

        Parameters
        ----------
        circuit : Circuit
        theta : ndarray, shape (..., n_trainable), optional
            [S], [V], ... as each trainable declares; the circuit's own by default. One deck is loaded for
            each theta.
        inputs : ndarray, shape (..., n_inputs), optional
            [V] or [A]; the values on the cards by default. Leading axes of theta, inputs and boundary
            broadcast.
        boundary : Free, Clamp or Inject
            What is imposed on the outputs.
        start : OperatingPoint, optional
            Where to look first. Each sample then starts from the one before it, as in any sweep.

        Returns
        -------
        OperatingPoint

        Raises
        ------
        ConvergenceError
            Naming the first sample without an operating point.
        SimulatorError
            ngspice is missing, refuses the deck, dies or takes too long.
        """
        theta, inputs, boundary, batch = prepare(circuit, theta, inputs, boundary)
        imposed = _imposed(boundary)
        n = int(np.prod(batch, dtype=int))
        flat_inputs = _flatten(inputs, batch)
        flat_imposed = None if imposed is None else _flatten(imposed, batch)
        flat_start = None
        if start is not None:
            flat_start = _flatten(np.asarray(start.node_voltages, dtype=float), batch)
        found = np.empty((n, circuit.n_unknowns))

        def solve(job: tuple[np.ndarray, np.ndarray]) -> AnalogError | None:
            parameters, samples = job
            part = None if flat_imposed is None else flat_imposed[samples]
            first = None if flat_start is None else flat_start[samples[0]]
            try:
                found[samples] = self._sweep(
                    circuit, parameters, flat_inputs[samples], _with(boundary, part), first, samples
                )
            except AnalogError as error:
                return error
            return None

        errors = [e for e in _each(solve, self._jobs(circuit, theta, batch), self.workers) if e is not None]
        if errors:
            raise min(errors, key=_place)
        unknowns = found.reshape(*batch, circuit.n_unknowns)
        volts, amps = unknowns[..., : circuit.n_nodes], unknowns[..., circuit.n_nodes :]
        return OperatingPoint(circuit, theta, inputs, boundary, volts, amps)

    def simulate(
        self,
        circuit: Circuit,
        theta: np.ndarray | None = None,
        inputs: np.ndarray | None = None,
        *,
        stop: float,
        step: float | None = None,
        times: np.ndarray | None = None,
        initial: str = "op",
        boundary: Boundary = Free(),  # noqa: B008  (frozen, without fields)
        max_step: float = 0.0,
        **options: float,
    ) -> Waveforms:
        """A transient at given times; arguments as of `Transient.simulate`.

        Parameters
        ----------
        max_step : float
            Longest step of ngspice [s]; a 4000th of the run by default.
        **options
            ngspice's own (reltol, trtol, ...), in place of the tight ones that are the default here.
        """
        from analogpnn.engines.ngspice import transient

        return transient.simulate(self, circuit, theta, inputs, stop, step, times, initial, boundary, max_step, options)

    def _jobs(self, circuit: Circuit, theta: np.ndarray, batch: tuple[int, ...]):
        """(theta of one deck, numbers of its samples), cut so that all workers have something to do."""
        n = int(np.prod(batch, dtype=int))
        if not n:
            return []
        members = int(np.prod(theta.shape[:-1], dtype=int))
        rows = theta.reshape(members, theta.shape[-1])
        which = np.broadcast_to(np.arange(members).reshape(theta.shape[:-1]), batch).reshape(n)
        limit = max(1, min(SAMPLES_PER_DECK, NUMBERS_PER_DECK // max(1, circuit.n_unknowns)))
        jobs = []
        for member in range(members):
            samples = np.flatnonzero(which == member) if members > 1 else np.arange(n)
            if not len(samples):
                continue
            parts = -(-len(samples) // limit)
            if members < self.workers:
                wanted = min(-(-self.workers // members), len(samples) // SAMPLES_PER_WORKER)
                parts = max(parts, wanted)
            jobs += [(rows[member], part) for part in np.array_split(samples, parts)]
        return jobs

    def _sweep(self, circuit, theta, inputs, boundary, start, samples) -> np.ndarray:
        """One deck: (len(samples), n_unknowns)."""
        worker = pool.acquire(self.library)

        def run(**how) -> tuple[np.ndarray, pool.Answer]:
            deck = sweep(circuit, theta, inputs, boundary, start=start, **how)
            return self._run(worker, deck, samples)

        try:
            if worker.info.klu and self._suits_klu(circuit):
                try:
                    values, answer = run(options=self._options() | _KLU)
                    if not words.has_pseudo_transient(answer.running):
                        return values
                except ConvergenceError:
                    pass  # SPARSE's turn
                _not_for_klu.add(circuit)
            try:
                values, answer = run(options=self._options())
            except ConvergenceError:
                # The junctions of Q and J are also judged by their currents, whose rounding exceeds 1e-11.
                if all(card.letter not in "qj" for card in circuit.flat.cards):
                    raise
                values, answer = run(options={k: max(v, LOOSE.get(k, v)) for k, v in self._options().items()})
            if words.has_pseudo_transient(answer.running) and len(samples) > 1:
                values, _ = run(options=self._options(), twice=True)
            return values
        finally:
            pool.release(worker, self.library)

    def _suits_klu(self, circuit: Circuit) -> bool:
        wanted = circuit.n_nodes >= KLU_NODES if self.klu is None else self.klu
        return wanted and circuit not in _not_for_klu

    def _run(self, worker: pool.Worker, deck: Sweep, samples: np.ndarray) -> tuple[np.ndarray, pool.Answer]:
        names = [*deck.nodes, *deck.sources]
        try:
            answer = worker.job(deck.lines, names, self.timeout)
        except pool.WorkerDied as death:
            raise words.died(death.how, death.words, deck) from None
        return _read(answer, deck, names, samples), answer

    def _options(self) -> dict[str, float]:
        steps = float(self.max_steps)
        return {
            "reltol": self.reltol, "vntol": self.vntol, "abstol": self.abstol, "itl1": steps, "itl2": steps,
        }  # fmt: skip


def _read(answer: pool.Answer, deck: Sweep, names: list[str], samples: np.ndarray) -> np.ndarray:
    """The answer's numbers, (len(samples), len(names)), or the error that explains why there are none."""
    said = [*answer.loading, *answer.running]
    if not answer.plot and not any("aborted" in word for word in answer.running):
        raise words.refused(said, deck)
    found = max((len(v) for v in answer.vectors.values()), default=0)
    if names and found <= deck.points[-1]:
        raise words.unsolved(answer.running, found, samples, deck)
    node = words.floating(answer.running)
    if node is not None:
        node = deck.spelt.get(node, node)
        raise ConvergenceError(
            f"no unique operating point: ngspice's matrix is singular at '{node}'",
            node=node, cure="Check that every node has a DC path to ground.",
        )  # fmt: skip
    missing = [name for name in names if name not in answer.vectors]
    if missing:
        raise SimulatorError(
            f"ngspice gave no '{missing[0]}'", text=words.essence(said, deck.spelt) or None,
            cure="This is a fault of the deck writer or of this ngspice's version; please report it.",
        )  # fmt: skip
    if not names:
        return np.empty((len(samples), 0))
    values = np.array([answer.vectors[name] for name in names]).T[list(deck.points)]
    bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if len(bad):
        raise ConvergenceError(
            f"ngspice's answer is not a number: sample {samples[bad[0]]}", sample=int(samples[bad[0]])
        )
    return values


def _each(function: Callable, jobs: list, workers: int) -> list:
    if workers <= 1 or len(jobs) <= 1:
        return [function(job) for job in jobs]
    with ThreadPoolExecutor(min(workers, len(jobs))) as threads:
        return list(threads.map(function, jobs))


def _place(error: AnalogError) -> float:
    sample = getattr(error, "sample", None)
    return -1.0 if sample is None else float(sample)


def _flatten(array: np.ndarray, batch: tuple[int, ...]) -> np.ndarray:
    return np.broadcast_to(array, (*batch, array.shape[-1])).reshape(int(np.prod(batch, dtype=int)), array.shape[-1])


def _imposed(boundary: Boundary) -> np.ndarray | None:
    if isinstance(boundary, Clamp):
        return boundary.voltages
    return boundary.currents if isinstance(boundary, Inject) else None


def _with(boundary: Boundary, values: np.ndarray | None) -> Boundary:
    if isinstance(boundary, Clamp | Inject) and values is not None:
        return type(boundary)(values)
    return boundary
