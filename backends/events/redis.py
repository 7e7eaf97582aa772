"""Events by Redis's PUBLISH and SUBSCRIBE, at most once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from redis.asyncio.connection import Connection
from redis.exceptions import RedisError

from backends.address import Address
from backends.errors import BackendError, BackendUnavailable
from backends.events import Event, Lagged
from backends.events.hub import Queue
from backends.events.tap import HEARTBEAT, Tap
from backends.events.topics import check_event
from backends.redis.address import PORT, SECURE, Options, RedisAddress
from backends.redis.errors import translated
from backends.redis.link import ServerLink


class EventsOptions(Options):
    queue: int = 1000
    queue_bytes: str = "16MiB"


def open_redis(url: str) -> RedisEvents:
    address = Address.parse("events", url, port=PORT, secure=SECURE)
    options = address.options(EventsOptions)
    queue = Queue.of(address, options.queue, options.queue_bytes)
    return RedisEvents(RedisAddress.of(address, options), queue)


class RedisEvents:
    """All topics go through one channel; who is subscribed picks its own."""

    def __init__(self, address: RedisAddress, queue: Queue) -> None:
        self._link = ServerLink(address)
        self._tap = RedisTap(address, queue)

    async def check(self) -> None:
        await self._link.call("PING", reads=True)

    async def close(self) -> None:
        await self._tap.close()
        await self._link.close()

    async def publish(self, topic: str, body: bytes) -> None:
        check_event(topic, body)
        await self._link.call("PUBLISH", self._tap.channel, b"%b %b" % (topic.encode(), body))

    @asynccontextmanager
    async def subscribe(self, *patterns: str) -> AsyncIterator[AsyncIterator[Event | Lagged]]:
        async with self._tap.subscribed(patterns) as subscription:
            yield subscription


class RedisTap(Tap[Connection]):
    def __init__(self, address: RedisAddress, queue: Queue) -> None:
        super().__init__(address.where, address.timeout, queue)
        self.channel = address.prefix.encode("utf-8", "surrogatepass") + b"events"
        # What only listens is not of the link's pool: it would take a place in it for good.
        self._connections = address.connections()

    async def connect(self) -> Connection:
        connection: Connection = self._connections.make_connection()  # type: ignore[no-untyped-call]  # redis-py's
        try:
            await connection.connect()  # type: ignore[no-untyped-call]  # redis-py's
            await connection.send_command("SUBSCRIBE", self.channel)
            await connection.read_response()
        except BaseException:
            await self.disconnect(connection)
            raise
        return connection

    async def disconnect(self, connection: Connection) -> None:
        with suppress(RedisError, OSError):
            await connection.disconnect(nowait=True)

    def translated(self, error: Exception) -> BackendError:
        return translated(error, self.where)

    async def listen(self, connection: Connection) -> None:
        asking = asyncio.create_task(self._ask(connection))
        try:
            while True:
                async with asyncio.timeout(HEARTBEAT + self.timeout):
                    said = await connection.read_response()
                if isinstance(said, list) and said[0] == b"message":
                    topic, _, body = said[2].partition(b" ")
                    self.hub.deliver(topic.decode(errors="replace"), body)
        finally:
            asking.cancel()
            await asyncio.wait([asking])
            if not asking.cancelled():
                asking.exception()

    async def _ask(self, connection: Connection) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT)
            try:
                await connection.send_command("PING")
            except (RedisError, OSError) as error:
                raise BackendUnavailable(self.where) from error
