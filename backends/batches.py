"""What waits in a thread's queue, taken together."""

from __future__ import annotations

from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TypeVar

T = TypeVar("T")


def batch_of(queue: SimpleQueue[T | None], most: int) -> list[T]:
    """Waits for the first; empty when None says that nothing more is to come."""
    first = queue.get()
    batch = [] if first is None else [first]
    with suppress(Empty):
        while batch and len(batch) < most:
            more = queue.get_nowait()
            if more is None:
                queue.put(None)
                break
            batch.append(more)
    return batch
