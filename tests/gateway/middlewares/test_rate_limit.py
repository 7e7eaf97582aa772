from __future__ import annotations

import logging
from collections.abc import Awaitable
from typing import Any

import pytest

from backends.errors import BackendUnavailable
from backends.limits import Decision
from backends.limits.memory import MemoryLimits
from gateway.config.units import Rate
from gateway.errors import Problem
from gateway.exchange import Identity
from gateway.middlewares.rate_limit import RateLimit, RateLimitOptions
from gateway.telemetry.metrics import Metrics
from tests.gateway.middlewares.passing import (
    Clock,
    Destination,
    ask,
    context,
    request,
    send,
    series,
)


class RemoteLimits:
    """A driver with a round trip, whose engine can be away."""

    shared = True

    def __init__(self) -> None:
        self.inner = MemoryLimits()
        self.away = False
        self.at_once = False
        self.keys: list[str] = []
        self.closed = False

    def take(self, key: str, count: int, seconds: float, burst: int) -> Awaitable[Decision]:
        if self.at_once:
            raise BackendUnavailable("limits: connection refused")
        return self._take(key, count, seconds, burst)

    async def _take(self, key: str, count: int, seconds: float, burst: int) -> Decision:
        if self.away:
            raise BackendUnavailable("limits: connection refused")
        self.keys.append(key)
        return self.inner.take(key, count, seconds, burst)

    async def close(self) -> None:
        self.closed = True


@pytest.fixture
def clock() -> Clock:
    return Clock()


def limiter(clock: Clock | None = None, name: str = "per_user", **options: Any) -> RateLimit:
    options.setdefault("rate", Rate(30, 1.0))
    return RateLimit(RateLimitOptions(**options), context(name), clock=clock or Clock())


def shared(remote: RemoteLimits, name: str = "per_user", **options: Any) -> RateLimit:
    chosen = RateLimitOptions(rate=Rate(1, 60.0), scope="shared", **options)
    return RateLimit(chosen, context(name, limits=remote))


async def passed(middleware: RateLimit, count: int, **about: Any) -> int:
    return [await ask(middleware, request(**about)) for _ in range(count)].count(None)


async def test_as_many_pass_at_once_as_the_burst_says() -> None:
    assert await passed(limiter(burst=10), 40) == 10


async def test_without_a_burst_the_rates_count_passes_at_once() -> None:
    assert await passed(limiter(), 40) == 30


async def test_afterwards_the_rate_passes(clock: Clock) -> None:
    middleware = limiter(clock, rate=Rate(30, 1.0), burst=10)
    assert await passed(middleware, 40) == 10
    clock.advance(0.1)
    assert await passed(middleware, 40) == 3


async def test_a_refusal_is_a_429_problem_that_says_when_to_come_back() -> None:
    middleware = limiter(rate=Rate(1, 90.0))
    await ask(middleware, request())
    refusal = await ask(middleware, request())
    assert isinstance(refusal, Problem)
    assert refusal.status == 429
    assert ("Retry-After", "90") in refusal.headers


async def test_retry_after_is_never_less_than_a_second() -> None:
    middleware = limiter(burst=1)
    await ask(middleware, request())
    answer = await send(middleware, request())
    assert answer.headers.get("retry-after") == "1"


async def test_a_synchronous_limiter_makes_no_awaitable() -> None:
    middleware = limiter(burst=1)
    assert middleware.request(request()) is None
    assert isinstance(middleware.request(request()), Problem)


async def test_every_answer_tells_the_limit(clock: Clock) -> None:
    answer = await send(limiter(clock, burst=10), request())
    assert answer.headers.get("ratelimit-policy") == '"per_user";q=30;w=1'
    assert answer.headers.get("ratelimit") == '"per_user";r=9;t=1'


async def test_a_refusal_tells_the_limit_too_and_both_times_agree() -> None:
    middleware = limiter(rate=Rate(2, 60.0), burst=1)
    await send(middleware, request())
    answer = await send(middleware, request())
    assert answer.status == 429
    assert answer.headers.getall("ratelimit-policy") == ['"per_user";q=2;w=60']
    assert answer.headers.getall("ratelimit") == ['"per_user";r=0;t=30']
    assert answer.headers.get("retry-after") == "30"


async def test_when_none_is_left_the_next_one_is_what_counts(clock: Clock) -> None:
    middleware = limiter(clock, rate=Rate(2, 60.0), burst=3)
    told = [(await send(middleware, request())).headers.get("ratelimit") for _ in range(3)]
    assert told == ['"per_user";r=2;t=30', '"per_user";r=1;t=60', '"per_user";r=0;t=30']


async def test_limits_of_others_stay_in_the_list() -> None:
    answer = await send(limiter(), request(), headers=[("RateLimit", '"inner";r=1;t=1')])
    assert answer.headers.getall("ratelimit") == ['"inner";r=1;t=1', '"per_user";r=29;t=1']


@pytest.mark.parametrize(
    ("rate", "policy"),
    [
        (Rate(100, 60.0), "q=100;w=60"),
        (Rate(5, 0.5), "q=10;w=1"),
        (Rate(30, 1.5), "q=40;w=2"),
        (Rate(1, 86_400.0), "q=1;w=86400"),
    ],
)
async def test_the_policys_window_is_whole_seconds(rate: Rate, policy: str) -> None:
    answer = await send(limiter(rate=rate), request())
    assert answer.headers.get("ratelimit-policy") == f'"per_user";{policy}'


