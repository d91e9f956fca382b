"""E, F, G, H and B: gains, polynomials, tables, formulas."""

from __future__ import annotations

from itertools import combinations_with_replacement

from analogpnn.expression import Chain, Conditional, Name, Node, Number, Probe
from analogpnn.netlist.card_parts import flat_card, nodes_of, nothing_more
from analogpnn.netlist.flat import FlatCard
from analogpnn.netlist.instance import Instance
from analogpnn.netlist.structure import Element

_SOURCE = frozenset("v i vol cur value m tc1 tc2 temp dtemp reciproctc reciprocm".split())
SMOOTH = 0.1
"""ngspice rounds the corners of a TABLE by a parabola over this part of the shorter neighbouring segment."""
MAX_TERMS = 5000


def voltage_controlled(element: Element, instance: Instance, notes: list[str]) -> FlatCard:
    """E and G: four nodes and a gain, or a polynomial, a table, a formula."""
    letter = element.text[0]
    words, assigned = element.parts()
    kind = "v" if letter == "e" else "i"
    form = words[3] if len(words) > 3 else ""
    if form == "poly" and len(words) > 4:
        return _polynomial(element, instance, kind)
    if form == "table" and len(words) > 4:
        return _table(element, instance, kind)
    if form == "value" and len(words) == 5:
        return _formula(element, instance, kind, (words[4], element.text.rfind(words[4])))
    if form in ("laplace", "freq"):
        cure = "It has no meaning at an operating point; for a static gain write the gain."
        raise element.error(f"{form.upper()} of an {letter.upper()} card is not supported", 3, cure)
    if any(a.name in ("vol", "cur", "value", "v", "i") for a in assigned):
        return _formula(element, instance, kind)
    nodes = nodes_of(element, instance, words, 4, "a gain")
    values, extra = instance.values(element, _SOURCE) if assigned else ({}, [])
    nothing_more(element, words, 6, extra)
    values["gain"] = instance.number(element, words[5])
    return flat_card(element, instance, words, nodes[:2], values, controls=nodes[2:], kind=kind)


def current_controlled(element: Element, instance: Instance, notes: list[str]) -> FlatCard:
    """F and H: two nodes, a source, a gain; or a polynomial of the currents of several sources."""
    words, assigned = element.parts()
    kind = "i" if element.text[0] == "f" else "v"
    if len(words) > 4 and words[3] == "poly":
        return _polynomial(element, instance, kind)
    nodes = nodes_of(element, instance, words, 2, "a source and a gain")
    if len(words) < 5:
        raise element.error(f"'{words[0]}' has no gain", 0, f"Write: {words[0]} node node source gain")
    values, extra = instance.values(element, _SOURCE) if assigned else ({}, [])
    nothing_more(element, words, 5, extra)
    values["gain"] = instance.number(element, words[4])
    return flat_card(element, instance, words, nodes, values, controls=(instance.element(words[3]),), kind=kind)


def behavioural(element: Element, instance: Instance, notes: list[str]) -> FlatCard:
    """``B1 a b v=expression`` or ``i=expression``."""
    return _formula(element, instance, "")


def _formula(element: Element, instance: Instance, kind: str, given: tuple[str, int] | None = None) -> FlatCard:
    """B, and E or G with a formula."""
    words, assigned = element.parts()
    nodes = nodes_of(element, instance, words, 2, "")
    own = {"": ("v", "i"), "v": ("vol", "value", "v"), "i": ("cur", "value", "i")}[kind]
    formulas = [(a.value, a.value_at, a.name) for a in assigned if a.name in own]
    if given:
        formulas.append((*given, ""))
    if len(formulas) != 1 or not formulas[0][0]:
        cure = f"Write {words[0]} node node v=expression or {words[0]} node node i=expression"
        raise element.error(f"'{words[0]}' needs one formula", 0, cure)
    text, at, name = formulas[0]
    values, extra = instance.values(element, _SOURCE, own) if len(assigned) > (0 if given else 1) else ({}, [])
    nothing_more(element, words, 5 if given else 3, extra)
    tree = instance.tree(element, text, at)
    tree, bound = instance.bind(tree, element, text, at)
    return flat_card(element, instance, words, nodes, values | bound, expression=tree, kind=kind or name)


def _count(element: Element, instance: Instance) -> int:
    count = instance.number(element, element.parts()[0][4])
    if count != int(count) or not 1 <= count <= 50:
        raise element.error(f"POLY({count:g}) has no meaning", 4, "Its dimension is a number from 1 to 50.")
    return int(count)


