"""Problems that are made, not measured: logic gates, regressions, allostery. All in volts."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from analogpnn.errors import ExperimentError, NetlistError
from analogpnn.seeds import stream
from analogpnn.tasks.datasets import Samples, split
from analogpnn.tasks.options import Matrix, Numbers

GATES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "and": lambda ones: ones == ones.max(),
    "or": lambda ones: ones > 0,
    "xor": lambda ones: ones % 2 == 1,
    "nand": lambda ones: ones < ones.max(),
    "nor": lambda ones: ones == 0,
    "xnor": lambda ones: ones % 2 == 0,
}
"""Gate -> its truth from the number of ones among the bits, for all combinations at once."""


def gate(name: str) -> Callable[..., Samples]:
    """The builder of one gate's truth table."""

    def build(circuit: Any, seed: int, *, bits: int = 2, inputs: Numbers = (0.0, 1.0)) -> Samples:
        """All 2^bits combinations, in counting order; training and test set are the same.

        Parameters
        ----------
        bits : int
            Inputs of the gate; xor of more than two is the parity.
        inputs : (low, high)
            Input voltages of 0 and 1 [V].
        """
        if not 1 <= bits <= 16:
            raise ExperimentError(f"task '{name}': bits must be from 1 to 16, not {bits}")
        low, high = _pair(name, "inputs", inputs)
        table = np.array(list(itertools.product((0, 1), repeat=bits)))
        truth = GATES[name](table.sum(axis=1)).astype(int)
        return Samples(np.where(table == 1, high, low), labels=truth, classes=("0", "1"), same=True)

    return build


def linear_regression(
    circuit: Any,
    seed: int,
    *,
    matrix: Matrix = (),
    samples: int = 50,
    inputs: Numbers = (0.0, 1.0),
    test_fraction: float = 0.3,
) -> Samples:
    """``outputs = matrix @ inputs``, inputs uniform in a range.

    Parameters
    ----------
    matrix : rows of numbers, n_outputs by n_inputs
        Without one, it is drawn: coefficients above 0 whose sum over a row is below 1, as a network of
        resistors with one terminal at ground can realise.
    samples : int
    inputs : (low, high)
        [V]
    test_fraction : float
    """
    rng = stream(seed, "problem")
    if matrix:
        weights = np.array(matrix)
    else:
        n_in, n_out = (2, 2) if circuit is None else (circuit.n_inputs, circuit.n_outputs)
        shares = rng.dirichlet(np.ones(n_in + 1), size=n_out)  # the last share is ground's
        weights = 0.5 * shares[:, :n_in] + 0.5 / (n_in + 1)
    x = _uniform("linear-regression", rng, samples, weights.shape[1], inputs)
    return split(Samples(x, targets=x @ weights.T), test_fraction, seed)


def nonlinear_regression(
    circuit: Any,
    seed: int,
    *,
    expression: str = "x1^2",
    samples: int = 50,
    inputs: Numbers = (0.0, 0.5),
    variables: int = 0,
    test_fraction: float = 0.3,
) -> Samples:
    """Outputs given by expressions in SPICE's language of the inputs ``x1 x2 ...`` [V].

    Parameters
    ----------
    expression : str
        One per output, semicolons between them: ``"0.1 + x1*x2; max(x1, x2)/2"``.
    samples : int
    inputs : (low, high)
        Range of the inputs, uniform [V].
    variables : int
        How many inputs the function has; 0: as many as the circuit (or 1 without a circuit).
    test_fraction : float
    """
    from analogpnn.expression import evaluate, parse  # imported on use: it brings sympy

    count = variables or (1 if circuit is None else circuit.n_inputs)
    x = _uniform("nonlinear-regression", stream(seed, "problem"), samples, count, inputs)
    names = [{f"x{k + 1}": float(value) for k, value in enumerate(row)} for row in x]
    try:
        nodes = [parse(text.strip()) for text in expression.split(";") if text.strip()]
        targets = np.array([[evaluate(node, row) for node in nodes] for row in names])
    except (NetlistError, ArithmeticError, ValueError) as error:
        why = error.what if isinstance(error, NetlistError) else error
        raise ExperimentError(
            f"task 'nonlinear-regression': '{expression}' can't be computed for every sample: {why}",
            cure=f"The inputs are called {', '.join(names[0])}.",
        ) from error
    return split(Samples(x, targets=targets), test_fraction, seed)


