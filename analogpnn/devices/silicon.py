"""Silicon's band gap, and what temperature does to the potential of a junction, in ngspice's formulas (mos1temp.c)."""

from __future__ import annotations

from math import log

from analogpnn.units import BOLTZMANN, CHARGE

REFERENCE = 300.15
"""Where the formulas are anchored [K]."""


def band_gap(kelvin: float) -> float:
    """Eg(T) = 1.16 - 7.02e-4 T**2 / (T + 1108), in electronvolts."""
    return 1.16 - 7.02e-4 * kelvin**2 / (kelvin + 1108.0)


def at_reference(volts: float, kelvin: float) -> float:
    """The potential at 300.15 K of a junction that has `volts` at a temperature [V]."""
    return (volts - _shift(kelvin)) / (kelvin / REFERENCE)


def at_temperature(volts: float, kelvin: float) -> float:
    """The potential at a temperature of a junction that has `volts` at 300.15 K [V]."""
    return kelvin / REFERENCE * volts + _shift(kelvin)


def _shift(kelvin: float) -> float:
    k = BOLTZMANN / CHARGE  # eV/K
    arg = 1.1150877 / (2 * k * REFERENCE) - band_gap(kelvin) / (2 * k * kelvin)
    return -2 * k * kelvin * (1.5 * log(kelvin / REFERENCE) + arg)
