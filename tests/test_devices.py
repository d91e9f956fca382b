"""Do derivatives, forces and SPICE text follow from the law, for every device and for one of the user's own?"""

import importlib
import pkgutil

import numpy as np
import pytest
from circuits import read
from scipy.integrate import quad

from analogpnn import Device, Newton, Ngspice, devices
from analogpnn.circuit.boundary import Clamp
from analogpnn.circuit.local import measure
from analogpnn.devices import diode, mosfet
from analogpnn.devices.linear import RESISTOR
from analogpnn.errors import NetlistError
from analogpnn.testing import check_device

OURS = {
    (module.name, name): found
    for module in pkgutil.iter_modules(devices.__path__)
    for name, found in vars(importlib.import_module(f"analogpnn.devices.{module.name}")).items()
    if isinstance(found, Device)
}
TYPICAL = dict(
    vt=0.0258, nvt=0.0258, nfvt=0.0258, nrvt=0.0258, nevt=0.05, vto=0.1, phi=0.7, kp=1.0, w=1.0, leff=1.0, gamma=0.4,
    beta=1.0, ile=1e-3, rb=2.0, rbm=1.0, ivaf=0.1, ivar=0.2, iikf=0.1, iikr=0.2,
)  # fmt: skip


@pytest.mark.parametrize("key", OURS, ids=lambda key: f"{key[0]}.{key[1]}")
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_every_device_keeps_the_contract(key, sign):
    device = OURS[key]
    values = {name: TYPICAL[name] for name in device.parameters if name in TYPICAL}
    if len(device.parameters) > 9:  # long laws: the slopes by the controls only
        values = {name: TYPICAL.get(name, default or 1.0) for name, default in device.parameters.items()}
    if "p" in device.parameters:
        values["p"] = sign
    check_device(device, values, span=0.2)


@pytest.mark.parametrize(
    "bias", [(1.5, 0.2, -1.0), (1.5, 3.0, -1.0), (1.5, -0.3, -1.0), (0.2, 1.0, 0.0), (1.0, 0.1, 0.3)]
)
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_slopes_of_the_mosfet_channel_in_triode_saturation_reverse_and_cut_off(bias, sign):
    values = {"vto": 0.7 * sign, "kp": 5e-5, "gamma": 0.5, "phi": 0.7, "lambda": 0.05, "w": 1e-5, "leff": 2e-6,
              "p": sign, "m": 1.0}  # fmt: skip
    parameters = [values[name] for name in mosfet.CHANNEL.parameters]
    point = [sign * v for v in bias]
    value, *slopes = mosfet.CHANNEL.law(*point, *parameters)
    for k in range(3):
        h = 1e-6 * np.eye(3)[k]
        up, down = (mosfet.CHANNEL.law(*(point + s * h), *parameters)[0] for s in (1, -1))
        np.testing.assert_allclose(slopes[k], (up - down) / 2e-6, rtol=1e-7, atol=1e-13)
    assert slopes[1] >= 0


def test_the_channel_is_smooth_where_drain_and_source_change_places():
    p = [0.7, 5e-5, 0.5, 0.7, 0.05, 1e-5, 2e-6, 1.0, 1.0]
    at = mosfet.CHANNEL.law(1.5, np.array([-1e-9, 0.0, 1e-9]), -1.0, *p)
    np.testing.assert_allclose(at[0][0], -at[0][2], rtol=1e-6)
    np.testing.assert_allclose(at[2], at[2][1], rtol=1e-6)


def test_force_of_a_conductance_is_half_the_square_of_the_voltage():
    v = np.array([-2.0, 0.0, 0.5])
    np.testing.assert_allclose(RESISTOR.force_function("g")(v, 1e-3, 1.0)[0], v**2 / 2, rtol=1e-15)


def test_force_is_the_integral_of_the_slope_by_the_parameter():
    law = Device(
        "tunnel", current="g*v*exp(-v/vp) + is*sinh(v/vs)", parameters={"g": 1.0, "vp": 0.3, "is": 0.1, "vs": 0.2}
    )
    for name in ("g", "is", "vs"):
        for v in (-0.4, 0.25):
            slope = law.parameter_law(name)
            area = quad(lambda u, f=slope: f(u, 1.0, 0.3, 0.1, 0.2)[0], 0.0, v)[0]
            assert law.force_function(name)(v, 1.0, 0.3, 0.1, 0.2)[0] == pytest.approx(area, rel=1e-10)


def test_the_declared_force_of_a_diode_is_its_slope_but_for_the_reverse_tail():
    v, point = np.array([-0.07, 0.2, 0.5]), (1e-12, 0.0258, 1e-12)
    exact = [quad(lambda u: np.expm1(u / 0.0258), 0.0, x)[0] for x in v]
    np.testing.assert_allclose(diode.DIODE.force_function("is")(v, *point)[0], exact, rtol=1e-8)


