"""Floor 4. Training: the only room where an engine meets a rule."""
