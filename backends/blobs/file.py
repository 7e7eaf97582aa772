"""Blobs in a folder, kept by content: the same bytes under many keys are stored once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from backends.address import Address
from backends.blobs import OCTETS, Body
from backends.blobs.blob import Blob, Page, SignedUrl
from backends.blobs.file_disk import Disk
from backends.blobs.file_folder import Folder, Opened
from backends.blobs.key import (
    Put,
    check_content_type,
    check_expiry,
    check_filename,
    check_key,
    check_limit,
    check_prefix,
    check_range,
)
from backends.blobs.parts import parts
from backends.blobs.reading import Reading
from backends.blobs.signing import Grant, Signer
from backends.errors import BackendError

PART = 1 << 20


class Options(msgspec.Struct):
    public: str | None = None
    secret: str | None = None
    threads: int = 8


def open_file(url: str) -> FileBlobs:
    """Raises BackendError."""
    address = Address.parse("blobs", url)
    options = address.options(Options)
    if address.hosts or not address.path:
        raise BackendError("blobs: file:// has no host: file:///folder, or file:////folder from /")
    if options.public is not None and urlsplit(options.public).scheme not in ("http", "https"):
        raise BackendError("blobs: public is the URL, https://..., below which blobs are served")
    if options.secret is not None and len(options.secret.encode()) < 16:
        raise BackendError("blobs: secret has 16 bytes or more")
    if not 1 <= options.threads <= 64:
        raise BackendError("blobs: threads is a number from 1 to 64")
    return FileBlobs(Path(address.path), options)


class FileBlobs:
    """**Driver:** `Blobs` and `Signs`. Several processes may have the same folder open."""

    def __init__(self, path: Path, options: Options) -> None:
        self._folder = Folder(path)
        self._public = options.public
        secret = options.secret
        self._signer = Signer(secret.encode()) if secret is not None else None
        self._disk = Disk(options.threads)
        self._sweep: asyncio.Task[None] | None = None
        self._to_sweep = True

    async def check(self) -> None:
        await self._disk.run(self._folder.check)
        self._tidy()

    async def close(self) -> None:
        if self._sweep is not None:
            await asyncio.wait([self._sweep])
        await self._disk.close()
        await asyncio.to_thread(self._folder.close)

    async def put(
        self,
        key: str,
        body: Body,
        *,
        content_type: str = OCTETS,
        sha256: str | None = None,
        only_if_absent: bool = False,
    ) -> Blob:
        put = Put(key, content_type, sha256, only_if_absent).checked()
        upload = self._folder.upload()
        try:
            async for part, last in parts(body, PART):
                if not last:
                    await self._disk.run(self._folder.write, upload, part)
            blob, freed = await self._disk.run(self._folder.finish, upload, part, put)
        finally:
            if upload.begun:
                await self._disk.surely(upload.discard)
        self._tidy(again=freed)
        return blob

    async def head(self, key: str) -> Blob:
        check_key(key)
        return await self._disk.run(self._folder.find, key)

    @asynccontextmanager
    async def get(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[Reading]:
        check_key(key)
        check_range(start, end)
        opened = Opened(self._folder, key, start, end)
        try:
            first = await self._disk.run(opened.enter)
            chunks = self._chunks(opened, first)
            yield Reading(opened.blob, opened.start, opened.end, chunks)
        finally:
            if opened.is_open:
                await self._disk.surely(opened.close)

    async def list(self, prefix: str = "", *, cursor: str | None = None, limit: int = 1000) -> Page:
        check_prefix(prefix)
        check_limit(limit)
        return await self._disk.run(self._folder.page, prefix, cursor, limit)

    async def delete(self, key: str) -> None:
        check_key(key)
        self._tidy(again=await self._disk.run(self._folder.remove, key))

    async def presign(
        self,
        key: str,
        method: Literal["GET", "PUT"],
        expires: int,
        *,
        content_type: str = OCTETS,
        filename: str | None = None,
    ) -> SignedUrl:
        check_key(key)
        check_content_type(content_type)
        check_expiry(expires)
        check_filename(filename)
        if self._public is None:
            raise BackendError(
                "blobs: file:// signs URLs when ?public= says where blobs are served"
            )
        grant = Grant(method, key, None, filename)
        if method == "PUT":
            grant = Grant(method, key, content_type, None)
        return (await self._signing()).sign(self._public, grant, expires)

    async def verify(self, method: str, key: str, query: Mapping[str, str]) -> Grant:
        return (await self._signing()).verify(method, key, query)

    async def _signing(self) -> Signer:
        if self._signer is None:
            self._signer = Signer(await self._disk.run(self._folder.secret))
        return self._signer

    async def _chunks(self, opened: Opened, chunk: bytes) -> AsyncIterator[bytes]:
        at = opened.start
        while chunk:
            at += len(chunk)
            yield chunk
            chunk = await self._disk.run(opened.read, at) if at < opened.end else b""

    def _tidy(self, *, again: bool = False) -> None:
        """Sweep in the background: once, and when there is garbage."""
        self._to_sweep |= again
        if self._to_sweep and self._sweep is None:
            self._sweep = asyncio.get_running_loop().create_task(self._swept())

    async def _swept(self) -> None:
        try:
            while self._to_sweep:
                self._to_sweep = False
                await self._disk.run(self._folder.sweep)
        except BackendError:
            self._to_sweep = True  # with the next put, delete or check
        finally:
            self._sweep = None
