"""Deadlines on one clock: never early, at most a tick late, and nothing held that has none."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from gateway.wheel import NEVER, TICK, Wheel


class Timer:
    """Something with a deadline; `rang` becomes set when it has passed."""

    def __init__(self, wheel: Wheel, deadline: float = NEVER) -> None:
        self.wheel = wheel
        self.deadline = deadline
        self.armed = NEVER
        self.calls = 0
        self.at = 0.0
        self.rang = asyncio.Event()
        self.then: Callable[[], None] | None = None
        if deadline != NEVER:
            wheel.arm(self)

    def expire(self, now: float) -> None:
        assert now >= self.deadline
        self.calls += 1
        self.at = now
        self.rang.set()
        if self.then is not None:
            self.then()


@pytest.fixture
async def wheel() -> Wheel:
    return Wheel(asyncio.get_running_loop())


def now() -> float:
    return asyncio.get_running_loop().time()


def slot_in(ticks: int) -> float:
    """The middle of a slot some ticks ahead: timers of one such time expire together."""
    return (int(now() / TICK) + ticks + 0.5) * TICK


async def test_a_deadline_is_kept_never_before_its_time(wheel: Wheel) -> None:
    started = now()
    timers = [Timer(wheel, started + delay / 100) for delay in range(1, 30)]
    for timer in timers:
        await timer.rang.wait()
        assert timer.at >= timer.deadline
        assert timer.calls == 1


async def test_it_is_looked_at_in_the_first_turn_after_it_has_passed(wheel: Wheel) -> None:
    turns = Timer(wheel, now())
    times: list[float] = []

    def again() -> None:
        times.append(turns.at)
        turns.deadline = turns.at
        wheel.arm(turns)

    turns.then = again
    timers = [Timer(wheel, now() + delay / 70) for delay in range(1, 20)]
    for timer in timers:
        await timer.rang.wait()
    turns.then = None
    await asyncio.sleep(0)
    for timer in timers:
        assert not [at for at in times if timer.deadline <= at < timer.at]


async def test_what_has_passed_already_is_due_in_the_next_turn(wheel: Wheel) -> None:
    timer = Timer(wheel, now() - 1000)
    assert timer.calls == 0
    await timer.rang.wait()


async def test_later_needs_no_call(wheel: Wheel) -> None:
    first = now() + TICK
    timer = Timer(wheel, first)
    timer.deadline = first + 3 * TICK
    watch = Timer(wheel, first)
    await watch.rang.wait()
    assert timer.calls == 0
    await timer.rang.wait()
    assert timer.at >= first + 3 * TICK


async def test_earlier_needs_one(wheel: Wheel) -> None:
    timer = Timer(wheel, now() + 1000)
    timer.deadline = now() + TICK
    wheel.arm(timer)
    assert timer.armed == timer.deadline
    await timer.rang.wait()
    assert timer.armed == NEVER


async def test_a_deadline_that_is_no_more_is_no_longer_kept(wheel: Wheel) -> None:
    forgotten, dropped, never = (Timer(wheel, now() + TICK) for _ in range(3))
    wheel.disarm(forgotten)
    dropped.deadline = NEVER
    never.deadline = NEVER
    wheel.arm(never)
    last = Timer(wheel, now() + 3 * TICK)
    await last.rang.wait()
    assert [forgotten.calls, dropped.calls, never.calls] == [0, 0, 0]
    assert [forgotten.armed, dropped.armed, never.armed] == [NEVER, NEVER, NEVER]


async def test_to_disarm_what_is_not_armed_is_nothing(wheel: Wheel) -> None:
    timer = Timer(wheel)
    wheel.disarm(timer)
    wheel.arm(timer)
    wheel.disarm(timer)
    assert timer.armed == NEVER


async def test_one_that_is_disarmed_in_the_very_turn_does_not_expire(wheel: Wheel) -> None:
    together = slot_in(2)
    pair = [Timer(wheel, together), Timer(wheel, together)]
    for timer, other in (pair, pair[::-1]):
        timer.then = lambda other=other: wheel.disarm(other)
    await asyncio.wait(
        [asyncio.ensure_future(timer.rang.wait()) for timer in pair],
        return_when=asyncio.FIRST_COMPLETED,
    )
    last = Timer(wheel, now() + 2 * TICK)
    await last.rang.wait()
    assert sorted(timer.calls for timer in pair) == [0, 1]


async def test_one_may_be_moved_in_the_very_turn(wheel: Wheel) -> None:
    together = slot_in(2)
    later = together + 3 * TICK
    pair = [Timer(wheel, together), Timer(wheel, together)]

    def move(other: Timer) -> None:
        other.then = None
        other.deadline = later
        wheel.arm(other)

    pair[0].then = lambda: move(pair[1])
    pair[1].then = lambda: move(pair[0])
    for timer in pair:
        await timer.rang.wait()
    assert [timer.calls for timer in pair] == [1, 1]
    assert max(timer.at for timer in pair) >= later


async def test_one_may_be_armed_again_as_it_expires(wheel: Wheel) -> None:
    timer = Timer(wheel, now() + TICK)
    done = asyncio.Event()

    def again() -> None:
        timer.deadline = timer.at + TICK
        if timer.calls < 3:
            wheel.arm(timer)
        else:
            done.set()

    timer.then = again
    await done.wait()
    assert timer.calls == 3


async def test_one_that_fails_keeps_no_other_from_expiring(wheel: Wheel) -> None:
    seen: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: seen.append(context))
    together = slot_in(2)
    timers = [Timer(wheel, together) for _ in range(5)]

    def fail() -> None:
        raise RuntimeError("on purpose")

    for timer in timers:
        timer.then = fail
    later = Timer(wheel, together + 2 * TICK)
    for timer in [*timers, later]:
        await timer.rang.wait()
    assert [str(context["exception"]) for context in seen] == ["on purpose"] * 5


async def test_nothing_is_held_that_is_not_armed(wheel: Wheel) -> None:
    timers = [Timer(wheel, now() + delay) for delay in (TICK, 60, 3600)]
    held = [weakref.ref(timer) for timer in timers]
    await timers[0].rang.wait()
    for timer in timers:
        wheel.disarm(timer)
    del timers, timer
    gc.collect()
    assert [ref() for ref in held] == [None] * 3


async def test_it_starts_again_after_it_stood_still(wheel: Wheel) -> None:
    for _ in range(2):
        timer = Timer(wheel, now() + 0.001)
        await timer.rang.wait()
        await asyncio.sleep(3 * TICK)


async def test_once_closed_it_expires_nothing(wheel: Wheel) -> None:
    timer = Timer(wheel, now() + TICK)
    wheel.close()
    wheel.close()
    other = Wheel(asyncio.get_running_loop())
    await Timer(other, now() + 3 * TICK).rang.wait()
    assert timer.calls == 0
