"""What every driver of `Blobs` must do. Subclass `BlobsContract` and give it the fixture `blobs`.

A driver that needs a size to try its large bodies gets parts of 5 MiB at most from its fixture.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import count as counter
from typing import Any

import pytest

from backends.blobs import Blob, Blobs, Corrupt, Item, OutOfRange
from backends.errors import BackendError, Conflict, Missing, Refused

LARGE = 11 * (1 << 20) + 12345
numbers = counter()
noise = random.Random(4).randbytes(LARGE)

KEYS = [
    *("plain.txt", "with space", " spaces ", "a%2Fb%00", "q?x=1&y=2#z", "plus+plus", "emile é"),
    *(
        "e\u0301 decomposed",
        "日本語/テキスト.pdf",
        "😀",
        "\u202eright to left",
        "\uffee",
        "...",
        ".hidden",
    ),
    *("..a", "a..", "C:", "~", "*", "'\"<>|`$(x)", "[]{}!@^", "x=1;y,z", "K" * 255, "con", "%"),
    *("/".join(["d" * 200] * 4), "é" * 127),
]
NO_KEYS = [
    *("", "/", "/a", "a/", "a//b", ".", "..", "../x", "a/../b", "a/./b", "a/..", "nul\0", "tab\t"),
    *("line\n", "\x7f", "\x85", "back\\slash", "..\\x", "\udcff", "\uffff", "k" * 256),
    *("/".join(["d" * 255] * 5), "é" * 128),
]


async def stream(body: bytes, size: int = 100_000) -> AsyncIterator[bytes]:
    for at in range(0, len(body), size):
        yield body[at : at + size]


async def broken(body: bytes) -> AsyncIterator[bytes]:
    yield body
    raise ZeroDivisionError


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


async def read(blobs: Blobs, key: str, start: int = 0, end: int | None = None) -> bytes:
    async with blobs.get(key, start, end) as reading:
        return await reading.read()


async def listed(blobs: Blobs, prefix: str, limit: int = 1000) -> list[Item]:
    items: list[Item] = []
    cursor = None
    while True:
        page = await blobs.list(prefix, cursor=cursor, limit=limit)
        assert len(page.items) <= limit
        items += page.items
        if (cursor := page.cursor) is None:
            return items


class BlobsContract:
    """Fixture to give: `blobs`, the driver, on an engine of which it may use any key."""

    @pytest.fixture
    def at(self) -> str:
        """Begins all keys of one test."""
        return f"conformance-{next(numbers)}-{random.getrandbits(40):x}/"

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

    @pytest.mark.parametrize("key", KEYS, ids=ascii)
    async def test_a_key_is_any_text_for_a_file(self, blobs: Blobs, at: str, key: str) -> None:
        body = key.encode()
        assert (await blobs.put(at + key, body)).key == at + key
        assert (await blobs.head(at + key)).key == at + key
        assert [item.key for item in await listed(blobs, at)] == [at + key]
        assert await read(blobs, at + key) == body
        await blobs.delete(at + key)
        assert await listed(blobs, at) == []

    @pytest.mark.parametrize("key", NO_KEYS, ids=ascii)
    async def test_any_other_key_is_refused(self, blobs: Blobs, key: str) -> None:
        calls: list[Any] = [
            *(blobs.put(key, b""), blobs.head(key), blobs.delete(key), read(blobs, key)),
            *(blobs.presign(key, "GET", 60), blobs.presign(key, "PUT", 60)),
        ]
        for call in calls:
            with pytest.raises(Refused):
                await call

    async def test_a_key_may_go_on_where_another_ends(self, blobs: Blobs, at: str) -> None:
        for key in ("a", "a/b", "a/b/c"):
            await blobs.put(at + key, key.encode())
        for key in ("a", "a/b", "a/b/c"):
            assert await read(blobs, at + key) == key.encode()

    async def test_keys_are_told_apart_by_case_and_form(self, blobs: Blobs, at: str) -> None:
        keys = ["key", "Key", "\u00e9", "e\u0301"]
        for key in keys:
            await blobs.put(at + key, key.encode())
        assert [await read(blobs, at + key) for key in keys] == [key.encode() for key in keys]

    async def test_a_listing_is_in_order_of_bytes_and_each_is_on_one_page(
        self, blobs: Blobs, at: str
    ) -> None:
        names = [
            *"aBb-_~ é日😀",
            "...",
            *[f"n{i}" for i in range(12)],
            "a.b",
            "c/d",
            "c0",
            "c.b",
        ]
        await asyncio.gather(*[blobs.put(at + name, name.encode()) for name in names])
        expected = sorted((at + name for name in names), key=str.encode)
        for limit in (1000, 7, 1):
            assert [item.key for item in await listed(blobs, at, limit)] == expected
        items = {item.key: item for item in await listed(blobs, at)}
        assert items[f"{at}日"].size == 3
        head = await blobs.head(f"{at}日")
        assert abs(items[f"{at}日"].modified - head.modified) < timedelta(seconds=1.1)

    async def test_a_prefix_may_end_anywhere(self, blobs: Blobs, at: str) -> None:
        for name in ("abc", "ab/c", "b", "a%b", "a_b", "a*b", "AB", ".c", "..d", "e/..."):
            await blobs.put(at + name, b"")
        for prefix in (
            "",
            "a",
            "ab",
            "ab/",
            "ab/c",
            "a%",
            "a_",
            "a*",
            "A",
            "x",
            "/",
            ".",
            "..",
            "./",
            "e/.",
        ):
            keys = [item.key for item in await listed(blobs, at + prefix, 2)]
            names = ["..d", ".c", "AB", "a%b", "a*b", "a_b", "ab/c", "abc", "b", "e/..."]
            assert keys == [at + name for name in names if name.startswith(prefix)]

    async def test_a_cursor_outlives_what_it_points_at(self, blobs: Blobs, at: str) -> None:
        for i in range(6):
            await blobs.put(f"{at}{i}", b"")
        page = await blobs.list(at, limit=3)
        for i in (2, 3):
            await blobs.delete(f"{at}{i}")
        await blobs.put(f"{at}0a", b"")
        rest = await blobs.list(at, cursor=page.cursor, limit=1000)
        assert [item.key for item in rest.items] == [f"{at}4", f"{at}5"]

    @pytest.mark.parametrize("limit", [0, -1, 1001])
    async def test_a_page_has_a_bound(self, blobs: Blobs, limit: int) -> None:
        with pytest.raises(Refused):
            await blobs.list(limit=limit)

    @pytest.mark.parametrize("odd", ["", "text", "a/b\r\nX: y", "a/b;\0", "é/x", "a/" + "b" * 255])
    async def test_a_content_type_is_a_media_type(self, blobs: Blobs, at: str, odd: str) -> None:
        with pytest.raises(Refused):
            await blobs.put(f"{at}k", b"", content_type=odd)

    async def test_is_well(self, blobs: Blobs) -> None:
        await blobs.check()

    async def test_may_be_closed_twice_and_then_says_so(self, blobs: Blobs, at: str) -> None:
        await blobs.put(f"{at}k", b"x")
        await blobs.close()
        await blobs.close()
        for call in (blobs.head(f"{at}k"), blobs.check(), blobs.put(f"{at}k", b"")):
            with pytest.raises(BackendError):
                await call
