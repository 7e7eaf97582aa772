"""Bytes under keys, with expiry: one contract, its drivers beside it, `Cache` on top."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from backends.drivers import Backend, Driver, Drivers

LONGEST_KEY = 1024
"""Bytes, as UTF-8 (lone surrogates pass)."""

LARGEST_VALUE = 8 << 20
"""Bytes. What is larger belongs into blobs."""

LONGEST_TTL = 1e9
"""Seconds; some 31 years."""


class KeyValue(Backend, Protocol):
    """Each call on one key is one atomic step, seen by all processes that share the engine.

    A key is any text up to LONGEST_KEY, also the empty one; a value is bytes up to
    LARGEST_VALUE. A ttl is in seconds, above 0 and up to LONGEST_TTL, exact to a millisecond;
    None keeps for ever. Whatever exceeds that is Refused, and nothing is changed.

    An expired key is as if it had never been. An engine may also forget keys before their
    time when it is full (memory does, the least recently used first; Redis as it is
    configured): what must not be lost belongs into sql.

    Every call may raise BackendUnavailable; whether a write was carried out is then not known,
    and no driver repeats a write whose answer it has not seen.
    """

    async def get(self, key: str) -> bytes | None: ...

    async def get_many(self, keys: Iterable[str]) -> dict[str, bytes]:
        """Those that are there. Not one step: each is read on its own."""

    async def set(self, key: str, value: bytes, ttl: float | None = None) -> None:
        """The old value and its ttl are gone."""

    async def add(self, key: str, value: bytes, ttl: float | None = None) -> bool:
        """Only if it is absent. False: somebody else's is there, and nothing was changed."""

    async def take(self, key: str) -> bytes | None:
        """Get and delete: of many who take at once, one has the value."""

    async def delete(self, key: str) -> bool:
        """Whether it was there."""

    async def ttl(self, key: str) -> float | None:
        """Seconds left; math.inf when it does not expire, None when it is absent."""

    async def expire(self, key: str, ttl: float | None) -> bool:
        """Counted from now; None: never. False when it is absent."""

    async def increment(self, key: str, by: int = 1, ttl: float | None = None) -> int:
        """The new number; an absent key counts as 0. ttl: of a key that this call makes; one
        that is there keeps its own.

        The value is the number in decimal ASCII, signed 64 bits: `get` shows it, and one that
        was `set` so can be incremented. Refused for other values and beyond 64 bits.
        """

    async def swap(
        self, key: str, expected: bytes | None, value: bytes | None, ttl: float | None = None
    ) -> bool:
        """Compare and set: to `value` with `ttl`, if it is `expected` now. None means absent,
        so `swap(key, mine, None)` deletes only what is mine. False: nothing was changed."""

    async def delete_prefix(self, prefix: str) -> int:
        """How many it deleted; the empty prefix means every key of this driver.

        Not one step: it works in small batches that let others in between. Keys that were
        there all the time are deleted; those made meanwhile may be.
        """


DRIVERS: Drivers[KeyValue] = Drivers(
    "keyvalue",
    {
        "memory": Driver("backends.keyvalue.memory:open_memory"),
        "redis": Driver("backends.keyvalue.redis:open_redis", "redis"),
        "rediss": Driver("backends.keyvalue.redis:open_redis", "redis"),
        "redis+cluster": Driver("backends.keyvalue.redis:open_cluster", "redis"),
        "rediss+cluster": Driver("backends.keyvalue.redis:open_cluster", "redis"),
        "redis+sentinel": Driver("backends.keyvalue.redis:open_sentinel", "redis"),
        "rediss+sentinel": Driver("backends.keyvalue.redis:open_sentinel", "redis"),
    },
)
