"""What is read: of one moment, whole or a range of it."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from backends.blobs import Blobs, OutOfRange
from backends.errors import BackendError, Conflict, Refused
from tests.conformance.blobs_steps import (
    LARGE,
    InAPlace,
    noise,
    read,
    stream,
)


class ReadsContract(InAPlace):
    @pytest.mark.parametrize("size", [100_000, 6 << 20])
    async def test_readers_see_the_old_or_the_new_while_writers_write(
        self, blobs: Blobs, at: str, size: int
    ) -> None:
        bodies = [bytes([i]) * (size + i) for i in range(4)]
        await blobs.put(f"{at}k", bodies[0])
        told: list[BackendError] = []

        async def write(body: bytes) -> None:
            for _ in range(3):
                with suppress(Conflict):
                    await blobs.put(f"{at}k", stream(body))

        async def look() -> None:
            for _ in range(10):
                try:
                    assert await read(blobs, f"{at}k") in bodies
                except Conflict as error:
                    told.append(error)

        await asyncio.gather(*map(write, bodies), look(), look())
        assert len(told) < 20
        assert await read(blobs, f"{at}k") in bodies

    @pytest.mark.parametrize("replaced", [True, False])
    async def test_a_reading_is_of_what_was_there_when_it_began(
        self, blobs: Blobs, at: str, replaced: bool
    ) -> None:
        async def change() -> None:
            await blobs.delete(f"{at}k")
            if replaced:
                await blobs.put(f"{at}k", b"new" * 10000)

        await blobs.put(f"{at}k", noise)
        got: list[bytes] = []
        async with blobs.get(f"{at}k") as reading, asyncio.TaskGroup() as tasks:
            tasks.create_task(change())
            with suppress(Conflict):
                async for chunk in reading:
                    got.append(chunk)
                    await asyncio.sleep(0.001)  # lets the change go on
                assert b"".join(got) == noise
        assert noise.startswith(b"".join(got))

    @pytest.mark.parametrize(
        ("start", "end"),
        [
            *((0, None), (0, 1), (0, 10), (3, 7), (9, 10), (3, None), (3, 99)),
            *((-1, None), (-4, None), (-10, None), (-99, None)),
        ],
    )
    async def test_a_range_is_as_of_a_slice(
        self, blobs: Blobs, at: str, start: int, end: int | None
    ) -> None:
        body = b"0123456789"
        await blobs.put(f"{at}k", body)
        async with blobs.get(f"{at}k", start, end) as reading:
            assert await reading.read() == body[start:end]
            assert body[reading.start : reading.end] == body[start:end]
            assert reading.blob.size == 10

    async def test_a_range_of_a_large_blob(self, blobs: Blobs, at: str) -> None:
        await blobs.put(f"{at}k", stream(noise))
        for start, end in [(5 << 20, (5 << 20) + 100), (100, LARGE - 100), (-6_000_000, None)]:
            assert await read(blobs, f"{at}k", start, end) == noise[start:end]

    @pytest.mark.parametrize(("start", "end"), [(10, None), (10, 11), (99, None), (2**40, 2**41)])
    async def test_a_range_after_the_end_is_out_of_range(
        self, blobs: Blobs, at: str, start: int, end: int | None
    ) -> None:
        await blobs.put(f"{at}k", b"0123456789")
        with pytest.raises(OutOfRange) as caught:
            await read(blobs, f"{at}k", start, end)
        assert caught.value.size == 10

    async def test_of_an_empty_blob_only_a_start_is_out_of_range(
        self, blobs: Blobs, at: str
    ) -> None:
        await blobs.put(f"{at}k", b"")
        assert await read(blobs, f"{at}k") == await read(blobs, f"{at}k", -5) == b""
        for start, end in [(0, 1), (1, None)]:
            with pytest.raises(OutOfRange):
                await read(blobs, f"{at}k", start, end)

    @pytest.mark.parametrize(("start", "end"), [(5, 5), (5, 4), (-5, 3), (0, 0), (0, -1)])
    async def test_a_range_of_nothing_is_refused(
        self, blobs: Blobs, at: str, start: int, end: int
    ) -> None:
        with pytest.raises(Refused):
            await read(blobs, f"{at}k", start, end)

    async def test_a_reading_may_be_left(self, blobs: Blobs, at: str) -> None:
        await blobs.put(f"{at}k", noise)
        for _ in range(20):
            async with blobs.get(f"{at}k") as reading:
                async for chunk in reading:
                    assert noise.startswith(chunk)
                    break
        assert await read(blobs, f"{at}k", 0, 3) == noise[:3]
