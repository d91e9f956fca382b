"""The bipolar transistor (Gummel and Poon) as ngspice computes it at an operating point.

The card expands into a transport current, two base junctions, the resistances that are not zero and the junction to the
substrate, each an element of its own. Voltages below are those of an NPN; p = -1 turns them round for a PNP.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import exp, log, sqrt, tan
from typing import NamedTuple

from analogpnn.devices.device import Device, Junction
from analogpnn.units import KELVIN, thermal_voltage


def junction_current(v: str, saturation: str, slope: str) -> str:
    """ngspice's pn junction: Shockley's law down to -3 slopes, a cubic tail below."""
    tail = f"-{saturation}*(1 + (3*{slope}/({v}*2.718281828459045))**3)"
    return f"({v} >= -3*{slope} ? {saturation}*(exp({v}/{slope}) - 1) : {tail})"


_BE, _BC = junction_current("(p*vbe)", "is", "nfvt"), junction_current("(p*vbc)", "isc", "nrvt")
# Base charge: the Early effect divides, high injection multiplies. Where the root has no argument ngspice takes 1.
_Q2 = f"(1 + 4*(iikf*{_BE} + iikr*{_BC}))"
_ROOT = f"({_Q2} > 0 ? sqrt({_Q2}) : 1)"
QB = f"((iikf > 0 || iikr > 0) ? (1 + {_ROOT})/2 : 1)/(1 - ivaf*p*vbc - ivar*p*vbe)"
"""The base charge in units of that without bias."""
_CHARGE = {"ivaf": 0.0, "ivar": 0.0, "iikf": 0.0, "iikr": 0.0, "is": None, "isc": None, "nfvt": None, "nrvt": None}
_LIMITS = (Junction(0, "is", "vt", "p"), Junction(1, "isc", "vt", "p"))

TRANSPORT = Device(
    "bipolar transport",
    current=f"p*m*({_BE} - {_BC})/({QB})",
    controls=("vbe", "vbc"),
    parameters={**_CHARGE, "vt": None, "p": 1.0, "m": 1.0},
    units={"is": "A", "isc": "A", "nfvt": "V", "nrvt": "V", "vt": "V", "iikf": "1/A", "iikr": "1/A", "ivaf": "1/V"},
    junctions=_LIMITS,
)
"""From collector to emitter: (If - Ir) / qb,

qb = (1 + sqrt(1 + 4 (If/IKF + Ir/IKR))) / 2 / (1 - vbc/VAF - vbe/VAR).
"""

BASE_JUNCTION = Device(
    "bipolar base junction",
    current=(
        f"p*m*({junction_current('(p*v)', 'is', 'nvt')}/beta"
        f" + {junction_current('(p*v)', 'ile', 'nevt')} + gmin*p*v)"
    ),
    parameters={"is": None, "nvt": None, "beta": None, "ile": 0.0, "nevt": 1.0, "vt": None, "gmin": 1e-12, "p": 1.0,
                "m": 1.0},
    units={"is": "A", "nvt": "V", "ile": "A", "nevt": "V", "vt": "V", "gmin": "S"},
    junctions=(Junction(0, "is", "vt", "p"),),
)  # fmt: skip
"""Base to emitter or collector: the ideal current over beta, the leakage current, gmin."""

BASE_RESISTANCE = Device(
    "bipolar base resistance",
    current=f"m*v/(rbm + (rb - rbm)/({QB}))",
    controls=("v", "vbe", "vbc"),
    parameters={**_CHARGE, "rb": None, "rbm": None, "vt": None, "p": 1.0, "m": 1.0},
    units={"rb": "ohm", "rbm": "ohm"},
    junctions=(Junction(1, "is", "vt", "p"), Junction(2, "isc", "vt", "p")),
)
"""RBM + (RB - RBM) / qb: the base's resistance falls as its charge grows."""

