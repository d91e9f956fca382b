"""Does `check` say what a colleague would say, and nothing about a netlist that is as it should be?"""

import json
from pathlib import Path

import pytest

from analogpnn import Netlist
from analogpnn.circuit.lint import lint
from analogpnn.cli.main import main

NETLISTS = sorted((Path(__file__).resolve().parent.parent / "netlists").glob("*.cir"))

CASES = [
    (".param unused=1", "warning", 3, "parameter 'unused' is used nowhere"),
    (".param a1=1 a2={a1}\nR9 a 0 {a2}", None, None, None),
    ("R9 a x 1k", "warning", 3, "node 'x' has one terminal only: r9"),
    ("R9 x y 1k\nR8 x y 2k", "error", 3, "node 'x' has no DC path"),
    ("V9 a 0 2", "error", 4, "'v1' closes a loop of voltage sources"),
    ("L9 a 0 1m", "error", 4, "'v1' closes a loop of voltage sources"),
    ("R1 a 0 3k", "error", 3, "two elements called 'r1'"),
    ("R9 a 0 1M", "warning", 3, "r9: 1M is 0.001 ohm (M is milli)"),
    ("R9 a 0 1Meg\nR8 a 0 4k7", None, None, None),
    ("C9 a 0 1F", "warning", 3, "c9: 1F is 1e-15 F (F is femto)"),
    ("M9 a a 0 0 nn W=10 L=1u\n.model nn nmos(level=1)", "warning", 3, "W=10 m is an unusual size"),
    ("*@ train Q*.BF min=1 max=2", "error", 3, "no element matches 'q*.bf'"),
    ("*@ train R1 min=1u max=10u", "error", 3, "starts at 0.001 S"),
    ("*@ train G9.GAIN min=1u max=1\nG9 a 0 a 0 1m", "warning", 3, "'g9.gain' has no force"),
    ("*@ input Vx", "error", 3, "no V or I source matches 'vx'"),
    ("*@ output v(nowhere)", "error", 3, "there is no node 'nowhere'"),
    (
        ".param k=1\n.subckt s a\n.param k=2\nR1 a 0 {k}\n.ends\nX9 a s\nR9 a 0 {k}",
        "warning",
        5,
        "'k' of subcircuit 's' hides",
    ),
    (".param pi=3\nR9 a 0 {pi}", "warning", 3, "hides the constant"),
    (".model dd D(IS=1e-14)", "note", 3, "model 'dd' is used nowhere"),
    (".subckt s a\nR1 a 0 1\n.ends", "note", 3, "subcircuit 's' is used nowhere"),
    ("Q9 a a 0 nowhere", "error", 3, "there is no .model 'nowhere'"),
    ("M9 a a 0 0 nn\n.model nn nmos(level=14)", "error", 3, "level 14"),
]


@pytest.mark.parametrize(("text", "severity", "line", "what"), CASES, ids=[c[0].split("\n")[0] for c in CASES])
def test_findings(text, severity, line, what):
    found = lint(Netlist.from_text(f"t\nR1 a 0 1k\n{text}\nV1 a 0 1\n"))
    if severity is None:
        assert found == ()
        return
    wanted = [f for f in found if what in f.what]
    assert wanted and wanted[0].severity == severity and wanted[0].line in (line, line + 1), [str(f) for f in found]


def test_everything_at_once():
    text = "t\nV1 a 0 1\nR1 a b 1M\nR2 c d 1\nR3 e f 1\n*@ input V7 V8\n*@ train R9 min=1 max=2\n"
    errors = [f.what for f in lint(Netlist.from_text(text)) if f.severity == "error"]
    for word in ("'c'", "'e'", "'v7'", "'v8'", "'r9'"):
        assert any(word in what for what in errors), (word, errors)


@pytest.mark.parametrize("path", NETLISTS, ids=lambda path: path.stem)
def test_shipped_netlists_are_clean(path):
    assert [str(f) for f in lint(path) if f.severity != "note"] == []


def test_check_prints_findings(tmp_path, capsys):
    path = tmp_path / "t.cir"
    path.write_text("t\n.param unused=1\nV1 a 0 1\nR1 a 0 1M\n")
    for arguments in (["check", str(path)], ["check", str(path), "--json"]):
        with pytest.raises(SystemExit) as end:
            main(arguments)
        assert not end.value.code
        out, _ = capsys.readouterr()
        assert "unused" in out and "M is milli" in out
    findings = json.loads(out)["findings"]
    assert {f["line"] for f in findings} == {2, 4} and {f["severity"] for f in findings} == {"warning"}
    path.write_text("t\nV1 a 0 1\nV2 a 0 1\nR1 x y 1\n")
    with pytest.raises(SystemExit) as end:
        main(["check", str(path)])
    assert end.value.code == 2
    _, err = capsys.readouterr()
    assert "closes a loop" in err and "'x' has no DC path" in err and err.count("closes a loop") == 1
