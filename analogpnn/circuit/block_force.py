"""Forces of a layered network without a number per sample and weight.

A rule subtracts and scales forces; training then averages over the batch. For a crossbar both together are one
matrix product. `BlockForce` remembers what the rule did to the forces of which states, `BlockMean` is the average,
still as factors; either becomes a plain array where anything else is done with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, cached_property, partial
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from analogpnn.circuit.layered_point import LayeredPoint


class Deferred(NDArrayOperatorsMixin):
    """An array that is worked out on first use, and then behaves as one.

    >>> 2 * Deferred((2,), lambda: np.array([1.0, 2.0]))
    array([2., 4.])
    """

    def __init__(self, shape: tuple[int, ...], make: Callable[[], np.ndarray]):
        self.shape, self._make = shape, make

    @cached_property
    def _array(self) -> np.ndarray:
        return self._make()

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return np.array(self._array, dtype=dtype) if copy else np.asarray(self._array, dtype=dtype)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        arrays = [np.asarray(x) if isinstance(x, Deferred) else x for x in inputs]
        return getattr(ufunc, method)(*arrays, **options)

    def __getitem__(self, key: Any) -> Any:
        return self._array[key]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._array, name)


class _Linear(Deferred):
    """A deferred array that stays deferred under multiplication by a number, and under + and - where it can.

    It is made of methods of its own: stored ones would be cycles, and keep the states until garbage is collected.
    """

    def __init__(self, shape: tuple[int, ...]):
        self.shape = shape

    def times(self, factor: float) -> Any:
        """The same times a number."""
        raise NotImplementedError

    def plus(self, other: Any) -> Any:
        """The sum with another of its kind; None where it isn't deferred."""
        return None

    # Operators of Python needn't go through NumPy's dispatch, which takes longer than what they do.
    def __neg__(self) -> Any:
        return self.times(-1.0)

    def __add__(self, other: Any) -> Any:
        return self.__array_ufunc__(np.add, "__call__", self, other)

    def __sub__(self, other: Any) -> Any:
        return self.__array_ufunc__(np.subtract, "__call__", self, other)

    def __mul__(self, other: Any) -> Any:
        return self.__array_ufunc__(np.multiply, "__call__", self, other)

    def __rmul__(self, other: Any) -> Any:
        return self.__array_ufunc__(np.multiply, "__call__", other, self)

    def __truediv__(self, other: Any) -> Any:
        return self.__array_ufunc__(np.true_divide, "__call__", self, other)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        if method == "__call__" and not options:
            a, b = (*inputs, None)[:2]
            if ufunc is np.negative:
                return self.times(-1.0)
            if ufunc is np.add or ufunc is np.subtract:
                if isinstance(a, type(self)) and isinstance(b, type(self)):
                    added = a.plus(b if ufunc is np.add else b.times(-1.0))
                    if added is not None:
                        return added
            elif ufunc is np.multiply or ufunc is np.true_divide:
                if isinstance(a, type(self)) and _number(b):
                    return a.times(float(b) if ufunc is np.multiply else 1.0 / float(b))
                if ufunc is np.multiply and isinstance(b, type(self)) and _number(a):
                    return b.times(float(a))
        return super().__array_ufunc__(ufunc, method, *inputs, **options)


def _number(x: Any) -> bool:
    return isinstance(x, float) or np.ndim(x) == 0


class BlockForce(_Linear):
    """A sum of forces of states, each with a weight: ``sum_k a_k force(state_k)``, shape (..., n_trainable).

    ``.mean(axis=0)`` is a `BlockMean`; ``np.asarray`` or `samples` gives every sample's own, and pays for it.
    """

    def __init__(self, terms: tuple[tuple[float, LayeredPoint], ...], shape: tuple[int, ...]):
        super().__init__(shape)
        self.terms = terms

    def _make(self) -> np.ndarray:
        return self.samples()

    def samples(self) -> np.ndarray:
        """(..., n_trainable): the force of every sample, for rules that look at its sign, say."""
        return np.asarray(sum(a * _force(point) for a, point in self.terms))

    def mean(self, axis: Any = None, **options: Any) -> Any:
        """Average over the batch, block by block."""
        if axis in (0, (0,)) and len(self.shape) == 2 and not options:
            return BlockMean.of(self.terms)
        return np.asarray(self).mean(axis=axis, **options)

    def times(self, factor: float) -> BlockForce:
        """All weights times a number."""
        return BlockForce(tuple([(factor * a, p) for a, p in self.terms]), self.shape)

    def plus(self, other: BlockForce) -> BlockForce | None:
        """The terms of both; None if they are of different shapes."""
        return BlockForce(self.terms + other.terms, self.shape) if self.shape == other.shape else None


class Part(NamedTuple):
    """The average force of one crossbar: ``rows_i + columns_j - sum_k left_ki right_kj``.

    Parameters
    ----------
    block : int
    left : ndarray, shape (k, n_lower)
    right : ndarray, shape (k, n_upper)
    rows : ndarray, shape (n_lower,), or None for zero
    columns : ndarray, shape (n_upper,)
    """

    block: int
    left: np.ndarray
    right: np.ndarray
    rows: np.ndarray | None
    columns: np.ndarray

    def dense(self) -> np.ndarray:
        """(n_lower, n_upper)"""
        out = self.left.T @ self.right
        np.subtract(self.columns, out, out=out)
        if self.rows is not None:
            out += self.rows[:, None]
        return out


