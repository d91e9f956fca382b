"""Floor 1. Devices: a law, written once; numerical functions and SPICE text are generated from it."""
