"""What is put: whole, as it was, and at once or not at all."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from backends.blobs import Blob, Blobs, Corrupt
from backends.errors import Conflict, Missing, Refused
from tests.conformance.blobs_steps import (
    LARGE,
    InAPlace,
    broken,
    listed,
    noise,
    read,
    sha256,
    stream,
)


class PutsContract(InAPlace):
    @pytest.mark.parametrize("size", [0, 1, 65536, LARGE])
    async def test_what_is_put_is_got(self, blobs: Blobs, at: str, size: int) -> None:
        body = noise[:size]
        put = await blobs.put(f"{at}k", body, content_type="text/plain; charset=utf-8")
        assert (put.key, put.size, put.sha256) == (f"{at}k", size, sha256(body))
        assert put.content_type == "text/plain; charset=utf-8"
        assert await read(blobs, f"{at}k") == body

    @pytest.mark.parametrize("size", [0, 1, 65536, 5 << 20, LARGE])
    async def test_a_body_may_come_in_pieces(self, blobs: Blobs, at: str, size: int) -> None:
        put = await blobs.put(f"{at}k", stream(noise[:size]))
        assert (put.size, put.sha256) == (size, sha256(noise[:size]))
        assert (await blobs.head(f"{at}k")).sha256 == put.sha256
        assert await read(blobs, f"{at}k") == noise[:size]

    @pytest.mark.parametrize("size", [5, LARGE])
    async def test_head_says_what_put_said(self, blobs: Blobs, at: str, size: int) -> None:
        before = datetime.now(UTC)
        put = await blobs.put(f"{at}k", stream(noise[:size]), content_type="image/png")
        head = await blobs.head(f"{at}k")
        assert head._replace(modified=put.modified) == put
        async with blobs.get(f"{at}k") as reading:
            assert reading.blob == head
        for blob in (put, head):
            assert abs(blob.modified - before) < timedelta(seconds=30)
        assert head.modified.utcoffset() == timedelta(0)

    async def test_a_body_in_pieces_is_not_held_in_memory(self, blobs: Blobs, at: str) -> None:
        piece = noise[: 1 << 18]

        async def long() -> AsyncIterator[bytes]:
            for _ in range(320):
                yield piece

        await blobs.put(f"{at}warm", b"")
        tracemalloc.start()
        try:
            await blobs.put(f"{at}k", long())
            async with blobs.get(f"{at}k") as reading:
                assert sum([len(chunk) async for chunk in reading]) == 80 << 20
            assert tracemalloc.get_traced_memory()[1] < 64 << 20
        finally:
            tracemalloc.stop()

    async def test_what_is_not_there_is_missing(self, blobs: Blobs, at: str) -> None:
        with pytest.raises(Missing):
            await blobs.head(f"{at}k")
        with pytest.raises(Missing):
            await read(blobs, f"{at}k")
        with pytest.raises(Missing):
            await read(blobs, f"{at}k", 5)

    async def test_a_deleted_blob_is_missing(self, blobs: Blobs, at: str) -> None:
        await blobs.put(f"{at}k", b"x")
        await blobs.delete(f"{at}k")
        with pytest.raises(Missing):
            await blobs.head(f"{at}k")
        assert await listed(blobs, at) == []
        await blobs.delete(f"{at}k")

    async def test_deleting_one_leaves_another_with_the_same_bytes(
        self, blobs: Blobs, at: str
    ) -> None:
        for name in ("k", "k2"):
            await blobs.put(at + name, noise[:1000])
        await blobs.delete(f"{at}k")
        assert await read(blobs, f"{at}k2") == noise[:1000]

    @pytest.mark.parametrize("size", [3, LARGE])
    async def test_a_put_replaces(self, blobs: Blobs, at: str, size: int) -> None:
        await blobs.put(f"{at}k", noise[:1000], content_type="text/plain")
        await blobs.put(f"{at}k", stream(noise[:size]), content_type="text/html")
        head = await blobs.head(f"{at}k")
        assert (head.content_type, head.size) == ("text/html", size)
        assert await read(blobs, f"{at}k") == noise[:size]

    @pytest.mark.parametrize("size", [3, LARGE])
    async def test_a_body_that_fails_leaves_what_was(
        self, blobs: Blobs, at: str, size: int
    ) -> None:
        with pytest.raises(ZeroDivisionError):
            await blobs.put(f"{at}k", broken(noise[:size]))
        assert await listed(blobs, at) == []
        await blobs.put(f"{at}k", b"old")
        with pytest.raises(ZeroDivisionError):
            await blobs.put(f"{at}k", broken(noise[:size]))
        assert await read(blobs, f"{at}k") == b"old"

    @pytest.mark.parametrize("size", [3, LARGE])
    async def test_a_put_under_way_is_not_seen_and_one_cancelled_never_is(
        self, blobs: Blobs, at: str, size: int
    ) -> None:
        reached = asyncio.Event()

        async def stuck() -> AsyncIterator[bytes]:
            yield noise[:size]
            reached.set()
            await asyncio.Event().wait()

        putting = asyncio.create_task(blobs.put(f"{at}k", stuck()))
        await reached.wait()
        with pytest.raises(Missing):
            await blobs.head(f"{at}k")
        assert await listed(blobs, at) == []
        putting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await putting
        with pytest.raises(Missing):
            await blobs.head(f"{at}k")

    @pytest.mark.parametrize("size", [3, LARGE])
    async def test_a_sha256_that_is_promised_is_held(
        self, blobs: Blobs, at: str, size: int
    ) -> None:
        with pytest.raises(Corrupt):
            await blobs.put(f"{at}k", stream(noise[:size]), sha256=sha256(b"other"))
        assert await listed(blobs, at) == []
        body = noise[:size]
        assert (await blobs.put(f"{at}k", stream(body), sha256=sha256(body))).size == size
        assert (await blobs.head(f"{at}k")).sha256 == sha256(body)
        with pytest.raises(Refused):
            await blobs.put(f"{at}k", b"", sha256="DEADBEEF")

    @pytest.mark.parametrize("size", [3, LARGE])
    async def test_only_if_absent_is_a_conflict_with_what_is_there(
        self, blobs: Blobs, at: str, size: int
    ) -> None:
        await blobs.put(f"{at}k", b"old", only_if_absent=True)
        with pytest.raises(Conflict):
            await blobs.put(f"{at}k", stream(noise[:size]), only_if_absent=True)
        assert await read(blobs, f"{at}k") == b"old"
        await blobs.delete(f"{at}k")
        await blobs.put(f"{at}k", stream(noise[:size]), only_if_absent=True)
        assert await read(blobs, f"{at}k") == noise[:size]

    async def test_of_many_only_if_absent_one_wins(self, blobs: Blobs, at: str) -> None:
        puts = [blobs.put(f"{at}k", b"%d" % i, only_if_absent=True) for i in range(20)]
        ended = await asyncio.gather(*puts, return_exceptions=True)
        winners = [i for i, end in enumerate(ended) if isinstance(end, Blob)]
        assert len(winners) == 1
        assert sum(isinstance(end, Conflict) for end in ended) == 19
        assert await read(blobs, f"{at}k") == b"%d" % winners[0]
