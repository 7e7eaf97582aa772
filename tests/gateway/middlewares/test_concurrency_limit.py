from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable
from itertools import pairwise
from typing import Any

import pytest

from gateway.errors import Problem, Response
from gateway.exchange import Exchange, Identity
from gateway.middlewares.concurrency_limit import ConcurrencyLimit, ConcurrencyLimitOptions
from gateway.telemetry.metrics import Metrics
from tests.gateway.middlewares.passing import Destination, ask, context, finish, request, series

IN_FLIGHT, WAITING = "gateway_concurrency_in_flight", "gateway_concurrency_waiting"


def limit(metrics: Metrics | None = None, **options: Any) -> ConcurrencyLimit:
    return ConcurrencyLimit(ConcurrencyLimitOptions(**options), context("few", metrics=metrics))


class Asking:
    """A request in its guard, as the data plane keeps it: in a task that may be cancelled."""

    def __init__(self, middleware: ConcurrencyLimit, exchange: Exchange | None = None) -> None:
        self.middleware = middleware
        self.exchange = exchange or request()
        said = middleware.request(self.exchange)
        self.said = said if isinstance(said, Response) else None
        self.task = asyncio.ensure_future(said) if isinstance(said, Awaitable) else None

    def leave(self) -> None:
        if self.task is not None:
            self.task.cancel()
        self.middleware.done(self.exchange)

    async def turn(self) -> None:
        assert self.task is not None
        async with asyncio.timeout(10):
            await self.task

    @property
    def waits(self) -> bool:
        return self.task is not None and not self.task.done()


async def test_as_many_pass_as_there_are_places() -> None:
    middleware = limit(max=3)
    assert [await ask(middleware, request()) for _ in range(3)] == [None] * 3
    refusal = await ask(middleware, request())
    assert isinstance(refusal, Problem)
    assert refusal.status == 503
    assert ("Retry-After", "1") in refusal.headers


async def test_a_request_that_ends_makes_room_for_another() -> None:
    middleware = limit(max=1)
    first = request()
    assert await ask(middleware, first) is None
    finish(middleware, first)
    assert await ask(middleware, request()) is None


async def test_a_refused_request_frees_nothing_when_it_ends() -> None:
    middleware = limit(max=1)
    await ask(middleware, request())
    refused = request()
    await ask(middleware, refused)
    finish(middleware, refused)
    assert await ask(middleware, request()) is not None


async def test_a_place_is_freed_once() -> None:
    middleware = limit(max=2)
    first = request()
    await ask(middleware, first)
    await ask(middleware, request())
    for _ in range(3):
        finish(middleware, first)
    assert await ask(middleware, request()) is None
    assert await ask(middleware, request()) is not None


async def test_those_who_wait_are_served_in_the_order_in_which_they_came() -> None:
    middleware = limit(max=1, queue=3)
    asking = [Asking(middleware) for _ in range(5)]
    assert [each.said is None for each in asking] == [True, True, True, True, False]
    for each, following in pairwise(asking[:4]):
        assert following.waits
        each.leave()
        await following.turn()
        assert sum(other.waits for other in asking) == 4 - asking.index(following) - 1


async def test_nobody_overtakes_those_who_wait() -> None:
    middleware = limit(max=1, queue=2)
    first, second = Asking(middleware), Asking(middleware)
    first.leave()
    late = Asking(middleware)
    await second.turn()
    assert late.waits


async def test_who_leaves_while_waiting_gives_up_its_turn_and_room() -> None:
    middleware = limit(max=1, queue=1)
    first, impatient = Asking(middleware), Asking(middleware)
    assert Asking(middleware).said is not None
    impatient.leave()
    patient = Asking(middleware)
    assert patient.waits
    first.leave()
    await patient.turn()


async def test_who_leaves_just_when_its_turn_comes_passes_it_on() -> None:
    middleware = limit(max=1, queue=2)
    first, second, third = (Asking(middleware) for _ in range(3))
    first.leave()
    second.leave()
    await third.turn()
    third.leave()
    assert await ask(middleware, request()) is None


