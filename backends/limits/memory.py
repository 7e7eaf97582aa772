"""Limits kept in this process: exact, synchronous, gone with the process."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from backends.errors import BackendError
from backends.limits import Decision, standing

SWEPT_AT_ONCE: Final = 4
SHARDS: Final = 64  # a power of two
OVERFLOW: Final = ""

# Half the price of Decision(...), on a path that every request takes.
_decision = tuple.__new__


def open_memory(url: str) -> MemoryLimits:
    """`memory://`, which has no options. Raises BackendError."""
    if url != "memory://":
        raise BackendError("limits: memory:// has no options")
    return MemoryLimits()


class MemoryLimits:
    """GCRA over one number a key: its tat, the theoretical arrival time of the next request.

    Holds about `max_keys` keys (some 200 bytes each). Keys whose tat has passed are forgotten
    a few at a time, while others are taken. Should every place be held by a key that still
    counts, newcomers share a bucket until there is room again: they are limited together,
    neither let through uncounted nor refused outright.

    clock: seconds that never go back.
    """

    shared = False

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, max_keys: int = 1_000_000
    ) -> None:
        self._clock = clock
        self._origin = clock()  # small numbers keep a float's precision
        self._shards = [_Shard(-(-max_keys // SHARDS)) for _ in range(SHARDS)]

    def __len__(self) -> int:
        return sum(len(shard.live) + len(shard.old) for shard in self._shards)

    def take(self, key: str, count: int, seconds: float, burst: int) -> Decision:
        remaining, reset, retry_after = self.spend(key, count, seconds, burst)
        return _decision(Decision, (remaining >= 0, max(remaining, 0), reset, retry_after))

    def spend(self, key: str, count: int, seconds: float, burst: int) -> tuple[int, float, float]:
        """`take` in bare numbers: what remains, -1 when it was refused, `reset`, `retry_after`."""
        now = self._clock() - self._origin
        shard = self._shards[hash(key) & (SHARDS - 1)]
        tat = shard.live.get(key)
        if tat is None:
            key = shard.place_for(key, now)
            tat = shard.live.get(key, now)
        if tat < now:  # noqa: PLR1730 - max() would be a fifth of the whole cost
            tat = now
        interval = seconds / count
        # Rounding must not cost a request its place; half an interval never gives one away.
        slack = 1e-6 if interval > 2e-6 else interval / 2
        spare = now + burst * interval - tat
        if spare + slack >= interval:
            shard.live[key] = tat = tat + interval
            return int((spare + slack) / interval) - 1, tat - now, 0.0
        if spare < 0:  # the burst has shrunk since
            shard.live[key] = tat = tat + spare
            spare = 0.0
        return -1, tat - now, interval - spare

    def peek(self, key: str, count: int, seconds: float, burst: int) -> Decision:
        now = self._clock() - self._origin
        shard = self._shards[hash(key) & (SHARDS - 1)]
        tat = shard.live.get(key, shard.old.get(key, now))
        return standing(max(tat - now, 0.0), seconds / count, burst)

    async def check(self) -> None:
        """Nothing is away that lies in memory."""

    async def close(self) -> None:
        for shard in self._shards:
            shard.live = {}
            shard.old = {}


class _Shard:
    """A small part of the keys, so that no dict grows long enough to stall when it does.

    Two generations make the sweep cheap: keys still in use move from old to live, and when
    old is empty the two change places.
    """

    __slots__ = ("live", "old", "places")

    def __init__(self, places: int) -> None:
        self.places = places
        self.live: dict[str, float] = {}
        self.old: dict[str, float] = {}

    def place_for(self, key: str, now: float) -> str:
        """Sweep a few keys, then say under which key one that is not live is counted."""
        if not self.old:
            self.old, self.live = self.live, {}
        live, old = self.live, self.old
        tat = old.pop(key, None)
        for _ in range(min(SWEPT_AT_ONCE, len(old))):
            other, others_tat = old.popitem()
            if others_tat > now:
                live[other] = others_tat
        if tat is None and len(live) + len(old) >= self.places:
            key = OVERFLOW
            tat = old.pop(key, None)
        if tat is not None:
            live[key] = tat
        return key
