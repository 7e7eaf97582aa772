"""Waiting for what another task does, and no longer than twenty seconds."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable


async def until(there: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(20):
        while True:
            if await there():
                return
            await asyncio.sleep(0.05)
