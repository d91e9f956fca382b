"""Engines find operating points: ``equilibrium(circuit, theta, inputs, boundary) -> OperatingPoint``."""
