"""SPICE numbers and ngspice's own physical constants.

Constants are the ones compiled into ngspice (``const.h``, versions 39 to 46; CODATA 2014), not the newest:
with CODATA 2018 the two engines would differ by 3e-6.
"""

from __future__ import annotations

import re

BOLTZMANN = 1.38064852e-23
"""Boltzmann constant [J/K]."""
CHARGE = 1.6021766208e-19
"""Elementary charge [C]."""
KELVIN = 273.15
"""0 degrees Celsius [K]."""
T_NOMINAL = 27.0
"""Default temperature, of the circuit and of model parameters [degrees Celsius]."""
MIL = 25.4e-6
"""One thousandth of an inch [m]."""

_SHIFT = {"t": 12, "g": 9, "meg": 6, "k": 3, "m": -3, "u": -6, "n": -9, "p": -12, "f": -15, "mil": 0, "": 0}

# mantissa, exponent, scale, digits after the scale ('4k7'), unit. 'd' is Fortran's exponent, as in ngspice.
NUMBER = r"(\d+\.?\d*|\.\d+)(?:[ed]([+-]?\d+))?(?:(meg|mil|[tgkmunpf])(\d*))?([a-z]*)"
_NUMBER = re.compile(r"([+-]?)" + NUMBER + "%?", re.IGNORECASE | re.ASCII)
_PLAIN = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)


def parse_number(text: str) -> float:
    """Read a SPICE number: decimal text, engineering suffix, unit.

    The value is the float nearest to the decimal text with its exponent shifted, so that ``4.7n`` is exactly
    4.7e-9 (which 4.7 * 1e-9 is not).

    Parameters
    ----------
    text : str
        Like ``'10k'``, ``'1e-3V'``, ``'4k7'``, ``'0.1u'``; upper and lower case alike, so ``M`` is milli.

    Returns
    -------
    float
        In the unit the text is written in (which is not looked at).

    Raises
    ------
    ValueError
        If the text is no number, or one too large for a float.

    Examples
    --------
    >>> parse_number("1.2Meg"), parse_number("1M"), parse_number("10kohm"), parse_number("4k7")
    (1200000.0, 0.001, 10000.0, 4700.0)
    """
    if _PLAIN.fullmatch(text):
        value = float(text)
    else:
        match = _NUMBER.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r} is not a number")
        sign, mantissa, exponent, scale, decimals, _ = match.groups()
        scale = (scale or "").lower()
        if decimals:  # 4k7: the suffix stands where the point would
            if "." in mantissa or exponent is not None or scale == "mil":
                raise ValueError(f"{text!r} is not a number")
            mantissa += "." + decimals
        value = float(f"{sign}{mantissa}e{int(exponent or 0) + _SHIFT[scale]}")
        if scale == "mil":
            value *= MIL
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"{text!r} is too large for a number")
    return value


def format_number(x: float) -> str:
    """Shortest decimal text that reads back to the same float.

    Examples
    --------
    >>> format_number(0.1), format_number(1e-07), parse_number(format_number(1 / 3)) == 1 / 3
    ('0.1', '1e-07', True)
    """
    return repr(float(x))  # float() first: repr of a NumPy scalar is 'np.float64(0.1)'


def thermal_voltage(celsius: float = T_NOMINAL) -> float:
    """Thermal voltage k T / q [V] at a temperature in degrees Celsius.

    Examples
    --------
    >>> thermal_voltage(27)
    0.025864917007157463
    """
    return BOLTZMANN * (celsius + KELVIN) / CHARGE
