"""A log in a Redis stream."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

from redis.asyncio.connection import Connection
from redis.exceptions import RedisError

from backends.address import Address
from backends.errors import BackendError, Refused
from backends.events import BEGIN, CursorExpired, Event
from backends.events.reading import AT_ONCE, PAGE_BYTES, Reading, Wakes
from backends.events.retention import Retention
from backends.events.topics import Patterns, check_event
from backends.redis.address import PORT, SECURE, Options, RedisAddress
from backends.redis.link import Script, ServerLink

Position = tuple[int, int]
"""A stream entry's ID: milliseconds and a number."""

CURSOR = re.compile("([0-9]{1,15})-([0-9]{1,15})")
BLOCK = 2.0
PAUSE = 0.2

# What was trimmed last and how many bytes are held are kept beside the stream. Both keys have the
# same hash tag. A bounded number of entries is trimmed at a time.
PUBLISH = Script("""
local id = redis.call('XADD', KEYS[1], '*', 't', ARGV[1], 'b', ARGV[2])
local state = ARGV[3]
local held = redis.call('HINCRBY', state, 'bytes', #ARGV[1] + #ARGV[2])
local many = redis.call('XLEN', KEYS[1])
local oldest = tonumber(string.match(id, '^%d+')) - tonumber(ARGV[5])
for _ = 1, 100 do
  local entry = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
  local made = tonumber(string.match(entry[1], '^%d+'))
  if many <= tonumber(ARGV[4]) and held <= tonumber(ARGV[6]) and made >= oldest then break end
  redis.call('XDEL', KEYS[1], entry[1])
  many = many - 1
  held = redis.call('HINCRBY', state, 'bytes', -(#entry[2][2] + #entry[2][4]))
  redis.call('HSET', state, 'trimmed', entry[1])
  if many == 0 then break end
end
return id
""")

# All of a page in one step, so that nothing is trimmed between the look and the reading.
READ = Script("""
local trimmed = redis.call('HGET', ARGV[1], 'trimmed') or '0-0'
local last = '0-0'
if redis.call('EXISTS', KEYS[1]) == 1 then
  local info = redis.call('XINFO', 'STREAM', KEYS[1])
  for at = 1, #info, 2 do
    if info[at] == 'last-generated-id' then last = info[at + 1] end
  end
end
local count = tonumber(ARGV[3])
if count == 0 then return {trimmed, last, {}} end
local from = ARGV[2]
local found, held = {}, 0
while #found < count and held < tonumber(ARGV[4]) do
  local some = redis.call('XRANGE', KEYS[1], '(' .. from, '+', 'COUNT', 10)
  if #some == 0 then break end
  for _, entry in ipairs(some) do
    found[#found + 1] = entry
    held = held + #entry[2][4]
    from = entry[1]
  end
end
return {trimmed, last, found}
""")


class StreamOptions(Options):
    max_age: str = "7d"
    max_events: int = 100_000
    max_bytes: str = "256MiB"


def open_stream(url: str) -> RedisStream:
    address = Address.parse("events", url, port=PORT, secure=SECURE)
    options = address.options(StreamOptions)
    kept = Retention.of(address, options.max_age, options.max_events, options.max_bytes)
    return RedisStream(RedisAddress.of(address, options), kept)


