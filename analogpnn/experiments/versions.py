"""What a run depended on: versions of the package, of its libraries, of ngspice."""

from __future__ import annotations

import platform

from analogpnn import __version__
from analogpnn.errors import SimulatorError


def versions() -> dict[str, str]:
    """Versions of everything a run depends on; ngspice's is asked of the library, if there is one."""
    import numpy as np
    import scipy
    import sympy

    found = {
        "analogpnn": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "sympy": sympy.__version__,
    }
    ngspice = find_ngspice()
    return {**found, "ngspice": ngspice} if ngspice else found


def find_ngspice() -> str | None:
    """Version of the libngspice that is there, like ``39`` or ``46 with KLU``; None without one."""
    from analogpnn.engines.ngspice.pool import info

    try:
        found = info()
    except SimulatorError:
        return None
    return f"{found.version or 'of unknown version'}{' with KLU' if found.klu else ''}"
