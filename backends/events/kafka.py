"""A log in a topic of Kafka, of version 3.1 or later."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial

from aiokafka.errors import KafkaError, OffsetOutOfRangeError
from aiokafka.partitioner import murmur2
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.offset import OffsetRequest

from backends.address import Address, Host
from backends.errors import BackendError, Refused
from backends.events import BEGIN, CursorExpired, Event
from backends.events.kafka_layout import Layout
from backends.events.kafka_link import KafkaLink, by_partition, raised
from backends.events.kafka_options import Settings
from backends.events.kafka_records import Position, cursor, events_of, position_of
from backends.events.kafka_writer import KafkaWriter
from backends.events.reading import Reading, Wakes
from backends.events.topics import Patterns, check_event

PORT = 9092
PAGE = 1 << 20
"""Bytes that are read at once, at most, but for an event that is larger."""

LATEST, EARLIEST = -1, -2
WAITS = 2.0
PAUSE = 0.2


def open_kafka(url: str) -> KafkaLog:
    address = Address.parse("events", url, port=PORT)
    return KafkaLog(KafkaLink(address, Settings.of(address)))


class KafkaLog:
    """A record's key is the event's topic, which says the partition as Kafka's clients do.
    Partitions are read by their offsets, so there is no group that a broker forgets.
    """

    def __init__(self, link: KafkaLink) -> None:
        self._link = link
        self._where = link.where
        self._topic = link.settings.topic
        self._wakes = Wakes()
        self._writers: dict[int, KafkaWriter] = {}
        self._watching: asyncio.Task[None] | None = None
        self._subscribed = 0
        self._closed = False

    async def check(self) -> None:
        await self._ends(LATEST)

    async def close(self) -> None:
        """What waits to be written is written first."""
        self._closed = True
        for writer in self._writers.values():
            await writer.finish()
        await self._unwatch()
        await self._link.close()
        self._wakes.wake()

    async def publish(self, topic: str, body: bytes) -> None:
        check_event(topic, body)
        if self._closed:
            raise BackendError(f"{self._where} is closed")
        until = asyncio.get_running_loop().time() + self._link.timeout
        layout = self._link.known
        if layout is None:
            layout = await self._link.call(_same)
        key = topic.encode()
        partitions = len(layout.leaders)
        number = (murmur2(key) & 0x7FFFFFFF) % partitions if partitions > 1 else 0
        if number not in self._writers:
            self._writers[number] = KafkaWriter(self._link, number)
        await self._writers[number].publish(key, body, until)

    async def latest(self) -> str:
        layout, position = await self._ends(LATEST)
        return cursor(layout.name, position)

    @asynccontextmanager
    async def subscribe(
        self, *patterns: str, after: str | None = None
    ) -> AsyncIterator[AsyncIterator[Event]]:
        wanted = Patterns(patterns)
        name, position = await self._position(after)
        reading = Reading(position, partial(self._page, wanted, name))
        self._subscribed += 1
        if self._watching is None:
            self._watching = asyncio.create_task(self._watch())
        try:
            yield reading
        finally:
            reading.end()
            self._wakes.wake()
            self._subscribed -= 1
            if not self._subscribed:
                await self._unwatch()

    async def _position(self, after: str | None) -> tuple[str, Position]:
        """With the name of the topic that it is of."""
        if after is None or after == BEGIN:
            layout, ends = await self._ends(LATEST if after is None else EARLIEST)
            return layout.name, ends
        if (given := position_of(after)) is None:
            raise Refused(f"{self._where}: this is no cursor")
        (layout, first), (_, last) = await self._ends(EARLIEST), await self._ends(LATEST)
        name, position = given[0], _widened(given[1], len(first))
        inside = all(
            low <= at <= high for low, at, high in zip(first, position, last, strict=False)
        )
        if name != layout.name or len(position) != len(first) or not inside:
            raise CursorExpired(f"{self._where}: the cursor is too old, or another log's")
        return name, position

    async def _ends(self, which: int) -> tuple[Layout, Position]:
        return await self._link.call(partial(self._offsets, which))

    async def _offsets(self, which: int, layout: Layout) -> tuple[Layout, Position]:
        offsets = [0] * len(layout.leaders)
        for host, partitions in layout.by_leader().items():
            about = [(self._topic, [(partition, which) for partition in partitions])]
            said = await self._link.ask(host, OffsetRequest(-1, 0, about))
            for partition, code, _, offset, *_ in by_partition(said):
                raised(code)
                offsets[partition] = offset
        return layout, tuple(offsets)

    async def _page(
        self, patterns: Patterns, name: str, after: Position
    ) -> tuple[list[Event], Position]:
        more = self._wakes.next()
        events, position = await self._link.call(partial(self._read, patterns, name, after))
        if position == after:
            await more.wait()
        return events, position

    async def _read(
        self, patterns: Patterns, name: str, after: Position, layout: Layout
    ) -> tuple[list[Event], Position]:
        after = _widened(after, len(layout.leaders))
        gone = CursorExpired(f"{self._where}: what was not read yet is no longer kept")
        if layout.name != name or len(after) != len(layout.leaders):
            raise gone
        found = []
        for host, partitions in layout.by_leader().items():
            offsets = {partition: after[partition] for partition in partitions}
            for partition, code, *_, records in by_partition(
                await self._link.ask(host, self._fetch(offsets, PAGE))
            ):
                try:
                    raised(code)
                except OffsetOutOfRangeError:
                    raise gone from None
                found.append((partition, bytes(records or b"")))
        return events_of(name, patterns, found, after)

    def _fetch(self, offsets: Mapping[int, int], most: int, waits: float = 0.0) -> FetchRequest:
        each = max(most // len(offsets), 1)
        about = [(partition, offset, each) for partition, offset in offsets.items()]
        return FetchRequest(int(waits * 1000), 1, most, 0, [(self._topic, about)])

    async def _unwatch(self) -> None:
        task, self._watching = self._watching, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    async def _watch(self) -> None:
        """Wake all when there is something new, or might be: after each failure too."""
        while True:
            with suppress(BackendError):
                layout, ends = await self._ends(LATEST)
                self._wakes.wake()
                await self._follow(layout, ends)
            self._wakes.wake()
            await asyncio.sleep(PAUSE)

    async def _follow(self, layout: Layout, ends: Position) -> None:
        """Until one of the leaders fails."""
        following = [
            asyncio.create_task(self._listen(host, {number: ends[number] for number in partitions}))
            for host, partitions in layout.by_leader().items()
        ]
        try:
            await asyncio.wait(following, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in following:
                task.cancel()
            await asyncio.wait(following)
            self._link.hang_up()
        self._link.forget()

    async def _listen(self, host: Host, ends: dict[int, int]) -> None:
        """Of what is read, only where it ends."""
        with suppress(BackendError, KafkaError, OSError):  # those who read say what is wrong
            while True:
                said = await self._link.ask(host, self._fetch(ends, 1, WAITS), waits=WAITS)
                before = dict(ends)
                for partition, code, end, *_ in by_partition(said):
                    raised(code)
                    ends[partition] = end
                if ends != before:
                    self._wakes.wake()


async def _same(layout: Layout) -> Layout:
    return layout


def _widened(position: Position, partitions: int) -> Position:
    """For those that were added since it was told."""
    return position + (0,) * (partitions - len(position))
