"""What a worker remembers, and for how long."""

from __future__ import annotations

import pytest

from backends.sql import Sql
from plugins.auth.cache.epoch import Epoch
from plugins.auth.cache.remembered import Remembered
from tests.plugins.auth.people import Clock


@pytest.fixture
def epoch(sql: Sql) -> Epoch:
    return Epoch(sql)


async def test_what_was_read_before_a_change_is_not_kept_after_it(epoch: Epoch) -> None:
    known: Remembered[bool] = Remembered(epoch, 10)
    turn = epoch.turn
    async with epoch.write():
        pass
    known.put("a", True, turn)
    assert known.get("a") is None
    known.put("a", True, epoch.turn)
    assert known.get("a") is True


async def test_the_memory_is_bounded_and_nothing_is_believed_for_ever(epoch: Epoch) -> None:
    clock = Clock()
    known: Remembered[int] = Remembered(epoch, 10, clock)
    for number in range(100):
        known.put(number, number, epoch.turn)
        known.get(0)
    assert len(known) <= 10
    assert (known.get(0), known.get(99), known.get(50)) == (0, 99, None)
    known.put("short", 1, epoch.turn, clock() + 5)
    clock.ahead = 6
    assert (known.get("short"), known.get(99)) == (None, 99)
    clock.ahead = 61
    assert known.get(99) is None
