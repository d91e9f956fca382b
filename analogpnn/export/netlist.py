"""The trained netlist: the user's own file with other numbers."""

from __future__ import annotations

import numpy as np


def trained_netlist(circuit, theta: np.ndarray) -> str:
    """Text of the circuit's netlist with the trained values in place of the old ones.

    Parameters
    ----------
    circuit : Circuit
    theta : ndarray, shape (n_trainable,)

    Returns
    -------
    str
        Differs from the original only where a trained number stands; read again, it gives the same theta bit
        for bit when theta went through `circuit.snap`.

    Raises
    ------
    NetlistError
        A trained element lies in a subcircuit that is used more than once: there is no line for each copy.
    """
    return circuit.netlist.with_values(circuit.card_values(theta)).text
