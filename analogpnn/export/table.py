"""The trained values as a table."""

from __future__ import annotations

import csv
import io

import numpy as np

from analogpnn.units import format_number


def trainables_csv(circuit, theta: np.ndarray) -> str:
    """CSV text with one row per trainable: what to write on its card, theta and bounds.

    Parameters
    ----------
    circuit : Circuit
    theta : ndarray, shape (n_trainable,)
        Trained values [S, V, ... as each row's `unit` says].

    Returns
    -------
    str
        Columns ``name, element, parameter, card_value, quantity, unit, theta, lower, upper``.
    """
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow("name element parameter card_value quantity unit theta lower upper".split())
    cards = circuit.card_values(theta)
    lower, upper = circuit.bounds
    for trainable, value, low, high in zip(circuit.trainable, theta, lower, upper):
        card = cards[trainable.element, trainable.parameter]
        numbers = [format_number(x) for x in (value, low, high)]
        table.writerow(
            [
                trainable.name,
                trainable.element,
                trainable.parameter,
                format_number(card),
                trainable.quantity,
                trainable.unit,
                *numbers,
            ]
        )
    return text.getvalue()
