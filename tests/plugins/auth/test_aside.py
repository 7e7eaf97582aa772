"""Tasks on the side go on until they are stopped, and what ends one is told."""

from __future__ import annotations

import asyncio

import pytest

from plugins.auth.aside import Aside


async def for_ever() -> None:
    await asyncio.Event().wait()


async def broken() -> None:
    raise KeyError("nobody thought of it")


async def test_one_that_fails_is_told_at_once_and_keeps_no_other_from_its_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    aside = Aside()
    aside.begin(broken(), for_ever())
    await asyncio.wait(aside.tasks[:1])
    await asyncio.sleep(0)
    assert "a task on the side has ended" in caplog.text
    assert "nobody thought of it" in caplog.text
    assert not aside.tasks[1].done()
    await aside.stop()
    assert aside.tasks[1].cancelled()


async def test_an_end_that_was_asked_for_is_no_news(caplog: pytest.LogCaptureFixture) -> None:
    aside = Aside()
    aside.begin(for_ever())
    await asyncio.sleep(0)
    await aside.stop()
    assert not caplog.records


async def test_what_never_began_is_stopped_too() -> None:
    await Aside().stop()
