"""What the readers of element cards share."""

from __future__ import annotations

from analogpnn.netlist.flat import FlatCard
from analogpnn.netlist.instance import Instance
from analogpnn.netlist.structure import Element


def nodes_of(element: Element, instance: Instance, words: list[str], count: int, needs: str) -> tuple[str, ...]:
    """The first `count` nodes, flattened; complains if there are not `needs` after them."""
    if len(words) < 1 + count + (1 if needs else 0):
        have = len(words) - 1
        what = f"'{words[0]}' needs {count} nodes" + (f" and {needs}" if needs else "") + f", has {have} word(s)"
        form = f"{words[0]} " + " ".join(f"node{k + 1}" for k in range(count)) + (f" {needs}" if needs else "")
        raise element.error(what, 0, f"Write: {form}")
    return tuple([instance.node(word) for word in words[1 : 1 + count]])


def nothing_more(element: Element, words: list[str], count: int, extra: list[tuple[str, int]]) -> None:
    """Refuse words behind the first `count`."""
    if len(words) > count:
        raise element.error(f"'{words[count]}' is not expected here", count)
    if extra:
        raise element.card.error(f"'{extra[0][0]}' is not expected here", extra[0][1])


def flat_card(element: Element, instance: Instance, words, nodes, values, **more) -> FlatCard:
    """The record, with the card's name and place put in."""
    card = element.card
    return FlatCard(
        instance.element(words[0]) if instance.path else words[0],
        words[0][0],
        nodes,
        values,
        path=card.source.path,
        line=card.line,
        text=card.text,
        **more,
    )