class BlockMean(_Linear):
    r"""A batch average of forces, shape (n_trainable,), as one small factorisation a crossbar.

    Parameters
    ----------
    circuit : Circuit
    scale : float
        What all is multiplied with in the end.
    parts : tuple of Part
    drift : sequence of ndarray, shape (n,) each
        Of each layer :math:`\sum_k a_k u_k`, averaged: what sources learn from that feed its nodes.
    """

    def __init__(self, circuit: Any, scale: float, parts: tuple[Part, ...], drift: Sequence[np.ndarray]):
        super().__init__((circuit.n_trainable,))
        self.circuit, self.scale, self.parts, self.drift = circuit, scale, parts, drift

    def _make(self) -> np.ndarray:
        out, blocks = np.zeros(self.shape), self.circuit.blocks
        for part in self.parts:
            block = blocks.blocks[part.block]
            if block.start >= 0:
                block.matrix(out)[...] = part.dense()
            else:
                out[block.columns] = part.dense()
        for c in blocks.currents:
            nodes, scale = c.learning
            out[c.columns[c.columns >= 0]] = -scale * self.drift[c.layer][nodes]
        return self.scale * out

    def times(self, factor: float) -> BlockMean:
        """The same factors at another scale."""
        return BlockMean(self.circuit, factor * self.scale, self.parts, self.drift)

    @classmethod
    def of(cls, terms: tuple[tuple[float, LayeredPoint], ...]) -> BlockMean:
        r"""The average of sum_k a_k force(state_k), differences of squares formed as such.

        With the first state as reference, u_k = u + du_k and v_k = v + dv_k at the two ends of a conductance,

        .. math:: \sum_k a_k (u_k - v_k)^2 = (\sum_k a_k) (u - v)^2
                  + 2 (u - v) \sum_k a_k (du_k - dv_k) + \sum_k a_k (du_k - dv_k)^2

        so that a small nudge meets no difference of large numbers; where the weights add up to zero, as in every
        contrastive rule, the first term is left out, and at held nodes (du = 0) one product remains.
        """
        moments = _moments()
        points = _merged(terms)
        first = points[0][1]
        circuit, blocks, feed = first.circuit, first.blocks, first.feed
        every = [a for a, _ in points]
        total = float(sum(every))
        if abs(total) <= 1e-12 * max(map(abs, every)):
            total = 0.0
        same = all([point.feed is feed for _, point in points])
        weights = (*every[1:], 0.0)
        found: list[Any] = [
            _held(feed.held[k], total)
            if same
            else moments(tuple([np.ascontiguousarray(p.feed.held[k]) for _, p in points]), weights, total)
            for k in range(blocks.n_held)
        ]
        for k in range(len(blocks.layers) - blocks.n_held):
            found.append(moments(tuple([p.states[k] for _, p in points]), weights, total))
        parts = []
        for n, block in enumerate(blocks.blocks):
            if block.columns is None:
                continue
            left, _, rows, _ = found[block.lower]
            _, right, columns, _ = found[block.upper]
            if len(left) != len(right):  # a held layer has one factor: its neighbour's others meet zeros
                both = min(len(left), len(right))
                left, right = left[:both], right[:both]
            parts.append(Part(n, left, right, rows, columns))
        return cls(circuit, 1.0, tuple(parts), [drift for _, _, _, drift in found])


@cache
def _moments() -> Callable[..., Any]:
    from analogpnn.circuit.block_moments import moments  # imported on use: it compiles

    return moments


def _held(u: np.ndarray, total: float) -> tuple[np.ndarray, None, np.ndarray | None, None]:
    """`moments` of a layer that is the same in all states; it is never the upper one."""
    rows = u.dtype.type(total / 2) * np.square(u).mean(axis=0) if total else None
    return u, None, rows, None


def _merged(terms):
    """Weights of the same state added up; those that cancel left out."""
    found: dict[int, list] = {}
    for a, point in terms:
        found.setdefault(id(point), [0.0, point])[0] += a
    kept = [(a, p) for a, p in found.values() if a]
    return kept or [(0.0, terms[0][1])]


def _voltage(point: LayeredPoint) -> np.ndarray:
    """(..., n_trainable): voltage across every trainable [V]."""
    circuit, x = point.circuit, point._flat
    out = np.empty((len(x), circuit.n_trainable))
    for g, _, places, columns in circuit.train_slots:
        group = circuit.groups[g]
        out[:, columns] = x[:, group.positive[places]] - x[:, group.negative[places]]
    return out.reshape(*point.batch, -1)


def _current(point: LayeredPoint) -> np.ndarray:
    """(..., n_trainable): current through every trainable [A]."""
    theta, g = np.asarray(point.theta, dtype=float), point.circuit.conductances
    return np.where(g, theta * _voltage(point), theta * _copies(point))


def _force(point: LayeredPoint) -> np.ndarray:
    v = _voltage(point)
    return np.where(point.circuit.conductances, v * v / 2, v * _copies(point))


def _copies(point: LayeredPoint) -> np.ndarray:
    """(n_trainable,): how many sources in parallel a trainable current source is (its m)."""
    out = np.ones(point.circuit.n_trainable)
    for c in point.blocks.currents:
        learns = c.columns >= 0
        out[c.columns[learns]] = np.abs(c.scale[learns])
    return out


def measured(point: LayeredPoint) -> tuple[Deferred, Deferred, BlockForce]:
    """Voltage, current and force of every trainable, none of them worked out yet."""
    shape = (*point.batch, point.circuit.n_trainable)
    voltage = Deferred(shape, partial(_voltage, point))
    return voltage, Deferred(shape, partial(_current, point)), BlockForce(((1.0, point),), shape)
