"""The trained circuit as a flat deck, by itself or inside a test bench."""

from __future__ import annotations

import numpy as np

from analogpnn.circuit.deck import deck
from analogpnn.export.testbench import bench
from analogpnn.export.verify import TOLERANCE


def trained_deck(circuit, theta: np.ndarray) -> str:
    """A flat deck that stock ngspice runs: no subcircuits, no .param arithmetic, no .include.

    Parameters
    ----------
    circuit : Circuit
    theta : ndarray, shape (n_trainable,)

    Returns
    -------
    str
        Its inputs are at their cards' values; ``*@`` directives are kept, so that it can be trained further.
    """
    return deck(circuit, theta)


def trained_bench(
    circuit,
    theta: np.ndarray,
    inputs: np.ndarray,
    outputs: np.ndarray,
    *,
    tolerance: float = TOLERANCE,
) -> str:
    """A deck that checks itself: see `analogpnn.export.testbench.bench`.

    Parameters
    ----------
    circuit : Circuit
    theta : ndarray, shape (n_trainable,)
    inputs : ndarray, shape (n_samples, n_inputs)
        [V or A]
    outputs : ndarray, shape (n_samples, n_outputs)
        What training saw [V].
    tolerance : float
        Largest deviation that passes [V].
    """
    return bench(
        deck(circuit, theta, analysis=()),
        inputs=circuit.inputs,
        outputs=circuit.outputs,
        samples=inputs,
        expected=outputs,
        tolerance=tolerance,
    )
