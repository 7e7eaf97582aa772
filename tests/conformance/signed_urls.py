"""What signed URLs of every driver of `Blobs` must do, asked over HTTP as a client would."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import aiohttp
import pytest
from yarl import URL

from backends.blobs import Blobs, SignedUrl
from backends.errors import Missing, Refused
from tests.conformance.blobs import BlobsContract, read

REFUSED = {401, 403}


class SignedUrlsContract:
    """Fixture to give: `blobs`, as for `BlobsContract`, whose URLs somebody serves."""

    at = BlobsContract.at

    @pytest.fixture
    async def client(self) -> AsyncIterator[aiohttp.ClientSession]:
        async with aiohttp.ClientSession() as client:
            yield client

    @pytest.mark.parametrize("name", ["k.txt", "with space + é%2F?#&=.txt", "日本/😀"])
    async def test_a_signed_get_gets(
        self, blobs: Blobs, at: str, name: str, client: aiohttp.ClientSession
    ) -> None:
        await blobs.put(at + name, b"hello", content_type="text/plain")
        signed = await blobs.presign(at + name, "GET", 60)
        async with client.get(exactly(signed), headers=signed.headers) as answer:
            assert (answer.status, await answer.read()) == (200, b"hello")
            assert answer.headers["Content-Type"] == "text/plain"

    async def test_a_signed_get_takes_ranges(
        self, blobs: Blobs, at: str, client: aiohttp.ClientSession
    ) -> None:
        await blobs.put(f"{at}k", b"0123456789")
        signed = await blobs.presign(f"{at}k", "GET", 60)
        async with client.get(exactly(signed), headers={"Range": "bytes=2-4"}) as answer:
            assert (answer.status, await answer.read()) == (206, b"234")

    async def test_a_download_has_its_name(
        self, blobs: Blobs, at: str, client: aiohttp.ClientSession
    ) -> None:
        await blobs.put(f"{at}k", b"hello")
        signed = await blobs.presign(f"{at}k", "GET", 60, filename="Ærø; 'x\".txt")
        async with client.get(exactly(signed)) as answer:
            said = answer.headers["Content-Disposition"]
        assert said == "attachment; filename*=UTF-8''%C3%86r%C3%B8%3B%20%27x%22.txt"

    async def test_a_signed_put_puts(
        self, blobs: Blobs, at: str, client: aiohttp.ClientSession
    ) -> None:
        signed = await blobs.presign(f"{at}k é", "PUT", 60, content_type="image/png")
        async with client.put(exactly(signed), data=b"picture", headers=signed.headers) as answer:
            assert answer.status in {200, 201, 204}
        head = await blobs.head(f"{at}k é")
        assert (head.size, head.content_type) == (7, "image/png")
        assert await read(blobs, f"{at}k é") == b"picture"

    async def test_what_is_signed_for_one_thing_allows_no_other(
        self, blobs: Blobs, at: str, client: aiohttp.ClientSession
    ) -> None:
        for name in ("k", "k2"):
            await blobs.put(at + name, b"old")
        signed = await blobs.presign(f"{at}k", "GET", 60)
        put = await blobs.presign(f"{at}k", "PUT", 60)
        async with client.put(exactly(signed), data=b"new", headers=put.headers) as answer:
            assert answer.status in REFUSED
        longer = URL((await blobs.presign(f"{at}k", "GET", 3600)).url, encoded=True)
        given = exactly(signed).query
        swapped = [
            str(URL(signed.url, encoded=True).update_query({name: longer.query[name]}))
            for name in given
            if given[name] != longer.query[name]
        ]
        assert len(swapped) >= 2
        unsigned = signed.url.partition("?")[0]
        for changed in (signed.url.replace("/k?", "/k2?"), unsigned, *swapped):
            async with client.get(URL(changed, encoded=True)) as answer:
                assert answer.status in {*REFUSED, 400, 404, 409}
                assert b"old" not in await answer.read()
        async with client.get(exactly(put), headers=put.headers) as answer:
            assert answer.status in REFUSED
        assert await read(blobs, f"{at}k") == b"old"

    async def test_a_signed_url_ends(
        self, blobs: Blobs, at: str, client: aiohttp.ClientSession
    ) -> None:
        await blobs.put(f"{at}k", b"x")
        signed = await blobs.presign(f"{at}k", "GET", 1)
        deadline = time.monotonic() + 20
        while True:
            async with client.get(exactly(signed)) as answer:
                if answer.status in REFUSED:
                    return
            assert time.monotonic() < deadline
            await asyncio.sleep(0.1)

    async def test_a_signed_get_of_nothing_finds_nothing(
        self, blobs: Blobs, at: str, client: aiohttp.ClientSession
    ) -> None:
        signed = await blobs.presign(f"{at}k", "GET", 60)
        async with client.get(exactly(signed)) as answer:
            assert answer.status == 404
        with pytest.raises(Missing):
            await blobs.head(f"{at}k")

    @pytest.mark.parametrize("expires", [0, -1, 7 * 24 * 3600 + 1])
    async def test_a_time_out_of_bounds_is_refused(
        self, blobs: Blobs, at: str, expires: int
    ) -> None:
        with pytest.raises(Refused):
            await blobs.presign(f"{at}k", "GET", expires)

    @pytest.mark.parametrize("filename", ["", "a\r\nX: y", "a\0", "x" * 256, "\udcff"])
    async def test_a_filename_is_fit_for_a_header(
        self, blobs: Blobs, at: str, filename: str
    ) -> None:
        with pytest.raises(Refused):
            await blobs.presign(f"{at}k", "GET", 60, filename=filename)


def exactly(signed: SignedUrl) -> URL:
    return URL(signed.url, encoded=True)
