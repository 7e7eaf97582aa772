"""Rate limits: one contract, its drivers beside it."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import NamedTuple, Protocol

from backends.drivers import Backend, Driver, Drivers


class Decision(NamedTuple):
    """What a limiter says of one request.

    remaining: requests that would pass right now. reset: seconds until the full burst is
    there again. retry_after: seconds until one request would pass; 0 when this one did.
    """

    allowed: bool
    remaining: int
    reset: float
    retry_after: float


def standing(owed: float, interval: float, burst: int) -> Decision:
    """What would be said of a request now, `owed` seconds before the full burst is there."""
    owed = min(owed, burst * interval)
    spare = burst * interval - owed
    cells = int((spare + (1e-6 if interval > 2e-6 else interval / 2)) / interval)
    return Decision(cells > 0, cells, owed, 0.0 if cells else interval - spare)


class Limits(Backend, Protocol):
    """**Protocol:** GCRA (generic cell rate algorithm) per key.

    `take` is one atomic step. `burst` (at least 1) requests may pass at once; after that
    `count` each `seconds`, evenly: one every `seconds / count`. In any stretch of `elapsed`
    seconds no more than `burst + floor(elapsed * count / seconds)` pass, and a client that
    tries often enough gets exactly that many. A refused request costs nothing.

    A key is short text (whoever takes keys from clients digests long ones) and is always taken
    with the same numbers; should they change, it owes at most one full burst of the new ones.

    `peek` is what `take` would say, without taking: `remaining` counts this request too.

    A driver that needs a round trip returns an awaitable and raises BackendError when its
    engine is away; one that does not answers at once. Keys expire by themselves, and a
    driver's memory is bounded however many keys there are.
    """

    shared: bool
    """Whether all workers that serve the same table see the same counts."""

    def take(
        self, key: str, count: int, seconds: float, burst: int
    ) -> Decision | Awaitable[Decision]: ...

    def peek(
        self, key: str, count: int, seconds: float, burst: int
    ) -> Decision | Awaitable[Decision]: ...


DRIVERS: Drivers[Limits] = Drivers(
    "limits",
    {
        "memory": Driver("backends.limits.memory:open_memory"),
        "shm": Driver("backends.limits.shm:open_shm"),
        "redis": Driver("backends.limits.redis:open_redis", extra="redis"),
        "rediss": Driver("backends.limits.redis:open_redis", extra="redis"),
    },
)
