"""Jobs one after the other, or several at once in processes of their own."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from threading import Thread
from typing import Any


def _die_with_parent() -> None:
    """A killed parent can't stop its workers: they would write on into directories that its successor uses."""
    parent = parent_process()
    if parent is not None:
        Thread(target=lambda: wait([parent.sentinel]) and os._exit(1), daemon=True).start()


class Pool:
    """Jobs one after the other in this process, or several at once in others."""

    def __init__(self, workers: int):
        self.workers = workers
        self.executor: ProcessPoolExecutor | None = None

    def __enter__(self) -> Pool:
        if self.workers > 1:
            # Spawned, not forked: compiled code and its threads don't survive a fork.
            self.executor = ProcessPoolExecutor(
                self.workers, mp_context=get_context("spawn"), initializer=_die_with_parent
            )
        return self

    def __exit__(self, *_) -> None:
        if self.executor is not None:
            self.executor.shutdown(cancel_futures=True)

    def map(self, job: Callable[[Any], Any], jobs: Mapping[Any, Any], done: Callable[[Any, Any], None]) -> dict:
        """{key: job(value)}; `done` hears of each as it ends."""
        found = {}
        if self.executor is None:
            for key, value in jobs.items():
                found[key] = job(value)
                done(key, found[key])
            return found
        waiting = {self.executor.submit(job, value): key for key, value in jobs.items()}
        for future in as_completed(waiting):
            key = waiting[future]
            found[key] = future.result()
            done(key, found[key])
        return {key: found[key] for key in jobs}
