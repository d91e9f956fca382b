"""Short runs of the scripts that measure agreement, convergence and robustness."""

import dataclasses
import importlib.machinery
import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from weighted_mean import write

from analogpnn.experiments.experiment import Experiment
from analogpnn.training import checkpoint

SCRIPTS = Path(__file__).resolve().parent.parent / "scripts"


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (
            "agreement tests/decks/textbook_class_ab.cir tests/decks/wheatstone_bridge.cir --trust",
            ["2 decks", "2  agrees"],
        ),
        ("converge 4 --kinds rvd --nodes 2,12", ["of 4 circuits", "0 wrong answers"]),
        ("kill-resume --times 2 --job plain", ["plain", "in a write"]),
        ("fuzz 2 --target expression --target checkpoint --executions 200", ["expression", "checkpoint", "failures"]),
    ],
)
def test_a_script(command, words, ngspice, tmp_path):
    name, *arguments = command.split()
    arguments = [str(SCRIPTS.parent / a) if a.startswith("tests/") else a for a in arguments]
    done = subprocess.run(
        [sys.executable, str(SCRIPTS / name), *arguments], capture_output=True, text=True, cwd=tmp_path, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for word in words:
        assert word in done.stdout, done.stdout


def test_kill_resume_sees_one_wrong_bit_and_half_a_file(tmp_path):
    loader = importlib.machinery.SourceFileLoader("kill_resume", str(SCRIPTS / "kill-resume"))
    script = importlib.util.module_from_spec(importlib.util.spec_from_loader("kill_resume", loader))
    loader.exec_module(script)
    whole, other = tmp_path / "whole", tmp_path / "other"
    Experiment.from_file(write(tmp_path) / "mean.toml", ["train.epochs=2"]).run(whole)
    shutil.copytree(whole, other)
    assert script.difference(whole, other) == "" == script.loads(other)
    state = checkpoint.load(other / "checkpoint.npz")
    theta = state.theta.copy()
    theta.view("u8")[0] ^= 1
    checkpoint.save(other / "checkpoint.npz", dataclasses.replace(state, theta=theta))
    assert script.difference(whole, other) == "checkpoint.npz differs"
    (other / "run.json").write_text((whole / "run.json").read_text()[:-10])
    assert "run.json does not load" in script.loads(other)
