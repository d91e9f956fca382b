"""The slow scripts about training families, for a few epochs: do they run, resume and write what they say?"""

import csv
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

import pytest

from analogpnn.gradients import RULES, make_rule

SCRIPTS = Path(__file__).resolve().parent.parent / "scripts"


def script(name, arguments, monkeypatch):
    """The script as a module, its command line set."""
    loader = SourceFileLoader(name.replace("-", "_"), str(SCRIPTS / name))
    module = module_from_spec(spec_from_loader(loader.name, loader))
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    loader.exec_module(module)
    return module


def rows(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_power_falls_as_lambda_grows(tmp_path, monkeypatch):
    options = ["allostery", "--seeds", 1, "--epochs", 60, "--lambdas", "0,1e-2", "--out", tmp_path]
    assert script("power-tradeoff", options, monkeypatch).main() == 0
    free, frugal = rows(tmp_path / "power.csv")
    assert float(frugal["power"]) < 0.9 * float(free["power"]) and float(frugal["error"]) > float(free["error"])
    assert (tmp_path / "power.png").stat().st_size > 5000


def test_cases_of_families_are_experiments_and_rules(monkeypatch, capsys):
    module = script("families", ["no-such-case"], monkeypatch)
    seen = set()
    for task, asked, rules, options in module.CASES.values():
        experiment = module.Experiment.from_file(module.ROOT / "netlists" / f"{task}.toml", options)
        assert experiment.optimiser is not None and (asked is None or 0.9 <= asked <= 1)
        for rule in rules:
            make_rule(rule)
            seen.add((task.removesuffix("-cascade"), rule if isinstance(rule, str) else rule["name"]))
    # Every method on xor and iris; the ones with a figure for digits there too.
    assert {name for task, name in seen if task == "xor"} == set(RULES) == {n for task, n in seen if task == "iris"}
    with pytest.raises(SystemExit):
        module.main()
    assert "no case is called no-such-case" in capsys.readouterr().err


def test_the_page_of_families_says_what_was_reached_and_at_what_price(tmp_path, monkeypatch):
    module = script("families", [], monkeypatch)
    price = {"operating_points": 1200, "measurements": 3e4, "updates": 5, "energy": 0.25, "simulated": 200}
    price |= {"multiply_adds": 0, "memory": 7}

    def row(case, rule, each, asked):
        return {
            "case": case, "rule": rule, "each": each, "asked": asked, "seeds": 5, "epochs": 3, "physical": price,
            "reached": None if asked is None else sum(a >= asked for a in each), "test_accuracy": sum(each) / 5,
        }  # fmt: skip

    made = [
        module.flattened(row(*what), 0)
        for what in (
            ("xor", "coupled-learning", [1.0, 1.0, 0.75, 1.0, 1.0], 1.0),
            ("iris-cascade", "forward-forward", [0.95, 0.96, 0.9, 0.9, 0.9], 0.93),
            ("digits-last-stage", "direct-feedback-alignment", [0.8] * 5, None),
        )
    ]
    text = module.page(made, "families.png")
    lines = [line for line in text.splitlines() if line.startswith("| `")]
    assert [line.count("|") for line in lines] == [12] * 3 and "](families.png)" in text
    assert lines[0].startswith(
        "| `coupled-learning` | 1.000 1.000 0.750 1.000 1.000 | 1 | 4 of 5 | 1e+03 | 2e+02 | 3e+04"
    )
    assert "`forward-forward`, cascade" in lines[1] and "2 of 5, **missed**" in lines[1]
    assert "last stage only" in lines[2] and " of 5" not in lines[2]
    assert "Not run for this page: `xor-comparator`" in text and "`xor`," not in text.split("Not run")[1]
    module.draw(made, tmp_path / "families.png")
    assert (tmp_path / "families.png").stat().st_size > 10_000


def test_the_reviews_figure_is_drawn_from_its_rows(tmp_path, monkeypatch):
    module = script("review-figure", [], monkeypatch)
    made = [
        {"task": task, "method": method, "circuit": k, "accuracy": 0.9, "test_loss": 0.1 / k, "points_until_there": got}
        for task in ("one", "two")
        for method, got in (("in silico, deployed", 3), ("in place", 100), ("never there", None), ("on the model", 1))
        for k in (1, 2)
    ]
    module.draw(made, tmp_path / "review.png", 0.1)
    assert (tmp_path / "review.png").stat().st_size > 10_000
