"""Which key expires next."""

from __future__ import annotations

import math
from heapq import heapify, heappop, heappush

SHARDS = 64  # a power of two
SLACK = 64


class Expiry:
    """A heap of times, which still holds those that were changed or forgotten since.

    It is cut into shards so that none grows long enough to stall when it is made anew, which
    happens when half of it is outdated.
    """

    def __init__(self) -> None:
        self._shards = [_Shard() for _ in range(SHARDS)]
        self._next = 0

    def note(self, key: str, expires: float) -> None:
        """expires: math.inf for never."""
        self._shards[hash(key) & (SHARDS - 1)].note(key, expires)

    def forget(self, key: str) -> None:
        self._shards[hash(key) & (SHARDS - 1)].times.pop(key, None)

    def due(self, now: float, most: int) -> list[str]:
        """Up to `most` keys of one shard, another one each time; they are forgotten."""
        self._next = (self._next + 1) & (SHARDS - 1)
        return self._shards[self._next].due(now, most)


class _Shard:
    __slots__ = ("heap", "times")

    def __init__(self) -> None:
        self.heap: list[tuple[float, str]] = []
        self.times: dict[str, float] = {}

    def note(self, key: str, expires: float) -> None:
        if expires == math.inf:
            self.times.pop(key, None)
            return
        self.times[key] = expires
        heappush(self.heap, (expires, key))
        if len(self.heap) > 2 * len(self.times) + SLACK:
            self.heap = [(expires, key) for key, expires in self.times.items()]
            heapify(self.heap)

    def due(self, now: float, most: int) -> list[str]:
        found: list[str] = []
        while self.heap and len(found) < most and self.heap[0][0] <= now:
            expires, key = heappop(self.heap)
            if self.times.get(key) == expires:
                del self.times[key]
                found.append(key)
        return found
