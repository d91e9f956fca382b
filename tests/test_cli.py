"""The command line: right numbers on stdout, sentences on stderr, exit codes 0, 1, 2, 130."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from weighted_mean import write

DIVIDER = """divider
.param r=10k
V1 in 0 DC 1
R1 in out {r}
R2 out 0 10k
.end
"""


@pytest.fixture
def divider(tmp_path):
    path = tmp_path / "divider.cir"
    path.write_text(DIVIDER)
    return path


def test_help_lists_the_commands(call):
    code, out, _ = call("--help")
    assert code == 0
    for name in ("check", "op", "train", "export", "verify"):
        assert name in out


def test_check(call, folder):
    code, out, err = call("check", folder / "mean.cir")
    assert code == 0 and err == ""
    assert "3 resistor" in out and "1 diode" in out and "v(out)" in out and "conductances" in out
    code, out, _ = call("check", folder / "mean.cir", "--json")
    summary = json.loads(out)
    assert summary["inputs"] == {"v1": 1.0, "v2": 0.0} and summary["nodes"] == ["a", "b", "out"]
    assert [t["name"] for t in summary["trainable"]] == ["r1", "r2", "r3"]


def test_op(call, divider):
    code, out, _ = call("op", divider, "--json")
    assert code == 0
    answer = json.loads(out)
    assert answer["nodes"] == pytest.approx({"in": 1.0, "out": 0.5})
    assert answer["branches"] == pytest.approx({"v1": -5e-5})
    _, out, _ = call("op", divider, "--json", "--param", "R=30k", "--input", "V1=2")
    assert json.loads(out)["nodes"]["out"] == pytest.approx(0.5)
    code, out, _ = call("op", divider)
    assert code == 0 and "v(out)" in out and "0.5 V" in out


def test_op_engines_agree(call, divider, ngspice):
    answers = []
    for engine in ("fast", "ngspice"):
        code, out, _ = call("op", divider, "--engine", engine, "--input", "v1=0.3", "--json")
        assert code == 0
        answers.append(json.loads(out))
    assert answers[0]["nodes"] == pytest.approx(answers[1]["nodes"])
    assert answers[0]["branches"] == pytest.approx(answers[1]["branches"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["op", "{divider}", "--engine", "fats"], ["fats", "fast"]),
        (["op", "{divider}", "--input", "V7=1"], ["no source 'v7'", "v1"]),
        (["op", "{divider}", "--input", "V1=abc"], ["isn't name=number"]),
        (["op", "{divider}", "--param", "r"], ["isn't name=number"]),
        (["op", "{missing}"], ["missing.cir"]),
        (["check", "{bytes}"], ["bytes.cir"]),
        (["check", "{folder}"], []),
        (["train", "{missing}"], ["missing.cir"]),
        (["train", "{bytes}"], ["bytes.cir"]),
        (["export", "{divider}", "--to", "dekc"], ["dekc", "deck"]),
        (["export", "{divider}", "--to", "bench"], ["the circuit has none"]),
        (["export", "{folder}"], ["isn't a run directory"]),
        (["verify", "{folder}"], ["isn't a run directory"]),
        (["verify", "{missing}"], ["missing.cir"]),
        (["verify", "{missing}"], ["no such run directory"]),
        (["export", "{missing}"], ["no such run directory"]),
        (["export", "{divider}", "--out", "{folder}/none/deck.cir"], ["none/deck.cir: No such file"]),
        (["check", "{experiment}"], ["is an experiment", "analogpnn train"]),
        (["train", "{folder}/maen.toml"], ["Did you mean", "mean.toml"]),
        (["train", "{folder}/zzz.json"], ["Experiments there", "mean.toml"]),
        (["train", "{experiment}", "--out", "{divider}"], ["is a file, not a directory"]),
        (["nonsense"], ["nonsense"]),
        (["op"], ["NETLIST"]),
    ],
)
def test_bad_input_is_exit_code_2(call, divider, tmp_path, arguments, words):
    (tmp_path / "bytes.cir").write_bytes(bytes(range(256)) * 3)
    places = {"divider": divider, "missing": tmp_path / "missing.cir", "folder": tmp_path}
    places["bytes"], places["experiment"] = tmp_path / "bytes.cir", write(tmp_path) / "mean.toml"
    code, out, err = call(*(a.format(**places) for a in arguments))
    assert code == 2 and out == "" and err
    for word in words:
        assert word in err


def test_train_export_verify(call, folder, ngspice):
    code, out, err = call(
        "train", folder / "mean.toml", "--out", folder / "run", "--json", "--set", "verify.engine=ngspice",
        "--set", "train.epochs=4", "--export", "deck",
    )  # fmt: skip
    assert code == 0 and "epoch 4/4" in err
    record = json.loads(out)
    assert record["epochs"] == 4 and record["verified"]["passed"]
    assert record["directory"] == str(folder / "run")
    assert (folder / "run" / "deck.cir").exists()
    for name, to in (("bench.cir", "bench"), ("trained.csv", "csv"), ("deck.cir", "deck")):
        code, out, _ = call("export", folder / "run", "--to", to)
        assert code == 0 and out.strip() == str(folder / "run" / name)
    code, out, _ = call("export", folder / "run", "--to", "netlist", "--out", folder / "mine.cir")
    assert (folder / "mine.cir").read_bytes() == (folder / "run" / "trained.cir").read_bytes()

    code, out, _ = call("verify", folder / "run", "--json")
    result = json.loads(out)
    assert code == 0 and result["passed"] and result["largest_deviation"] < 1e-6
    assert len(result["checks"]) == 2
    code, out, _ = call("verify", folder / "run" / "bench.cir")
    assert code == 0 and "PASS" in out
    code, out, _ = call("verify", folder / "run" / "trained.cir")
    assert code == 0 and "PASS" in out

    trained = folder / "run" / "trained.cir"
    lines = trained.read_text().splitlines(keepends=True)
    lines = ["R3 out 0 1k\n" if line.startswith("R3") else line for line in lines]
    trained.write_text("".join(lines))
    code, out, _ = call("verify", folder / "run")
    assert code == 1 and "FAIL" in out


def test_train_says_where_things_are(call, folder, monkeypatch):
    monkeypatch.chdir(folder)
    code, out, _ = call("train", "mean.toml", "--set", "train.epochs=1")
    assert code == 0 and "test loss" in out
    (run,) = (folder / "runs").iterdir()
    assert run.name.startswith("mean-") and str(run.relative_to(folder) / "trained.cir") in out
    code, _, err = call("train", "mean.toml", "--resume")
    assert code == 2 and "no unfinished run" in err


def test_export_of_a_netlist_goes_to_stdout(call, divider):
    code, out, _ = call("export", divider, "--to", "deck")
    assert code == 0 and ".end" in out and "r1 in out 10000" in out.lower()


def test_failed_job_is_exit_code_1(call, folder, monkeypatch):
    (folder / "never.py").write_text(
        "from analogpnn import ConvergenceError\n"
        "class Never:\n"
        "    def equilibrium(self, circuit, theta, inputs, boundary=None):\n"
        "        raise ConvergenceError('no operating point', sample=0, node='out', residual=1.0)\n"
    )
    code, _, err = call("train", folder / "mean.toml", "--set", "engine=never:Never", "--out", folder / "r")
    assert code == 1 and "no operating point" in err


def test_ctrl_c_leaves_a_run_that_can_be_gone_on_with(folder):
    longer = ["--set", "train.epochs=100000"]
    command = [sys.executable, "-m", "analogpnn", "train", "mean.toml", *longer, "--out", "run"]
    # A shell's background job, as CI may be one, has Ctrl-C ignored and hands that on.
    job = subprocess.Popen(
        command, cwd=folder, stderr=subprocess.PIPE, text=True, env={**os.environ},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 60
        while not (folder / "run" / "checkpoint.npz").exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        job.send_signal(signal.SIGINT)
        _, err = job.communicate(timeout=60)
    finally:
        job.kill()
    assert job.returncode == 130, err
    again = "go on with: analogpnn train mean.toml --set train.epochs=100000 --out run --resume"
    assert "Traceback" not in err and err.rstrip().endswith(again)
    record = json.loads((folder / "run" / "run.json").read_text())
    assert record["status"] == "interrupted" and 0 < record["epochs"] < 100000
    assert (folder / "run" / "trained.cir").exists()
    more = [*command, "--resume", "--set", f"train.epochs={record['epochs'] + 5}", "--json"]
    done = subprocess.run(more, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["epochs"] == record["epochs"] + 5


def test_ctrl_c_before_there_is_anything_to_keep(call, folder, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("analogpnn.experiments.experiment.Experiment.from_file", interrupt)
    code, out, err = call("train", folder / "mean.toml")
    assert code == 130 and out == "" and err.strip() == "interrupted"


def test_what_was_exported_follows_a_run_that_goes_on(call, folder):
    run = folder / "run"
    code, *_ = call("train", folder / "mean.toml", "--out", run, "--set", "train.epochs=1", "--export", "bench")
    before = (run / "bench.cir").read_text()
    code, *_ = call("train", folder / "mean.toml", "--out", run, "--resume")
    assert code == 0 and (run / "bench.cir").read_text() != before
    after = (run / "bench.cir").read_text()
    call("export", run, "--to", "bench")
    assert (run / "bench.cir").read_text() == after and not (run / "deck.cir").exists()


def test_resuming_what_is_finished_says_so(call, folder):
    for more in ([], ["--resume"]):
        code, out, _ = call("train", folder / "mean.toml", "--out", folder / "run", *more)
        assert code == 0 and ("all 6 epochs were done before" in out) == bool(more)