async def test_a_turn_is_never_given_to_one_that_is_about_to_leave() -> None:
    middleware = limit(max=1, queue=2)
    first, second = Asking(middleware), Asking(middleware)
    assert second.task is not None
    second.task.cancel()
    first.leave()
    third = Asking(middleware)
    assert third.said is None
    assert third.task is None
    second.leave()
    assert Asking(middleware).waits


async def test_routes_share_the_places_of_a_middleware() -> None:
    middleware = limit(max=1)
    assert await ask(middleware, request(route=Destination("a"))) is None
    assert await ask(middleware, request(route=Destination("b"))) is not None


async def test_clients_are_counted_apart_by_key_and_refused_with_429() -> None:
    middleware = limit(max=1, key="jwt.sub")
    ann, bob = (Identity(name, "jwt", claims={"sub": name}) for name in ("ann", "bob"))
    assert await ask(middleware, request(identity=ann)) is None
    assert await ask(middleware, request(identity=bob)) is None
    refusal = await ask(middleware, request(identity=ann, ip="192.0.2.2"))
    assert refusal is not None
    assert refusal.status == 429
    assert ("Retry-After", "1") in refusal.headers


async def test_the_queue_too_is_one_for_each_key() -> None:
    middleware = limit(max=1, queue=1, key="ip")
    asking = [Asking(middleware, request(ip=ip)) for ip in ("a", "b") for _ in range(3)]
    assert [each.waits for each in asking] == [False, True, False] * 2


async def test_who_lacks_the_key_is_counted_by_address_and_nobody_can_pose_as_it() -> None:
    middleware = limit(max=1, key="header:x-user")
    assert await ask(middleware, request(headers=[("X-User", "192.0.2.1")], ip="192.0.2.9")) is None
    assert await ask(middleware, request(ip="192.0.2.1")) is None
    assert await ask(middleware, request(ip="192.0.2.1")) is not None
    assert await ask(middleware, request(ip="192.0.2.2")) is None


async def test_nothing_is_remembered_of_keys_without_requests() -> None:
    middleware = limit(max=1, queue=1, key="header:x-user")
    asking = [
        Asking(middleware, request(headers=[("X-User", str(number))]))
        for number in range(1000)
        for _ in range(3)
    ]
    assert len(middleware.lanes) == 1000
    for each in reversed(asking):
        each.leave()
    assert len(middleware.lanes) == 0


async def test_never_more_than_the_places_are_taken_whatever_clients_do() -> None:
    middleware = limit(max=4, queue=50)
    busy = most = 0
    ends: Counter[str] = Counter()

    async def client(number: int) -> None:
        nonlocal busy, most
        exchange = request()
        try:
            async with asyncio.timeout(0.001 if number % 3 == 0 else 30):
                if await ask(middleware, exchange) is not None:
                    ends["refused"] += 1
                    return
                busy += 1
                most = max(most, busy)
                try:
                    for _ in range(number % 5):
                        await asyncio.sleep(0)
                    ends["served"] += 1
                finally:
                    busy -= 1
        except TimeoutError:
            ends["left"] += 1
        finally:
            middleware.done(exchange)

    await asyncio.gather(*(client(number) for number in range(300)))
    assert most == 4
    assert ends["served"] >= 4
    assert ends.total() >= 300
    assert not middleware.lanes


async def test_who_is_served_who_waits_and_who_was_refused_is_on_the_metrics() -> None:
    metrics = Metrics()
    middleware = limit(metrics, max=2, queue=3)
    asking = [Asking(middleware) for _ in range(7)]
    assert series(metrics, IN_FLIGHT) == {("few",): 2}
    assert series(metrics, WAITING) == {("few",): 3}
    assert series(metrics, "gateway_concurrency_refused_total") == {("few", "users"): 2}
    asking[4].leave()
    asking[0].leave()
    assert series(metrics, IN_FLIGHT) == {("few",): 2}
    assert series(metrics, WAITING) == {("few",): 1}
    for each in asking:
        each.leave()
    assert series(metrics, IN_FLIGHT) == {("few",): 0}
    assert series(metrics, WAITING) == {("few",): 0}


def test_an_unknown_key_is_refused_at_load() -> None:
    with pytest.raises(ValueError, match=r"key: .*did you mean jwt\.sub"):
        ConcurrencyLimitOptions(max=1, key="jwt:sub")
