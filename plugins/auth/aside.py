"""What goes on beside requests for as long as the plugin runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine

log = logging.getLogger("gateway.auth")


class Aside:
    """One that ends by itself, which none should, is told of at once; the others go on."""

    def __init__(self) -> None:
        self.tasks: list[asyncio.Task[None]] = []

    def begin(self, *works: Coroutine[None, None, None]) -> None:
        for work in works:
            task = asyncio.create_task(work)
            task.add_done_callback(_ended)
            self.tasks.append(task)

    async def stop(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


def _ended(task: asyncio.Task[None]) -> None:
    if not task.cancelled():
        log.error("a task on the side has ended", exc_info=task.exception())
