"""Which keys there are, and how they are listed."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from backends.blobs import Blobs
from backends.errors import BackendError, Refused
from tests.conformance.blobs_steps import (
    InAPlace,
    listed,
    read,
)

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


class KeysContract(InAPlace):
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
