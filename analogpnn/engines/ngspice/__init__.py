"""ngspice as an engine: the same interface as the fast engine, from the simulator everyone checks against.

`engine` is the class `Ngspice`, `pool` its worker processes, `worker` what runs in one, `library` the thin
layer over PySpice's binding, `words` what becomes of ngspice's messages, `wire` how the two processes talk.

Imports nothing: a worker comes through here, and needs none of the package but three of these files.
"""
