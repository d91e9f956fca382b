"""Steps and schedules: the textbook formula, state passed and not hidden, rates by element."""

from types import SimpleNamespace

import numpy as np
import pytest

from analogpnn.errors import ExperimentError
from analogpnn.learning import Adam, Momentum, Plain, make_schedule, make_step, rates

NAMES = ["r1_1", "r1_2", "r2_1", "m1.vto"]
TRAINABLE = [SimpleNamespace(name=n, element=n.split(".")[0]) for n in NAMES]


def walk(step, updates, rate=0.1):
    theta, changes = np.zeros(updates.shape[-1]), []
    state = step.start(theta)
    for u in updates:
        change, state = step.step(state, u, rate)
        changes.append(change)
    return np.array(changes), state


def test_plain_is_rate_times_update():
    updates = np.random.default_rng(0).standard_normal((3, 2))
    changes, state = walk(Plain(), updates)
    np.testing.assert_array_equal(changes, 0.1 * updates)
    assert state == {}


def test_momentum_ends_up_1_over_1_minus_m_times_as_fast():
    changes, _ = walk(Momentum(0.9), np.ones((300, 1)))
    np.testing.assert_allclose(changes[:2, 0], [0.1, 0.19])
    assert changes[-1, 0] == pytest.approx(0.1 / (1 - 0.9), rel=1e-9)


def test_adam_by_hand():
    rng = np.random.default_rng(0)
    updates = rng.standard_normal((5, 3))
    m = s = 0
    expected = []
    for t, u in enumerate(updates, start=1):
        m, s = 0.9 * m + 0.1 * u, 0.999 * s + 0.001 * u**2
        expected.append(0.1 * (m / (1 - 0.9**t)) / (np.sqrt(s / (1 - 0.999**t)) + 1e-8))
    changes, state = walk(Adam(), updates)
    np.testing.assert_allclose(changes, expected, rtol=1e-12)
    assert state["steps"] == 5


def test_adam_moves_by_the_rate_whatever_the_size_of_the_gradient():
    changes, _ = walk(Adam(), np.array([[1e6, -1e-3, 0.0]]))
    np.testing.assert_allclose(changes[0], [0.1, -0.1, 0.0], rtol=1e-4)


@pytest.mark.parametrize("step", [Plain(), Momentum(), Adam()])
def test_state_is_passed_and_not_written_to(step):
    u = np.array([1.0, -2.0])
    _, before = step.step(step.start(u), u, 0.1)
    copy = {name: value.copy() for name, value in before.items()}
    first, _ = step.step(before, u, 0.1)
    second, _ = step.step(before, u, 0.1)
    np.testing.assert_array_equal(first, second)
    for name, value in before.items():
        assert isinstance(value, np.ndarray)
        np.testing.assert_array_equal(value, copy[name])


def test_steps_by_name():
    assert make_step("sgd") == make_step("plain") == Plain()
    assert make_step({"name": "adam", "beta2": 0.99}) == Adam(beta2=0.99)
    with pytest.raises(ExperimentError, match="at least 0 and below 1"):
        make_step({"name": "momentum", "momentum": 1.0})
    with pytest.raises(ExperimentError) as caught:
        make_step("adma")
    assert "Did you mean 'adam'?" in str(caught.value)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (2.0, [2, 2, 2, 2]),
        ({"schedule": "exponential", "rate": 2.0, "decay": 0.5}, [2, 1, 0.5, 0.25]),
        ({"schedule": "inverse", "rate": 2.0, "decay": 1.0}, [2, 1, 2 / 3, 0.5]),
        ({"schedule": "step", "rate": 2.0, "every": 2, "factor": 0.1}, [2, 2, 0.2, 0.2]),
        ({"schedule": "cosine", "rate": 2.0, "final": 1.0}, [2, 1.5 + 0.5**1.5, 1.5, 1.5 - 0.5**1.5]),
        ({"name": "constant", "rate": 2}, [2, 2, 2, 2]),
    ],
)
def test_schedules(spec, expected):
    schedule = make_schedule(spec)
    np.testing.assert_allclose([schedule.at(epoch, 4) for epoch in range(4)], expected)


def test_cosine_ends_at_its_final_rate():
    schedule = make_schedule({"schedule": "cosine", "rate": 2.0, "final": 0.5})
    assert schedule.at(4, 4) == schedule.at(9, 4) == schedule.at(0, 0) == 0.5


def test_rates_per_element_first_glob_wins_case_does_not_matter():
    spec = {"R1_2": 3.0, "R1_*": {"schedule": "step", "rate": 4.0, "every": 1}, "*.VTO": 1e-3, "r*": 7}
    rate_at = rates(spec, TRAINABLE)
    np.testing.assert_allclose(rate_at(0, 10), [4, 3, 7, 1e-3])
    np.testing.assert_allclose(rate_at(1, 10), [2, 3, 7, 1e-3])


def test_rates_as_numbers_and_arrays():
    np.testing.assert_array_equal(rates(1e-8, TRAINABLE)(3, 10), np.full(4, 1e-8))
    np.testing.assert_array_equal(rates([1.0, 2.0, 3.0, 0.0], TRAINABLE)(0, 1), [1, 2, 3, 0])


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({"R1_*": 1.0}, "no learning rate for 'r2_1', 'm1.vto'"),
        ({"R9_*": 1.0, "*": 1.0}, "fits no trainable"),
        ({"*": 1.0, "R1_*": 1.0}, "'R1_*' is never used"),
        ({"*": "fast"}, "must be a number, not 'fast'"),
        ({"*": -1.0}, "at least 0"),
        ({"schedule": "cosin", "rate": 1.0}, "Did you mean 'cosine'?"),
        ({"schedule": "cosine"}, "rate"),
        (float("inf"), "at least 0"),
        (True, "rate"),
        ("1e-8", "must be a number"),
        ([1.0, 2.0], "2 learning rates for 4 trainables"),
    ],
)
def test_wrong_rates_get_a_sentence(spec, says):
    with pytest.raises(ExperimentError) as caught:
        rates(spec, TRAINABLE)(0, 10)
    assert says in str(caught.value)
