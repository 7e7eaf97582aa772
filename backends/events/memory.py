"""Events within this process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from backends.address import Address
from backends.errors import BackendError
from backends.events import Event, Lagged
from backends.events.hub import Hub, Queue
from backends.events.topics import check_event


class Options(msgspec.Struct):
    queue: int = 1000
    queue_bytes: str = "16MiB"


def open_memory(url: str) -> MemoryEvents:
    address = Address.parse("events", url)
    if address.hosts or address.path or address.tls:
        raise BackendError("events: expected memory:// or memory://?queue=1000")
    options = address.options(Options)
    return MemoryEvents(Queue.of(address, options.queue, options.queue_bytes))


class MemoryEvents:
    def __init__(self, queue: Queue) -> None:
        self._hub = Hub(queue)
        self._closed = False

    async def check(self) -> None:
        if self._closed:
            raise BackendError("events: memory:// is closed")

    async def close(self) -> None:
        self._closed = True
        self._hub.end(BackendError("events: memory:// is closed"))

    async def publish(self, topic: str, body: bytes) -> None:
        check_event(topic, body)
        await self.check()
        self._hub.deliver(topic, body)

    @asynccontextmanager
    async def subscribe(self, *patterns: str) -> AsyncIterator[AsyncIterator[Event | Lagged]]:
        await self.check()
        with self._hub.subscribed(patterns) as subscription:
            yield subscription
