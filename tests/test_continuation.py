"""Circuits on which Newton's method alone fails: does each way find the same operating point?"""

import numpy as np
import pytest
from circuits import read

from analogpnn import ConvergenceError, Newton
from analogpnn.agreement import random_deck
from analogpnn.engines.fast import continuation
from analogpnn.engines.fast.assembly import right_hand_side
from analogpnn.engines.fast.full import Full
from analogpnn.engines.fast.restrained import LOOSE, newton
from analogpnn.engines.fast.restraint import restrain, tangent_beside
from analogpnn.engines.fast.solver import Solver
from analogpnn.engines.fast.wandering import wander

WAYS = (
    continuation.directly,
    continuation.gmin_stepping,
    continuation.source_stepping,
    continuation.pseudo_transient,
    continuation.cautiously,
    continuation.over_folds,
)


def problem(circuit, inputs):
    solver = Solver(circuit, circuit.theta, False)
    s, p = solver.structure, solver.ports
    parameters = circuit.parameters(circuit.theta, inputs)
    known = solver._known(parameters, len(inputs))
    b = right_hand_side(s, parameters, None, None, (len(inputs),))[:, s.free] - (solver.linear.to_known @ known.T).T
    return Full(s, solver.linear, p), solver.laws, b, (p.read_known @ known.T).T


CLIPPER = """a breakdown diode and a forward one, driven hard
*@ input V1
.model dz D(IS=1e-9 N=1.1 BV=6 IBV=1m)
.model df D(IS=1e-14)
V1 in 0 1
R1 in out 10
D1 0 out dz
D2 out x df
R2 x 0 1k
"""


@pytest.mark.parametrize("way", WAYS)
def test_each_way_alone(way):
    circuit = read(CLIPPER)
    inputs = np.array([[0.0], [0.5], [5.0], [50.0], [5000.0], [-5000.0]])
    full, laws, b, known = problem(circuit, inputs)
    x, done = way(full, laws, b, known)
    assert done.all()
    out = x[:, [circuit.nodes[k] for k in full_nodes(circuit)].index("out")]
    np.testing.assert_allclose(
        out, Newton().equilibrium(circuit, inputs=inputs).node_voltages[:, 1], rtol=1e-9, atol=1e-12
    )
    assert 6.0 < out[4] < 8.0 and -1.0 < out[5] < -0.5
    assert (continuation.residual(full, laws, b, known)[:2] < 1e-9).all()


def full_nodes(circuit):
    return [k for k in range(circuit.n_nodes) if circuit.nodes[k] != "in"]


def test_a_start_without_a_tangent():
    circuit = read("root\nV1 a 0 1\nR1 a b 1k\nB1 b 0 i=1m*sqrt(abs(v(b)))\n")
    golden = (3 - np.sqrt(5)) / 2  # 1 - v = sqrt(v)
    assert Newton().equilibrium(circuit).node_voltages[1] == pytest.approx(golden, rel=1e-9)


def test_a_step_ends_where_the_law_gives_what_the_tangent_promised():
    full, laws, _, known = problem(read(CLIPPER), np.array([[1.0]]))
    old = laws.element_controls(known)
    new = [[np.full_like(c, -100.0) for c in group] for group in old]
    for g, values, cut, past in zip(laws.groups, laws.parameters, restrain(laws, new, old), old):
        i, slope = g.device.law(*past, *values)
        promised = np.abs(i + slope * -100.0)
        assert (np.abs(g.device.law(*cut, *values)[0]) <= 10 * promised + 1e-12).all()
        assert (cut[0] < past[0]).all()
    moved, tangent = tangent_beside(laws, old)
    assert moved is old and np.isfinite(tangent.offset).all()


# Found by scripts/converge, which compares them with ngspice; here Kirchhoff's law is the judge.
@pytest.mark.parametrize(
    ("seed", "kinds"), [((0, 21), "rvid"), ((0, 42), "rvid"), ((0, 84), "rvid"), ((0, 69), "rvib")]
)
def test_hard_random_circuits(seed, kinds):
    rng = np.random.default_rng(list(seed))
    circuit = read(random_deck(rng, int(rng.integers(2, 11)), kinds))
    assert Newton().equilibrium(circuit).residual < 1e-9


