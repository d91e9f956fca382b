"""Do the two engines agree on decks as people write them? On ours, and on yours: ``pytest --decks DIR``.

Ours are in tests/decks, and ngspice is given their own text. Of yours it is given what was read, unless ``--trust``
says that it may have the text itself: ngspice runs commands that stand in a deck.
"""

import importlib
from pathlib import Path

import numpy as np
import pytest

from analogpnn import ConvergenceError, Netlist
from analogpnn.agreement import compare, random_deck
from analogpnn.agreement.compare import decks_in

pytestmark = pytest.mark.usefixtures("ngspice")

OURS = decks_in(Path(__file__).parent / "decks")
OTHER_DIALECTS = {"ltspice_buffer"}
"""Decks that ngspice refuses as they are, and whose meaning is clear all the same."""


def pytest_generate_tests(metafunc):
    if "yours" in metafunc.fixturenames:
        folder = metafunc.config.getoption("--decks")
        paths = decks_in(folder) if folder else []
        metafunc.parametrize(
            "yours", paths, ids=[str(p.relative_to(folder)) if p != Path(folder) else p.name for p in paths]
        )


def test_there_are_enough():
    assert len(OURS) >= 25


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # formulas may leave their range on the way
@pytest.mark.parametrize("path", OURS, ids=lambda path: path.stem)
def test_our_decks(path):
    verdict = compare(path, trust=path.stem not in OTHER_DIALECTS)
    assert verdict.kind == "agrees", verdict


def test_your_decks(yours, request):
    verdict = compare(yours, trust=request.config.getoption("--trust"))
    if verdict.kind in ("unsupported", "ngspice fails", "ngspice refuses"):
        pytest.skip(f"{verdict.kind}: {verdict.why}")
    assert verdict.good, verdict


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("seed", range(8))
def test_random_decks(seed):
    rng = np.random.default_rng([4, seed])
    text = random_deck(rng, int(rng.integers(2, 8)), kinds="rvidmqjbgs", decades=12.0)
    verdict = compare(Netlist.from_text(text))
    assert verdict.kind not in ("differs", "unsupported", "ngspice refuses"), (verdict, text)


def test_verdicts(tmp_path):
    deck = tmp_path / "x.cir"
    deck.write_text("t\nV1 a 0 1\nT1 a 0 b 0 z0=50\nR1 b 0 1\n.end\n")
    verdict = compare(deck)
    assert verdict.kind == "unsupported" and "line 3" in verdict.why and verdict.good
    deck.write_text("t\nV1 a 0 1\nR1 a 0\n.end\n")
    assert compare(deck).kind == "unsupported"
    deck.write_text("t\nV1 a 0 1\nR1 a b {nowhere}\nR2 b 0 1\n.end\n")
    assert compare(deck, trust=True).kind == "ngspice refuses"
    deck.write_text("t\nV1 a 0 1\nR1 a b 1k\nR2 b 0 1k\n.control\nshell touch ran\n.endc\n.end\n")
    assert compare(deck, trust=True).kind == "agrees" and not (tmp_path / "ran").exists()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_kirchhoff_judges_between_two_answers():
    rng = np.random.default_rng([0, 12])
    verdict = compare(Netlist.from_text(random_deck(rng, int(rng.integers(2, 30)), decades=12.0)))
    assert verdict.kind == "ngspice is off" and verdict.good and verdict.worst > 100, verdict


@pytest.mark.parametrize(("b", "kind"), [(0.5, "fast fails"), (0.5001, "ngspice is off")])
def test_kirchhoff_judges_an_answer_where_we_have_none(monkeypatch, b, kind):
    module = importlib.import_module("analogpnn.agreement.compare")

    class Helpless:
        def equilibrium(self, circuit, **_):
            raise ConvergenceError("no operating point found")

    monkeypatch.setattr(module, "_READER", Helpless())
    monkeypatch.setattr(module, "_by_engine", lambda circuit: {"v(a)": 1.0, "v(b)": b, "i(v1)": -(1 - b) / 1e3})
    verdict = compare(Netlist.from_text("halves\nV1 a 0 1\nR1 a b 1k\nR2 b 0 1k\n"))
    assert verdict.kind == kind
    if kind == "ngspice is off":  # 0.5 mA flow through the node, and 0.2 uA of them are left over
        assert verdict.where == "v(b)" and "2.0e-04" in verdict.why
