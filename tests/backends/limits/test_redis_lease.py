from __future__ import annotations

import asyncio
import bisect
import re
import time
from collections.abc import AsyncIterator
from itertools import pairwise

import pytest

from backends.address import Address
from backends.limits import DRIVERS, Decision
from backends.limits.redis_lease import LeasedLimits
from backends.redis.address import Options, RedisAddress
from tests.backends.limits.redis_server import RedisServer
from tests.backends.limits.taking import elapsed, takers, together
from tests.backends.limits.test_redis import take
from tests.conformance.limits import HOUR, LimitsContract, Wait

LEASED = "?timeout=5s&lease=20"
STOOD_STILL = 0.03
"""Seconds without an answer: only a machine that is busy with others makes such pauses."""


def leased(redis: RedisServer) -> LeasedLimits:
    limits = DRIVERS.open(redis.url + LEASED)
    assert isinstance(limits, LeasedLimits)
    return limits


@pytest.fixture
async def limits(redis: RedisServer) -> AsyncIterator[LeasedLimits]:
    limits = leased(redis)
    yield limits
    await limits.close()


@pytest.fixture
async def other(redis: RedisServer) -> AsyncIterator[LeasedLimits]:
    """Another gateway's."""
    limits = leased(redis)
    yield limits
    await limits.close()


@pytest.fixture
async def small(redis: RedisServer) -> AsyncIterator[LeasedLimits]:
    place = RedisAddress.of(Address.parse("limits", redis.url), Options(timeout="5s"))
    limits = LeasedLimits(place, 20, max_keys=10)
    yield limits
    await limits.close()


class TestLeasedLimits(LimitsContract):
    @pytest.fixture
    def wait(self) -> Wait:
        return asyncio.sleep


def round_trips(redis: RedisServer) -> int:
    found = re.search(rb"cmdstat_evalsha:calls=(\d+)", redis.say("INFO commandstats"))
    assert found
    return int(found[1])


async def test_most_requests_make_no_round_trip(limits: LeasedLimits, redis: RedisServer) -> None:
    assert (await take(limits, "busy", 1000, HOUR, 1000)).allowed
    before = round_trips(redis)
    for _ in range(900):
        assert (await take(limits, "busy", 1000, HOUR, 1000)).allowed
    assert round_trips(redis) - before < 100


async def test_a_refusal_stands_without_a_round_trip(
    limits: LeasedLimits, redis: RedisServer
) -> None:
    await take(limits, "refused", 1, HOUR, 1)
    await take(limits, "refused", 1, HOUR, 1)
    before = round_trips(redis)
    for _ in range(100):
        refused = limits.take("refused", 1, HOUR, 1)
        assert isinstance(refused, Decision)
        assert not refused.allowed
        assert 3590 < refused.retry_after <= 3600
        assert 3590 < refused.reset <= 3600
    assert round_trips(redis) == before


async def test_what_is_not_used_comes_back(limits: LeasedLimits, other: LeasedLimits) -> None:
    for _ in range(10):
        assert (await take(limits, "unused", 40, HOUR, 40)).allowed
    assert (await take(other, "unused", 40, HOUR, 40)).remaining < 29, "nothing was leased"
    await asyncio.sleep(1.2)
    passed = [(await take(other, "unused", 40, HOUR, 40)).allowed for _ in range(40)]
    assert sum(passed) == 29


async def test_a_lease_ends_though_the_loop_was_busy(
    limits: LeasedLimits, other: LeasedLimits
) -> None:
    for _ in range(10):
        await take(limits, "busy loop", 40, 2.0, 40)
    ends = time.monotonic() + 0.15
    while time.monotonic() < ends:
        pass
    assert not isinstance(limits.take("busy loop", 40, 2.0, 40), Decision)
    await asyncio.sleep(0.1)


async def test_those_who_wait_together_share_one_question(
    limits: LeasedLimits, redis: RedisServer
) -> None:
    await take(limits, "warm", 1, HOUR, 1)
    before = round_trips(redis)
    asked = [take(limits, "together", 50, HOUR, 50) for _ in range(80)]
    assert sum(decision.allowed for decision in await asyncio.gather(*asked)) == 50
    assert round_trips(redis) - before <= 3


async def test_who_no_longer_waits_leaves_the_place_to_others(limits: LeasedLimits) -> None:
    gone = [asyncio.ensure_future(take(limits, "leased gone", 1, HOUR, 3)) for _ in range(3)]
    await asyncio.sleep(0)
    for task in gone:
        task.cancel()
    passed = [(await take(limits, "leased gone", 1, HOUR, 3)).allowed for _ in range(4)]
    assert passed == [True, True, True, False]


async def test_the_number_of_leases_is_bounded(small: LeasedLimits) -> None:
    for number in range(100):
        assert (await take(small, f"bounded {number}", 1, HOUR, 1)).allowed
    assert 0 < small.keys_held <= 10
    assert not (await take(small, "bounded 99", 1, HOUR, 1)).allowed


async def test_while_all_leases_are_in_use_newcomers_are_counted_without(
    small: LeasedLimits,
) -> None:
    names = [f"in use {number}" for number in range(30)]
    decisions = await asyncio.gather(*[take(small, name, 1, HOUR, 1) for name in names])
    assert all(decision.allowed for decision in decisions)
    assert small.keys_held == 10
    again = await asyncio.gather(*[take(small, name, 1, HOUR, 1) for name in names])
    assert not any(decision.allowed for decision in again)


async def test_what_is_in_hand_at_closing_is_given_back(
    redis: RedisServer, other: LeasedLimits
) -> None:
    limits = leased(redis)
    for _ in range(10):
        assert (await take(limits, "closing leased", 40, HOUR, 40)).allowed
    await limits.close()
    assert (await take(other, "closing leased", 40, HOUR, 40)).remaining == 29


async def test_any_time_of_three_periods_stays_within_two_percent(
    limits: LeasedLimits, other: LeasedLimits, redis: RedisServer
) -> None:
    count, seconds, burst = 200, 0.5, 50
    third = leased(redis)
    passed: list[float] = []
    answered = [time.monotonic()]
    ends = time.monotonic() + 3.0

    async def gateway(limits: LeasedLimits) -> None:
        while time.monotonic() < ends:
            decision = await take(limits, "window", count, seconds, burst)
            answered.append(time.monotonic())
            if decision.allowed:
                passed.append(answered[-1])
            await asyncio.sleep(0.0005)

    await asyncio.gather(*[gateway(each) for each in (limits, other, third) for _ in range(8)])
    await third.close()
    window = 3 * seconds
    for number, start in enumerate(passed):
        inside = bisect.bisect_right(passed, start + window) - number
        assert inside <= (burst + count * 3 + 1) * 1.02
    rate = count / seconds
    assert len(passed) <= (burst + (passed[-1] - answered[0]) * rate) * 1.02
    # On a busy machine nobody asks for a while, and of what the limit allows meanwhile only the
    # burst is kept.
    pauses = [after - before for before, after in pairwise(answered)]
    asked = passed[-1] - passed[0] - sum(pause for pause in pauses if pause > STOOD_STILL)
    assert len(passed) >= (burst + asked * rate) * 0.98


async def test_three_processes_stay_within_two_percent(redis: RedisServer) -> None:
    url = redis.url + LEASED
    with takers(url, (500, 1.0, 500), "3s", key="leased three", many=3) as three:
        taken = together(three)
    least, most = (500 + seconds * 500 for seconds in elapsed(taken))
    assert least * 0.98 <= sum(each.passed for each in taken) <= most * 1.02
