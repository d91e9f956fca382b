"""The Runge-Kutta methods: explicit first stage, equal diagonal, stiffly accurate, L-stable.

Every implicit stage needs the same matrix A + C/(gamma h), so one factorisation serves a whole step size; the last
stage *is* the new point, so algebraic equations hold there exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import sqrt

import numpy as np

from analogpnn.errors import ExperimentError


@dataclass(frozen=True, eq=False)
class Method:
    """One method of the family.

    Parameters
    ----------
    name : str
    order : int
        Of the solution that goes on; errors of smooth answers fall like h**order.
    exponent : int
        The error estimate falls like h**exponent.
    a : ndarray, shape (s, s)
        Lower triangular; ``a[i, i] = gamma`` but for the first row of zeros, the last row is b.
    e : ndarray, shape (s,)
        b minus the weights of the embedded method.
    """

    name: str
    order: int
    exponent: int
    a: np.ndarray
    e: np.ndarray

    @property
    def gamma(self) -> float:
        return float(self.a[-1, -1])

    @property
    def c(self) -> np.ndarray:
        """Times of the stages within the step."""
        return self.a.sum(axis=1)

    @property
    def stages(self) -> int:
        return len(self.a)


def _method(name: str, order: int, exponent: int, gamma: float, below, embedded) -> Method:
    s = len(below) + 1
    a = np.zeros((s, s))
    for i, row in enumerate(below, start=1):
        a[i, : len(row)] = row
        a[i, i] = gamma
    embedded = np.array([float(x) for x in embedded])
    return Method(name, order, exponent, a, a[-1] - embedded)


def _given_c(gamma, c, below):
    """Rows from the second column on; the first makes each row sum to its c."""
    return [[float(t) - gamma - sum(map(float, row)), *map(float, row)] for t, row in zip(c, below)]


def _bdf2() -> Method:
    d, w = 1.0 - sqrt(0.5), sqrt(2.0) / 4.0
    return _method("tr-bdf2", 2, 3, d, [[d], [w, w]], [(1.0 - w) / 3.0, w + 1.0 / 3.0, d / 3.0])


def _esdirk4() -> Method:
    F = Fraction
    below = [
        [F(1, 4)],
        [F(8611, 62500), F(-1743, 31250)],
        [F(5012029, 34652500), F(-654441, 2922500), F(174375, 388108)],
        [F(15267082809, 155376265600), F(-71443401, 120774400), F(730878875, 902184768), F(2285395, 8070912)],
        [F(82889, 524892), F(0), F(15625, 83664), F(69875, 102672), F(-2260, 8211)],
    ]
    embedded = [
        F(4586570599, 29645900160), 0, F(178811875, 945068544), F(814220225, 1159782912), F(-3700637, 11593932),
        F(61727, 225920),
    ]  # fmt: skip
    return _method("esdirk4", 4, 4, 0.25, [[float(x) for x in row] for row in below], embedded)


def _esdirk5() -> Method:
    F = Fraction
    c = [F(46, 125), F(7121331996143, 11335814405378), F(49, 353), F(3706679970760, 5295570149437), F(347, 382), 1]
    below = [
        [],
        [F(791020047304, 3561426431547)],
        [F(-158159076358, 11257294102345), F(-85517644447, 5003708988389)],
        [F(-1653327111580, 4048416487981), F(1514767744496, 9099671765375), F(14283835447591, 12247432691556)],
        [
            F(-4540011970825, 8418487046959), F(-1790937573418, 7393406387169), F(10819093665085, 7266595846747),
            F(4109463131231, 7386972500302),
        ],
        [
            F(-188593204321, 4778616380481), F(2809310203510, 10304234040467), F(1021729336898, 2364210264653),
            F(870612361811, 2470410392208), F(-1307970675534, 8059683598661),
        ],
    ]  # fmt: skip
    embedded = [
        F(-582099335757, 7214068459310), F(615023338567, 3362626566945), F(3192122436311, 6174152374399),
        F(6156034052041, 14430468657929), F(-1011318518279, 9693750372484), F(1914490192573, 13754262428401),
    ]  # fmt: skip
    return _method("esdirk5", 5, 5, 23 / 125, _given_c(23 / 125, c, below), [1 - sum(embedded), *embedded])


# TR-BDF2: Bank et al., IEEE Trans. CAD 4, 436 (1985); Hosea and Shampine, Appl. Numer. Math. 20, 21 (1996).
# ESDIRK 4(3): the implicit half of ARK4(3)6L[2]SA, Kennedy and Carpenter, Appl. Numer. Math. 44, 139 (2003).
# ESDIRK 5(4): ESDIRK5(4)7L[2]SA2, Kennedy and Carpenter, Appl. Numer. Math. 136, 183 (2019).
METHODS = {m.name: m for m in (_bdf2(), _esdirk4(), _esdirk5())}
# Backward differentiation has no stages; what is used of this record is the highest order and the first step's error.
BDF = Method("bdf", 5, 2, np.ones((1, 1)), np.zeros(1))


def method(name: str) -> Method:
    """The method of this name."""
    if name == BDF.name:
        return BDF
    if name not in METHODS:
        cure = f"Methods: auto, bdf, {', '.join(METHODS)}."
        raise ExperimentError(f"there is no integration method '{name}'", cure=cure)
    return METHODS[name]
