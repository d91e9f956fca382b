"""Do the compiled kernels compute what the laws say? Against NumPy's laws, SciPy's omega and the array limiters."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import wrightomega

from analogpnn import Circuit, Device, Netlist, Newton
from analogpnn.devices import bjt, diode, jfet, mosfet, switch
from analogpnn.engines.fast import fused, kernels, limiting, wave
from analogpnn.engines.fast.program import UnknownOperationError, program
from analogpnn.engines.fast.vector import LANES
from analogpnn.engines.ode.scalars import evaluate

LAWS = {
    "diode": (diode.DIODE, {"is": 1e-12, "nvt": 0.03, "gmin": 1e-12}),
    "breakdown": (diode.BREAKDOWN_DIODE, {"is": 1e-12, "nvt": 0.03, "gmin": 1e-12, "bv": 0.9, "nvtb": 0.03}),
    "nmos": (mosfet.CHANNEL, {"vto": 0.5, "kp": 2e-5, "gamma": 0.4, "phi": 0.6, "lambda": 0.02, "w": 1e-5,
                              "leff": 1e-6, "p": 1.0, "m": 1.0}),
    "pmos": (mosfet.CHANNEL, {"vto": -0.5, "kp": 2e-5, "gamma": 0.4, "phi": 0.6, "lambda": 0.02, "w": 1e-5,
                              "leff": 1e-6, "p": -1.0, "m": 2.0}),
    "bulk": (mosfet.BULK, {"is": 1e-14, "vt": 0.0259, "gmin": 1e-12, "p": -1.0}),
    "jfet": (jfet.CHANNEL, None),
    "transport": (bjt.TRANSPORT, {"ivaf": 0.01, "ivar": 0.02, "iikf": 100.0, "iikr": 0.0, "is": 1e-15, "isc": 1e-15,
                                  "nfvt": 0.0259, "nrvt": 0.0259, "vt": 0.0259, "p": 1.0, "m": 1.0}),
    "switch": (switch.SWITCH, None),
}  # fmt: skip


def values_of(device, values):
    return {name: 0.7 if v is None else v for name, v in device.parameters.items()} if values is None else values


@pytest.mark.parametrize("name", LAWS)
@pytest.mark.parametrize("load_line", [False, True])
def test_a_kernel_gives_the_law_and_its_slopes(name, load_line):
    device, values = LAWS[name]
    values = values_of(device, values)
    n, c = 20, len(device.controls)
    u = np.random.default_rng(3).uniform(-1.2, 1.2, (3 * c * n, LANES))
    parameters = np.repeat([[values[p]] for p in device.parameters], n, axis=1).astype(float)
    at, slopes, constants = np.zeros_like(u), np.zeros_like(u), np.zeros((3 * n, LANES))
    active = np.array([0, 2])
    kernel = kernels.advance(device, load_line)
    kernel(active, True, 1.0, u, at, c * n, 0, n, n, 0, parameters, np.zeros(n), slopes, constants)
    shaped = u.reshape(3, c, n, LANES)
    expected = device.law(*np.moveaxis(shaped, 1, 0), *[p[:, None] for p in parameters])
    constant = expected[0] - sum(d * shaped[:, k] for k, d in enumerate(expected[1:]))
    found = constants.reshape(3, n, LANES)
    scale = np.abs(expected[0]) + sum(np.abs(d * shaped[:, k]) for k, d in enumerate(expected[1:]))
    for b in active:
        assert np.all(np.abs(found[b] - constant[b]) <= 1e-13 * scale[b] + 1e-28)
        for k, d in enumerate(expected[1:]):
            np.testing.assert_allclose(slopes.reshape(3, c, n, LANES)[b, k], d[b], rtol=2e-13, atol=1e-28)
    assert not constants.reshape(3, n, LANES)[1].any(), "a block that is not active is left alone"


@pytest.mark.parametrize("name", LAWS)
def test_plain_numbers_give_the_law_too(name):
    device, values = LAWS[name]
    values = [np.full(5, v) for v in values_of(device, values).values()]
    for size in (0.3, 3.0, 90.0):  # exponentials overflow at the last
        controls = list(size * np.random.default_rng(4).normal(size=(len(device.controls), 1, 5)))
        with np.errstate(all="ignore"):
            expected = device.law(*controls, *values)
        for found, wanted in zip(evaluate(device, controls, values), expected):
            assert found.shape == (1, 5)
            np.testing.assert_allclose(found, wanted, rtol=1e-13, atol=1e-300)


def test_the_exponential_holds_over_the_whole_range():
    law = Device("exponential", current="exp(v)", parameters={"g": 0.0})
    kernel = kernels.advance(law, False)
    v = np.concatenate([np.linspace(-700, 708, 16 * LANES - 3), [800.0, -800.0, np.nan]]).reshape(-1, LANES)
    at, slopes, constants = np.zeros_like(v), np.zeros_like(v), np.zeros_like(v)
    kernel(np.array([0]), True, 1.0, v, at, 16, 0, 16, 16, 0, np.zeros((1, 16)), np.zeros(16), slopes, constants)
    found = slopes.ravel()
    np.testing.assert_allclose(found[:-3], np.exp(v.ravel()[:-3]), rtol=5e-16)
    assert found[-3] == np.inf and 0 <= found[-2] < 1e-300 and np.isnan(found[-1])


def test_scalar_limits_are_those_of_the_arrays():
    y = np.linspace(-40, 400, 2001)
    np.testing.assert_allclose([wave.omega(v) for v in y], wrightomega(y), rtol=1e-9)
    rng = np.random.default_rng(0)
    new, old = rng.uniform(-3, 3, 500), rng.uniform(-1, 1, 500)
    one = [wave.logarithmic(f, p, 1e-12, 0.026) for f, p in zip(new, old)]
    np.testing.assert_allclose(one, limiting.logarithmic(new, old, 1e-12, 0.026), rtol=1e-12)


def test_a_law_without_vector_code_is_left_to_numpy():
    law = Device("saturating", current="g*vs*tanh(v/vs)", parameters={"g": 1e-3, "vs": 0.3})
    with pytest.raises(UnknownOperationError, match="tanh"):
        program(law)
    assert kernels.advance(law, True) is None


@pytest.mark.parametrize("batch", [1, 8, 11, 64])
def test_lanes_and_numpy_settle_alike(batch, monkeypatch):
    rng = np.random.default_rng(1)
    n = 60
    lines = ["ladder", "*@ input V1 V2", "*@ output v(n5)", ".model d D(IS=1e-12 N=1.5)", "V1 n0 0 1", f"V2 n{n} 0 1"]
    lines += [f"R{k} n{k} n{k + 1} {rng.uniform(1e3, 1e4):.3f}" for k in range(n)]
    lines += [f"D{k} n{k} {'0' if k % 2 else f'n{k + 2}'} d" for k in range(1, n - 2)]
    circuit = Circuit.from_netlist(Netlist.from_text("\n".join([*lines, ".end", ""])))
    assert "eight samples at once" in Newton().explain(circuit)
    x = rng.uniform(-5, 5, (batch, 2))
    compiled = Newton().equilibrium(circuit, None, x)
    monkeypatch.setattr(fused, "WORTH", 10**9)
    by_numpy = Newton().equilibrium(circuit, None, x)
    np.testing.assert_allclose(compiled.node_voltages, by_numpy.node_voltages, rtol=1e-9, atol=1e-12)
    # A sample's answer doesn't depend on its company.
    monkeypatch.undo()
    alone = Newton().equilibrium(circuit, None, x[-1:])
    np.testing.assert_array_equal(alone.node_voltages[0], compiled.node_voltages[-1])


def test_nested_dissection_orders_every_node_once_and_fills_grids_less():
    import scipy.sparse as sp

    from analogpnn.engines.fast import pattern
    from analogpnn.engines.fast.blocks import Block
    from analogpnn.engines.fast.dissection import dissect

    side = 80
    k = np.arange(side * side).reshape(side, side)
    a = np.concatenate([k[:, :-1].ravel(), k[:-1].ravel()])
    b = np.concatenate([k[:, 1:].ravel(), k[1:].ravel()])
    n = side * side
    graph = sp.csr_matrix((np.ones(2 * len(a)), (np.r_[a, b], np.r_[b, a])), shape=(n + 3, n + 3))  # three loose nodes
    order = dissect(graph)
    assert sorted(order.tolist()) == list(range(n + 3))
    rows = np.concatenate([a, b, np.arange(n)])
    block = Block(rows, np.concatenate([b, a, np.arange(n)]), np.arange(n), np.arange(n), n)
    both = pattern.analyse(block, np.ones(block.n_entries), True)
    assert n >= pattern.LARGE
    degree = pattern._factored((graph[:n, :n] * -1.0 + sp.diags(np.full(n, 9.0))).tocsc(), "MMD_AT_PLUS_A")[1]
    assert both.flops <= pattern._work(degree.indptr)


def test_without_a_writeable_cache_kernels_go_to_a_temporary_folder(monkeypatch, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    monkeypatch.setenv("ANALOGPNN_CACHE", str(blocked / "below"))
    kernels._folder.cache_clear()
    try:
        folder = kernels._folder()
        assert folder.is_dir() and tmp_path not in folder.parents
    finally:
        kernels._folder.cache_clear()
