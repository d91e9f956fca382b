"""Analog circuits that learn: train SPICE netlists, check them in ngspice, take the trained circuit away.

from analogpnn import Circuit, Newton, CentredEquilibriumPropagation, train
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

# Loaded on first use, so that `import analogpnn` is instant and a solve doesn't pay for what it doesn't need.
_HOMES = {
    "Netlist": "netlist.netlist",
    "Circuit": "circuit.circuit",
    "OperatingPoint": "circuit.operating_point",
    "Local": "circuit.local",
    "Free": "circuit.boundary",
    "Clamp": "circuit.boundary",
    "Inject": "circuit.boundary",
    "Device": "devices.device",
    "Newton": "engines.newton",
    "Transient": "engines.transient",
    "twin": "circuit.twin",
    "Ngspice": "engines.ngspice.engine",
    "CoupledLearning": "learning.coupled_learning",
    "EquilibriumPropagation": "learning.equilibrium_propagation",
    "CentredEquilibriumPropagation": "learning.centred_equilibrium_propagation",
    "CentredCoupledLearning": "learning.centred_coupled_learning",
    "SquaredError": "learning.costs",
    "CrossEntropy": "learning.costs",
    "train": "training.train",
    "Task": "tasks.task",
    "make_task": "tasks.task",
    "Experiment": "experiments.experiment",
    "AnalogClassifier": "estimators",
    "AnalogRegressor": "estimators",
    "AnalogError": "errors",
    "NetlistError": "errors",
    "ExperimentError": "errors",
    "ConvergenceError": "errors",
    "SimulatorError": "errors",
}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'analogpnn' has no attribute '{name}'")
    value = getattr(import_module(f"analogpnn.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*globals(), *__all__]
