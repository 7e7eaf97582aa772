"""What drivers whose engine is a server do when it goes away, hangs, or says no."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import ClassVar
from urllib.parse import quote

import pytest

from backends.blobs import DRIVERS, Blobs
from backends.errors import BackendError, BackendUnavailable, Refused
from tests.conformance.blobs import noise, read, stream
from tests.engines.engine import Engine

TIMEOUT = 2.0
PATIENCE = 30.0


class EngineFaults:
    """Fixtures to give: `engine`, one's own, `url`, of a bucket there, and `healthy`, of a bucket
    in an engine that others use too."""

    SECRET: ClassVar[str]

    @pytest.fixture
    async def blobs(self, url: str) -> AsyncIterator[Blobs]:
        blobs = DRIVERS.open(f"{url}&part_size=5MiB&timeout={TIMEOUT:g}s")
        yield blobs
        await blobs.close()

    def halt(self, engine: Engine) -> None:
        engine.kill()

    async def test_nothing_acknowledged_is_lost_by_a_restart_under_load(
        self, blobs: Blobs, engine: Engine
    ) -> None:
        kept: dict[str, bytes] = {}
        failed: list[BackendError] = []
        ending = asyncio.Event()

        async def write(writer: int) -> None:
            for number in range(10_000):
                key, size = f"{writer}/{number}", 6 << 20 if number % 20 == 7 else 2000
                body = key.encode() + noise[:size]
                try:
                    await blobs.put(key, stream(body))
                except BackendUnavailable as error:
                    failed.append(error)
                else:
                    kept[key] = body
                if ending.is_set():
                    return
                await asyncio.sleep(0.01)

        async with asyncio.TaskGroup() as tasks:
            for writer in range(4):
                tasks.create_task(write(writer))
            await until(lambda: len(kept) > 30)
            await asyncio.to_thread(self.halt, engine)
            await until(lambda: len(failed) >= 4)
            before = len(kept)
            await asyncio.to_thread(engine.start)
            await until(lambda: len(kept) > before + 30)
            ending.set()
        for key, body in kept.items():
            assert await read(blobs, key) == body

    async def test_a_server_that_hangs_is_unavailable_in_time_and_then_well_again(
        self, blobs: Blobs, engine: Engine
    ) -> None:
        await blobs.put("k", b"x")
        with engine.paused():
            began = time.monotonic()
            calls = [
                *(blobs.put("k", b"y"), blobs.put("l", stream(noise)), blobs.head("k")),
                *(read(blobs, "k"), blobs.list(), blobs.delete("k"), blobs.check()),
            ]
            ended = await asyncio.gather(*calls, return_exceptions=True)
            assert [type(end) for end in ended] == [BackendUnavailable] * len(calls)
            assert time.monotonic() - began < 5 * TIMEOUT
        await settled(blobs)
        await blobs.put("k", b"z")
        assert await read(blobs, "k") == b"z"

    async def test_a_server_that_goes_amid_a_read_is_told_before_the_end(
        self, blobs: Blobs, engine: Engine
    ) -> None:
        await blobs.put("k", stream(noise * 4))
        got: list[int] = []

        async def read_amid_it() -> None:
            async with blobs.get("k") as reading:
                async for chunk in reading:
                    if not got:
                        await asyncio.to_thread(self.halt, engine)
                    got.append(len(chunk))

        with pytest.raises(BackendUnavailable):
            await read_amid_it()
        assert 0 < sum(got) < 4 * len(noise)

    async def test_a_server_that_is_not_there_is_unavailable(
        self, blobs: Blobs, engine: Engine
    ) -> None:
        await asyncio.to_thread(self.halt, engine)
        calls = (blobs.check(), blobs.head("k"), blobs.put("k", b""))
        for end in await asyncio.gather(*calls, return_exceptions=True):
            assert isinstance(end, BackendUnavailable)
            assert self.SECRET not in str(end)
        await asyncio.to_thread(engine.start)
        await blobs.check()

    async def test_a_server_that_does_not_know_us_refuses(self, healthy: str) -> None:
        secret = quote(self.SECRET, safe="")
        wrong = "d3Jvbmc="
        blobs = DRIVERS.open(healthy.replace(secret, wrong))
        try:
            for call in (blobs.check(), blobs.put("k", b""), blobs.list()):
                with pytest.raises(Refused) as caught:
                    await call
                assert wrong not in str(caught.value)
        finally:
            await blobs.close()
        assert self.SECRET not in repr(blobs)
        assert self.SECRET not in repr(vars(blobs))

    async def test_a_bucket_that_is_not_there_is_refused(self, healthy: str) -> None:
        blobs = DRIVERS.open(healthy.replace("//blobs?", "//no-such?"))
        try:
            for call in (blobs.check(), blobs.put("k", b""), blobs.list()):
                with pytest.raises(Refused):
                    await call
        finally:
            await blobs.close()


async def settled(blobs: Blobs) -> None:
    """What a hung server was asked before, it may do now: nobody waits for that any more."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            await blobs.check()
            await blobs.delete("l")
        except BackendUnavailable:
            assert time.monotonic() < deadline
        else:
            return


async def until(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not reached():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)