class RedisStream:
    """Redis's own IDs are the cursors. One connection of a process waits for new entries, for
    all of its subscribers.
    """

    def __init__(self, address: RedisAddress, kept: Retention) -> None:
        self._address = address
        self._where = address.where
        self._kept = kept
        self._link = ServerLink(address)
        prefix = address.prefix.encode("utf-8", "surrogatepass")
        self._stream, self._state = prefix + b"{events}:log", prefix + b"{events}:state"
        self._wakes = Wakes()
        self._connections = address.connections()
        self._watching: asyncio.Task[None] | None = None
        self._subscribed = 0

    async def check(self) -> None:
        await self._link.call("PING", reads=True)

    async def close(self) -> None:
        await self._unwatch()
        await self._link.close()
        self._wakes.wake()  # not before: who has read meanwhile would wait for ever

    async def publish(self, topic: str, body: bytes) -> None:
        check_event(topic, body)
        kept = (self._kept.events, int(self._kept.age * 1000), self._kept.bytes)
        await self._link.run(PUBLISH, self._stream, topic.encode(), body, self._state, *kept)

    async def latest(self) -> str:
        _, last, _ = await self._look(None)
        return _text(last)

    @asynccontextmanager
    async def subscribe(
        self, *patterns: str, after: str | None = None
    ) -> AsyncIterator[AsyncIterator[Event]]:
        wanted = Patterns(patterns)
        position = await self._position(after)
        reading = Reading(position, partial(self._page, wanted))
        self._subscribed += 1
        if self._watching is None:
            self._watching = asyncio.create_task(self._watch(position))
        try:
            yield reading
        finally:
            reading.end()
            self._wakes.wake()
            self._subscribed -= 1
            if not self._subscribed:
                await self._unwatch()

    async def _look(self, after: Position | None) -> tuple[Position, Position, list[Any]]:
        """What was trimmed last, the last ID, and a page."""
        about = (_text(after or (0, 0)), 0 if after is None else AT_ONCE, PAGE_BYTES)
        trimmed, last, found = await self._link.run(
            READ, self._stream, self._state, *about, reads=True
        )
        return _position(trimmed.decode()), _position(last.decode()), found

    async def _position(self, after: str | None) -> Position:
        trimmed, last, _ = await self._look(None)
        if after is None:
            return last
        if after == BEGIN:
            return trimmed
        if not CURSOR.fullmatch(after):
            raise Refused(f"{self._where}: this is no cursor")
        position = _position(after)
        if not trimmed <= position <= last:
            raise CursorExpired(f"{self._where}: the cursor is too old, or another log's")
        return position

    async def _page(self, patterns: Patterns, after: Position) -> tuple[list[Event], Position]:
        more = self._wakes.next()
        trimmed, _, found = await self._look(after)
        if after < trimmed:
            raise CursorExpired(f"{self._where}: what was not read yet is no longer kept")
        if not found:
            await more.wait()
            return [], after
        events = [
            Event(topic.decode(), body, entry.decode()) for entry, (_, topic, _, body) in found
        ]
        return [event for event in events if patterns.match(event.topic)], _position(
            events[-1].cursor
        )

    async def _unwatch(self) -> None:
        task, self._watching = self._watching, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    async def _watch(self, last: Position) -> None:
        """Wake all when there is something new, or might be: after each failure too."""
        while True:
            connection: Connection = self._connections.make_connection()  # type: ignore[no-untyped-call]  # redis-py's
            try:
                async with asyncio.timeout(self._address.timeout):
                    await connection.connect()  # type: ignore[no-untyped-call]  # redis-py's
                while True:
                    last = await self._next(connection, last)
                    self._wakes.wake()
            except (RedisError, OSError, BackendError):
                pass  # those who read say what is wrong
            finally:
                with suppress(RedisError, OSError):
                    await connection.disconnect(nowait=True)
            self._wakes.wake()
            await asyncio.sleep(PAUSE)

    async def _next(self, connection: Connection, last: Position) -> Position:
        """Where the stream ends, once it goes beyond `last`, or after a while."""
        async with asyncio.timeout(BLOCK + self._address.timeout):
            await connection.send_command(
                *("XREAD", "COUNT", 1, "BLOCK", int(BLOCK * 1000)),
                *("STREAMS", self._stream, _text(last)),
            )
            if not await connection.read_response():
                return last
        return (await self._look(None))[1]


def _position(text: str) -> Position:
    made, _, number = text.partition("-")
    return int(made), int(number)


def _text(position: Position) -> str:
    return f"{position[0]}-{position[1]}"
