"""rate_limit on limits that several processes share, with real faults."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from backends.limits import DRIVERS, Limits
from gateway.config.units import Rate
from gateway.errors import Problem
from gateway.middlewares.rate_limit import RateLimit, RateLimitOptions
from tests.backends.limits.redis_server import RedisServer
from tests.gateway.middlewares.passing import ask, context, request

addresses = (f"192.0.2.{number}" for number in count())
DEADLINE = 20.0


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path) as server:
        yield server


def limiter(limits: Limits, on_error: str = "open") -> RateLimit:
    options = RateLimitOptions(rate=Rate(1, 60.0), burst=2, scope="shared", on_error=on_error)  # type: ignore[arg-type]  # one of the two
    return RateLimit(options, context("per_ip", limits=limits))


async def statuses(middleware: RateLimit) -> list[int]:
    """Of three requests by a client of its own, of which two may pass."""
    address = next(addresses)
    said = [await ask(middleware, request(ip=address)) for _ in range(3)]
    return [each.status if each else 200 for each in said]


async def until(middleware: RateLimit, expected: list[int]) -> None:
    deadline = time.monotonic() + DEADLINE
    while (said := await statuses(middleware)) != expected:
        assert time.monotonic() < deadline, said
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("lease", ["", "&lease=20"])
@pytest.mark.parametrize(("on_error", "away"), [("open", 200), ("closed", 503)])
async def test_a_redis_that_is_slow_or_dead_fails_as_configured_and_comes_back(
    redis: RedisServer, on_error: str, away: int, lease: str
) -> None:
    limits = DRIVERS.open(f"{redis.url}?timeout=200ms{lease}")
    middleware = limiter(limits, on_error)
    await until(middleware, [200, 200, 429])
    redis.stop()
    assert await statuses(middleware) == [away] * 3
    redis.go_on()
    await until(middleware, [200, 200, 429])
    assert "remaining" in await middleware.state(request())
    redis.kill()
    assert await statuses(middleware) == [away] * 3
    assert "redis://127.0.0.1" in (await middleware.state(request()))["away"]
    await asyncio.to_thread(redis.start)
    await until(middleware, [200, 200, 429])
    await limits.close()


async def test_gateways_on_one_redis_count_together(redis: RedisServer) -> None:
    several = [DRIVERS.open(f"{redis.url}?timeout=5s") for _ in range(3)]
    address = next(addresses)
    said = [await ask(limiter(limits), request(ip=address)) for limits in several]
    assert [each.status if isinstance(each, Problem) else 200 for each in said] == [200, 200, 429]
    for limits in several:
        await limits.close()


async def test_workers_on_one_shared_memory_count_together(tmp_path: Path) -> None:
    several = [DRIVERS.open(f"shm:///{tmp_path.parent.name}-{id(tmp_path)}") for _ in range(3)]
    address = next(addresses)
    said = [await ask(limiter(limits), request(ip=address)) for limits in several]
    assert [each.status if isinstance(each, Problem) else 200 for each in said] == [200, 200, 429]
    for limits in several:
        await limits.close()
