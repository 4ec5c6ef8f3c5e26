"""Reading ahead: threads load what comes next while the caller computes, in order and in bounded memory."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def load_ahead(
    load: Callable[[Item], Result], items: Iterable[Item], *, workers: int | None = None, ahead: int = 32
) -> Iterator[Result]:
    """`map(load, items)` by threads: in order, at most `ahead` results before the one that is asked for.

    What `load` raises is raised where its result would have come. Pillow and hashing release Python's lock.
    """
    count = workers if workers is not None else min(os.cpu_count() or 1, 16)
    with ThreadPoolExecutor(max_workers=max(count, 1)) as pool:
        waiting: deque[Future[Result]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(load, item))
                if len(waiting) > ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
