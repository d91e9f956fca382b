"""What every engine does first: arrays of the right shape, or a sentence that says what is wrong."""

from __future__ import annotations

from math import isfinite

import numpy as np
from numpy.typing import ArrayLike

from analogpnn.circuit.boundary import Boundary, Clamp, Free, Inject
from analogpnn.circuit.circuit import Circuit
from analogpnn.errors import ExperimentError


def check_kinds(circuit: object, boundary: object) -> None:
    """Refuse what is no circuit and what is no boundary, before anything is asked of them."""
    if not hasattr(circuit, "theta"):
        name = repr(circuit) if isinstance(circuit, str) else "..."
        cure = f"Read it first: circuit = Circuit.from_netlist({name})"
        raise ExperimentError(f"a {type(circuit).__name__} is no circuit", cure=cure)
    if not isinstance(boundary, Boundary):
        cure = "Free(), Clamp(voltages) or Inject(currents)."
        raise ExperimentError(f"a {type(boundary).__name__} is no boundary", cure=cure)


def prepare(
    circuit: Circuit, theta: ArrayLike | None, inputs: ArrayLike | None, boundary: Boundary
) -> tuple[np.ndarray, np.ndarray, Boundary, tuple[int, ...]]:
    """Check and complete the arguments of ``equilibrium``.

    Returns
    -------
    theta : (..., n_trainable), inputs : (..., n_inputs), boundary with float arrays, batch shape
    """
    check_kinds(circuit, boundary)
    theta = _array("theta", circuit.theta if theta is None else theta, circuit.n_trainable, "trainables")
    return (theta, *prepare_drive(circuit, theta.shape[:-1], inputs, boundary))


def prepare_drive(
    circuit: Circuit,
    front: tuple[int, ...],
    inputs: ArrayLike | None,
    boundary: Boundary,
    known: np.ndarray | None = None,
) -> tuple[np.ndarray, Boundary, tuple[int, ...]]:
    """The same of inputs and boundary alone; `front` is theta's batch shape, `known` are inputs that were checked."""
    if isinstance(inputs, np.ndarray) and inputs is known:
        drive = inputs
    else:
        drive = _array("inputs", circuit.input_values if inputs is None else inputs, circuit.n_inputs, "inputs")
    shapes = [front, drive.shape[:-1]]
    if not isinstance(boundary, Free):
        if not circuit.n_outputs:
            raise ExperimentError("the netlist names no outputs to impose anything on", cure="*@ output v(node)")
        if isinstance(boundary, Clamp):
            values = _array("voltages", boundary.voltages, circuit.n_outputs, "outputs")
            boundary = boundary if values is boundary.voltages else Clamp(values)
        else:
            values = _array("currents", boundary.currents, circuit.n_outputs, "outputs")
            boundary = boundary if values is boundary.currents else Inject(values)
        shapes.append(values.shape[:-1])
    different = {*shapes} - {()}
    try:
        batch = different.pop() if len(different) == 1 else np.broadcast_shapes(*shapes)
    except ValueError:
        raise ExperimentError(f"batch shapes {shapes} of theta, inputs and boundary don't broadcast") from None
    return drive, boundary, batch


def _array(name: str, values: ArrayLike, width: int, what: str) -> np.ndarray:
    if type(values) is not np.ndarray or values.dtype != float:
        values = _real(name, values)
    if values.ndim == 0 or values.shape[-1] != width:
        missing = name == "inputs" and not width
        raise ExperimentError(
            f"{name} has shape {values.shape}; its last axis must hold the circuit's {width} {what}",
            cure="Name them in the netlist: '*@ input V1 V2'." if missing else None,
        )
    # The sum of squares is cheaper; it isn't finite either where the squares are too large.
    if not isfinite(np.vdot(values, values)) and not np.isfinite(values).all():
        raise ExperimentError(f"{name} holds values that are not finite")
    return values


def _real(name: str, values: ArrayLike) -> np.ndarray:
    if np.iscomplexobj(values):
        cure = "The fast engine settles complex nudges; this rule needs it."
        raise ExperimentError(f"{name}: this engine takes no complex numbers", cure=cure)
    try:
        return np.asarray(values, dtype=float)
    except (TypeError, ValueError) as error:
        raise ExperimentError(f"{name}: not an array of numbers ({error})") from None
