"""The fast engine: modified nodal analysis on batches, Newton's method only where the circuit is nonlinear."""