SATURATING = Device(
    "saturating", current="G * vs * tanh(v / vs)", parameters={"G": None, "vs": 0.3}, units={"G": "S", "vs": "V"}
)
MULTIPLIER = Device("multiplier", current="k*a*b", controls=("a", "b"), parameters={"k": None})
NETLIST = """a device of the user's
*@ input V1
*@ output v(out)
*@ train X1 min=1u max=1
V1 in 0 1
X1 in out saturating G=1m
R1 out 0 1k
X2 0 m in 0 out 0 multiplier k=1m
R2 m 0 1k
"""


def test_a_device_of_the_users_on_an_x_card():
    check_device(SATURATING)
    check_device(MULTIPLIER)
    circuit = read(NETLIST, devices=[SATURATING, MULTIPLIER])
    op = Newton().equilibrium(circuit, circuit.theta, [[0.5], [-2.0]])
    out = op.outputs[:, 0]
    np.testing.assert_allclose(out, 0.3 * np.tanh((op.inputs[:, 0] - out) / 0.3), rtol=1e-12)
    np.testing.assert_allclose(op.node_voltages[:, circuit.nodes.index("m")], op.inputs[:, 0] * out, rtol=1e-12)
    across = op.inputs - op.outputs
    np.testing.assert_allclose(measure(op).force, 0.3**2 * np.log(np.cosh(across / 0.3)), rtol=1e-10)


@pytest.mark.usefixtures("ngspice")
def test_a_device_of_the_users_in_ngspice():
    circuit = read(NETLIST, devices=[SATURATING, MULTIPLIER])
    inputs = np.array([[0.5], [-2.0], [0.01]])
    for boundary in ({}, {"boundary": Clamp(np.array([0.1]))}):
        fast, spice = (e.equilibrium(circuit, [2e-3], inputs, **boundary) for e in (Newton(), Ngspice()))
        np.testing.assert_allclose(fast.node_voltages, spice.node_voltages, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("card", "says"),
    [
        ("X1 in out saturatng G=1m", "no subcircuit and no device called 'saturatng'"),
        ("X1 in out 0 saturating G=1m", "two terminals"),
        ("X1 in out saturating", "'x1' needs a value for 'g'"),
        ("X1 in out saturating G=1m vt=1", "no parameter 'vt'"),
        ("X2 0 out in 0 multiplier k=1", "needs 2 + 4 nodes"),
    ],
)
def test_wrong_cards_of_the_users_devices(card, says):
    with pytest.raises(NetlistError, match=r"line 3") as caught:
        read(f"title\nV1 in 0 1\n{card}\nR1 out 0 1k\n", devices=[SATURATING, MULTIPLIER])
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("law", "says"),
    [
        ({"current": "g*v", "voltage": "v"}, "either"),
        ({"current": "g*v*k", "parameters": {"g": 1.0}}, "'k'"),
        ({"current": "v(a)*g", "parameters": {"g": 1.0}}, "names its controls"),
    ],
)
def test_laws_that_make_no_sense(law, says):
    with pytest.raises(NetlistError, match=says):
        Device("wrong", **law)


def test_names_of_a_law_are_differentiated_through():
    plain = Device("plain", current="g*(v*v + s)**2", parameters={"g": 1.0, "s": 0.5})
    named = Device("named", current="g*w*w", where={"q": "v*v", "w": "q + s"}, parameters={"g": 1.0, "s": 0.5})
    for wanted, found in (
        (plain.law(0.7, 2.0, 0.3), named.law(0.7, 2.0, 0.3)),
        (plain.parameter_law("s")(0.7, 2.0, 0.3), named.parameter_law("s")(0.7, 2.0, 0.3)),
        (plain.force_function("g")(0.7, 2.0, 0.3), named.force_function("g")(0.7, 2.0, 0.3)),
    ):
        np.testing.assert_allclose(found, wanted, rtol=1e-14)
    assert not Device("line", current="g*w", where={"w": "v*v"}, parameters={"g": 1.0}).is_affine
    assert Device("line", current="g*w", where={"w": "2*v"}, parameters={"g": 1.0}).is_affine
    with pytest.raises(NetlistError, match="uses 'later'"):
        Device("wrong", current="w", where={"w": "later", "later": "v"})


def test_steps_are_not_affine():
    """u(c) has slope zero everywhere and is no constant."""
    for law, affine in (("2*c + 1", True), ("u(c)", False), ("c > 0 ? 2 : 1", False), ("(c + 1)^2 - c^2", True)):
        assert Device("law", current=law, controls=("c",)).is_affine is affine
