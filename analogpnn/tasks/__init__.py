"""Floor 4. Tasks: samples as voltages for a circuit's inputs, and what its outputs should be."""
