"""What is imposed on the outputs: nothing, voltages, or currents.

Coupled learning and equilibrium propagation differ only here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Free:
    """Nothing is imposed: the outputs settle where Kirchhoff's laws put them."""


@dataclass(frozen=True, eq=False)
class Clamp:
    """Ideal voltage sources across the outputs.

    Parameters
    ----------
    voltages : ndarray, shape (..., n_outputs)
        v(n+) - v(n-) imposed on each output [V].
    """

    voltages: np.ndarray


@dataclass(frozen=True, eq=False)
class Inject:
    """Current sources across the outputs.

    Parameters
    ----------
    currents : ndarray, shape (..., n_outputs)
        Current pushed into the output's n+ node and drawn from its n- node [A].
    """

    currents: np.ndarray


Boundary = Free | Clamp | Inject
