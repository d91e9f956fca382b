"""Contracts as executable suites, for devices, engines and rules of your own.

Each `check_...` raises AssertionError with a sentence, or returns what it measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace

import numpy as np
from scipy.integrate import quad

from analogpnn.circuit.boundary import Boundary, Clamp, Free, Inject
from analogpnn.circuit.circuit import Circuit
from analogpnn.circuit.local import Local, measure
from analogpnn.devices.device import Device
from analogpnn.devices.states import lowered
from analogpnn.engines.adjoint import gradient
from analogpnn.engines.newton import Newton
from analogpnn.errors import NetlistError
from analogpnn.expression import format_expression
from analogpnn.learning.costs import SquaredError
from analogpnn.netlist.netlist import Netlist

NUDGES = {"beta": (4e-5, 2e-5), "eta": (0.2, 0.1)}
"""What a rule's nudge is called, and the two strengths between which its order is observed."""

LATTICE = """check: a small nonlinear network
*@ input V1 V2
*@ output v(o1) v(h2,o1)
*@ train R* min=1u max=1
.model dd D(IS=1e-9 N=1.5)
V1 a 0 0.6
V2 b 0 -0.4
VB c 0 1
R1 a h1 1k
R2 b h1 2k
R3 c h1 3k
R4 a h2 1.5k
R5 b h2 1k
R6 h1 h2 2.2k
R7 h1 o1 1.2k
R8 h2 o1 1.8k
R9 o1 0 5k
D1 h1 0 dd
D2 0 h2 dd
D3 o1 h2 dd
"""


def check_device(
    device: Device, values: Mapping[str, float] | None = None, *, span: float = 0.5, seed: int = 0
) -> None:
    """A law's derivatives, force and SPICE text agree with its values.

    A force that sympy can't find is left out: who trains that parameter is told to declare it.

    Parameters
    ----------
    device : Device
    values : mapping, optional
        Parameter values to test at; those without a default are drawn from (0.5, 1.5) if left out.
    span : float
        Controls are drawn from (-span, span).

    Examples
    --------
    >>> check_device(Device("cubic", current="g*v + k*v**3", parameters={"g": 1.0, "k": 0.2}))
    """
    if device.states and not device.is_state:
        branch, states = lowered(device)
        check_device(branch, values, span=span, seed=seed)
        for law in states.values():
            check_device(law, {**(values or {}), "time": 1.0}, span=span, seed=seed)
        return
    rng = np.random.default_rng(seed)
    given = {k.lower(): v for k, v in (values or {}).items()}
    p = [
        np.full(40, given.get(name, rng.uniform(0.5, 1.5) if default is None else default))
        for name, default in device.parameters.items()
    ]
    controls = [rng.uniform(-span, span, 40) for _ in device.controls]
    value, *slopes = device.law(*controls, *p)
    assert np.isfinite(value).all(), f"{device.name}: the law is not finite on (-{span}, {span})"
    for k, (name, slope) in enumerate(zip(device.controls, slopes)):
        numeric = _central(lambda *c: device.law(*c, *p)[0], controls, k)
        _close(slope, numeric, f"{device.name}: d law / d {name}")
    for (name, default), column in zip(device.parameters.items(), p):
        if name in given or default is not None and abs(default) > 1e20:
            continue
        k = list(device.parameters).index(name)
        exact = device.parameter_law(name)(*controls, *p)[0]
        numeric = _central(lambda *q: device.law(*controls, *q)[0], p, k)
        _close(exact, numeric, f"{device.name}: d law / d {name}")
        if device.is_two_terminal and name not in device.force and np.all(column == column[0]):
            try:
                law = device.force_function(name)
            except NetlistError:
                continue
            slope_at = device.parameter_law(name)
            for v in controls[0][:5]:
                area = quad(lambda u, f=slope_at: float(f(u, *(c[0] for c in p))[0]), 0.0, v, limit=200)[0]
                _close(float(law(v, *(c[0] for c in p))[0]), area, f"{device.name}: force on {name}")
    format_expression(device.expression)


def _central(function, arguments, k: int) -> np.ndarray:
    """Five-point central difference by argument k."""
    h = 1e-4 * np.maximum(np.abs(arguments[k]), 1e-2)

    def at(factor):
        moved = list(arguments)
        moved[k] = arguments[k] + factor * h
        return function(*moved)

    return (8 * (at(1) - at(-1)) - (at(2) - at(-2))) / (12 * h)


def _close(a, b, what: str, rtol: float = 2e-5):
    scale = np.max(np.abs(b)) + 1e-300
    error = np.abs(np.asarray(a) - np.asarray(b)) / scale
    # A law with a kink may be differenced across it at one or two of the points.
    bad = np.sum(error > rtol)
    assert bad <= 0.05 * np.size(error), f"{what}: differs from its numerical value by {np.max(error):.1e} relative"