def _polynomial(element: Element, instance: Instance, kind: str) -> FlatCard:
    """``POLY(n)``: p0 + p1 x1 + ... + pn xn + p(n+1) x1 x1 + p(n+2) x1 x2 + ..., in SPICE 2's order."""
    words, assigned = element.parts()
    count = _count(element, instance)
    by_current = words[0][0] in "fh"
    first = 5 + (count if by_current else 2 * count)
    nodes = nodes_of(element, instance, words, 2, "")
    if len(words) <= first:
        form = "source ... p0 p1 ..." if by_current else "node+ node- ... p0 p1 ..."
        raise element.error("POLY needs its controls and at least one coefficient", 3, f"Write POLY({count}) {form}")
    if len(words) - first > MAX_TERMS:
        raise element.error(f"more than {MAX_TERMS} coefficients of a POLY", first)
    controls: list[Node]
    if by_current:
        controls = [Probe("i", instance.element(word), "") for word in words[5:first]]
    else:
        pairs = zip(words[5:first:2], words[6:first:2])
        controls = [Probe("v", instance.node(a), instance.node(b)) for a, b in pairs]
    values, extra = instance.values(element, _SOURCE) if assigned else ({}, [])
    nothing_more(element, words, len(words), extra)
    terms: list[Node] = []
    for k, (word, factors) in enumerate(zip(words[first:], _monomials(controls))):
        values[f"p{k}"] = instance.number(element, word)
        term: Node = Name(f"p{k}")
        terms.append(Chain(term, tuple(("*", f) for f in factors)) if factors else term)
    tree = Chain(terms[0], tuple(("+", term) for term in terms[1:])) if len(terms) > 1 else terms[0]
    return flat_card(element, instance, words, nodes, values, expression=tree, kind=kind)


def _monomials(controls: list[Node]):
    degree = 0
    while True:
        yield from combinations_with_replacement(controls, degree)
        degree += 1


def _table(element: Element, instance: Instance, kind: str) -> FlatCard:
    """``TABLE {expression} = (x,y) (x,y) ...``: straight between the points, constant beyond them."""
    words, assigned = element.parts()
    nodes = nodes_of(element, instance, words, 2, "")
    text = words[4]
    if text[0] not in "{'":
        form = f"{words[0]} {words[1]} {words[2]} TABLE {{v(a,b)}} = (x,y) (x,y) ..."
        raise element.error("TABLE needs an expression in braces", 4, f"Write {form}")
    numbers = [instance.number(element, word) for word in words[5:]]
    xs, ys = numbers[0::2], numbers[1::2]
    if len(numbers) < 4 or len(numbers) % 2 or any(b <= a for a, b in zip(xs, xs[1:])):
        raise element.error("TABLE needs at least two pairs x,y with rising x", 3)
    if len(xs) > MAX_TERMS:
        raise element.error(f"more than {MAX_TERMS} points of a TABLE", 3)
    at = element.text.find(text)
    tree, values = instance.bind(instance.tree(element, text, at), element, text, at)
    return flat_card(element, instance, words, nodes, values, expression=rounded_table(tree, xs, ys), kind=kind)


def rounded_table(x: Node, xs: list[float], ys: list[float]) -> Node:
    """The tree of a piecewise linear function with rounded corners, as ngspice's code model computes it."""
    slopes = [(y1 - y0) / (x1 - x0) for x0, x1, y0, y1 in zip(xs, xs[1:], ys, ys[1:])]
    pieces: list[tuple[float, Node]] = [(xs[0], Number(ys[0]))]  # (up to here, this)
    for k, slope in enumerate(slopes):
        corner = xs[k + 1]
        last = k + 1 == len(slopes)
        reach = 0.0 if last else SMOOTH * min(corner - xs[k], xs[k + 2] - corner)
        pieces.append((corner - reach, _polynomial_of(x, xs[k], (ys[k], slope))))
        if not last:
            curvature = (slopes[k + 1] - slope) / (4 * reach)
            start = corner - reach
            pieces.append((corner + reach, _polynomial_of(x, start, (ys[k + 1] - slope * reach, slope, curvature))))
    return _choose(x, pieces, Number(ys[-1]))


def _polynomial_of(x: Node, origin: float, coefficients: tuple[float, ...]) -> Node:
    """c0 + c1 (x - origin) + c2 (x - origin)**2"""
    distance = Chain(x, (("-", Number(origin)),)) if origin else x
    terms = []
    for k, c in enumerate(coefficients[1:], 1):
        terms.append(("+", Chain(Number(c), tuple(("*", distance) for _ in range(k)))))
    return Chain(Number(coefficients[0]), tuple(terms))


def _choose(x: Node, pieces: list[tuple[float, Node]], otherwise: Node) -> Node:
    """Nested choices, balanced so that their depth grows with the logarithm of their number."""
    if len(pieces) == 1:
        limit, value = pieces[0]
        return Conditional(Chain(x, (("<", Number(limit)),)), value, otherwise)
    half = len(pieces) // 2
    low = _choose(x, pieces[: half - 1], pieces[half - 1][1]) if half > 1 else pieces[0][1]
    return Conditional(Chain(x, (("<", Number(pieces[half - 1][0])),)), low, _choose(x, pieces[half:], otherwise))