_IB = (
    f"({_BE}/bf + {junction_current('(p*vbe)', 'ile', 'nevt')} + gmin*p*vbe"
    f" + {_BC}/br + {junction_current('(p*vbc)', 'ilc', 'ncvt')} + gmin*p*vbc)"
)
_X = f"({_IB}/irb)"
_Z = f"((-1 + sqrt(1 + 14.59025*{_X}))/2.4317/sqrt({_X}))"
_SMALL = (sqrt(1 + 14.59025e-9) - 1) / 2.4317 / sqrt(1e-9)  # z where the current is at its least
_LEAST = (tan(_SMALL) - _SMALL) / (_SMALL * tan(_SMALL) ** 2)

CROWDED_BASE_RESISTANCE = Device(
    "bipolar base resistance with crowding",
    current=f"m*v/(rbm + 3*(rb - rbm)*({_X} > 1e-9 ? (tan({_Z}) - {_Z})/({_Z}*tan({_Z})**2) : {_LEAST!r}))",
    controls=("v", "vbe", "vbc"),
    parameters={"is": None, "isc": None, "nfvt": None, "nrvt": None, "rb": None, "rbm": None, "irb": None, "bf": None,
                "br": None, "ile": 0.0, "nevt": 1.0, "ilc": 0.0, "ncvt": 1.0, "gmin": 1e-12, "vt": None, "p": 1.0,
                "m": 1.0},
    units={"rb": "ohm", "rbm": "ohm", "irb": "A"},
    junctions=(Junction(1, "is", "vt", "p"), Junction(2, "isc", "vt", "p")),
)  # fmt: skip
"""With IRB: the base current crowds to the rim, which shortens its way."""

MODEL = {
    "is": 1e-16, "bf": 100.0, "nf": 1.0, "br": 1.0, "nr": 1.0, "vaf": 0.0, "va": 0.0, "var": 0.0, "vb": 0.0, "ikf": 0.0,
    "ik": 0.0, "ikr": 0.0, "ise": 0.0, "c2": 0.0, "ne": 1.5, "isc": 0.0, "c4": 0.0, "nc": 2.0, "rb": 0.0, "rbm": 0.0,
    "irb": 0.0, "re": 0.0, "rc": 0.0, "eg": 1.11, "xti": 3.0, "pt": 3.0, "xtb": 0.0, "iss": 0.0, "ns": 1.0,
    "subs": 1.0, "tnom": 27.0, "tref": 27.0, "nkf": 0.5, "nk": 0.5,
}  # fmt: skip
SILENT = {
    "cje", "vje", "pe", "mje", "me", "tf", "xtf", "vtf", "itf", "ptf", "cjc", "vjc", "pc", "mjc", "mc", "xcjc", "tr",
    "cjs", "csub", "ccs", "vjs", "ps", "mjs", "ms", "fc", "kf", "af", "level", "vbe_max", "vbc_max", "vce_max",
    "pd_max", "ic_max", "ib_max", "te_max", "rth0", "gap1", "gap2", "tlevc", "cte", "ctc", "cts", "tvje",
    "tvjc", "tvjs",
}  # fmt: skip
MISSING = {
    "cn", "d", "gamma", "qco", "quasimod", "rco", "tbf1", "tbf2", "tbr1", "tbr2", "tikf1", "tikf2", "tikr1",
    "tikr2", "tirb1", "tirb2", "tis1", "tis2", "tisc1", "tisc2", "tise1", "tise2", "tiss1", "tiss2", "titf1",
    "titf2", "tlev", "tmjc1", "tmjc2", "tmje1", "tmje2", "tmjs1", "tmjs2", "tnc1", "tnc2", "tne1", "tne2", "tnf1",
    "tnf2", "tnr1", "tnr2", "tns1", "tns2", "trb", "trb1", "trb2", "trc", "trc1", "trc2", "tre", "tre1", "tre2",
    "trm1", "trm2", "ttf1", "ttf2", "ttr1", "ttr2", "tvaf1", "tvaf2", "tvar1", "tvar2", "vg", "vo",
}  # fmt: skip
"""Parameters that ngspice knows and that are missing here."""


