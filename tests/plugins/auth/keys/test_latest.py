"""Readings of the table of keys: one for all who ask at once, and not too often."""

from __future__ import annotations

import asyncio
import logging

import pytest

from backends.errors import BackendError
from plugins.auth.keys import latest
from plugins.auth.keys.latest import Latest


class Table:
    """Readings of it end when `open` is set."""

    def __init__(self) -> None:
        self.read_so_far = 0
        self.open = asyncio.Event()
        self.broken = False
        self.now = 100.0
        self.latest = Latest(self.read, lambda: self.now)

    async def read(self) -> None:
        self.read_so_far += 1
        await self.open.wait()
        if self.broken:
            raise BackendError("it is away")


async def test_twenty_who_ask_at_once_read_once() -> None:
    table = Table()
    asking = asyncio.gather(*(table.latest.now() for _ in range(20)))
    await asyncio.sleep(0)
    table.open.set()
    await asking
    assert table.read_so_far == 1


async def test_it_is_read_again_only_after_a_while() -> None:
    table = Table()
    table.open.set()
    for moved, readings in ((0.0, 1), (9.0, 1), (1.0, 2), (9.0, 2)):
        table.now += moved
        await asyncio.gather(*(table.latest.within(10) for _ in range(5)))
        assert table.read_so_far == readings


async def test_a_table_that_is_away_is_an_error_for_those_alone_who_need_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    table = Table()
    table.broken = True
    table.open.set()
    with caplog.at_level(logging.WARNING):
        await table.latest.within(10)
    assert "it is away" in caplog.text
    with pytest.raises(BackendError):
        await table.latest.now()
    table.broken = False
    await table.latest.now()


async def test_who_can_do_without_it_does_not_wait_for_ever(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(latest, "PATIENCE", 0.01)
    table = Table()
    await table.latest.within(10)
    assert "too long" in caplog.text
    table.open.set()
    await table.latest.now()
    assert table.read_so_far == 1
