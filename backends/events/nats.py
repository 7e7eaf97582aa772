"""A log in a stream of NATS JetStream, of version 2.11 or later."""

from __future__ import annotations

import asyncio
import json
import re
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, NamedTuple

from nats.aio.msg import Msg

from backends.address import Address
from backends.errors import BackendUnavailable, Refused
from backends.events import BEGIN, CursorExpired, Event
from backends.events.nats_link import PORT, NatsLink, Options
from backends.events.reading import AT_ONCE, PAGE_BYTES, Reading, Wakes
from backends.events.retention import Retention
from backends.events.topics import Patterns, check_event

CURSOR = re.compile("([0-9a-f]{8})-([0-9]{1,18})")
LOOK = 1.0
"""Seconds after which it is looked whether there is something new, if nothing said so."""


class State(NamedTuple):
    """name: of this stream, and of none that is made again under its name."""

    name: str
    trimmed: int
    last: int


def open_nats(url: str) -> NatsLog:
    address = Address.parse("events", url, port=PORT)
    options = address.options(Options)
    kept = Retention.of(address, options.max_age, options.max_events, options.max_bytes)
    return NatsLog(address, options, kept)


class NatsLog:
    """It is read by stateless direct gets, so there is no consumer that a server forgets."""

    def __init__(self, address: Address, options: Options, kept: Retention) -> None:
        self._wakes = Wakes()
        self._link = NatsLink(address, options, kept, self._wakes.wake)
        self._where = self._link.where
        self._subject = f"{self._link.name}.events."

    async def check(self) -> None:
        await self._state()

    async def close(self) -> None:
        await self._link.close()
        self._wakes.wake()

    async def publish(self, topic: str, body: bytes) -> None:
        check_event(topic, body)
        await self._link.publish(self._subject + topic, body)

    async def latest(self) -> str:
        state = await self._state()
        return f"{state.name}-{state.last}"

    @asynccontextmanager
    async def subscribe(
        self, *patterns: str, after: str | None = None
    ) -> AsyncIterator[AsyncIterator[Event]]:
        wanted = Patterns(patterns)
        state = await self._state()
        reading = Reading(self._position(after, state), partial(self._page, wanted, state.name))
        try:
            yield reading
        finally:
            reading.end()
            self._wakes.wake()

    async def _state(self) -> State:
        async with self._link.client():
            said: dict[str, Any] = await self._link.ask("STREAM.INFO")
        state = said["state"]
        name = f"{zlib.crc32(said['created'].encode()):08x}"
        return State(name, max(state["first_seq"] - 1, 0), state["last_seq"])

    def _position(self, after: str | None, state: State) -> int:
        if after is None:
            return state.last
        if after == BEGIN:
            return state.trimmed
        if not (match := CURSOR.fullmatch(after)):
            raise Refused(f"{self._where}: this is no cursor")
        number = int(match[2])
        if match[1] != state.name or not state.trimmed <= number <= state.last:
            raise CursorExpired(f"{self._where}: the cursor is too old, or another log's")
        return number

    async def _page(self, patterns: Patterns, name: str, after: int) -> tuple[list[Event], int]:
        more = self._wakes.next()
        async with self._link.client(listens=True):
            found = await self._read(after)
        if not found:
            # Nothing more, or another stream, or all that there was is gone.
            state = await self._state()
            if state.name != name or not state.trimmed <= after <= state.last:
                raise CursorExpired(f"{self._where}: what was not read yet is no longer kept")
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK):
                    await more.wait()
            return [], after
        if found[0][0] != after + 1:
            raise CursorExpired(f"{self._where}: what was not read yet is no longer kept")
        events = []
        for number, said in found:
            topic = (said.headers or {})["Nats-Subject"].removeprefix(self._subject)
            if patterns.match(topic):
                events.append(Event(topic, said.data, f"{name}-{number}"))
        return events, found[-1][0]

    async def _read(self, after: int) -> list[tuple[int, Msg]]:
        """Those that follow each other; what comes after a gap is for the next page."""
        about = {
            "seq": after + 1,
            "next_by_subj": f"{self._subject}>",
            "batch": AT_ONCE,
            "max_bytes": PAGE_BYTES,
        }
        found: list[tuple[int, Msg]] = []
        where, body = f"$JS.API.DIRECT.GET.{self._link.name}", json.dumps(about).encode()
        async with self._link.answers.several(where, body) as answers:
            async for said in answers:
                if "Nats-Sequence" not in (headers := said.headers or {}):
                    break
                number = int(headers["Nats-Sequence"])
                if found and number != found[-1][0] + 1:
                    break
                found.append((number, said))
        status = headers.get("Status")
        if status not in (None, "204", "404"):
            raise BackendUnavailable(f"{self._where}: JetStream status {status}")
        return found
