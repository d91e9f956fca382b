"""SPICE numbers: the value of every suffix, and exactness."""

import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analogpnn.units import format_number, parse_number, thermal_voltage


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5.0), ("-5", -5.0), ("+5", 5.0), (".5", 0.5), ("5.", 5.0), ("1e3", 1e3), ("1E-3V", 1e-3),
        ("1d3", 1e3),
        ("1k", 1e3), ("1K", 1e3), ("1M", 1e-3), ("1m", 1e-3), ("1Meg", 1e6), ("1MEGohm", 1e6),
        ("1.2Meg", 1.2e6),
        ("1g", 1e9), ("1T", 1e12), ("4.7n", 4.7e-9), ("6.8u", 6.8e-6), ("1.1p", 1.1e-12), ("2.2f", 2.2e-15),
        ("10kohm", 1e4), ("1mil", 25.4e-6), ("1e3k", 1e6), ("1e", 1.0), ("5A", 5.0), ("3V", 3.0), ("0", 0.0),
        ("4k7", 4700.0), ("1n5", 1.5e-9), ("2meg2", 2.2e6), ("1mOhm", 1e-3), ("25%", 25.0),
    ],
)  # fmt: skip
def test_values_are_the_nearest_floats(text, value):
    assert parse_number(text) == value


@pytest.mark.parametrize(
    "text",
    ["", "k", "nan", "inf", "1_000", "1.5.2", "1,000", "1e400", "4.7k7", "--1", "1 k", "٣", "1µ", "0x10"],
)
def test_what_is_no_number(text):
    with pytest.raises(ValueError):
        parse_number(text)


@given(st.decimals(min_value="0.001", max_value="1000", places=4), st.sampled_from("tgkmunpf"))
def test_suffixes_shift_the_decimal_text(mantissa, suffix):
    shift = {"t": 12, "g": 9, "k": 3, "m": -3, "u": -6, "n": -9, "p": -12, "f": -15}[suffix]
    assert parse_number(f"{mantissa}{suffix}") == float(mantissa * Decimal(10) ** shift)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_float_survives_its_text(x):
    assert math.copysign(1, parse_number(format_number(x))) == math.copysign(1, x)
    assert parse_number(format_number(x)) == x


@given(st.text(max_size=30))
def test_any_text_is_a_number_or_a_value_error(text):
    try:
        assert math.isfinite(parse_number(text))
    except ValueError:
        pass


def test_thermal_voltage_is_ngspices():
    assert thermal_voltage() == 0.025864917007157463
