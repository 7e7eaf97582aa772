"""Limits in Redis: for all gateways that use it, exact, or by leases."""

from __future__ import annotations

import re
from collections.abc import Awaitable
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from backends.errors import BackendError
from backends.limits import Decision, Limits, standing
from backends.limits.redis_lease import LeasedLimits
from backends.limits.redis_link import Address, Granted, RedisLink

TIMEOUT = re.compile(r"([0-9]{1,5})(ms|s)")
MOST_LEASED = 1000
TLS_OPTIONS = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")


class RedisLimits:
    """GCRA by one Lua call, in the server's time, for everybody who waits at that moment.

    Exact: every decision is the server's. When a connection is lost while a call is under way
    the call is repeated once and may count twice, never less than once. A Redis that loses its
    memory forgets what has passed.
    """

    shared = True

    def __init__(self, address: Address) -> None:
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


@dataclass(frozen=True, slots=True)
class _Options:
    timeout: float
    lease: int
    tls: dict[str, str]


def open_redis(url: str) -> Limits:
    """`redis://[[user]:password@]host[:port][/db]`, `rediss://` with TLS. Raises BackendError.

    timeout: of one call, `100ms` when not given. lease: how many requests a worker may take at
    once. ssl_ca_certs, ssl_certfile, ssl_keyfile: PEM files, with rediss://.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or 6379
    except ValueError:
        raise BackendError("limits: a redis URL is redis://host:port/db") from None
    options = _options(parts)
    if not parts.hostname:
        raise BackendError("limits: a redis URL needs a host: redis://host:port/db")
    database = parts.path.removeprefix("/") or "0"
    if not re.fullmatch(r"[0-9]{1,5}", database):
        raise BackendError("limits: the path of a redis URL is the number of the database")
    address = Address(
        host=parts.hostname,
        port=port,
        db=int(database),
        timeout=options.timeout,
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        tls=options.tls if parts.scheme == "rediss" else None,
    )
    return LeasedLimits(address, options.lease) if options.lease else RedisLimits(address)


def _options(parts: SplitResult) -> _Options:
    given = dict(parse_qsl(parts.query, keep_blank_values=True))
    timeout = TIMEOUT.fullmatch(given.pop("timeout", "100ms"))
    if not timeout or not int(timeout[1]):
        raise BackendError("limits: timeout is a duration such as 100ms or 1s")
    lease = given.pop("lease", "0")
    if not lease.isdecimal() or int(lease[:9]) > MOST_LEASED:
        raise BackendError(f"limits: lease is a number of requests up to {MOST_LEASED}")
    tls = {name: given.pop(name) for name in TLS_OPTIONS if name in given}
    if given or (tls and parts.scheme != "rediss"):
        known = f"timeout, lease and, with rediss://, {', '.join(TLS_OPTIONS)}"
        raise BackendError(f"limits: the options of a redis URL are {known}")
    seconds = int(timeout[1]) / (1000 if timeout[2] == "ms" else 1)
    return _Options(seconds, int(lease), tls)
