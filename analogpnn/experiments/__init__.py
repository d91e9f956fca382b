"""Floor 6. Experiments: a file in, a run directory out."""
