"""Exports: does the trained circuit come back as it was, and does stock ngspice agree with it?"""

import csv
import subprocess

import numpy as np
import pytest

from analogpnn import Circuit, Netlist, NetlistError, Newton
from analogpnn.export import (
    bench,
    replay,
    run_bench,
    trainables_csv,
    trained_bench,
    trained_deck,
    trained_netlist,
)
from analogpnn.export.verify import is_bench

NETLIST = """differential pair of nodes behind odd names
*@ input  V-1 V2
*@ output v(x1.n,q+) v(out)
*@ train  R? min=0.1u max=1m
*@ train  Vb min=-1 max=1
.param big=20k
V-1 a-b 0 DC 1
V2 b 0 DC 0
Vb bias 0 0.1 $ bias
R1 a-b out 10k   ; first
R2 b out 1.2Meg
R3 out q+ {big}
X1 out bias half
D1 q+ 0 dm
.subckt half in to
Ra in n 3k
Rb n to 3k
.ends
.model dm D(IS=1e-14 N=1.5)
.end
"""


@pytest.fixture
def circuit():
    return Circuit.from_netlist(Netlist.from_text(NETLIST))


@pytest.fixture
def trained(circuit):
    """Circuit, theta, inputs and the outputs that training saw."""
    rng = np.random.default_rng(1)
    theta = np.where(circuit.bounds[0] > 0, rng.uniform(1e-5, 1e-3, circuit.n_trainable), 0.2345678901234567)
    theta = circuit.snap(circuit.clip(theta))
    inputs = rng.uniform(-1, 1, (5, 2))
    return circuit, theta, inputs, Newton().equilibrium(circuit, theta, inputs).outputs


def test_netlist_is_the_same_text_with_other_numbers(trained):
    circuit, theta, *_ = trained
    text = trained_netlist(circuit, theta)
    changed = [b for a, b in zip(NETLIST.splitlines(), text.splitlines(), strict=True) if a != b]
    assert [line.split()[0] for line in changed] == ["Vb", "R1", "R2", "R3"]
    assert changed[0] == "Vb bias 0 0.2345678901234567 $ bias" and changed[1].endswith("   ; first")
    assert np.array_equal(Circuit.from_netlist(Netlist.from_text(text)).theta, theta)


def test_deck_comes_back_bit_for_bit(trained):
    circuit, theta, inputs, outputs = trained
    again = Circuit.from_netlist(Netlist.from_text(trained_deck(circuit, theta)))
    assert np.array_equal(again.theta, theta) and np.array_equal(again.bounds, circuit.bounds)
    assert again.inputs == circuit.inputs and again.outputs == circuit.outputs
    np.testing.assert_allclose(Newton().equilibrium(again, theta, inputs).outputs, outputs, rtol=0, atol=1e-12)


def test_csv_holds_what_to_write_on_each_card(trained):
    circuit, theta, *_ = trained
    rows = list(csv.DictReader(trainables_csv(circuit, theta).splitlines()))
    assert [row["name"] for row in rows] == [t.name for t in circuit.trainable]
    for row, value in zip(rows, theta):
        assert float(row["theta"]) == value
        assert float(row["card_value"]) == (1 / value if row["unit"] == "S" else value)
        assert float(row["lower"]) <= value <= float(row["upper"])


def test_replay_finds_the_largest_deviation(trained):
    circuit, theta, inputs, outputs = trained
    assert replay(circuit, theta, inputs, outputs, engine=Newton()).passed
    outputs = outputs.copy()
    outputs[3, 1] += 0.01
    found = replay(circuit, theta, inputs, outputs, engine=Newton(), tolerance=1e-6)
    assert not found.passed and found.failed == 1 and found.sample == 3
    assert found.largest == pytest.approx(0.01)
    outputs[2, 0] = np.nan
    assert replay(circuit, theta, inputs, outputs, engine=Newton()).largest == np.inf


def test_replay_in_ngspice(trained, ngspice):
    from analogpnn import Ngspice

    circuit, theta, inputs, outputs = trained
    found = replay(circuit, theta, inputs, outputs, engine=Ngspice())
    assert found.passed and found.largest < 1e-7


def test_bench_passes_in_stock_ngspice(trained, tmp_path, ngspice):
    path = tmp_path / "bench.cir"
    path.write_text(trained_bench(*trained, tolerance=1e-7))
    assert is_bench(path)
    result = run_bench(path)
    assert result.passed and [s.label for s in result.samples] == list("12345")
    assert all(s.passed for s in result.samples) and result.largest < 1e-7 and result.failed == 0
    # as a stranger would run it
    done = subprocess.run(["ngspice", "-b", str(path)], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0 and "bench: PASS 5 of 5 samples" in done.stdout


def test_bench_fails_for_the_sample_that_is_off(trained, tmp_path, ngspice):
    circuit, theta, inputs, outputs = trained
    outputs = outputs.copy()
    outputs[1, 1] += 1e-3
    path = tmp_path / "a bench.cir"
    path.write_text(trained_bench(circuit, theta, inputs, outputs))
    result = run_bench(path)
    assert not result.passed and [s.passed for s in result.samples] == [True, False, True, True, True]
    assert result.largest == pytest.approx(1e-3, rel=1e-3)
    done = subprocess.run(["ngspice", "-b", str(path)], capture_output=True, text=True)
    assert done.returncode == 1 and "sample 2: FAIL" in done.stdout


def test_bench_without_operating_point_fails(tmp_path, ngspice):
    deck = "two sources in parallel\nV1 a 0 0\nV2 a 0 1\nR1 a 0 1k\n.end\n"
    text = bench(deck, inputs=["v1"], outputs=[("a", "0")], samples=[[0.0]], expected=[[0.0]], tolerance=1.0)
    path = tmp_path / "bench.cir"
    path.write_text(text)
    result = run_bench(path)
    assert not result.passed and result.largest == np.inf


def test_bench_keeps_the_decks_own_options():
    deck = "title\nV1 a 0 0\nR1 a 0 1k\n.options temp=50 tnom=50\n.end\n"
    text = bench(deck, inputs=["v1"], outputs=[("a", "0")], samples=[[0.0]], expected=[[0.0]], tolerance=1.0)
    options = [line for line in text.splitlines() if line.startswith(".options")]
    assert len(options) == 1 and "temp=50 tnom=50" in options[0] and "reltol=1e-9" in options[0]


@pytest.mark.parametrize(
    "line",
    [
        "shell touch hacked",
        "echo $&x > hacked",
        "source other",
        "let a = `id`",
        "op ; shell id",
        ".include /etc/passwd",
    ],
)
def test_bench_with_foreign_commands_is_not_run(trained, tmp_path, line):
    text = trained_bench(*trained)
    path = tmp_path / "bench.cir"
    path.write_text(text.replace("op > /dev/null", line, 1))
    with pytest.raises(NetlistError) as caught:
        run_bench(path)
    assert caught.value.line is not None


def test_other_files_are_no_bench(tmp_path):
    path = tmp_path / "x.cir"
    path.write_text(NETLIST)
    assert not is_bench(path) and not is_bench(tmp_path / "none")
    with pytest.raises(NetlistError, match="isn't a test bench"):
        run_bench(path)
