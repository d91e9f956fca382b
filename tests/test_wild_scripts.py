"""Short runs of the scripts that measure agreement, convergence and robustness."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parent.parent / "scripts"


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (
            "agreement tests/decks/textbook_class_ab.cir tests/decks/wheatstone_bridge.cir --trust",
            ["2 decks", "2  agrees"],
        ),
        ("converge 4 --kinds rvd --nodes 2,12", ["of 4 circuits", "0 wrong answers"]),
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
