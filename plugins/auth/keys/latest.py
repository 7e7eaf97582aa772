"""The table of keys read again at once: by one for all who ask meanwhile, and not too often."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from backends.errors import BackendError
from plugins.auth.keys.at_rest import SealedOtherwise

PATIENCE = 1.0
"""Seconds that who can do without it waits for a reading."""
log = logging.getLogger("gateway.auth.keys")


class Latest:
    """read: the table. clock: seconds, of any beginning."""

    def __init__(
        self, read: Callable[[], Awaitable[None]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._read = read
        self._clock = clock
        self._at = float("-inf")
        self._under_way: asyncio.Future[None] | None = None

    async def now(self) -> None:
        """By the reading that is under way, if there is one. Raises BackendError and
        SealedOtherwise."""
        if self._under_way is None:
            self._at = self._clock()
            self._under_way = asyncio.ensure_future(self._read())
            self._under_way.add_done_callback(self._over)
        await asyncio.shield(self._under_way)

    async def within(self, seconds: float) -> None:
        """What was there so many seconds ago, or is. Never raises: without an answer in time what
        is known has to do, and the table is read again after as many."""
        if self._under_way is None and self._clock() - self._at < seconds:
            return
        try:
            await asyncio.wait_for(self.now(), PATIENCE)
        except (BackendError, SealedOtherwise, TimeoutError) as error:
            log.warning("signing keys were not read again: %s", str(error) or "it takes too long")

    def _over(self, reading: asyncio.Future[None]) -> None:
        self._under_way = None
        if not reading.cancelled():
            reading.exception()  # whoever waited has it, if anybody still does