class Parts(NamedTuple):
    """What a card stands for: the law parameters of all parts, resistances in ohm.

    Attributes
    ----------
    base : dict or None
        Of the base's resistance where it depends on the current; `crowded`: by current crowding.
    substrate : dict
        A diode's parameters; `vertical` says that it is at the collector.
    base_resistance : float
        Where it is constant.
    """

    transport: dict[str, float]
    base_emitter: dict[str, float]
    base_collector: dict[str, float]
    base: dict[str, float] | None
    crowded: bool
    substrate: dict[str, float]
    vertical: bool
    base_resistance: float
    collector_resistance: float
    emitter_resistance: float


def parameters(
    model: Mapping[str, float],
    instance: Mapping[str, float],
    *,
    sign: float,
    celsius: float,
    tnom: float,
    gmin: float,
) -> Parts:
    """Law parameters of all parts of a transistor, from card and model.

    Currents and conductances grow with the area. At temperature T saturation currents are multiplied by
    f = exp((T/Tnom - 1) EG / Vt) (T/Tnom)**XTI (leakage: f**(1/N)), betas by (T/Tnom)**XTB.
    """
    value: dict[str, float] = {k: model.get(k, d) for k, d in MODEL.items()}
    area, m = instance.get("area", 1.0), instance.get("m", 1.0)
    vertical = model["subs"] == 1 if "subs" in model else sign > 0
    wide = {"b": instance.get("areab", area), "c": instance.get("areac", area)}
    # So ngspice 39 has it: the collector junction's saturation current grows with area times areab (or areac), which
    # are the area itself unless given; its leakage with areab alone; the substrate's with the area.
    collector_area = wide["b"] if vertical else wide["c"]
    nominal = model.get("tnom", model.get("tref", tnom)) + KELVIN
    vt, ratio = thermal_voltage(celsius), (celsius + KELVIN) / nominal
    xti = model.get("xti", value["pt"])
    exponent = (ratio - 1.0) * value["eg"] / vt + xti * log(ratio)
    grow, beta = exp(exponent), ratio ** value["xtb"]
    leak_e = model.get("ise", value["c2"] * value["is"]) * exp(exponent / value["ne"]) / beta
    leak_c = model.get("isc", value["c4"] * value["is"]) * exp(exponent / value["nc"]) / beta
    saturation = value["is"] * grow
    shared = {
        "is": saturation * area, "isc": saturation * area * collector_area,
        "nfvt": value["nf"] * vt, "nrvt": value["nr"] * vt,
        "vt": vt, "p": sign, "m": m,
    }  # fmt: skip
    charge = {
        "ivaf": _inverse(model.get("vaf", value["va"])), "ivar": _inverse(model.get("var", value["vb"])),
        "iikf": _inverse(model.get("ikf", value["ik"]) * area), "iikr": _inverse(value["ikr"] * area),
    }  # fmt: skip
    bf, br = value["bf"] * beta, value["br"] * beta
    emitter = {"ile": leak_e * area, "nevt": value["ne"] * vt}
    collector = {"ilc": leak_c * collector_area, "ncvt": value["nc"] * vt}
    rb, rbm = value["rb"] / area, model.get("rbm", value["rb"]) / area
    base: dict[str, float] | None = None
    crowded = value["irb"] != 0.0
    if rb and crowded:
        base = {**shared, **emitter, **collector, "rb": rb, "rbm": rbm, "irb": value["irb"] * area, "bf": bf, "br": br,
                "gmin": gmin}  # fmt: skip
    elif rb and rb != rbm:
        base = {**shared, **charge, "rb": rb, "rbm": rbm}
    junction = {"vt": vt, "gmin": gmin, "p": sign, "m": m}
    return Parts(
        transport={**shared, **charge},
        base_emitter={"is": shared["is"], "nvt": shared["nfvt"], "beta": bf, **emitter, **junction},
        base_collector={"is": shared["isc"], "nvt": shared["nrvt"], "beta": br, "ile": collector["ilc"],
                        "nevt": collector["ncvt"], **junction},
        base=base,
        crowded=crowded,
        substrate={"is": m * value["iss"] * grow * area, "nvt": value["ns"] * vt, "gmin": m * gmin},
        vertical=vertical,
        base_resistance=rb / m,
        collector_resistance=value["rc"] / area / m,
        emitter_resistance=value["re"] / area / m,
    )  # fmt: skip


def _inverse(x: float) -> float:
    return 1.0 / x if x else 0.0