TUNNEL = """a tunnel diode of 1 mA at 0.1 V that rises again beyond 0.5 V, fed 1.15 mA
I1 0 n 1.15m
B1 n 0 I=1m*(v(n)/0.1)*exp(1-v(n)/0.1)+1p*(exp(v(n)/0.026)-1)
"""


def test_a_fold_of_the_path_is_leapt_over():
    full, laws, b, known = problem(read(TUNNEL), np.zeros((1, 0)))
    x, last = np.zeros((1, 1)), None
    for s in np.geomspace(1.0, 1e-6, 400):  # the path itself: it ends near s = 1.4 mS
        found, ok, _ = newton(full, laws, b, known, x, np.array([s]), np.zeros((1, 1)), 5)
        if not ok[0] or found[0, 0] > 0.3:
            break
        x, last = found, s
    assert 5e-4 < last < 3e-3 and x[0, 0] < 0.2
    x, done = continuation.over_folds(full, laws, b, known)
    assert done[0] and 0.5 < x[0, 0] < 0.6
    v = x[0, 0]
    assert abs(1e-3 * v / 0.1 * np.exp(1 - v / 0.1) + 1e-12 * np.expm1(v / 0.026) - 1.15e-3) < 1e-9


def test_wandering_comes_by_where_no_path_from_zero_leads():
    rng = np.random.default_rng([0, 742])
    circuit = read(random_deck(rng, int(rng.integers(11, 51)), "rvib"))
    full, laws, b, known = problem(circuit, np.zeros((1, 0)))
    tried = [way(full, laws, b, known) for way in WAYS if way is not continuation.over_folds]
    assert not any(done[0] for _, done in tried)
    x = wander(full, laws, b[0], known[0], np.zeros((0, full.n)), LOOSE)
    assert x is not None
    near = wander(full, laws, b[0], known[0], np.array([x]), LOOSE)
    np.testing.assert_allclose(near, x, rtol=1e-6)
    again, done = continuation.settle(full, laws, b, known, start=x[None])
    assert done[0]
    np.testing.assert_allclose(again[0], x, rtol=1e-6)
    point = Newton().equilibrium(circuit)
    assert point.residual < 1e-9 * np.abs(point.branch_currents).max()


def test_wandering_past_breakdown_diodes():
    """Unrestrained, exp(900) in a reversed diode would send every start back."""
    rng = np.random.default_rng([2, 707])
    circuit = read(random_deck(rng, int(rng.integers(51, 201)), "rvidmbe"))
    full, laws, b, known = problem(circuit, np.zeros((1, 0)))
    x = wander(full, laws, b[0], known[0], np.zeros((0, full.n)), LOOSE)
    assert continuation.settle(full, laws, b, known, start=x[None])[1].all()


FLOATING = """currents of 0.2 mA that only gmin leads away: 1e8 V, and 64 bits don't hold the rest beside them
.model d1 D(IS=1e-12 N=1.8 RS=2)
.model d2 D(IS=1e-9 N=1.1 BV=6 IBV=1m)
R13 n4 n11 3.601
R14 n10 n11 34.45meg
R16 n6 n1 16.69k
R17 n1 n8 31.35meg
I2 n10 n6 -515.8n
I6 n7 n9 -200.4u
D5 n8 n12 d1
D8 n9 n8 d1
D9 n10 n7 d2
D10 n4 n12 d2
D11 n12 0 d1
"""


def test_what_64_bits_do_not_hold_is_no_answer():
    with pytest.raises(ConvergenceError, match="sample 0, node 'n.*64-bit numbers leave its voltage open") as caught:
        Newton().equilibrium(read(FLOATING))
    assert "resistor to ground" in str(caught.value)
    grounded = Newton().equilibrium(read(FLOATING + "R1 n8 0 1k\nR2 n9 0 1k\n"))
    assert grounded.residual < 1e-9 and abs(grounded.node_voltages).max() < 1e4
