"""A device is a formula.

The law is written as in a textbook and read once; current, derivatives, charge, co-content and force follow
from it by sympy, and are turned into NumPy functions on first use.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module

import sympy

from analogpnn.devices.generate import numpy_function
from analogpnn.errors import NetlistError
from analogpnn.expression import parse, to_sympy


@dataclass(frozen=True)
class Junction:
    """A control voltage across a pn junction, so that Newton's method may limit it.

    Parameters
    ----------
    control : int
        Which control.
    saturation, slope : str
        The parameters holding the saturation current [A] and n k T / q [V].
    sign : str
        A parameter holding +1 or -1 that multiplies the control, or '' for +1.
    """

    control: int
    saturation: str
    slope: str
    sign: str = ""


@dataclass(frozen=True, eq=False)
class Device:
    """A law ``current(controls; parameters)`` or ``voltage(controls; parameters)`` of one branch.

    A branch runs from n+ to n-. A *current* law gives the current through it; a *voltage* law gives the voltage
    across it, and its current becomes an unknown. Controls are what the law depends on: for a two-terminal
    element the branch voltage ``v`` alone, otherwise any voltages or branch currents named in `controls`.

    Parameters
    ----------
    name : str
    current, voltage : str or sympy.Expr
        The law (exactly one of the two), in SPICE's expression language: ``+ - * / ** ?: exp tanh min ...``.
    parameters : mapping
        Name -> default value, None where a value must be given.
    where : mapping
        Name -> what it stands for, in terms of controls, parameters and names before it. The law and its forces may use
        them; they are differentiated by the chain rule and computed once.
    states : mapping
        Name -> its rate of change [1/s], in terms of controls, parameters and states: the memory of a memristive
        device. A parameter called like the state with a 0 behind it says where it starts (``w0``, by default 0). At an
        operating point a state is there; in a transient it moves. See `devices.states`.
    units : mapping
        Parameter -> unit, for reports.
    controls : tuple of str
        Names the law uses for its controls.
    charge : str or sympy.Expr
        Charge [C] stored at n+ for a current law, flux [Wb] (in terms of the branch current ``i``) for a voltage law.
    force : mapping
        Parameter -> declared d(co-content)/d(parameter), for laws that have no co-content of their own.
    junctions, step : limits for Newton's method: pn junctions, and the largest change [V] of any control per
        iteration (0: none).

    Examples
    --------
    >>> saturating = Device("saturating", current="G * vs * tanh(v / vs)",
    ...                     parameters={"G": None, "vs": 0.3}, units={"G": "S", "vs": "V"})
    >>> saturating.expression
    g*vs*tanh(v/vs)
    >>> saturating.force_law("g")
    vs**2*log(cosh(v/vs))
    """

    name: str
    current: str | sympy.Expr = ""
    voltage: str | sympy.Expr = ""
    parameters: Mapping[str, float | None] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    controls: tuple[str, ...] = ("v",)
    charge: str | sympy.Expr = ""
    force: Mapping[str, str | sympy.Expr] = field(default_factory=dict)
    junctions: tuple[Junction, ...] = ()
    step: float = 0.0
    where: Mapping[str, str | sympy.Expr] = field(default_factory=dict)
    states: Mapping[str, str | sympy.Expr] = field(default_factory=dict)

    def __post_init__(self):
        if bool(str(self.current)) == bool(str(self.voltage)):
            raise NetlistError(f"device '{self.name}' needs either a current law or a voltage law")
        for name in ("parameters", "units", "force", "where", "states"):
            object.__setattr__(self, name, {k.lower(): v for k, v in getattr(self, name).items()})
        object.__setattr__(self, "controls", tuple(c.lower() for c in self.controls))
        object.__setattr__(self, "parameters", {**{f"{s}0": 0.0 for s in self.states}, **self.parameters})
        known = set(self.parameters) | set(self.controls) | set(self.states)
        laws = [*((s.name, value) for s, value in self.parts), ("", self.expression)]
        for name, value in (*laws, *(("", self._read(rate)) for rate in self.states.values())):
            unknown = sorted(s.name for s in value.free_symbols if s.name not in known)
            if unknown:
                raise NetlistError(
                    f"device '{self.name}': the law uses '{unknown[0]}', which is neither a parameter nor a control",
                    cure=f"parameters: {', '.join(self.parameters) or 'none'}; controls: {', '.join(self.controls)}",
                )
            known.add(name)

    @property
    def is_voltage(self) -> bool:
        """Whether the law gives a voltage, so that the current is an unknown."""
        return bool(str(self.voltage))

    @cached_property
    def expression(self) -> sympy.Expr:
        """The law, in terms of controls, parameters and the names of `where`."""
        return self._read(self.voltage if self.is_voltage else self.current)

    @cached_property
    def parts(self) -> tuple[tuple[sympy.Symbol, sympy.Expr], ...]:
        """The names of `where` and what they stand for, in order."""
        return tuple((self.symbol(name), self._read(value)) for name, value in self.where.items())

    def derivative(self, expression: sympy.Expr, name: str) -> sympy.Expr:
        """d expression / d control or parameter, through the names of `where`."""
        x = self.symbol(name)
        through: dict[sympy.Symbol, sympy.Expr] = {}

        def total(e: sympy.Expr) -> sympy.Expr:
            inner = (sympy.diff(e, part) * slope for part, slope in through.items() if part in e.free_symbols)
            return sympy.diff(e, x) + sum(inner, sympy.Integer(0))

        for part, value in self.parts:
            through[part] = total(value)
        return total(expression)

    @property
    def is_state(self) -> bool:
        """Whether it is the element of a state itself, see `devices.states`."""
        return bool(self.states) and set(self.states) <= set(self.controls)

    @cached_property
    def charge_expression(self) -> sympy.Expr:
        """Charge q(controls) [C], or flux(i) [Wb] of a voltage law."""
        return self._read(self.charge) if str(self.charge) else sympy.Integer(0)

    def _read(self, law: str | sympy.Expr) -> sympy.Expr:
        if isinstance(law, sympy.Expr):
            return law
        controls: list = []
        tree = to_sympy(parse(law), controls, textbook=True)
        if controls:
            raise NetlistError(
                f"device '{self.name}': a law names its controls ({', '.join(self.controls)}), not nodes",
                text=law,
            )
        return tree

    def symbol(self, name: str) -> sympy.Symbol:
        """The symbol of a control or parameter."""
        return sympy.Symbol(name, real=True)

    @cached_property
    def slopes(self) -> tuple[sympy.Expr, ...]:
        """d law / d control, one per control."""
        return tuple(self.derivative(self.expression, c) for c in self.controls)

    @cached_property
    def is_affine(self) -> bool:
        """Whether the law is affine in its controls (then one factorisation serves every sample)."""
        controls = {self.symbol(c) for c in self.controls}
        for part, value in self.parts:
            if value.free_symbols & controls:
                controls.add(part)
        if any(s.free_symbols & controls for s in self.slopes):
            return False
        # A step (u, floor, a comparison) has slope zero and is not affine all the same.
        line = sum((s * self.symbol(c) for s, c in zip(self.slopes, self.controls)), sympy.Integer(0))
        whole = self.expression.subs(self.parts[::-1]) if self.parts else self.expression
        return not sympy.expand(whole - line).free_symbols & controls

    @property
    def is_two_terminal(self) -> bool:
        """Whether the branch voltage is the only control."""
        return not self.is_voltage and self.controls == ("v",)

    def force_law(self, parameter: str) -> sympy.Expr | None:
        """d(co-content)/d(parameter), or None where the device has none.

        The co-content of a two-terminal element is the integral of i dv from 0 to v; of a current source
        ``theta`` it is ``theta * v``, so its force is the branch voltage itself.
        """
        if parameter in self.force:
            return self._read(self.force[parameter])
        if not self.is_two_terminal:
            return None
        v = self.symbol("v")
        slope = self.derivative(self.expression, parameter).subs(self.parts[::-1])
        # As sinh/cosh sympy finds log(cosh v); as tanh it finds a form that cancels badly.
        slope = slope.replace(sympy.tanh, lambda u: sympy.sinh(u) / sympy.cosh(u))
        primitive = sympy.integrate(slope, v)
        if primitive.has(sympy.Integral):
            raise NetlistError(
                f"device '{self.name}': sympy can't integrate d i/d {parameter} to a force",
                cure=f'declare it: Device(..., force={{"{parameter}": "..."}})',
            )
        return primitive - primitive.subs(v, 0)

    @cached_property
    def law(self):
        """Compiled ``(*controls, *parameters) -> (value, d/d control 1, ...)``."""
        return self._compile((self.expression, *self.slopes))

    @cached_property
    def charge_law(self):
        """Compiled ``(*controls, *parameters) -> (charge, d/d control 1, ...)``."""
        names = ("i",) if self.is_voltage else self.controls
        q = self.charge_expression
        return self._compile((q, *(self.derivative(q, c) for c in names)), names)

    def parameter_law(self, parameter: str):
        """Compiled ``(*controls, *parameters) -> (d law / d parameter,)``."""
        return self._memo(
            ("parameter", parameter),
            lambda: self._compile((self.derivative(self.expression, parameter),)),
        )

    def force_function(self, parameter: str):
        """Compiled ``(*controls, *parameters) -> (force,)``, or None."""

        def build():
            law = self.force_law(parameter)
            return None if law is None else self._compile((law,), self.controls or ("v",))

        return self._memo(("force", parameter), build)

    @cached_property
    def _functions(self) -> dict:
        return {}

    def _memo(self, key, build):
        if key not in self._functions:
            self._functions[key] = build()
        return self._functions[key]

    def _compile(self, expressions, controls=None):
        names = (*(self.controls if controls is None else controls), *self.parameters)
        return numpy_function([self.symbol(n) for n in names], expressions, self.parts)

    def __reduce_ex__(self, protocol):
        # Engines tell the package's own devices by identity: a copy, here or in another process, is the same one.
        home = _home(self)
        return super().__reduce_ex__(protocol) if home is None else (_at_home, home)


def _home(device: Device) -> tuple[str, str] | None:
    """Module and name under which one of the package's devices stands."""
    for module_name, module in list(sys.modules.items()):
        if module_name.startswith(f"{__package__}."):
            for name, value in vars(module).items():
                if value is device:
                    return module_name, name
    return None


def _at_home(module: str, name: str) -> Device:
    return getattr(import_module(module), name)