def check_engine(engine, *, rtol: float = 1e-6, atol: float = 1e-6) -> dict[str, float]:
    """An engine settles a small nonlinear network where Kirchhoff wants it, free, clamped and injected.

    Returns
    -------
    dict
        Largest deviation from the fast engine for each boundary [V].

    Examples
    --------
    >>> max(check_engine(Newton()).values())
    0.0
    """
    circuit = Circuit.from_netlist(Netlist.from_text(LATTICE))
    rng = np.random.default_rng(1)
    inputs = rng.uniform(-1, 1, (6, 2))
    reference = Newton()
    free = engine.equilibrium(circuit, circuit.theta, inputs)
    assert free.node_voltages.shape == (6, circuit.n_nodes), "node_voltages must be (..., n_nodes)"
    assert free.outputs.shape == (6, 2), "outputs must be (..., n_outputs)"
    found = {}
    boundaries: dict[str, Boundary] = {
        "free": Free(),
        "clamp": Clamp(free.outputs + 0.05),
        "inject": Inject(np.array([1e-5, -2e-5])),
    }
    for name, boundary in boundaries.items():
        op = engine.equilibrium(circuit, circuit.theta, inputs, boundary)
        want = reference.equilibrium(circuit, circuit.theta, inputs, boundary)
        gap = np.abs(op.node_voltages - want.node_voltages)
        assert (gap <= atol + rtol * np.abs(want.node_voltages)).all(), f"{name}: off by {gap.max():.1e} V"
        found[name] = float(gap.max())
        single = engine.equilibrium(circuit, circuit.theta, inputs[2], _row(boundary, 2))
        assert np.allclose(single.node_voltages, op.node_voltages[2], rtol=1e-7, atol=1e-9), (
            f"{name}: batch differs from a single sample"
        )
        if isinstance(boundary, Clamp):
            assert np.allclose(op.outputs, boundary.voltages, atol=1e-9), "a clamp must hold the outputs"
    return found


def _row(boundary: Boundary, k: int) -> Boundary:
    if isinstance(boundary, Clamp):
        return Clamp(boundary.voltages[k])
    return boundary


def check_rule(rule, *, order: int | None = None) -> dict[str, float]:
    """A rule is local, and its update approaches the negative gradient at its declared order in the nudge.

    Parameters
    ----------
    rule : Rule
        With a field ``beta`` or ``eta`` for the nudge if `order` is given.
    order : int, optional
        Declared order; checked on a nonlinear network against the exact adjoint gradient. Leave it out for a rule
        that clamps: its limit is the gradient weighted by the outputs' conductances, not the gradient itself.

    Returns
    -------
    dict
        ``local``: 1.0 (what isn't local raises); ``cosine`` with the negative gradient; ``order``: with `order` the one
        observed against the gradient, else, if the rule has a nudge that its update depends on, the power of the nudge
        with which the update approaches its own limit, whatever that is (below 0: it has none).

    Raises
    ------
    AssertionError
        In a sentence: the rule isn't local, its update raises the cost, or its order is less than declared.

    Examples
    --------
    >>> from analogpnn import CentredEquilibriumPropagation, CoupledLearning
    >>> found = check_rule(CentredEquilibriumPropagation(beta=1e-5), order=2)
    >>> round(found["cosine"], 6)
    1.0
    >>> round(check_rule(CoupledLearning())["order"], 1)
    1.0
    """
    assert hasattr(rule, "boundaries") and hasattr(rule, "update"), (
        f"{type(rule).__name__} is not local: it has no boundaries and update, which see what each element measures"
        + (", but an estimate, which is handed the circuit and the cost" if hasattr(rule, "estimate") else "")
    )
    rng = np.random.default_rng(2)
    boundaries = rule.boundaries(np.zeros((4, 2)), np.ones((4, 2)))
    assert isinstance(boundaries, tuple | list), "boundaries must return a tuple, one for each phase after the free one"
    phases = 1 + len(boundaries)
    records = [Local(*rng.normal(size=(3, 4, 7))) for _ in range(phases)]
    base = np.broadcast_to(rule.update(*records), (4, 7))
    for which in range(phases):
        r = records[which]
        moved = [Local(*(np.where(np.arange(7) == 3, a + 0.3, a) for a in (r.voltage, r.current, r.force)))
                 if k == which else q for k, q in enumerate(records)]  # fmt: skip
        changed = np.broadcast_to(rule.update(*moved), (4, 7)) != base
        assert not np.delete(changed, 3, axis=1).any(), (
            f"{type(rule).__name__} is not local: one element's record changes another's update"
        )
    circuit = Circuit.from_netlist(Netlist.from_text(LATTICE))
    inputs = rng.uniform(-1, 1, (5, 2))
    targets = rng.uniform(-0.2, 0.2, (5, 2))
    cost = getattr(rule, "cost", SquaredError())
    engine = Newton()
    _, exact = gradient(circuit, circuit.theta, inputs, lambda o: (cost.value(o, targets), cost.gradient(o, targets)))

    def update(r):
        free = engine.equilibrium(circuit, circuit.theta, inputs)
        nudged = [engine.equilibrium(circuit, circuit.theta, inputs, b, start=free)
                  for b in r.boundaries(free.outputs, targets)]  # fmt: skip
        return np.mean(r.update(measure(free), *(measure(op) for op in nudged)), axis=0)

    mine = update(rule)
    found = {"local": 1.0, "cosine": float(-(mine @ exact) / np.linalg.norm(mine) / np.linalg.norm(exact))}
    assert found["cosine"] > 0, f"{type(rule).__name__}: the update raises the loss (cosine {found['cosine']:.3f})"
    names = {f.name for f in fields(rule)} if is_dataclass(rule) else set()
    nudge = next((name for name in NUDGES if name in names), None)
    if order is not None:
        assert nudge is not None, f"{type(rule).__name__} has no field beta or eta, so no order in the nudge"
        errors = [
            np.linalg.norm(update(replace(rule, **{nudge: s})) + exact) / np.linalg.norm(exact) for s in NUDGES[nudge]
        ]
        found["order"] = float(np.log2(errors[0] / errors[1]))
        assert found["order"] > order - 0.2, f"observed order {found['order']:.2f}, declared {order}"
    elif nudge is not None:
        strengths = (*NUDGES[nudge], NUDGES[nudge][1] / 2)
        first, second, third = (update(replace(rule, **{nudge: s})) for s in strengths)
        steps = np.linalg.norm(first - second), np.linalg.norm(second - third)
        if steps[1] > 1e-9 * np.linalg.norm(third):  # below, it is the solver's last digits that differ
            found["order"] = float(np.log2(steps[0] / steps[1]))
    return found
