from __future__ import annotations

import asyncio

import pytest

from backends.documents.mongodb_errors import translated
from backends.errors import BackendUnavailable


async def swallows(times: int) -> None:
    """As asyncio.wait_for of Python 3.11 may."""
    for _ in range(times):
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            continue


async def test_a_timeout_that_was_swallowed_is_one_all_the_same() -> None:
    async def call() -> None:
        async with translated("mongodb://x", 0.02):
            await swallows(1)
            await asyncio.sleep(30)

    async with asyncio.timeout(10):
        with pytest.raises(BackendUnavailable, match=r"no answer in 0\.02 s"):
            await call()


async def test_a_cancellation_that_was_swallowed_is_one_all_the_same() -> None:
    entered = asyncio.Event()

    async def call() -> None:
        async with translated("mongodb://x", 10):
            entered.set()
            await swallows(1)

    calling = asyncio.create_task(call())
    await entered.wait()
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling


async def test_what_was_done_in_time_is_not_cancelled() -> None:
    async with asyncio.timeout(10), translated("mongodb://x", 0.02):
        await swallows(1)
    await asyncio.sleep(0)
