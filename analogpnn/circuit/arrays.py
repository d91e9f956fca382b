"""What NumPy can do in one call and its type stubs can't say."""

from __future__ import annotations

from typing import Any

import numpy as np


def add_columns(out: np.ndarray, columns: np.ndarray, values: Any) -> None:
    """``out[..., columns] += values`` in place, where a column may be named more than once.

    Parameters
    ----------
    out : ndarray, shape (..., n)
    columns : ndarray of int, shape (m,)
    values : array_like, shape broadcasting to (..., m)

    Examples
    --------
    >>> out = np.zeros((1, 3))
    >>> add_columns(out, np.array([0, 2, 2]), [[1.0, 2.0, 3.0]])
    >>> out
    array([[1., 0., 5.]])
    """
    place: Any = (..., columns)  # the stubs know no index that is a tuple
    np.add.at(out, place, values)
