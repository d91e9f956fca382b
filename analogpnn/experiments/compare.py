"""The same circuit and task under several training methods, each at its own best rate, with what it cost the physics.

For every rule: a search for its rate (the same number of short runs for each), then one run per seed in a run directory
of its own. What is there already is not run again.
"""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from analogpnn.errors import AnalogError, ExperimentError
from analogpnn.experiments import report, rundir
from analogpnn.experiments.experiment import Experiment
from analogpnn.experiments.fitting import Fitting, nudge_name, nudge_of, scaled
from analogpnn.experiments.gradient_check import alike, exact_gradient, first_update
from analogpnn.experiments.rundir import Run
from analogpnn.experiments.running import COUNTED
from analogpnn.experiments.workers import Pool

TRIALS = 5
"""Rates tried for each rule, by default."""
SHARE = 0.5
"""Length of a trial, as a share of the epochs."""
DECADES = 2.0
"""Width of the search: rates from a tenth to ten times the first guess."""

Progress = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Comparison:
    """What `compare` found.

    Parameters
    ----------
    directory : Path
    rows : list of dict
        One per rule, in the order they were asked for; see `compare`.
    budget : str
        How the rates were found, in words.
    """

    directory: Path
    rows: list[dict[str, Any]]
    budget: str


def compare(
    experiment: Experiment,
    rules: Sequence[Any],
    *,
    seeds: int = 1,
    trials: int = TRIALS,
    workers: int = 1,
    out: str | Path | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Train by every rule, with the same seeds, each at the best of the same number of rates.

    Nudges do to the outputs what the experiment's own rule does (`Fitting`); the first guess of a rate makes the first
    step as long as the experiment's own. Then `trials` rates on a logarithmic grid about the guess run for half of
    the epochs with the first seed, and that with the lowest training loss is taken.

    Parameters
    ----------
    experiment : Experiment
    rules : sequence of str or table
    seeds : int
        Runs per rule: seeds s, s + 1, ... from the experiment's own s. With an imperfect engine they are other copies
        of the hardware too.
    trials : int
        Rates tried for each rule; 1 takes the guess.
    workers : int
        Processes.
    out : path, optional
        Where everything goes; ``runs/<name>-compare`` by default. Finished runs in it are kept, unfinished ones gone on
        with.
    progress : callable, optional
        Called with lines of text.

    Returns
    -------
    Comparison
        Rows hold `rule`, `seeds`, `failed`, `test_loss` and, for a classification, `test_accuracy` (means over the
        seeds), `*_spread` (standard deviations), `*_each` (of those that finished), `train_loss`, `epochs`, `rate`,
        `nudge`, `cosine` (of the first update with the exact gradient), `wall_seconds`, `physical` (means over the
        seeds).
    """
    if not rules:
        raise ExperimentError("no rules to compare", cure="--rules coupled-learning,spsa")
    for name, value in (("seeds", seeds), ("trials", trials), ("workers", workers)):
        if value < 1:
            raise ExperimentError(f"{name} must be at least 1, not {value}")
    experiment.check()
    directory = Path(out) if out is not None else Path("runs") / f"{experiment.name}-compare"
    directory.mkdir(parents=True, exist_ok=True)
    rundir.remove_leftovers(directory)
    say = progress or (lambda text: None)
    contenders = _contenders(experiment, rules)
    epochs = int(experiment.table["train"]["epochs"])
    short = max(1, math.ceil(SHARE * epochs))
    budget = "rates: the first guess of each"
    if trials > 1:
        seed = experiment.table["seed"]
        budget = f"rates: best of {trials} by training loss after {short} of {epochs} epochs, seed {seed}"
    with Pool(workers) as pool:
        _tune(pool, experiment, contenders, directory, trials, short, say)
        jobs = {}
        for contender in contenders:
            for k in range(seeds):
                job = _job(experiment, contender, contender["rate"], epochs, k)
                job["out"] = str(directory / contender["label"] / f"seed{job['table']['seed']}")
                jobs[contender["label"], k] = job
        runs = pool.map(_train, jobs, lambda key, found: say(_line(key[0], jobs[key], found)))
    fitting = Fitting(experiment)
    exact = -exact_gradient(fitting)
    rows = []
    for c in contenders:
        row = _row(c, [runs[c["label"], k] for k in range(seeds)])
        rows.append({**row, "cosine": _cosine(fitting, c["fitted"], exact)})
    comparison = Comparison(directory, rows, budget)
    _write(comparison, experiment.name)
    return comparison


def _contenders(experiment: Experiment, rules: Iterable[Any]) -> list[dict[str, Any]]:
    """Each rule with its nudge and the first guess of its rate, as tables of an experiment file."""
    fitting = Fitting(experiment)
    found: list[dict[str, Any]] = []
    for spec in rules:
        name = str(spec["name"]) if isinstance(spec, Mapping) else str(spec)
        rule = fitting.rule(spec)
        own = experiment.table["rule"]
        same = isinstance(spec, str) and isinstance(own, Mapping) and own.get("name") == name
        table = dict(own) if same else dict(spec) if isinstance(spec, Mapping) else {"name": name}
        nudge = nudge_name(rule)
        if nudge is not None and not same and not hasattr(rule, "rule"):
            table[nudge] = nudge_of(rule)
        taken = [c["label"] for c in found]
        label = name.replace(":", "-")
        while label in taken:
            label += "-again"
        found.append(
            {"rule": name, "label": label, "table": table, "fitted": rule, "nudge": nudge_of(rule)}
            | {"guess": _guess(fitting, rule), "rate": None}
        )
    return found


def _guess(fitting: Fitting, rule: Any) -> Any:
    try:
        return fitting.rate(rule)
    except AnalogError:  # its runs will say so, each in its own record
        return fitting.experiment.table["train"]["rate"]


def _cosine(fitting: Fitting, rule: Any, exact: np.ndarray) -> float | None:
    """Of the first update with minus the exact gradient; None if there is none, or it is no direction."""
    if type(rule).__name__ == "CMAES":
        return None
    try:
        return alike(first_update(fitting, rule), exact)["cosine"]
    except AnalogError:
        return None


def _job(experiment: Experiment, contender: Mapping[str, Any], rate: Any, epochs: int, k: int) -> dict[str, Any]:
    """One run as plain values that another process can take."""
    table = copy.deepcopy({key: value for key, value in experiment.table.items() if value is not None})
    table.pop("verify", None)
    table["rule"], table["seed"] = contender["table"], experiment.table["seed"] + k
    if isinstance(table["engine"], dict) and "seed" in table["engine"]:
        table["engine"]["seed"] += k
    kept = {key: value for key, value in table["train"].items() if value is not None}
    table["train"] = {**kept, "rate": rate, "epochs": epochs}
    return {"table": table, "folder": str(experiment.folder), "name": experiment.name}


def _trial(job: Mapping[str, Any]) -> float:
    """Training loss at the end of a short run; infinite if it didn't get there."""
    experiment = Experiment.from_table(job["table"], job["folder"], job["name"])
    loss = math.inf
    try:
        for epoch in experiment.epochs():
            loss = epoch.train_loss
    except AnalogError:
        return math.inf
    return loss if math.isfinite(loss) else math.inf


def _train(job: Mapping[str, Any]) -> dict[str, Any]:
    """The record of a run, from its directory if it has finished before."""
    experiment = Experiment.from_table(job["table"], job["folder"], job["name"])
    out = Path(job["out"])
    resume = (out / rundir.RECORD).exists()
    if resume:
        run = Run.from_directory(out)
        if run.record.get("status") == "failed":
            return run.record
        if run.finished:
            wanted = json.loads(rundir.to_json(experiment.resolved(run.record["experiment"]["netlist"])))
            if wanted != run.record["experiment"]:
                cure = "Choose another directory with --out, or remove it."
                raise ExperimentError("holds a run with other settings", path=out, cure=cure)
            return run.record
    try:
        return experiment.run(out, resume=resume).record
    except ExperimentError as error:
        if not (out / rundir.RECORD).exists() or resume:
            raise
        return {**Run.from_directory(out).record, "error": str(error)}
    except AnalogError:
        return Run.from_directory(out).record


def _tune(
    pool: Pool,
    experiment: Experiment,
    contenders: list[dict[str, Any]],
    directory: Path,
    trials: int,
    short: int,
    say: Progress,
) -> None:
    """Put each contender's rate in; what was found before is read from ``tuning.json``."""
    path = directory / "tuning.json"
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    factors = [1.0] if trials == 1 else [float(f"{f:.3g}") for f in np.logspace(-DECADES / 2, DECADES / 2, trials)]
    jobs, keys = {}, {}
    for c in contenders:
        # Whatever the result depends on is in the key; a change in any of it starts the search anew.
        keys[c["label"]] = rundir.to_json(_job(experiment, c, c["guess"], short, 0)["table"] | {"trials": trials}, None)
        if known.get(c["label"], {}).get("of") != keys[c["label"]] and trials > 1:
            for factor in factors:
                jobs[c["label"], factor] = _job(experiment, c, scaled(c["guess"], factor), short, 0)
    losses = pool.map(_trial, jobs, lambda key, loss: say(f"{key[0]}: rate x {key[1]:g}, training loss {loss:.4g}"))
    for c in contenders:
        label = c["label"]
        mine = {factor: loss for (name, factor), loss in losses.items() if name == label}
        if mine:
            best = min(mine, key=lambda factor: (mine[factor], abs(math.log(factor))))
            known[label] = {"of": keys[label], "factor": best, "losses": {f"{f:g}": v for f, v in mine.items()}}
            rundir.write_json(path, known)
        c["factor"] = known[label]["factor"] if trials > 1 else 1.0
        c["rate"] = scaled(c["guess"], c["factor"])


def _row(contender: Mapping[str, Any], records: list[dict[str, Any]]) -> dict[str, Any]:
    good = [r for r in records if r.get("status") == "finished"]
    row: dict[str, Any] = {"rule": contender["rule"], "seeds": len(records), "failed": len(records) - len(good)}
    for name in ("test_accuracy", "test_loss", "train_loss"):
        values = [r["final"][name] for r in good if r["final"].get(name) is not None]
        if values:
            row[name] = float(np.mean(values))
            row[f"{name}_spread"] = float(np.std(values))
            row[f"{name}_each"] = [float(v) for v in values]
    if not good:
        row["test_loss"] = None
        row["error"] = next((r["error"] for r in records if "error" in r), "did not finish")
    row["epochs"] = max((r["epochs"] for r in records), default=0)
    row |= {"rate": contender["rate"], "rate_factor": contender["factor"], "nudge": contender["nudge"]}
    row["wall_seconds"] = float(np.mean([r["wall_seconds"] for r in records]))
    counted = [r["physical"] for r in (good or records)]
    means = {name: float(np.mean([p.get(name, 0) for p in counted])) for name in COUNTED}
    row["physical"] = {n: v if n == "energy" else round(v) for n, v in means.items()}
    for name in ("settling_time", "joules"):  # where capacitances are known
        if all(name in p for p in counted):
            row["physical"][name] = float(np.mean([p[name] for p in counted]))
    return row


def _line(label: str, job: Mapping[str, Any], record: Mapping[str, Any]) -> str:
    final = record.get("final", {})
    accuracy = final.get("test_accuracy")
    figures = f"test accuracy {100 * accuracy:.1f} %" if accuracy is not None else _loss(final.get("test_loss"))
    return f"{label}, seed {job['table']['seed']}: {record.get('status', '?')}, {figures}"


def _loss(loss: float | None) -> str:
    return "no result" if loss is None else f"test loss {loss:.4g}"


def flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of the table of figures: `physical` spread out, what isn't a number left out."""
    plain = {k: v for k, v in row.items() if k != "physical" and not isinstance(v, (dict, list))}
    return {**plain, **row["physical"]}


def _write(comparison: Comparison, name: str) -> None:
    rows, directory = comparison.rows, comparison.directory
    rundir.write_json(directory / "compare.json", {"rows": rows, "budget": comparison.budget})
    table = [flat(row) for row in rows]
    columns = list(dict.fromkeys(key for row in table for key in row))
    rundir.write_text(directory / "compare.csv", report.table_csv(columns, table))
    from analogpnn.experiments.comparison_plots import save_plots

    save_plots(rows, directory, name)