def nmos_regression(circuit: Any, seed: int) -> Samples:
    """The eight-point nonlinear regression of the transistor network: a line that saturates.

    References
    ----------
    S. Dillavou, B. D. Beyer, M. Stern, A. J. Liu, M. Z. Miskin, D. J. Durian, "Machine learning without a
    processor: emergent learning in a nonlinear analog network", PNAS 121, e2319718121 (2024).
    """
    x = [0.0005, 0.0628, 0.1251, 0.1873, 0.2479, 0.3118, 0.3724, 0.4347]
    y = [0.1088, 0.1472, 0.1872, 0.2256, 0.2649, 0.3041, 0.3041, 0.3041]
    return Samples(np.array(x)[:, None], targets=np.array(y)[:, None], same=True)


def allostery(
    circuit: Any, seed: int, *, inputs: Numbers = (), targets: Numbers = (), between: Numbers = ()
) -> Samples:
    """One sample: with these inputs, those outputs. Training and test set are the same.

    Parameters
    ----------
    inputs : numbers, n_inputs
        [V or A]; by default the values on the sources' own cards.
    targets : numbers, n_outputs
        [V]; by default drawn uniformly.
    between : (low, high)
        Range of drawn targets [V]; by default the middle 60 % of the range of the inputs (with ground, if
        they are all alike), so that a network of resistors can reach them.

    References
    ----------
    M. Stern, D. Hexner, J. W. Rocks, A. J. Liu, Phys. Rev. X 11, 021045 (2021): flow allostery.
    """
    if circuit is None and not (inputs and targets):
        raise ExperimentError("task 'allostery' needs a circuit, or inputs and targets")
    x = np.array(inputs or circuit.input_values, dtype=float)
    if not targets:
        ends = np.append(x, 0.0) if np.ptp(x) == 0 else x
        low, high = np.min(ends) + 0.2 * np.ptp(ends), np.max(ends) - 0.2 * np.ptp(ends)
        if between:
            low, high = _pair("allostery", "between", between)
        if low == high:
            raise ExperimentError(
                "task 'allostery': all inputs are at 0, which leaves no range to draw targets from",
                cure="Give the input sources their values on their cards, or inputs = [...] to the task.",
            )
        targets = tuple(stream(seed, "problem").uniform(low, high, circuit.n_outputs))
    return Samples(x[None, :], targets=np.array(targets, dtype=float)[None, :], same=True)


PROBLEMS: dict[str, Callable[..., Samples]] = {name: gate(name) for name in GATES} | {
    "linear-regression": linear_regression,
    "nonlinear-regression": nonlinear_regression,
    "nmos-regression": nmos_regression,
    "allostery": allostery,
}
"""Problems by the name they have in experiment files and directives."""


def _uniform(name: str, rng: np.random.Generator, samples: int, count: int, inputs: tuple[float, ...]) -> np.ndarray:
    if samples < 1:
        raise ExperimentError(f"task '{name}': samples must be at least 1, not {samples}")
    low, high = _pair(name, "inputs", inputs)
    return rng.uniform(low, high, (samples, count))


def _pair(name: str, option: str, values: tuple[float, ...]) -> tuple[float, float]:
    if len(values) != 2 or not all(np.isfinite(values)):
        raise ExperimentError(f"task '{name}': '{option}' must be two numbers, low and high, not {list(values)}")
    return values[0], values[1]
