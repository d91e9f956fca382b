"""What `check_rule` says of a rule: local or not, of which order; and that a rule of one's own is a short file."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from analogpnn import Inject, SquaredError
from analogpnn.gradients import METHODS, make_rule
from analogpnn.testing import check_rule

PAGE = Path(__file__).resolve().parent.parent / "docs" / "how-to" / "write-a-rule.md"


@pytest.mark.parametrize(
    ("name", "order"),
    [
        ("equilibrium-propagation", 1),
        ("negative-equilibrium-propagation", 1),
        ("product-equilibrium-propagation", 1),
        ("centred-equilibrium-propagation", 2),
        ("frequency-propagation", 2),
        ("coupled-learning", 1),
        ("overclamped-coupled-learning", 1),
        ("centred-coupled-learning", 2),
    ],
)
def test_it_says_of_which_order_a_rule_is_without_being_told(name, order):
    found = check_rule(make_rule(name))
    assert found["local"] == 1.0 and found["order"] == pytest.approx(order, abs=0.05)


def test_it_says_nothing_of_an_order_where_there_is_none():
    # Clamped onto the targets themselves; and signs, which are the same at any nudge.
    for name in ("contrastive-learning", "comparator-coupled-learning"):
        assert "order" not in check_rule(make_rule(name))
    # A share of the dissipation that isn't nudged is divided by the nudge all the same.
    assert check_rule(make_rule("power-regularised-coupled-learning"))["order"] < -0.9


@pytest.mark.parametrize("name", METHODS)
def test_no_method_passes_for_local(name):
    with pytest.raises(AssertionError, match="is not local: it has no boundaries and update"):
        check_rule(make_rule(name))


@dataclass(frozen=True)
class MeanField:
    """Looks local, and takes the mean over all elements off."""

    beta: float = 1e-5
    cost: SquaredError = SquaredError()

    def boundaries(self, outputs, targets):
        return (Inject(-self.beta * self.cost.gradient(outputs, targets)),)

    def update(self, free, nudged):
        change = (free.force - nudged.force) / self.beta
        return change - 1e-3 * np.mean(change, axis=-1, keepdims=True)


def test_an_update_that_sees_other_elements_is_found_out():
    with pytest.raises(AssertionError, match="MeanField is not local: one element's record changes another's"):
        check_rule(MeanField())


def test_too_high_an_order_is_refused_and_so_is_one_without_a_nudge():
    with pytest.raises(AssertionError, match="observed order 1.00, declared 2"):
        check_rule(make_rule("equilibrium-propagation"), order=2)
    with pytest.raises(AssertionError, match="no field beta or eta"):
        check_rule(make_rule("contrastive-learning"), order=1)


def test_the_rule_of_the_page_is_thirty_lines_at_most():
    # That it is checked, trains by name and goes down is what the page itself runs (`test_docs`).
    block = re.search(r"^```python my_rules.py\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S).group(1)
    assert len(block.splitlines()) <= 30 and "class " in block and "analogpnn.training" not in block
