"""What every driver of `Limits` must do. Subclass `LimitsContract` and give it two fixtures."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from itertools import count as counter

import pytest

from backends.limits import Decision, Limits

Wait = Callable[[float], Awaitable[None]]
"""Lets the driver's clock go on by some seconds: at once where the clock is the test's own."""

HOUR = 3600.0
names = counter()


class Taker:
    """Takes from one fresh key, whether the driver answers at once or later."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.key = f"conformance {next(names)}"

    async def __call__(
        self, count: int, seconds: float, burst: int, key: str | None = None
    ) -> Decision:
        said = self.limits.take(self.key if key is None else key, count, seconds, burst)
        return await said if inspect.isawaitable(said) else said


class LimitsContract:
    """Fixtures to give: `limits`, the driver, and `wait`, a `Wait`."""

    @pytest.fixture
    def take(self, limits: Limits) -> Taker:
        return Taker(limits)

    async def test_exactly_the_burst_passes_at_once(self, take: Taker) -> None:
        decisions = [await take(10, HOUR, 7) for _ in range(9)]
        assert [decision.allowed for decision in decisions] == [True] * 7 + [False] * 2

    async def test_exactly_the_burst_passes_of_those_who_come_together(self, take: Taker) -> None:
        decisions = await asyncio.gather(*[take(10, HOUR, 7) for _ in range(300)])
        assert sum(decision.allowed for decision in decisions) == 7

    async def test_a_burst_of_one_spaces_requests_evenly(self, take: Taker, wait: Wait) -> None:
        assert (await take(10, 1.0, 1)).allowed
        assert not (await take(10, 1.0, 1)).allowed
        await wait(0.11)
        assert (await take(10, 1.0, 1)).allowed
        assert not (await take(10, 1.0, 1)).allowed

    async def test_remaining_is_how_many_would_pass_now(self, take: Taker) -> None:
        assert [(await take(10, HOUR, 3)).remaining for _ in range(4)] == [2, 1, 0, 0]

    async def test_reset_is_when_the_full_burst_is_back(self, take: Taker) -> None:
        resets = [(await take(36, HOUR, 3)).reset for _ in range(4)]
        assert resets == pytest.approx([100, 200, 300, 300], abs=2)

    async def test_retry_after_is_zero_for_who_passed(self, take: Taker) -> None:
        assert (await take(36, HOUR, 1)).retry_after == 0
        assert (await take(36, HOUR, 1)).retry_after == pytest.approx(100, abs=2)

    async def test_who_waits_as_long_as_told_passes(self, take: Taker, wait: Wait) -> None:
        for _ in range(3):
            await take(2, 1.0, 3)
        refused = await take(2, 1.0, 3)
        assert not refused.allowed
        await wait(refused.retry_after)
        assert (await take(2, 1.0, 3)).allowed

    async def test_the_full_burst_is_back_after_reset(self, take: Taker, wait: Wait) -> None:
        for _ in range(3):
            last = await take(4, 1.0, 3)
        await wait(last.reset)
        assert [(await take(4, 1.0, 3)).remaining for _ in range(3)] == [2, 1, 0]

    async def test_a_refused_request_costs_nothing(self, take: Taker) -> None:
        await take(36, HOUR, 1)
        waits = [(await take(36, HOUR, 1)).retry_after for _ in range(50)]
        assert max(waits) <= 101

    async def test_idle_time_is_not_saved_beyond_the_burst(self, take: Taker, wait: Wait) -> None:
        await take(50, 1.0, 2)
        await wait(0.5)
        assert (await take(50, 1.0, 2)).remaining == 1

    async def test_keys_are_counted_apart(self, take: Taker) -> None:
        assert (await take(1, HOUR, 1)).allowed
        assert not (await take(1, HOUR, 1)).allowed
        assert (await take(1, HOUR, 1, key=f"{take.key} other")).allowed

    @pytest.mark.parametrize("odd", [" ", "a\0b", "émile", "日本", "{x}:*?", "k" * 200, "\udcff"])
    async def test_a_key_is_any_text(self, take: Taker, odd: str) -> None:
        key = f"{take.key}{odd}"
        assert (await take(1, HOUR, 1, key=key)).allowed
        assert not (await take(1, HOUR, 1, key=key)).allowed

    async def test_a_smaller_burst_owes_at_most_all_of_itself(self, take: Taker) -> None:
        for _ in range(50):
            await take(1, HOUR, 50)
        refused = await take(36, HOUR, 2)
        assert not refused.allowed
        assert refused.retry_after <= 101
        assert (await take(36, HOUR, 2)).reset <= 201

    async def test_a_look_says_what_would_pass_and_takes_nothing(
        self, limits: Limits, take: Taker
    ) -> None:
        async def look() -> Decision:
            said = limits.peek(take.key, 36, HOUR, 3)
            return await said if inspect.isawaitable(said) else said

        assert await look() == (True, 3, 0.0, 0.0)
        for left in (2, 1):
            assert (await take(36, HOUR, 3)).remaining == left
            seen = [await look() for _ in range(5)]
            assert {(each.allowed, each.remaining, each.retry_after) for each in seen} == {
                (True, left, 0.0)
            }
            assert seen[-1].reset == pytest.approx(100 * (3 - left), abs=2)
        assert (await take(36, HOUR, 3)).allowed
        refused = await look()
        assert (refused.allowed, refused.remaining) == (False, 0)
        assert refused.retry_after == pytest.approx(100, abs=2)
        assert refused.reset == pytest.approx(300, abs=2)

    async def test_says_whether_workers_share_its_counts(self, limits: Limits) -> None:
        assert limits.shared in (True, False)

    async def test_may_be_closed_twice(self, limits: Limits) -> None:
        await limits.close()
        await limits.close()
