"""What can be told before solving: nodes without a DC path to ground, loops of voltage sources."""

from __future__ import annotations

from collections.abc import Iterable

from analogpnn.circuit.elements import Element
from analogpnn.devices import linear
from analogpnn.errors import NetlistError


class _Sets:
    """Union-find over node names."""

    def __init__(self):
        self.parent: dict[str, str] = {}

    def root(self, a: str) -> str:
        parent = self.parent
        b = parent.setdefault(a, a)
        while b != a:
            parent[a] = a = parent[b]
            b = parent[a]
        return a

    def join(self, a: str, b: str) -> bool:
        """Join two sets; False if they were one already."""
        a, b = self.root(a), self.root(b)
        self.parent[a] = b
        return a != b


def conducts(e: Element) -> bool:
    """Whether a direct current can depend on the voltage across the element's own branch."""
    if e.device.is_voltage:
        return True
    if str(e.device.charge) and e.device.is_affine and not any(s != 0 for s in e.device.slopes):
        return False
    return any(c.kind == "v" and {c.a, c.b} & {e.positive, e.negative} for c in e.controls)


def check(elements: Iterable[Element], path) -> None:
    """Raise NetlistError for a node without a DC path to ground or a loop of voltage sources."""
    paths, loops = _Sets(), _Sets()
    seen: dict[str, Element] = {}
    for e in elements:
        if e.device is linear.RESISTOR:
            seen.setdefault(e.positive, e)
            seen.setdefault(e.negative, e)
            paths.join(e.positive, e.negative)
            continue
        for node in (e.positive, e.negative, *(x for c in e.controls if c.kind == "v" for x in (c.a, c.b))):
            seen.setdefault(node, e)
        if conducts(e):
            paths.join(e.positive, e.negative)
        if e.device.is_voltage and not loops.join(e.positive, e.negative):
            raise NetlistError(
                f"'{e.name}' closes a loop of voltage sources (or inductors) between '{e.positive}' and "
                f"'{e.negative}'",
                path=e.card.path, line=e.card.line, text=e.card.text,
                cure="its current has no unique value: put a small resistance into the loop",
            )  # fmt: skip
    if "0" not in seen:
        first = next(iter(seen.values()))
        raise NetlistError(
            "no element is connected to ground (node 0)", path=path, line=first.card.line, text=first.card.text,
            cure="name the reference node 0 (or gnd)",
        )  # fmt: skip
    ground = paths.root("0")
    for node, e in seen.items():
        if paths.root(node) != ground:
            raise NetlistError(
                f"node '{node}' has no DC path to ground",
                path=e.card.path, line=e.card.line, text=e.card.text,
                cure=f"check the spelling of '{node}', or add a large resistor: Rpath {node} 0 1G",
            )  # fmt: skip
