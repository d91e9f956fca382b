"""Experiments: is a file read as meant, does a run leave what it promises, does it go on where it stopped?"""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from weighted_mean import NETLIST, TOML

from analogpnn import Circuit, ExperimentError
from analogpnn.experiments import rundir
from analogpnn.experiments.experiment import Experiment
from analogpnn.experiments.report import plot_conductances, plot_history, read_history
from analogpnn.experiments.rundir import Run
from analogpnn.experiments.schema import EXPERIMENT, Source, check_table
from analogpnn.experiments.toml import dump_toml, locate, override, parse_toml
from analogpnn.training.checkpoint import load


def message(folder, text=None, overrides=()):
    if text is not None:
        (folder / "mean.toml").write_text(text)
    with pytest.raises(ExperimentError) as caught:
        Experiment.from_file(folder / "mean.toml", overrides).check()
    return str(caught.value)


# --- the file ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("seed = 1", "sede = 1", 4, ["unknown key 'sede'", "'seed'"]),
        ("epochs = 6", "epoch = 6", 12, ["unknown key 'epoch' in [train]", "'epochs'"]),
        ("epochs = 6", 'epochs = "6"', 12, ["a whole number"]),
        ("epochs = 6", "epochs = -1", 12, ["at least 0"]),
        ("batch = 3", "batch = true", 13, ["a whole number"]),
        ("rate = 1e-5", "", 11, ["needs the key 'rate'"]),
        ("rate = 1e-5", "rate = {R9_x = 1e-5}", 14, ["R9_x"]),
        ("eta = 0.1", "etta = 0.1", 3, ["no option 'etta'", "eta"]),
        ("coupled-learning", "coupled-lerning", 3, ["coupled-lerning", "coupled-learning"]),
        ("seed = 1", 'engine = "fats"', 4, ["fats", "fast"]),
        ("mean.cir", "maen.cir", 2, ["no netlist 'maen.cir'"]),
        ("seed = 1", "seed = ", 4, ["isn't TOML"]),
        ('path = "mean.csv"', 'name = "iiris"', 6, ["iiris", "iris"]),
        ("rate = 1e-5", 'rate = 1e-5\ninit = "netlits"', 15, ["netlits"]),
        ("rate = 1e-5", 'rate = 1e-5\noptimiser = "adm"', 15, ["adm", "adam"]),
        ("rate = 1e-5", 'rate = 1e-5\ncost = "square"', 15, ["square"]),
        ("rate = 1e-5", 'rate = 1e-5\n[verify]\nengin = "ngspice"', 16, ["engin", "engine"]),
    ],
)
def test_mistakes_are_named_with_their_line(folder, old, new, line, words):
    assert old in TOML
    text = message(folder, TOML.replace(old, new, 1))
    assert f"mean.toml, line {line}: " in text
    for word in words:
        assert word in text


def test_missing_file_and_missing_key(folder):
    with pytest.raises(ExperimentError, match="can't be read"):
        Experiment.from_file(folder / "none.toml")
    assert "needs the key 'netlist'" in message(folder, TOML.replace("netlist", "#"))


def test_overrides(folder):
    experiment = Experiment.from_file(
        folder / "mean.toml",
        ["train.epochs=2", "rule.eta=0.5", "engine=fast", "train.rate={'R1'=1e-5,'*'=2e-5}", "seed=7"],
    )
    experiment.check()
    assert experiment.table["train"]["epochs"] == 2
    assert experiment.rule.eta == 0.5
    assert experiment.table["train"]["rate"] == {"R1": 1e-5, "*": 2e-5}
    assert experiment.table["seed"] == 7
    assert "--set train.epocs=2: unknown key 'epocs'" in message(folder, overrides=["train.epocs=2"])
    assert "--set seed" in message(folder, overrides=["seed"])
    table, _ = override({"engine": "ngspice"}, ["engine.workers=2"])
    assert table == {"engine": {"name": "ngspice", "workers": 2}}


