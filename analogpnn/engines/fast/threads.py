"""How many threads the matrix products of a circuit get: one, unless it is very large.

The products take micro- to milliseconds; a second thread costs more to wake than it saves, and ten times that when
another process wants the core. (Blocks of a sparse factorisation go to threads of our own, see `lanes`.)
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import cache

from threadpoolctl import ThreadpoolController

SMALL = 5000
"""Unknowns up to which products run on one thread."""


def threads_for(n_unknowns: int) -> AbstractContextManager:
    """A context in which BLAS uses one thread if the circuit is small, and what it likes otherwise."""
    return _controller().limit(limits=1, user_api="blas") if n_unknowns <= SMALL else nullcontext()


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()
