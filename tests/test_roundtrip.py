"""Does nothing get lost between text, netlist, circuit, theta and text?"""

import numpy as np
import pytest
from circuits import FOLDER, LEARNING, SHIPPED, draw_theta, shipped
from hypothesis import given, settings
from hypothesis import strategies as st

from analogpnn import Circuit, Netlist, Newton
from analogpnn.export.deck import trained_deck
from analogpnn.export.netlist import trained_netlist

CIRCUITS = {name: shipped(name) for name in SHIPPED}
tries = settings(max_examples=30, deadline=None)


def again(text):
    return Circuit.from_netlist(Netlist.from_text(text))


def somewhere(circuit, shares):
    """Theta at those shares of the way between its bounds, the shares repeated; conductances on a logarithmic scale."""
    low, high = circuit.bounds
    shares = np.resize(shares, circuit.n_trainable)
    if (low > 0).all():
        return circuit.clip(low * (high / low) ** shares)
    return circuit.clip(low + (high - low) * shares)


@pytest.mark.parametrize("name", SHIPPED)
def test_text_to_netlist_to_text_is_the_same_bytes(name):
    data = (FOLDER / f"{name}.cir").read_bytes()
    assert Netlist.from_file(FOLDER / f"{name}.cir").text.encode() == data
    assert CIRCUITS[name].netlist.text.encode() == data
    assert CIRCUITS[name].netlist.with_values({}).text.encode() == data


@pytest.mark.parametrize("name", LEARNING)
def test_writing_the_values_that_are_there_changes_nothing_but_spelling(name):
    circuit = CIRCUITS[name]
    back = again(trained_netlist(circuit, circuit.theta))
    np.testing.assert_array_equal(back.theta, circuit.theta)


@pytest.mark.parametrize("name", LEARNING)
@tries
@given(shares=st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_theta_survives_the_netlist_and_the_flat_deck_bit_for_bit(name, shares):
    circuit = CIRCUITS[name]
    theta = circuit.snap(somewhere(circuit, shares))
    np.testing.assert_array_equal(circuit.snap(theta), theta)
    for text in (trained_netlist(circuit, theta), trained_deck(circuit, theta)):
        back = again(text)
        assert back.theta.tobytes() == theta.tobytes()
        assert [t.name for t in back.trainable] == [t.name for t in circuit.trainable]
        np.testing.assert_array_equal(back.bounds, circuit.bounds)


@tries
@given(st.floats(1e-12, 1e3))
def test_snapping_moves_a_conductance_by_a_rounding_or_two(siemens):
    circuit = CIRCUITS["divider"]
    snapped = circuit.snap(np.array([siemens]))
    assert abs(snapped[0] - siemens) <= 2 * np.spacing(siemens)
    ((_, ohms),) = circuit.card_values(snapped).items()
    assert 1.0 / float(repr(ohms)) == snapped[0]


@tries
@given(st.integers(1, 99), st.integers(1, 99))
def test_snapping_stays_within_bounds(low, high):
    """Of 0.9u the reciprocal's reciprocal is one bit less."""
    circuit = again(f"t\n*@ train R* min={low}n max={high}u\nV1 a 0 1\nR1 a b 1meg\nR2 b 0 1meg\n")
    theta = circuit.snap(circuit.bounds[:, 0])
    assert (theta >= circuit.bounds[0]).all() and (theta <= circuit.bounds[1]).all()
    assert again(trained_netlist(circuit, theta)).theta.tobytes() == theta.tobytes()


@pytest.mark.parametrize("name", LEARNING)
def test_a_trained_netlist_differs_in_numbers_only(name):
    circuit = CIRCUITS[name]
    text = trained_netlist(circuit, draw_theta(circuit, np.random.default_rng(0)))
    before, after = circuit.netlist.text.splitlines(), text.splitlines()
    assert len(before) == len(after)
    changed = [(a.split(), b.split()) for a, b in zip(before, after) if a != b]
    assert len(changed) == circuit.n_trainable
    assert all(len(a) == len(b) and sum(x != y for x, y in zip(a, b)) == 1 for a, b in changed)


@pytest.mark.parametrize("name", LEARNING)
def test_what_is_written_behaves_as_what_was_trained(name):
    circuit, rng = CIRCUITS[name], np.random.default_rng(1)
    theta = circuit.snap(draw_theta(circuit, rng))
    wanted = Newton().equilibrium(circuit, theta)
    for text in (trained_netlist(circuit, theta), trained_deck(circuit, theta)):
        back = again(text)
        found = Newton().equilibrium(back)
        assert (back.inputs, back.outputs, back.nodes) == (circuit.inputs, circuit.outputs, circuit.nodes)
        np.testing.assert_array_equal(found.node_voltages, wanted.node_voltages)


def test_line_endings_comments_and_layout_are_kept():
    text = "title\r\nV1 A 0 DC 1 ; drive\r\n*@ train r1 min=1u max=1\r\nr1 a\r\n"
    text += "+ 0   2.50k   $ the one\r\n\r\n.END\r\ntrailing"
    netlist = Netlist.from_text(text)
    assert netlist.text == text
    assert netlist.with_values({("r1", "r"): 1234.5}).text == text.replace("2.50k", "1234.5")
