"""Events: publish and subscribe, at most once (`Events`) or replayable from a cursor (`Log`)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple, Protocol

from backends.drivers import Backend, Driver, Drivers
from backends.errors import BackendError

LARGEST_BODY = 1_000_000
"""Bytes."""

LONGEST_TOPIC = 255
"""Bytes, as UTF-8."""

BEGIN = "begin"


class Event(NamedTuple):
    """cursor: where it is in a Log; empty for Events."""

    topic: str
    body: bytes
    cursor: str = ""


class Lagged(NamedTuple):
    """In the place of events that this subscriber will not get. missed: None if nobody knows."""

    missed: int | None


class CursorExpired(BackendError):
    """Events after the cursor are gone already, or it is none of this log's."""


class Events(Backend, Protocol):
    """At most once: who is not subscribed, or too slow, does not get it.

    A topic is tokens of printable characters (no space, `*` or `>`) with dots between them. In
    a pattern `*` is one token and `>`, as the last one, one or more. Other ones, and bodies
    beyond LARGEST_BODY, are Refused. An event that several patterns of a subscription match
    comes once. Events of one publisher come in its order.
    """

    async def publish(self, topic: str, body: bytes) -> None:
        """Returns when the engine has taken it. Never sent twice: after BackendUnavailable
        it may have come through or not."""

    def subscribe(
        self, *patterns: str
    ) -> AbstractAsyncContextManager[AsyncIterator[Event | Lagged]]:
        """Entered when the engine has acknowledged it: what is published from then on comes.

        Raises BackendUnavailable on entering when the engine is away. Later it does not: it
        connects again and then gives `Lagged(None)`. A subscriber that is too slow finds
        `Lagged(missed)` in the place of what did not fit into its queue, which is bounded in
        events and bytes. The iterator ends when the block is left; when the driver is closed,
        it raises BackendError.
        """


class Log(Events, Protocol):
    """Replayable: nothing is lost between a cursor and now, as long as it is kept.

    How much is kept is an option of the driver: age, events, bytes. All subscribers see the
    same order, but for Kafka with several partitions, which keeps that of each topic.
    """

    def subscribe(
        self, *patterns: str, after: str | None = None
    ) -> AbstractAsyncContextManager[AsyncIterator[Event]]:
        """after: an event's cursor, what `latest` said, BEGIN for all that is kept, or None for
        what is published from entering on.

        There is no queue: a slow subscriber reads later. One that is so slow that what it has
        not read is kept no longer gets CursorExpired, on entering or while it iterates. When
        the engine goes, it waits and continues where it was. A malformed cursor is Refused.
        """

    async def latest(self) -> str:
        """The cursor after which comes what is published from now on."""


DRIVERS: Drivers[Events] = Drivers(
    "events",
    {
        "memory": Driver("backends.events.memory:open_memory"),
        "redis": Driver("backends.events.redis:open_redis", "redis"),
        "rediss": Driver("backends.events.redis:open_redis", "redis"),
        "postgresql": Driver("backends.events.postgresql:open_postgresql", "postgres"),
        "sqlite": Driver("backends.events.sqlite:open_sqlite"),
        "redis+stream": Driver("backends.events.redis_stream:open_stream", "redis"),
        "rediss+stream": Driver("backends.events.redis_stream:open_stream", "redis"),
        "nats": Driver("backends.events.nats:open_nats", "nats"),
        "kafka": Driver("backends.events.kafka:open_kafka", "kafka"),
    },
)

REPLAYABLE = frozenset({"sqlite", "redis+stream", "rediss+stream", "nats", "kafka"})
"""Schemes whose drivers are Logs."""
