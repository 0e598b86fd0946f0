"""Threads for the kernels: how many, and how pixels are shared among them.

Kernels release the interpreter's lock and never start threads of their own; BLAS is held to one thread meanwhile, so
that there are never more busy threads than were asked for.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Protocol

from threadpoolctl import threadpool_limits

from sbas_assets.errors import InputError

THREADS = "SBAS_THREADS"
_SHARE = 4096  # pixels of one task: long enough to hide its start, short enough to keep all threads busy


class Share(Protocol):
    """Calls a function of a first and a last number (exclusive), `size` apart, until all numbers are done."""

    def __call__(self, kernel: Callable[[int, int], None], number: int, size: int = ..., /) -> None:
        """Return when all are done."""


def thread_count() -> int:
    """Threads to compute with: `SBAS_THREADS`, or all cores that this process may use.

    Raises
    ------
    InputError
        `threads-invalid` when SBAS_THREADS is not a whole number above zero.
    """
    asked = os.environ.get(THREADS, "").strip()
    if not asked:
        return len(os.sched_getaffinity(0))
    if not asked.isdecimal() or int(asked) < 1:
        raise InputError(
            "threads-invalid",
            f"{THREADS} = {asked} is not a number of threads",
            mend=f"set {THREADS} to 1 or more, or leave it unset to use all cores",
        )
    return int(asked)


@contextmanager
def pixel_threads() -> Iterator[Share]:
    """Threads that share the pixels of one block after another.

    Yields
    ------
    callable
        Takes a function of a first and a last pixel (exclusive), the number of pixels, and, where these are not
        pixels but something larger, how many to do at a time; returns when the function has been called for all.
    """
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(thread_count(), "sbas-kernel") as pool:

        def share(kernel: Callable[[int, int], None], number: int, size: int = _SHARE, /) -> None:
            starts = range(0, number, size)
            for _ in pool.map(lambda start: kernel(start, min(start + size, number)), starts):
                pass

        yield share
