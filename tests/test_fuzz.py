"""Readers under random input, for a few seconds each; scripts/fuzz does the same for as long as you like."""

import signal
import time

import fuzzing
import pytest
from fuzzing import TARGETS, Fuzzer, seeds


@pytest.mark.parametrize("name", TARGETS)
def test_nothing_breaks(name):
    fuzzer = Fuzzer(name, seed=0)
    fuzzer.run(seconds=4.0)
    assert fuzzer.failures == []
    assert fuzzer.executions > 20


@pytest.mark.parametrize("name", TARGETS)
def test_there_are_seeds(name):
    assert len(seeds(name)) >= 3


def test_a_failure_is_seen(monkeypatch, tmp_path):
    def broken(data):
        raise IndexError("off the end")

    monkeypatch.setitem(TARGETS, "expression", broken)
    fuzzer = Fuzzer("expression", 0, tmp_path)
    fuzzer.run(0.1)
    assert len(fuzzer.failures) == 1 and "IndexError" in fuzzer.failures[0]
    assert len(list(tmp_path.iterdir())) == 1


def test_a_hang_is_seen(monkeypatch, tmp_path):
    def endless(data):
        while True:
            pass

    monkeypatch.setitem(TARGETS, "expression", endless)
    monkeypatch.setattr(fuzzing, "TIMERS", ((signal.SIGPROF, signal.ITIMER_PROF, 0.05),))
    fuzzer = Fuzzer("expression", 0, tmp_path)
    fuzzer.run(5.0, executions=1)
    assert len(fuzzer.failures) == 1 and fuzzer.failures[0].startswith("a hang at")


def test_waiting_is_a_hang_only_the_second_time(monkeypatch, tmp_path):
    waits = iter((0.15, 0.35))
    monkeypatch.setitem(TARGETS, "expression", lambda data: time.sleep(next(waits)))
    monkeypatch.setattr(fuzzing, "STUCK", 0.1)
    monkeypatch.setattr(fuzzing, "TIMERS", ((signal.SIGALRM, signal.ITIMER_REAL, 0.1),))
    fuzzer = Fuzzer("expression", 0, tmp_path)
    fuzzer.run(5.0, executions=1)
    assert fuzzer.failures == []
    fuzzer.execute(b"1")
    assert len(fuzzer.failures) == 1
