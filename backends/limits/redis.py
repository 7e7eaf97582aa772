"""Limits in Redis: for all gateways that use it, exact, or by leases."""

from __future__ import annotations

from collections.abc import Awaitable

import msgspec

from backends.address import Address
from backends.errors import BackendError
from backends.limits import Decision, Limits, standing
from backends.limits.redis_lease import LeasedLimits
from backends.limits.redis_link import Granted, RedisLink
from backends.redis.address import PORT, SECURE, Options, RedisAddress

MOST_LEASED = 1000


class LimitsOptions(msgspec.Struct):
    timeout: str = "100ms"
    lease: int = 0


class RedisLimits:
    """GCRA by one Lua call, in the server's time, for everybody who waits at that moment.

    Exact: every decision is the server's. When a connection is lost while a call is under way
    the call is repeated once and may count twice, never less than once. A Redis that loses its
    memory forgets what has passed.
    """

    shared = True

    def __init__(self, address: RedisAddress) -> None:
        self._link = RedisLink(address)

    def take(self, key: str, count: int, seconds: float, burst: int) -> Awaitable[Decision]:
        interval = seconds / count * 1e6
        return _decide(self._link.ask(key, 1, interval, burst), interval, burst)

    async def peek(self, key: str, count: int, seconds: float, burst: int) -> Decision:
        owed = (await self._link.ask(key, 0, seconds / count * 1e6, burst)).owed
        return standing(owed / 1e6, seconds / count, burst)

    async def check(self) -> None:
        """Raises BackendUnavailable when Redis does not decide."""
        await self.peek("probe", 1, 1.0, 1)

    async def close(self) -> None:
        await self._link.close()


async def _decide(answer: Awaitable[Granted], interval: float, burst: int) -> Decision:
    return (await answer).decision(interval, burst)


def open_redis(url: str) -> Limits:
    """`redis://[[user]:password@]host[:port][/db]`, `rediss://` with TLS. Raises BackendError.

    timeout: of one call. lease: how many requests a worker may take at once.
    """
    address = Address.parse("limits", url, port=PORT, secure=SECURE)
    options = address.options(LimitsOptions)
    if not 0 <= options.lease <= MOST_LEASED:
        raise BackendError(f"limits: lease is a number of requests up to {MOST_LEASED}")
    place = RedisAddress.of(address, Options(timeout=options.timeout))
    return LeasedLimits(place, options.lease) if options.lease else RedisLimits(place)
