from __future__ import annotations

from fractions import Fraction

import pytest

from backends.limits import Decision
from backends.limits.memory import SHARDS, MemoryLimits
from tests.conformance.limits import LimitsContract, Wait

EVERY_PLACE = SHARDS * 4


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.1

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limits(clock: Clock) -> MemoryLimits:
    return MemoryLimits(clock)


class TestMemoryLimits(LimitsContract):
    @pytest.fixture
    def wait(self, clock: Clock) -> Wait:
        async def wait(seconds: float) -> None:
            clock.now += seconds

        return wait


@pytest.mark.parametrize(
    ("count", "seconds", "burst"),
    [(30, 1, 10), (30, 1, 1), (100, 60, 100), (7, 3, 5), (1, 86_400, 2), (9973, 1, 10_000)],
)
def test_in_any_time_the_burst_and_the_rate_pass_and_no_more(
    clock: Clock, limits: MemoryLimits, count: int, seconds: int, burst: int
) -> None:
    """Greedy, so that the formula is met and not only kept."""
    start, interval = clock.now, Fraction(seconds, count)
    passed = 0
    for step in range(200):
        # Just past every half interval: not on the edge, where a float may fall either side.
        clock.now = start + float(interval * step / 2) + 2e-6
        while limits.take("key", count, seconds, burst).allowed:
            passed += 1
        assert passed == burst + step // 2


def test_long_saturation_does_not_drift(clock: Clock, limits: MemoryLimits) -> None:
    start, passed = clock.now, 0
    for step in range(1, 100_001):
        clock.now = start + step / 1000
        passed += limits.take("key", 333, 1.0, 5).allowed
    assert passed == 5 + int(99.999 * 333)


def test_more_than_a_million_each_second_is_still_exact(limits: MemoryLimits) -> None:
    allowed = [limits.take("key", 10_000_000, 1.0, 3).allowed for _ in range(5)]
    assert allowed == [True, True, True, False, False]


def test_answers_at_once(limits: MemoryLimits) -> None:
    decision = limits.take("key", 1, 1.0, 1)
    assert isinstance(decision, Decision)
    assert decision.allowed
    assert not limits.shared


def test_keys_that_no_longer_count_are_forgotten(clock: Clock, limits: MemoryLimits) -> None:
    for number in range(10_000):
        limits.take(f"old {number}", 10, 1.0, 1)
    clock.now += 1
    for number in range(10_000):
        limits.take(f"new {number}", 10, 1.0, 1)
        clock.now += 0.2
    assert len(limits) < 1_000


def test_keys_that_count_survive_the_sweep(limits: MemoryLimits) -> None:
    limits.take("user", 1, 3600.0, 1)
    for number in range(20_000):
        limits.take(f"other {number}", 1, 3600.0, 1)
        if number % 1000 == 0:
            assert not limits.take("user", 1, 3600.0, 1).allowed
    assert not limits.take("other 0", 1, 3600.0, 1).allowed
    assert len(limits) == 20_001


def full(clock: Clock) -> MemoryLimits:
    limits = MemoryLimits(clock, max_keys=EVERY_PLACE)
    for number in range(EVERY_PLACE * 20):
        limits.take(f"live {number}", 1, 60.0, 1)
    return limits


def test_the_number_of_keys_is_bounded(clock: Clock) -> None:
    assert len(full(clock)) <= EVERY_PLACE + SHARDS


def test_newcomers_share_a_bucket_while_every_place_is_taken(clock: Clock) -> None:
    limits = full(clock)
    passed = sum(limits.take(f"new {number}", 1, 60.0, 1).allowed for number in range(5_000))
    assert passed == 0
    clock.now += 59
    assert not limits.take("live 0", 1, 60.0, 1).allowed
    clock.now += 1.1
    passed = sum(limits.take(f"new {number}", 1, 60.0, 1).allowed for number in range(5_000))
    assert passed > 0


def test_newcomers_have_buckets_of_their_own_again_once_there_is_room(clock: Clock) -> None:
    limits = full(clock)
    clock.now += 61
    passed = sum(limits.take(f"new {number}", 1, 60.0, 1).allowed for number in range(5_000))
    assert passed >= EVERY_PLACE


async def test_closing_forgets_every_key(limits: MemoryLimits) -> None:
    limits.take("key", 1, 60.0, 1)
    await limits.close()
    assert len(limits) == 0
