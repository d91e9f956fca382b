"""Readers under random input, for a few seconds each; scripts/fuzz does the same for as long as you like."""

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
