"""Resistor, capacitor, inductor, sources: laws that are affine in their controls."""

from analogpnn.devices.device import Device

RESISTOR = Device("resistor", current="m*g*v", parameters={"g": None, "m": 1.0}, units={"g": "S"})
"""Ohm's law i = m g v; force on the conductance g: m v**2 / 2."""

OPEN = 1e300
"""The resistance a card carries for a conductance of zero, and from which on it is read as one [ohm]."""

CAPACITOR = Device("capacitor", current="0*v", charge="c*v", parameters={"c": None}, units={"c": "F"})
"""q = c v; no current at an operating point."""

INDUCTOR = Device("inductor", voltage="0*l", charge="l*i", parameters={"l": None}, units={"l": "H"}, controls=())
"""flux = l i; no voltage at an operating point."""

BEHAVIOURAL_CAPACITOR = Device("behavioural capacitor", current="0*v", charge="0*v")
BEHAVIOURAL_INDUCTOR = Device("behavioural inductor", voltage="0", controls=())
"""A capacitor or an inductor whose value is a formula: known at an operating point only, as open or as a short."""

VOLTAGE_SOURCE = Device("voltage source", voltage="dc", parameters={"dc": 0.0}, units={"dc": "V"}, controls=())
CURRENT_SOURCE = Device(
    "current source",
    current="m*dc",
    parameters={"dc": 0.0, "m": 1.0},
    units={"dc": "A"},
    controls=(),
    force={"dc": "m*v"},
)
"""i = dc from n+ through the source to n-; its co-content is dc v, so the force on dc is v."""

VCVS = Device("voltage-controlled voltage source", voltage="gain*c", parameters={"gain": None}, controls=("c",))
VCCS = Device(
    "voltage-controlled current source",
    current="m*gain*c",
    parameters={"gain": None, "m": 1.0},
    units={"gain": "S"},
    controls=("c",),
)
CCVS = Device(
    "current-controlled voltage source",
    voltage="gain*c",
    parameters={"gain": None},
    units={"gain": "ohm"},
    controls=("c",),
)
CCCS = Device(
    "current-controlled current source",
    current="m*gain*c",
    parameters={"gain": None, "m": 1.0},
    controls=("c",),
)
