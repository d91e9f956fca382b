"""``analogpnn tran``: CSV and JSON, both engines at the same times, errors with exit codes."""

import csv
import json

import numpy as np
import pytest
from circuits import FOLDER


def test_csv(call, tmp_path):
    file = tmp_path / "waves.csv"
    code, out, err = call("tran", FOLDER / "rc.cir", "--stop", "2m", "--step", "0.5ms", "--csv", file)
    assert code == 0 and err == "" and str(file) in out
    with open(file, newline="") as f:
        header, *rows = csv.reader(f)
    assert header == ["time", "in", "out"] and len(rows) == 5
    last = [float(x) for x in rows[-1]]
    assert last[0] == pytest.approx(2e-3) and last[2] == pytest.approx(1 - np.exp(-2), abs=1e-3)


def test_json_and_text(call):
    code, out, _ = call("tran", FOLDER / "rc.cir", "--stop", "1m", "--json")
    answer = json.loads(out)
    assert code == 0 and len(answer["times"]) == 101 and set(answer["nodes"]) == {"in", "out"}
    assert set(answer["branches"]) == {"v1"}
    code, out, _ = call("tran", FOLDER / "rc.cir", "--stop", "1m")
    assert code == 0 and "v(out)" in out and "101 samples" in out


@pytest.mark.usefixtures("ngspice")
def test_engines_at_the_same_times(call):
    answers = []
    for engine in ("fast", "ngspice"):
        code, out, _ = call("tran", FOLDER / "rlc.cir", "--stop", ".5m", "--step", "10u", "--engine", engine, "--json")
        assert code == 0
        answers.append(json.loads(out))
    assert answers[0]["times"] == answers[1]["times"]
    for node in answers[0]["nodes"]:
        np.testing.assert_allclose(answers[0]["nodes"][node], answers[1]["nodes"][node], atol=1e-4)


def test_inputs_parameters_and_starts(call, tmp_path):
    code, out, _ = call("tran", FOLDER / "rc.cir", "--stop", "1m", "--input", "V1=0.3", "--json")
    assert code == 0 and json.loads(out)["nodes"]["out"] == pytest.approx([0.3] * 101)
    deck = tmp_path / "ic.cir"
    deck.write_text("start\n.param r=1k\nR1 a 0 {r}\nC1 a 0 1u ic=2\n.end\n")
    code, out, _ = call("tran", deck, "--stop", "2m", "--start", "ic", "--param", "r=2k", "--json")
    assert code == 0
    assert json.loads(out)["nodes"]["a"][-1] == pytest.approx(2 * np.exp(-1), rel=1e-5)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--stop", "soon"], "soon"),
        (["--stop", "1m", "--step", "2m"], "step"),
        (["--stop", "1m", "--engine", "fats"], "fats"),
        (["--stop", "1m", "--input", "V9=1"], "v9"),
        (["--stop", "1m", "--start", "nowhere"], "nowhere"),
    ],
)
def test_mistakes(call, arguments, word):
    code, _, err = call("tran", FOLDER / "rc.cir", *arguments)
    assert code == 2 and word in err.lower()