def test_toml_round_trip():
    table = {
        "a": 'quo"te\\ and\nline',
        "b": [1, 2.5, True, 1e-300, "ü"],
        "train": {"rate": {"R1_*": 1e-8, "m*.vto": 0.1}, "epochs": 3, "none": None},
    }
    again = parse_toml(dump_toml(table), "x")
    del table["train"]["none"]
    assert again == table


def test_locate_quoted_and_dotted():
    text = 'train."m.x".y = 1\n[a]\n"b.c" = {d = 1, e = 2}\n'
    assert locate(text, ("train", "m.x", "y"))[0] == 1
    assert locate(text, ("a", "b.c", "e")) == (3, 16)
    assert locate(text, ("a", "z"))[0] == 2


def test_defaults_are_filled_in():
    table = check_table({"netlist": "x.cir", "train": {}}, EXPERIMENT, Source("x"))
    assert table["seed"] == 0 and table["engine"] == "fast" and table["verify"] is None


def test_initial_values_are_random_repeatable_and_bounded(folder):
    def theta(*overrides):
        return Experiment.from_file(folder / "mean.toml", overrides).circuit.theta

    init = "train.init={low=1e-6,high=5e-4}"
    assert np.array_equal(theta(init), theta(init))
    assert not np.array_equal(theta(init), theta(init, "seed=2"))
    assert np.all((theta(init) >= 1e-6) & (theta(init) <= 5e-4))
    one = theta("train.init={R1={low='1u',high='2u'}}")
    assert 1e-6 <= one[0] <= 2e-6 and np.array_equal(one[1:], theta()[1:])


# --- the run -----------------------------------------------------------------------------------------------


def test_run_directory(folder):
    seen = []
    run = Experiment.from_file(folder / "mean.toml").run(folder / "run", progress=seen.append)
    record = json.loads((folder / "run" / "run.json").read_text())
    assert record == json.loads(rundir.to_json(run.record))
    wanted = "experiment seed versions engine rule final epochs wall_seconds physical status"
    assert set(wanted.split()) <= set(record)
    assert record["status"] == "finished" and record["epochs"] == 6 == len(seen)
    assert record["rule"] == "coupled-learning" and record["engine"] == "fast" and record["seed"] == 1
    assert {"train_loss", "test_loss"} <= set(record["final"])
    assert record["physical"]["operating_points"] == 6 * 12 * 2
    assert {"python", "numpy", "scipy", "analogpnn"} <= set(record["versions"])
    history = read_history(folder / "run" / "history.csv")
    assert [row["epoch"] for row in history] == [1, 2, 3, 4, 5, 6]
    assert history[-1]["train_loss"] < history[0]["train_loss"]
    for name in ("loss.png", "conductances.png"):
        assert (folder / "run" / name).read_bytes().startswith(b"\x89PNG")
    assert not list((folder / "run").glob(".*"))


def test_trained_netlist_is_the_same_file_with_other_numbers(folder):
    run = Experiment.from_file(folder / "mean.toml").run(folder / "run")
    before, after = NETLIST.splitlines(), run.file("trained.cir").read_text().splitlines()
    changed = [(a, b) for a, b in zip(before, after, strict=True) if a != b]
    assert [a.split()[0] for a, _ in changed] == ["R1", "R2", "R3"]
    assert changed[0][1].endswith("; keep this comment")
    samples = run.samples()
    assert np.array_equal(Circuit.from_netlist(run.file("trained.cir")).theta, samples["theta"])
    assert not np.array_equal(samples["theta"], samples["theta0"])


def test_same_seed_same_bits_and_the_directory_stands_alone(folder, tmp_path_factory):
    first = Experiment.from_file(folder / "mean.toml").run(folder / "one")
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "copy"
    shutil.copytree(folder / "one", elsewhere)
    again = Experiment.from_file(elsewhere / "experiment.toml").run(elsewhere / "again")
    assert again.file("trained.cir").read_bytes() == first.file("trained.cir").read_bytes()
    assert again.final == first.final
    assert np.array_equal(Run.from_directory(elsewhere).samples()["theta"], first.samples()["theta"])
    (folder / "mean.cir").unlink()
    assert Run.from_directory(elsewhere).circuit().n_trainable == 3


