"""``analogpnn compare`` and ``analogpnn gradient-check``: figures, files, resuming, mistakes."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from analogpnn.cli.main import main
from analogpnn.experiments import compare as comparing
from analogpnn.experiments.compare import compare
from analogpnn.experiments.experiment import Experiment
from analogpnn.experiments.fitting import Fitting, nudge_of, scaled
from analogpnn.experiments.gradient_check import element_groups, gradient_check

NETLISTS = Path(__file__).parent.parent / "netlists"
RULES = ["coupled-learning", "spsa", "in-silico"]


def command(capsys, *arguments):
    with pytest.raises(SystemExit) as end:
        main([str(a) for a in arguments])
    out, err = capsys.readouterr()
    return end.value.code or 0, out, err


def test_compare_through_the_command_line_and_again(tmp_path, capsys, monkeypatch):
    arguments = ["compare", NETLISTS / "divider.toml", "--rules", ",".join(RULES), "--trials", 2]
    arguments += ["--set", "train.epochs=6", "--out", tmp_path / "c", "--json"]
    code, out, err = command(capsys, *arguments)
    found = json.loads(out)
    assert code == 0 and [row["rule"] for row in found["rows"]] == RULES
    assert "best of 2 by training loss after 3 of 6 epochs" in found["budget"]
    for row in found["rows"]:
        assert row["failed"] == 0 and row["seeds"] == 1 and row["epochs"] == 6
        assert row["test_loss"] < 1e-3 and row["physical"]["operating_points"] > 0
        assert row["cosine"] == pytest.approx(1, abs=0.05)  # one trainable: every rule goes the same way
    by = {row["rule"]: row["physical"] for row in found["rows"]}
    assert by["in-silico"]["simulated"] == by["in-silico"]["operating_points"] == 6 * 14
    assert by["coupled-learning"]["operating_points"] == by["spsa"]["operating_points"] == 2 * 6 * 14
    names = {path.name for path in (tmp_path / "c").iterdir()}
    assert {"compare.json", "compare.csv", "compare.png", "tuning.json", *RULES} <= names
    with (tmp_path / "c" / "compare.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["rule"] for row in rows] == RULES and float(rows[1]["operating_points"]) == 2 * 6 * 14
    record = json.loads((tmp_path / "c" / "spsa" / "seed0" / "run.json").read_text())
    assert record["status"] == "finished" and record["rule"] == "spsa" and record["seed"] == 0

    # Nothing is run twice; one more rule runs alone.
    monkeypatch.setattr(Experiment, "run", None)
    monkeypatch.setattr(comparing, "_trial", None)
    again = command(capsys, *arguments)
    assert again[0] == 0 and json.loads(again[1])["rows"] == found["rows"]


def test_compare_finishes_what_was_interrupted(tmp_path, monkeypatch):
    experiment = Experiment.from_file(NETLISTS / "divider.toml", ["train.epochs=5"])
    whole = compare(experiment, ["coupled-learning"], trials=1, out=tmp_path / "whole")
    real = Experiment.run

    def interrupted(self, out, resume=False, progress=None):
        def stop(epoch):
            if epoch.epoch == 2:
                raise KeyboardInterrupt

        return real(self, out, resume=resume, progress=None if resume else stop)

    monkeypatch.setattr(Experiment, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        compare(experiment, ["coupled-learning"], trials=1, out=tmp_path / "cut")
    again = compare(experiment, ["coupled-learning"], trials=1, out=tmp_path / "cut")
    assert again.rows[0]["test_loss"] == whole.rows[0]["test_loss"]
    assert again.rows[0]["physical"] == whole.rows[0]["physical"]


def test_workers_give_the_same_figures(tmp_path):
    experiment = Experiment.from_file(NETLISTS / "divider.toml", ["train.epochs=3"])
    one, two = (
        compare(experiment, ["spsa"], trials=1, workers=workers, out=tmp_path / str(workers)) for workers in (1, 2)
    )
    for a, b in zip(one.rows, two.rows):
        assert {**a, "wall_seconds": 0} == {**b, "wall_seconds": 0}


def test_a_comparison_on_imperfect_hardware_takes_another_copy_for_each_seed(tmp_path):
    engine = 'engine={name="fast", mismatch=0.1, read_noise=1e-4, seed=5}'
    experiment = Experiment.from_file(NETLISTS / "divider.toml", ["train.epochs=3", engine])
    compare(experiment, ["in-silico"], seeds=2, trials=1, out=tmp_path)
    seeds = [json.loads(p.read_text())["experiment"]["engine"]["seed"] for p in sorted(tmp_path.glob("*/*/run.json"))]
    assert seeds == [5, 6]


def test_a_method_that_fails_is_a_row_and_not_the_end(tmp_path, monkeypatch):
    (tmp_path / "rule_without_a_number.py").write_text(
        "from analogpnn.circuit.boundary import Inject\nclass Nan:\n    beta = 1.0\n"
        "    def boundaries(self, outputs, targets):\n        return (Inject(outputs * float('nan')),)\n"
        "    def update(self, free, nudged):\n        return free.force\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    experiment = Experiment.from_file(NETLISTS / "divider.toml", ["train.epochs=2"])
    rows = compare(experiment, ["coupled-learning", "rule_without_a_number:Nan"], trials=1, out=tmp_path / "c").rows
    assert rows[0]["failed"] == 0 and rows[1]["failed"] == 1 and rows[1]["test_loss"] is None
    assert rows[1]["error"]


def test_other_settings_in_the_same_directory_are_refused(tmp_path, capsys):
    arguments = ["compare", NETLISTS / "divider.toml", "--rules", "coupled-learning", "--trials", 1, "--out", tmp_path]
    assert command(capsys, *arguments, "--set", "train.epochs=2")[0] == 0
    code, _, err = command(capsys, *arguments, "--set", "train.epochs=2", "--set", "train.batch=3")
    assert code == 2 and "other settings" in err and "--out" in err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["compare", "--rules", "spsaa"], "Did you mean 'spsa'?"),
        (["compare", "--rules", ","], "no rules"),
        (["compare", "--rules", "spsa,spsa"], "named twice"),
        (["gradient-check", "--nudges", "1,x"], "isn't a list of positive numbers"),
        (["gradient-check", "--rules", "epp"], "Known:"),
    ],
)
def test_mistakes_get_a_sentence_and_exit_code_2(arguments, says, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _, err = command(capsys, arguments[0], NETLISTS / "divider.toml", *arguments[1:])
    assert code == 2 and says in err and "Traceback" not in err


def test_gradient_check_through_the_command_line(capsys, tmp_path):
    arguments = ["gradient-check", NETLISTS / "iris.toml", "--samples", 20, "--plot", tmp_path / "g.png"]
    code, out, _ = command(capsys, *arguments, "--json")
    rows = json.loads(out)["rows"]
    assert code == 0 and (tmp_path / "g.png").stat().st_size > 10_000
    groups = [row["group"] for row in rows if row["rule"] == "physics-aware-training"]
    assert groups == ["all", "r1_*", "r2_*", "r3_*"]

    def errors(rule):
        return [row["angle"] for row in rows if row["rule"] == rule and row["group"] == "all"]

    one, two = errors("equilibrium-propagation"), errors("centred-equilibrium-propagation")
    np.testing.assert_allclose(np.diff(np.log10(one)), 1, atol=0.1)
    np.testing.assert_allclose(np.diff(np.log10(two)), 2, atol=0.1)
    # The amplifiers between the layers are corrected for: no layer is out of proportion.
    norms = [row["norm"] for row in rows if row["rule"] == "centred-equilibrium-propagation" and row["factor"] == 1]
    np.testing.assert_allclose(norms, 1, atol=1e-3)
    code, out, _ = command(capsys, *arguments, "--rules", "spsa", "--nudges", "1", "--repeats", 2)
    assert code == 0 and out.splitlines()[0].split() == ["rule", "nudge", "elements", "cosine", "angle", "norm"]


def test_gradient_check_on_a_bench_is_against_the_gradient_of_the_bench():
    experiment = Experiment.from_file(NETLISTS / "xor.toml", ['engine={name="fast", mismatch=0.2, seed=2}'])
    rules = ["centred-equilibrium-propagation", "in-silico", "finite-differences"]
    found = {row["rule"]: row for row in gradient_check(experiment, rules, [1.0]) if row["group"] == "all"}
    assert found["finite-differences"]["cosine"] > 1 - 1e-6 and found["finite-differences"]["norm"] == pytest.approx(
        1, abs=1e-3
    )
    # An element knows its voltage, and nothing of the factor between what is written and what it becomes.
    assert 0.95 < found["centred-equilibrium-propagation"]["cosine"] < 1 - 1e-4
    assert found["in-silico"]["cosine"] < 1 - 1e-4


def test_nudges_do_to_the_outputs_what_the_experiments_own_rule_does():
    fitting = Fitting(Experiment.from_file(NETLISTS / "iris.toml"))
    clamp = fitting.rule("coupled-learning").boundaries(fitting.free.outputs, fitting.targets)[0]
    moved = np.sqrt(np.mean((clamp.voltages - fitting.free.outputs) ** 2))
    assert moved == pytest.approx(fitting.push, rel=0.02)
    own = fitting.experiment.rule
    assert fitting.rule("centred-equilibrium-propagation") is own
    assert nudge_of(fitting.rule("equilibrium-propagation")) == own.beta
    assert fitting.rule({"name": "coupled-learning", "eta": 0.5}).eta == 0.5
    back = Fitting(Experiment.from_file(NETLISTS / "regression.toml"))
    assert nudge_of(back.rule("equilibrium-propagation")) > 0


def test_rates_are_scaled_wherever_they_stand():
    assert scaled(2.0, 3.0) == 6.0
    assert scaled({"schedule": "cosine", "rate": 1.0, "final": 0.5}, 2.0) == {
        "schedule": "cosine",
        "rate": 2.0,
        "final": 1.0,
    }
    table = {"R1_*": 1.0, "*": {"schedule": "step", "rate": 1.0, "every": 5}}
    assert scaled(table, 2.0) == {"R1_*": 2.0, "*": {"schedule": "step", "rate": 2.0, "every": 5}}


def test_first_steps_are_of_equal_length_under_plain_steps():
    fitting = Fitting(Experiment.from_file(NETLISTS / "regression.toml"))
    own = fitting.size(fitting.experiment.rule)
    rule = fitting.rule("centred-equilibrium-propagation")
    factor = fitting.rate(rule) / fitting.experiment.table["train"]["rate"]
    assert factor * fitting.size(rule) == pytest.approx(own, rel=0.01)


def test_elements_are_grouped_by_layer():
    groups = element_groups(Experiment.from_file(NETLISTS / "nmos-xor.toml").circuit)
    assert list(groups) == ["all"]  # one kind: nothing to tell apart
    iris = element_groups(Experiment.from_file(NETLISTS / "iris.toml").circuit)
    assert sum(len(places) for name, places in iris.items() if name != "all") == len(iris["all"])


def test_settling_time_and_joules_where_capacitances_are_known(tmp_path):
    text = (NETLISTS / "divider.cir").read_text()
    assert "\n.end" in text
    (tmp_path / "d.cir").write_text(text.replace("\n.end", "\nC1 out 0 1n\n.end"))
    table = {"netlist": "d.cir", "task": {"name": "linear-regression", "matrix": [[0.3]], "samples": 10}}
    table |= {"rule": "coupled-learning", "train": {"epochs": 2, "rate": 1e-3}}
    run = Experiment.from_table(table, tmp_path).run(tmp_path / "run")
    circuit, physical = run.circuit(), run.record["physical"]
    found = circuit.groups[[g.device.name for g in circuit.groups].index("resistor")]
    conductance = run.samples()["theta"][0] + found.values[0][list(found.names).index("r2")]
    assert physical["settling_time"] == pytest.approx(np.log(1e3) * 1e-9 / conductance, rel=1e-6)
    assert physical["joules"] == pytest.approx(physical["energy"] * physical["settling_time"])
