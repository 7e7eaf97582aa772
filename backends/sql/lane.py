"""A bounded number of places, and a line before them."""

from __future__ import annotations

import asyncio

from backends.errors import BackendError, BackendUnavailable


class Lane:
    """`size` blocks at once; others wait in line, first come first served, `wait` seconds."""

    def __init__(self, size: int, wait: float) -> None:
        self.size = size
        self.in_use = 0
        self.waiting = 0
        self._wait = wait
        self._free = asyncio.Semaphore(size)
        self._closed = False

    async def enter(self) -> None:
        """Raises BackendUnavailable when no place is free in time, BackendError when closed."""
        if self.closed():
            raise BackendError("sql: closed")
        await self._acquire()
        if self.closed():
            self._free.release()
            raise BackendError("sql: closed")
        self.in_use += 1

    def closed(self) -> bool:
        return self._closed

    def leave(self) -> None:
        self.in_use -= 1
        self._free.release()

    async def close(self) -> None:
        """Waits for those within, as long as anybody would wait for a place."""
        self._closed = True
        try:
            async with asyncio.timeout(self._wait):
                for _ in range(self.size):
                    await self._free.acquire()
        except TimeoutError:
            return

    async def _acquire(self) -> None:
        if not self._free.locked():
            await self._free.acquire()
            return
        self.waiting += 1
        try:
            async with asyncio.timeout(self._wait):
                await self._free.acquire()
        except TimeoutError:
            raise BackendUnavailable(
                f"sql: no connection was free within {self._wait:g} s; all {self.size} are in use"
            ) from None
        finally:
            self.waiting -= 1
