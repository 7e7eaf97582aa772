"""From one stream of events to many subscribers of this process, none of whom holds it up."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager

import msgspec

from backends.address import Address, size
from backends.errors import BackendError
from backends.events import Event, Lagged
from backends.events.topics import Patterns

REMEMBERED = 10_000


class Queue(msgspec.Struct):
    """How much waits for a subscriber, at most."""

    events: int
    bytes: int

    @classmethod
    def of(cls, address: Address, events: int, bytes_: str) -> Queue:
        """Raises BackendError."""
        try:
            most = size(bytes_)
        except ValueError:
            most = 0
        if most < 1 or events < 1:
            raise BackendError(
                f"{address.capability}: queue is a number of events, queue_bytes a size as 16MiB"
            )
        return cls(events, most)


class Subscription(AsyncIterator[Event | Lagged]):
    """The one of a task: two tasks that iterate over it take turns in no order."""

    def __init__(self, patterns: Patterns, queue: Queue) -> None:
        self.patterns = patterns
        self._most = queue
        self._waiting: deque[Event | Lagged] = deque()
        self._bytes = 0
        self._missed: int | None = 0
        self._error: BackendError | None = None
        self._over = False
        self._awake = asyncio.Event()

    def offer(self, event: Event) -> None:
        cost = len(event.topic) + len(event.body)
        room = len(self._waiting) < self._most.events and (
            not self._waiting or self._bytes + cost <= self._most.bytes
        )
        if not room:
            self._missed = None if self._missed is None else self._missed + 1
            return
        self._tell_missed()
        self._waiting.append(event)
        self._bytes += cost
        self._awake.set()

    def gap(self) -> None:
        """Nobody knows how much did not come."""
        self._missed = None
        if len(self._waiting) < self._most.events:
            self._tell_missed()
        self._awake.set()

    def _tell_missed(self) -> None:
        if self._missed != 0:
            self._waiting.append(Lagged(self._missed))
            self._missed = 0

    def end(self, error: BackendError | None = None) -> None:
        self._over = True
        self._error = error
        self._waiting.clear()
        self._awake.set()

    async def __anext__(self) -> Event | Lagged:
        while True:
            if self._waiting:
                said = self._waiting.popleft()
                if isinstance(said, Event):
                    self._bytes -= len(said.topic) + len(said.body)
                return said
            if self._error is not None:
                raise self._error
            if self._over:
                raise StopAsyncIteration
            if self._missed != 0:
                self._tell_missed()
                continue
            self._awake.clear()
            await self._awake.wait()


class Hub:
    """Which subscription matches a topic is remembered for the topics last seen."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._subscriptions: dict[Subscription, None] = {}
        self._matching: dict[str, list[Subscription]] = {}

    def __len__(self) -> int:
        return len(self._subscriptions)

    @contextmanager
    def subscribed(self, patterns: Sequence[str]) -> Iterator[Subscription]:
        subscription = Subscription(Patterns(patterns), self._queue)
        self._subscriptions[subscription] = None
        self._matching.clear()
        try:
            yield subscription
        finally:
            self._subscriptions.pop(subscription, None)
            self._matching.clear()
            subscription.end()

    def deliver(self, topic: str, body: bytes) -> None:
        matching = self._matching.get(topic)
        if matching is None:
            if len(self._matching) >= REMEMBERED:
                self._matching.clear()
            matching = [each for each in self._subscriptions if each.patterns.match(topic)]
            self._matching[topic] = matching
        if matching:
            event = Event(topic, body)
            for subscription in matching:
                subscription.offer(event)

    def gap(self) -> None:
        for subscription in self._subscriptions:
            subscription.gap()

    def end(self, error: BackendError) -> None:
        """For all who are subscribed."""
        for subscription in self._subscriptions:
            subscription.end(error)
