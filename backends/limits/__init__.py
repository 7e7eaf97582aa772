"""Rate limits: one contract, its drivers beside it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol

from backends.errors import BackendError, UnknownScheme


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


class Limits(Protocol):
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

    async def close(self) -> None:
        """Let go of the engine. May be called twice."""


def _memory(_: str) -> Limits:
    from backends.limits.memory import MemoryLimits  # noqa: PLC0415 - a driver loads when asked for

    return MemoryLimits()


def _shm(url: str) -> Limits:
    from backends.limits.shm import open_shm  # noqa: PLC0415 - a driver loads when asked for

    return open_shm(url)


def _redis(url: str) -> Limits:
    try:
        from backends.limits.redis import open_redis  # noqa: PLC0415 - a driver loads when asked for
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "redis":
            raise
        raise BackendError("limits: redis:// needs pip install 'ait-gateway[redis]'") from None
    return open_redis(url)


DRIVERS: dict[str, Callable[[str], Limits]] = {
    "memory": _memory,
    "shm": _shm,
    "redis": _redis,
    "rediss": _redis,
}


def open_limits(url: str) -> Limits:
    """The limiter behind `url`, chosen by its scheme. Connects to no server yet.

    Raises UnknownScheme, which names the schemes there are and nothing else of the URL, and
    BackendError when the driver's extra is missing, its options are wrong, or shared memory
    cannot be had.
    """
    scheme, mark, _ = url.partition("://")
    driver = DRIVERS.get(scheme) if mark else None
    if driver is None:
        known = ", ".join(f"{name}://" for name in DRIVERS)
        said = f"no driver for {scheme}://" if mark else "not a URL"
        raise UnknownScheme(f"limits: {said}; known are {known}")
    return driver(url)
