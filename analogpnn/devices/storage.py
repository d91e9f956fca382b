"""What a native card stores, beyond its elements at an operating point: charges, and capacitances that have none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from analogpnn.devices.device import Device

PAST, RATE = "past_voltage", "rate_of_change"


@dataclass(frozen=True, eq=False)
class Capacitance:
    """A capacitance that depends on several voltages and is no derivative of a charge: i = C(controls) d(across)/dt.

    Parameters
    ----------
    name : str
    capacitance : str
        C [F] in terms of controls and parameters.
    across : str
        The voltage that it lies across, in terms of controls.
    controls : tuple of str
    parameters : tuple of str
    where : mapping
        Names that the laws use, as of a `Device`.
    """

    name: str
    capacitance: str
    across: str
    controls: tuple[str, ...]
    parameters: tuple[str, ...]
    where: Mapping[str, str]

    @cached_property
    def companion(self) -> Device:
        """The current of a stage, C(v) rate (across - past): of an implicit method applied to C(v) dv/dt = i."""
        return Device(
            self.name, current=f"({self.capacitance})*({RATE}*(({self.across}) - {PAST}))", controls=self.controls,
            parameters={PAST: 0.0, **dict.fromkeys(self.parameters), RATE: 0.0}, where=self.where,
        )  # fmt: skip

    @cached_property
    def voltage(self) -> Device:
        """The voltage it lies across, as a law of the controls alone."""
        return Device(f"{self.name}: voltage", current=self.across, controls=self.controls)


@dataclass(frozen=True, eq=False)
class Stored:
    """One charge or capacitance of a card.

    Parameters
    ----------
    law : Device (with a charge) or Capacitance
    positive, negative : str
        Roles of the terminals, as the module of the device names them.
    controls : tuple of (str, str)
        Pairs of roles; left out: the branch voltage.
    values : mapping
        Law parameters. Those that the card's own element has too follow the element, so also theta.
    """

    law: Device | Capacitance
    positive: str
    negative: str
    values: Mapping[str, float]
    controls: tuple[tuple[str, str], ...] = ()