async def test_an_odd_name_is_still_a_structured_string() -> None:
    answer = await send(limiter(name='say "é\\"\n'), request())
    assert answer.headers.get("ratelimit-policy") == '"say \\"?\\\\\\"?";q=30;w=1'


async def test_clients_are_counted_apart_by_address() -> None:
    middleware = limiter(burst=1)
    assert await passed(middleware, 3, ip="192.0.2.1") == 1
    assert await passed(middleware, 3, ip="192.0.2.2") == 1


async def test_clients_on_a_unix_socket_are_one_client() -> None:
    middleware = limiter(burst=1)
    assert await passed(middleware, 3, ip="") == 1


async def test_users_are_counted_apart_by_claim_wherever_they_come_from() -> None:
    middleware = limiter(burst=1, key="jwt.sub")
    ann, bob = (Identity(name, "jwt", claims={"sub": name}) for name in ("ann", "bob"))
    assert await passed(middleware, 1, identity=ann, ip="192.0.2.1") == 1
    assert await passed(middleware, 1, identity=ann, ip="192.0.2.2") == 0
    assert await passed(middleware, 1, identity=bob, ip="192.0.2.1") == 1


async def test_who_lacks_the_key_is_counted_by_address() -> None:
    middleware = limiter(burst=1, key="header:x-user")
    assert await passed(middleware, 2, ip="192.0.2.1") == 1
    assert await passed(middleware, 2, ip="192.0.2.2") == 1


async def test_a_key_cannot_pose_as_somebodys_address() -> None:
    middleware = limiter(burst=1, key="header:x-user")
    assert await passed(middleware, 1, headers=[("X-User", "192.0.2.1")], ip="192.0.2.9") == 1
    assert await passed(middleware, 1, ip="192.0.2.1") == 1


async def test_routes_share_the_buckets_of_a_middleware() -> None:
    middleware = limiter(burst=1)
    assert await passed(middleware, 1, route=Destination("a")) == 1
    assert await passed(middleware, 1, route=Destination("b")) == 0


async def test_routes_are_counted_apart_when_the_key_is_the_route() -> None:
    middleware = limiter(burst=1, key="route")
    assert await passed(middleware, 2, route=Destination("a")) == 1
    assert await passed(middleware, 2, route=Destination("b")) == 1


async def test_two_middlewares_never_share_buckets() -> None:
    remote = RemoteLimits()
    assert await passed(shared(remote, "a"), 2) == 1
    assert await passed(shared(remote, "b"), 2) == 1


async def test_shared_counts_are_seen_by_all_who_use_the_limiter() -> None:
    remote = RemoteLimits()
    assert await passed(shared(remote), 1) == 1
    assert await passed(shared(remote), 1) == 0


async def test_worker_scope_does_not_touch_the_shared_limiter() -> None:
    remote = RemoteLimits()
    middleware = RateLimit(RateLimitOptions(rate=Rate(1, 1.0)), context(limits=remote))
    await ask(middleware, request())
    assert remote.keys == []


async def test_a_long_key_is_digested_before_it_is_kept() -> None:
    remote = RemoteLimits()
    middleware = shared(remote, key="header:x-user")
    for tail in "ab":
        await ask(middleware, request(headers=[("X-User", "x" * 10_000 + tail)]))
    assert len(set(remote.keys)) == 2
    assert max(map(len, remote.keys)) < 100


@pytest.mark.parametrize("at_once", [True, False])
async def test_requests_pass_uncounted_when_the_engine_is_away(at_once: bool) -> None:
    remote = RemoteLimits()
    remote.away, remote.at_once = True, at_once
    answer = await send(shared(remote), request())
    assert answer.status == 200
    assert "ratelimit" not in answer.headers


async def test_closed_refuses_what_cannot_be_counted() -> None:
    remote = RemoteLimits()
    remote.away = True
    answer = await send(shared(remote, on_error="closed"), request())
    assert answer.status == 503
    assert answer.headers.get("retry-after") == "1"


async def test_an_engine_that_stays_away_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    remote = RemoteLimits()
    middleware = shared(remote)
    with caplog.at_level(logging.WARNING):
        for remote.away in (True, True, False, True):
            await ask(middleware, request())
    assert [record.name for record in caplog.records] == ["gateway.per_user"] * 2


async def test_refusals_and_lost_counts_are_on_the_metrics() -> None:
    metrics, remote = Metrics(), RemoteLimits()
    options = RateLimitOptions(rate=Rate(1, 60.0), scope="shared")
    middleware = RateLimit(options, context("per_user", limits=remote, metrics=metrics))
    await passed(middleware, 3)
    remote.away = True
    await passed(middleware, 4)
    assert series(metrics, "gateway_rate_limited_total") == {("per_user", "users"): 2}
    assert series(metrics, "gateway_rate_limit_errors_total") == {("per_user",): 4}


async def test_only_its_own_limiter_is_closed_with_it() -> None:
    remote = RemoteLimits()
    await shared(remote).stop()
    assert not remote.closed
    middleware = limiter(burst=1)
    await ask(middleware, request())
    await middleware.stop()
    assert await passed(middleware, 1) == 1


def test_an_unknown_key_is_refused_at_load() -> None:
    with pytest.raises(ValueError, match=r"key: .*did you mean jwt\.sub"):
        RateLimitOptions(rate=Rate(1, 1.0), key="jwt:sub")
