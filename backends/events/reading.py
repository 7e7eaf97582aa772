"""Reading a log page by page, as fast as the subscriber takes them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Generic, TypeVar

from backends.errors import BackendUnavailable
from backends.events import Event

AT_ONCE = 200
"""Events of a page, at most."""

PAGE_BYTES = 4 << 20
"""A page ends with the event that exceeds it."""

PAUSES = (0.05, 0.1, 0.2, 0.5, 1.0)

PositionT = TypeVar("PositionT")


class Wakes:
    """For those who found nothing more to read."""

    def __init__(self) -> None:
        self._next = asyncio.Event()

    def next(self) -> asyncio.Event:
        """To be taken before reading and waited for after."""
        return self._next

    def wake(self) -> None:
        woken, self._next = self._next, asyncio.Event()
        woken.set()


class Reading(AsyncIterator[Event], Generic[PositionT]):
    """page: from a position to the events after it, if any, and the position after those; it may
    wait for a while. When it raises BackendUnavailable, it is called again, a little later.
    """

    def __init__(
        self,
        position: PositionT,
        page: Callable[[PositionT], Awaitable[tuple[list[Event], PositionT]]],
    ) -> None:
        self._position = position
        self._page = page
        self._events: deque[Event] = deque()
        self._over = False

    def end(self) -> None:
        """Whoever waits is to be woken."""
        self._over = True
        self._events.clear()

    async def __anext__(self) -> Event:
        failures = 0
        while not self._events:
            if self._over:
                raise StopAsyncIteration
            try:
                # Both or neither: who is cancelled reads the same again.
                events, self._position = await self._page(self._position)
            except BackendUnavailable:
                await asyncio.sleep(PAUSES[min(failures, len(PAUSES) - 1)])
                failures += 1
            else:
                self._events.extend(events)
        return self._events.popleft()