RULE_OF_ONES_OWN = """import own_helper
from analogpnn.circuit.boundary import Clamp

class Own:
    def boundaries(self, outputs, targets):
        return (Clamp(outputs + own_helper.SHARE * (targets - outputs)),)
    def update(self, free, clamped):
        return (free.force - clamped.force) / own_helper.SHARE
"""


def test_modules_of_ones_own_are_kept_too(folder, tmp_path_factory):
    (folder / "own_rule.py").write_text(RULE_OF_ONES_OWN)
    (folder / "own_helper.py").write_text("import json\nSHARE = 0.1\n")
    (folder / "unused.py").write_text("")
    options = ["rule=own_rule:Own", "train.epochs=2"]
    first = Experiment.from_file(folder / "mean.toml", options).run(folder / "run")
    kept = {path.name for path in (folder / "run").glob("*.py")}
    assert kept == {"own_rule.py", "own_helper.py"}
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "run"
    shutil.copytree(folder / "run", elsewhere)
    for name in ("own_rule.py", "own_helper.py", "mean.cir", "mean.toml"):
        (folder / name).rename(folder / f"{name}.away")
    command = [sys.executable, "-m", "analogpnn", "train", "experiment.toml", "--out", "again"]
    done = subprocess.run(command, cwd=elsewhere, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (elsewhere / "again" / "trained.cir").read_bytes() == first.file("trained.cir").read_bytes()
    for name in ("own_rule.py", "own_helper.py", "mean.cir", "mean.toml"):
        (folder / f"{name}.away").rename(folder / name)
    (folder / "own_helper.py").write_text("SHARE = 0.2\n")
    with pytest.raises(ExperimentError, match="another text of own_helper.py"):
        Experiment.from_file(folder / "mean.toml", options).run(folder / "run", resume=True)


@pytest.mark.parametrize("optimiser", ["sgd", "momentum", "adam"])
def test_resume_goes_on_bit_for_bit(folder, optimiser):
    options = [f"train.optimiser={optimiser}"]
    whole = Experiment.from_file(folder / "mean.toml", options).run(folder / "whole")

    def interrupt(epoch):
        if epoch.epoch == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Experiment.from_file(folder / "mean.toml", options).run(folder / "part", progress=interrupt)
    half = Run.from_directory(folder / "part")
    assert half.record["status"] == "interrupted" and half.record["epochs"] == 3
    assert {"train_loss", "test_loss"} <= set(half.final)
    assert half.file("trained.cir").exists()
    assert load(half.file("checkpoint.npz")).epoch == 3

    resumed = Experiment.from_file(folder / "mean.toml", options).run(folder / "part", resume=True)
    assert resumed.finished and resumed.final == whole.final
    assert resumed.file("trained.cir").read_bytes() == whole.file("trained.cir").read_bytes()

    def without_time(run):
        return [{**row, "seconds": 0} for row in read_history(run.file("history.csv"))]

    assert without_time(resumed) == without_time(whole)
    assert resumed.record["physical"] == whole.record["physical"]


def test_resume_may_run_longer_but_not_differently(folder):
    Experiment.from_file(folder / "mean.toml", ["train.epochs=2"]).run(folder / "run")
    longer = Experiment.from_file(folder / "mean.toml").run(folder / "run", resume=True)
    whole = Experiment.from_file(folder / "mean.toml").run(folder / "whole")
    assert longer.file("trained.cir").read_bytes() == whole.file("trained.cir").read_bytes()
    with pytest.raises(ExperimentError, match="another 'train.rate'"):
        Experiment.from_file(folder / "mean.toml", ["train.rate=1"]).run(folder / "run", resume=True)
    (folder / "mean.cir").write_text(NETLIST.replace("20k", "21k"))
    with pytest.raises(ExperimentError, match="another text of mean.cir"):
        Experiment.from_file(folder / "mean.toml").run(folder / "run", resume=True)


def test_ctrl_c_while_results_are_written_leaves_a_run_to_go_on_with(folder, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("analogpnn.experiments.report.save_history_plot", interrupt)
        with pytest.raises(KeyboardInterrupt):
            Experiment.from_file(folder / "mean.toml").run(folder / "run")
    assert Run.from_directory(folder / "run").record["status"] == "interrupted"
    run = Experiment.from_file(folder / "mean.toml").run(folder / "run", resume=True)
    assert run.finished and run.file("loss.png").exists()


def test_a_rate_that_drives_everything_to_its_bounds_is_noted(folder):
    for rate, said in ((1e-5, False), (1e9, True)):
        run = Experiment.from_file(folder / "mean.toml", [f"train.rate={rate}"]).run(folder / f"run{rate}")
        assert any("3 of 3 trainables ended at a bound" in note for note in run.record["notes"]) == said


def test_a_run_is_never_written_over(folder):
    Experiment.from_file(folder / "mean.toml", ["train.epochs=0"]).run(folder / "run")
    with pytest.raises(ExperimentError, match="there is a run in it already"):
        Experiment.from_file(folder / "mean.toml").run(folder / "run")
    with pytest.raises(ExperimentError, match="no run in it"):
        Experiment.from_file(folder / "mean.toml").run(folder / "none", resume=True)


def test_what_was_learned_survives_a_circuit_that_stops_settling(folder):
    (folder / "fragile_engine.py").write_text(
        "from analogpnn import ConvergenceError, Newton\n"
        "class Fragile:\n"
        "    def __init__(self, solves: int = 20):\n"
        "        self.left, self.engine = solves, Newton()\n"
        "    def equilibrium(self, *arguments, **options):\n"
        "        self.left -= 1\n"
        "        if self.left == 0:\n"
        "            raise ConvergenceError('no operating point', sample=0, node='out', residual=1e-3)\n"
        "        return self.engine.equilibrium(*arguments, **options)\n"
    )
    experiment = Experiment.from_file(folder / "mean.toml", ["engine=fragile_engine:Fragile"])
    with pytest.raises(Exception, match="epoch 3, sample"):
        experiment.run(folder / "run")
    run = Run.from_directory(folder / "run")
    assert run.record["status"] == "failed" and "epoch 3, sample" in run.record["error"]
    assert run.record["epochs"] == 2 and run.file("trained.cir").exists()


def test_verification_without_ngspice_is_a_note(folder, monkeypatch):
    monkeypatch.setattr("analogpnn.experiments.versions.find_ngspice", lambda: None)
    run = Experiment.from_file(folder / "mean.toml", ["verify.engine=ngspice"]).run(folder / "run")
    assert run.finished and "verified" not in run.record
    assert any("not verified" in note for note in run.record["notes"])


def test_verification_with_ngspice(folder, ngspice):
    run = Experiment.from_file(folder / "mean.toml", ["verify.engine=ngspice"]).run(folder / "run")
    assert run.record["verified"]["passed"] and run.record["verified"]["largest_deviation"] < 1e-6
    assert run.record["verified"]["samples"] == 4
    assert int(run.record["versions"]["ngspice"].split()[0]) >= 39


def test_ngspice_trains_too(folder, ngspice):
    fast = Experiment.from_file(folder / "mean.toml").run(folder / "fast")
    spice = Experiment.from_file(folder / "mean.toml", ["engine=ngspice"]).run(folder / "spice")
    assert spice.record["engine"] == "ngspice"
    assert spice.final["test_loss"] == pytest.approx(fast.final["test_loss"], rel=1e-4)


# --- plots -------------------------------------------------------------------------------------------------


def test_plots_take_an_axis_and_return_it():
    figure_module = pytest.importorskip("matplotlib.figure")
    ax = figure_module.Figure().add_subplot()
    rows = [{"epoch": k, "train_loss": 1 / k, "test_loss": None, "test_accuracy": 0.5} for k in (1, 2)]
    assert plot_history(rows, ax) is ax
    ax = figure_module.Figure().add_subplot()
    assert plot_conductances(np.geomspace(1e-6, 1e-3, 20), np.full(20, 1e-5), ax) is ax
    assert ax.get_xscale() == "log" and ax.get_xlabel() == "conductance [S]"
    ax = figure_module.Figure().add_subplot()
    assert plot_conductances(np.zeros(3), np.zeros(3), ax) is ax
