"""One step size: the matrix A + rate C, eliminated once and shared by all samples, stages and steps of that size."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from analogpnn.engines.fast.batched import Batched
from analogpnn.engines.fast.factor import Factor
from analogpnn.engines.fast.full import Full
from analogpnn.errors import NetlistError

if TYPE_CHECKING:
    from analogpnn.engines.ode.dynamics import Dynamics

PORT_LIMIT = 120
"""Nonlinear ports up to which dense systems on them are kept, one for each sample."""
DENSE_LIMIT = 24
"""Unknowns up to which dense matrices of them all are the faster ones, where the ports alone won't do."""


class Level:
    """The linear part of stages of one step size.

    Parameters
    ----------
    dynamics : Dynamics
    rate : float
        1/(gamma h) [1/s]

    Attributes
    ----------
    spread : ndarray (n_out, n_free)
        What a current out of each port does to the free unknowns.
    z : ndarray (n_in, n_out), z_rows its transpose
        What it does to the ports.
    whole : Batched, Full or None
        The system of all unknowns, where there are too many ports, the linear part alone is singular, or a charge
        depends on several voltages.
    """

    def __init__(self, dynamics: Dynamics, rate: float):
        self.dynamics, self.rate = dynamics, rate
        sk = dynamics.skeleton
        ports, free = sk.ports, dynamics.free
        linear = sk.linear(dynamics.parameters, rate)
        self.charge_free = (dynamics.capacitance[free] * rate).tocsr()
        self.feed = np.asarray((dynamics.feed[free] - linear.to_known @ dynamics.known).todense())
        self.factor = self._factor(linear, ports)
        self.whole = self.spread = None
        if self.factor is None:
            self.whole = (Batched if len(free) > DENSE_LIMIT else Full)(sk.whole, linear, ports)
        else:
            spread = self.factor.columns(ports.inject_free)
            self.spread = np.ascontiguousarray(spread.T)
            self.z = np.asarray(ports.read_free @ spread)
            self.z_rows = np.ascontiguousarray(self.z.T)
            self.resistance = np.maximum(np.diag(self.z), 1e-9) if ports.square else None

    def _factor(self, linear, ports) -> Factor | None:
        if ports.n_out > PORT_LIMIT or self.dynamics.skeleton.coupled:
            return None
        try:
            return Factor(linear)
        except np.linalg.LinAlgError:
            if ports.n_out:
                return None
        raise NetlistError(
            "the circuit's equations are singular", path=self.dynamics.circuit.path,
            cure="look for a loop of ideal sources, or a node that nothing but capacitors reach",
        )  # fmt: skip

    @property
    def exact(self) -> Factor:
        """The linear part's factorisation, where there is one."""
        assert self.factor is not None, "the whole system is solved at once here"
        return self.factor

    @cached_property
    def carry(self) -> np.ndarray | None:
        """(n + 1, n_free): x* to the x without sources and nonlinear currents; None where it would be too large."""
        inverse = self.exact.inverse
        return None if inverse is None else np.ascontiguousarray(self.charge_free.T @ inverse.T)

    @cached_property
    def fed(self) -> np.ndarray:
        """(n_sources, n_free)"""
        return self.exact.solve(np.ascontiguousarray(self.feed.T))

    def right(self, static, s, star, rows=None) -> np.ndarray:
        """b of the free unknowns, charges (by `star`, or by row) and held nodes moved to it."""
        b = static + s @ self.feed.T
        if rows is not None:
            return b + self.rate * rows
        return b + (self.charge_free @ star.T).T

    def linear(self, static, s, star, x, rows=None) -> None:
        """Free unknowns without the nonlinear currents, into x."""
        if self.carry is None or rows is not None:
            x[...] = self.exact.solve(self.right(static, s, star, rows))
            return
        np.matmul(star, self.carry, out=x)
        x += s @ self.fed
        if static.any():
            x += self.exact.solve(static)

    def damped(self, error: np.ndarray) -> np.ndarray:
        """(A + rate C)^-1 rate C error."""
        if self.carry is not None:
            return error @ self.carry
        return self.exact.solve((self.charge_free @ error.T).T)


def together(places: np.ndarray) -> slice | np.ndarray:
    """Rising places as a slice where there is no gap in them.

    Examples
    --------
    >>> together(np.array([3, 4, 5])), together(np.array([3, 5]))
    (slice(3, 6, None), array([3, 5]))
    """
    if not len(places) or places[-1] - places[0] + 1 != len(places):
        return places
    return slice(int(places[0]), int(places[-1]) + 1)


@dataclass(eq=False)
class Team:
    """Samples that share a step size.

    Parameters
    ----------
    level : Level
    members : ndarray
        Their places among the samples of a stage.
    times : ndarray
        Of all samples of the stage [s].
    part : slice or ndarray
        The members again: a slice where they are neighbours, so that arrays of theirs are no copies.
    """

    level: Level
    members: np.ndarray
    times: np.ndarray

    def __post_init__(self):
        self.part = together(self.members)

    @contextmanager
    def alone(self, members: np.ndarray):
        """Rates and times of the laws set for some members only."""
        dynamics = self.level.dynamics
        kept = [list(p) for p in dynamics.laws.parameters]
        dynamics.set_rate(dynamics.laws, self.level.rate)
        dynamics.set_time(dynamics.laws, self.times[members])
        for k, _ in dynamics.skeleton.displaced:
            dynamics.laws.parameters[k][0] = kept[k][0][members]
        try:
            yield
        finally:
            dynamics.laws.parameters = kept
