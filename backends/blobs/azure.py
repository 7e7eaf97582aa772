"""Blobs in a container of Azure Blob Storage, as block blobs."""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from urllib.parse import quote

from azure.core import MatchConditions
from azure.storage.blob import (
    BlobBlock,
    BlobProperties,
    BlobSasPermissions,
    ContentSettings,
    generate_blob_sas,
)
from azure.storage.blob.aio import BlobClient

from backends.address import Address, seconds, size
from backends.blobs import OCTETS, Body
from backends.blobs.azure_client import AzureClient, Options, Sendable, checked
from backends.blobs.blob import Blob, Item, OutOfRange, Page, SignedUrl, span
from backends.blobs.key import (
    LONGEST_KEY,
    SHA256,
    Put,
    check_content_type,
    check_expiry,
    check_filename,
    check_key,
    check_limit,
    check_prefix,
    check_range,
    disposition,
    is_key,
    sendable,
)
from backends.blobs.parts import Cut, Part, Slots, send_all
from backends.blobs.reading import Reading
from backends.errors import Missing, Refused

CONTENT_RANGE = re.compile(r"bytes [0-9]+-[0-9]+/([0-9]+)")
MOST_PARTS = 50_000
SKEW = timedelta(minutes=5)


def open_azure(url: str) -> AzureBlobs:
    """Raises BackendError."""
    address = Address.parse("blobs", url)
    return AzureBlobs(address, checked(address))


