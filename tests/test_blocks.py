"""Which circuits are layered, what their crossbars are, and the generator of deep resistive networks."""

import numpy as np
import pytest
from drn_circuits import cards, circuit, read

from analogpnn import Circuit, Netlist, NetlistError
from analogpnn.circuit.generate import crossbar, deep_resistive_network
from analogpnn.circuit.generated import Lazy


def test_layers_and_crossbars():
    net = circuit(4, [6, 5], 2)
    blocks = net.blocks
    assert [len(nodes) for nodes in blocks.layers] == [4, 6, 5, 2] and blocks.n_held == 1
    assert [(b.lower, b.upper, b.shape) for b in blocks.blocks] == [(0, 1, (4, 6)), (1, 2, (6, 5)), (2, 3, (5, 2))]
    assert blocks.colours == ((1, 3), (2,)) and blocks.outputs == (3, None)
    assert not blocks.ideal and blocks.weights == 24 + 30 + 10


def test_a_crossbar_in_order_is_a_view_into_theta():
    net = circuit(4, [6], 2)
    theta = net.theta.copy()
    first = net.blocks.blocks[0].matrix(theta)
    assert first.base is not None and np.shares_memory(first, theta) and first[1, 2] == theta[8]


def test_cards_in_the_other_order_are_a_transposed_view():
    text = crossbar(3, 2).text.splitlines()
    r = [line for line in text if line.startswith("R_")]
    r.sort(key=lambda line: line.split()[2])
    net = read([line for line in text[1:-1] if not line.startswith("R_")] + r)
    block = net.blocks.blocks[0]
    assert block.transposed and np.shares_memory(block.matrix(net.theta), net.theta) and block.shape == (3, 2)


def test_shuffled_cards_are_gathered():
    lines = cards(4, [6], 2)
    order = np.random.default_rng(1).permutation(len(lines))
    shuffled = [line for line in lines if line[0] in "*."] + [lines[k] for k in order if lines[k][0] not in "*."]
    net, plain = read(shuffled), circuit(4, [6], 2)
    by_name = dict(zip((t.name for t in plain.trainable), plain.theta))
    for block in net.blocks.blocks:
        matrix = block.matrix(net.theta)
        for where in np.ndindex(block.shape):
            assert matrix[where] == by_name[net.trainable[block.columns[where]].name]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda lines: [*lines, "Rmore h0_1 h0_2 1k"],  # within a layer
        lambda lines: [*lines, "Rtwice x0 h0_1 1k"],  # in parallel
        lambda lines: [*lines, "Dmore h0_1 o0 d"],  # between free nodes
        lambda lines: [*lines, "Gmore 0 h0_1 o0 0 1m"],  # a controlled source
        lambda lines: [*lines, "Vmore h0_1 o0 DC 1"],  # a floating source
        lambda lines: [line.replace("*@ train Ib*", "*@ train Ib* D*.IS") for line in lines],
    ],
)
def test_what_is_not_layered(spoil):
    assert read(spoil(cards(4, [6], 2))).blocks is None


def test_the_generator_makes_what_its_text_says():
    for options in ({}, {"bias": False, "bounds": [(0, 1), (1e-3, 1), (0, 2)]}, {"start": "positive"}):
        made = deep_resistive_network((3, 6, 5, 2), gain=7, **options)
        again = Circuit.from_netlist(Netlist.from_text(made.netlist.text))
        for name in ("nodes", "elements", "sources", "inputs", "outputs", "trainable"):
            assert tuple(getattr(made, name)) == tuple(getattr(again, name)), name
        for name in ("theta", "bounds", "conductances", "input_values", "force_scales"):
            np.testing.assert_array_equal(getattr(made, name), getattr(again, name))
        for one, other in zip(made.groups, again.groups, strict=True):
            assert one.device is other.device and tuple(one.names) == tuple(other.names)
            for name in ("columns", "positive", "negative", "control_positive", "control_negative", "branch"):
                np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
            for a, b in zip(one.values, other.values, strict=True):
                np.testing.assert_array_equal(a, b)
        for one, other in zip(made.train_slots, again.train_slots, strict=True):
            assert all(np.array_equal(a, b) for a, b in zip(one, other))


def test_the_published_start():
    net = deep_resistive_network((50, 40, 3), seed=1)
    g = net.theta[: 100 * 40]
    assert 0.45 < np.mean(g == 0) < 0.55 and g.max() <= 0.1 and g.min() == 0
    assert not net.theta[-43:].any()  # bias currents


def test_trained_values_go_into_the_text():
    net = deep_resistive_network((2, 4, 1))
    theta = net.snap(np.where(net.conductances, 0.7 * net.theta, 1e-3))
    text = net.netlist.with_values(net.card_values(theta)).text
    read_back = Circuit.from_netlist(Netlist.from_text(text))
    np.testing.assert_array_equal(read_back.theta, theta)
    assert (theta == 0).any()  # an open resistor goes there and back


def test_a_million_weights_take_moments():
    net = deep_resistive_network((784, 256, 10))
    assert net.n_trainable == 2 * 784 * 256 + 2560 + 266
    assert net.trainable[0].name == "r1_p1_1" and net.trainable[-1].name == "ib_o10"
    assert all(b.start >= 0 for b in net.blocks.blocks)


def test_bad_layers():
    with pytest.raises(NetlistError, match="layers"):
        deep_resistive_network((3,))
    with pytest.raises(NetlistError, match="bounds"):
        deep_resistive_network((3, 2), bounds=(1, 0))


def test_ideal_names_a_diode():
    with pytest.raises(NetlistError, match="no diode matches"):
        read([*cards(2, [2], 1), "*@ ideal Z*"])


def test_lazy_sequences():
    names = Lazy((2, "a{}".format), (0, "b{}".format), (2, "c{}".format))
    assert names[-1] == "c1" and names[1:3] == ("a1", "c0") and names == ["a0", "a1", "c0", "c1"]
    with pytest.raises(IndexError):
        names[4]


def test_a_missing_resistor_makes_more_layers():
    net = read([line for line in cards(4, [6], 2) if not line.startswith("R0_x1_h0_2 ")])
    assert sorted(len(nodes) for nodes in net.blocks.layers) == [1, 1, 2, 3, 5]