class AzureBlobs:
    """**Driver:** `Blobs`."""

    def __init__(self, address: Address, options: Options) -> None:
        check_prefix(options.prefix)
        self._container = address.hosts[0].name
        self._options = options
        self._prefix = options.prefix
        self._longest = LONGEST_KEY - len(options.prefix.encode())
        self._client = AzureClient(address, options)
        self._part_size = size(options.part_size)
        self._slots = Slots(options.parts, seconds(options.timeout))

    async def check(self) -> None:
        async with self._client.call() as container:
            await container.get_container_properties()

    async def close(self) -> None:
        await self._client.close()

    async def put(
        self,
        key: str,
        body: Body,
        *,
        content_type: str = OCTETS,
        sha256: str | None = None,
        only_if_absent: bool = False,
    ) -> Blob:
        put = Put(key, content_type, sha256, only_if_absent).checked(longest=self._longest)
        cut = Cut(body, self._part_size, self._slots)
        part = await cut.part()
        if not part.last:
            return await self._put_parts(put, cut, part)
        try:
            about = self._about(put, cut.sha256(sha256))
            async with self._client.call() as container:
                blob = container.get_blob_client(self._prefix + key)
                answer = await blob.upload_blob(
                    Sendable(part.data), length=cut.size, overwrite=not only_if_absent, **about
                )
        finally:
            self._slots.give_back()
        return self._blob(put, cut, answer)

    async def _put_parts(self, put: Put, cut: Cut, first: Part) -> Blob:
        """Blocks that are staged and not committed are seen by nobody; Azure forgets them."""
        mine = secrets.token_hex(8)

        async def stage(part: Part) -> BlobBlock:
            if part.number > MOST_PARTS:
                raise Refused("blobs: the body has over 50000 parts; part_size is too small")
            block = f"{mine}{part.number:08}"
            async with self._client.call() as container:
                blob = container.get_blob_client(self._prefix + put.key)
                await blob.stage_block(block, Sendable(part.data), length=len(part.data))
            return BlobBlock(block)

        blocks = await send_all(cut, first, stage)
        about = self._about(put, cut.sha256(put.sha256))
        async with self._client.call() as container:
            blob = container.get_blob_client(self._prefix + put.key)
            answer = await blob.commit_block_list(blocks, **about)
        return self._blob(put, cut, answer)

    async def head(self, key: str) -> Blob:
        async with self._object(key) as blob:
            return _blob(key, await blob.get_blob_properties())

    @asynccontextmanager
    async def get(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[Reading]:
        check_range(start, end)
        asked: dict[str, Any] = {}
        if start < 0:  # there is no suffix range here
            async with self._object(key) as client:
                about = await client.get_blob_properties()
            start, end = span(start, None, about.size)
            asked = {"etag": about.etag, "match_condition": MatchConditions.IfNotModified}
            start, end = (0, None) if start == end else (start, end)  # of an empty blob
        if (start, end) != (0, None):
            asked |= {"offset": start, "length": None if end is None else end - start}
        try:
            async with self._object(key) as client:
                download = await client.download_blob(max_concurrency=1, **asked)
        except OutOfRange:
            raise OutOfRange((await self.head(key)).size) from None
        about = download.properties
        if found := CONTENT_RANGE.fullmatch(about.content_range or ""):
            about.size = int(found[1])
        first, last = span(start, end, about.size)

        async def changed() -> bool:
            try:
                async with self._object(key) as client:
                    return bool((await client.get_blob_properties()).etag != about.etag)
            except Missing:
                return True

        yield Reading(_blob(key, about), first, last, self._chunks(download), changed)

    async def list(self, prefix: str = "", *, cursor: str | None = None, limit: int = 1000) -> Page:
        check_prefix(prefix)
        check_limit(limit)
        if (begin := sendable(prefix)) is None:
            return Page([], None)
        async with self._client.call() as container:
            pages: Any = container.list_blobs(
                name_starts_with=self._prefix + begin, results_per_page=limit
            ).by_page(continuation_token=cursor)
            held = [blob async for blob in await anext(pages)]
        cut = len(self._prefix)
        items = [Item(blob.name[cut:], blob.size, blob.last_modified) for blob in held]
        fit = [item for item in items if item.key.startswith(prefix) and is_key(item.key)]
        return Page(fit, pages.continuation_token or None)

    async def delete(self, key: str) -> None:
        with suppress(Missing):
            async with self._object(key) as blob:
                await blob.delete_blob()

    async def presign(
        self,
        key: str,
        method: Literal["GET", "PUT"],
        expires: int,
        *,
        content_type: str = OCTETS,
        filename: str | None = None,
    ) -> SignedUrl:
        check_key(key, longest=self._longest)
        check_content_type(content_type)
        check_expiry(expires)
        check_filename(filename)
        now = datetime.now(UTC)
        name = self._prefix + key
        get = method == "GET"
        signature = generate_blob_sas(
            self._options.account,
            self._container,
            name,
            account_key=self._options.key,
            permission=BlobSasPermissions(read=get, write=not get, create=not get),
            start=now - SKEW,
            expiry=now + timedelta(seconds=expires),
            content_disposition=disposition(filename) if get and filename else None,
        )
        headers = {"x-ms-blob-type": "BlockBlob", "Content-Type": content_type}
        url = f"{self._client.url}/{self._container}/{quote(name)}?{signature}"
        return SignedUrl(url, {} if get else headers)

    @asynccontextmanager
    async def _object(self, key: str) -> AsyncIterator[BlobClient]:
        check_key(key, longest=self._longest)
        async with self._client.call() as container:
            yield container.get_blob_client(self._prefix + key)

    async def _chunks(self, download: Any) -> AsyncIterator[bytes]:
        chunks = download.chunks()
        while True:
            async with self._client.call():
                chunk = await anext(chunks, b"")
            if not chunk:
                return
            yield chunk

    def _about(self, put: Put, sha256: str) -> dict[str, Any]:
        about = {
            "metadata": {"sha256": sha256},
            "content_settings": ContentSettings(content_type=put.content_type),
        }
        if put.only_if_absent:
            # a second try would find what the first has made
            return about | {"match_condition": MatchConditions.IfMissing, "retry_total": 0}
        return about

    def _blob(self, put: Put, cut: Cut, answer: Any) -> Blob:
        return Blob(put.key, cut.size, cut.sha256(None), put.content_type, answer["last_modified"])


def _blob(key: str, about: BlobProperties) -> Blob:
    sha256 = str((about.metadata or {}).get("sha256", ""))
    known = sha256 if SHA256.fullmatch(sha256) else None
    content_type = about.content_settings.content_type or OCTETS
    return Blob(key, about.size, known, content_type, about.last_modified)
