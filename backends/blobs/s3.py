"""Blobs in a bucket of S3, or of what speaks S3."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal

from backends.address import Address, seconds, size
from backends.blobs import OCTETS, Body
from backends.blobs.blob import Blob, Item, OutOfRange, Page, SignedUrl
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
from backends.blobs.parts import Cut, Slots
from backends.blobs.reading import Reading
from backends.blobs.s3_client import Options, S3Client, checked
from backends.blobs.s3_upload import S3Upload
from backends.errors import Missing, Refused

CHUNK = 1 << 17
CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


def open_s3(url: str) -> S3Blobs:
    """Raises BackendError."""
    address = Address.parse("blobs", url)
    return S3Blobs(address, checked(address))


class S3Blobs:
    """**Driver:** `Blobs`."""

    def __init__(self, address: Address, options: Options) -> None:
        check_prefix(options.prefix)
        self._address = address
        self._bucket = address.hosts[0].name
        self._prefix = options.prefix
        self._longest = LONGEST_KEY - len(options.prefix.encode())
        self._client = S3Client(address, options)
        self._part_size = size(options.part_size)
        self._slots = Slots(options.parts, seconds(options.timeout))

    async def check(self) -> None:
        try:
            async with self._client.call() as s3:
                await s3.head_bucket(Bucket=self._bucket)
        except Missing:
            raise Refused(f"blobs: {self._address}: there is no such bucket") from None

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
        upload = S3Upload(self._client, self._bucket, self._prefix + key, put)
        return await upload.run(Cut(body, self._part_size, self._slots))

    async def head(self, key: str) -> Blob:
        about = self._object(key)
        async with self._client.call() as s3:
            answer = await s3.head_object(**about)
        return _blob(key, answer, answer["ContentLength"])

    @asynccontextmanager
    async def get(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[Reading]:
        about = self._object(key)
        check_range(start, end)
        if (start, end) != (0, None):
            about["Range"] = f"bytes={start or 0}-{end - 1 if end else ''}"
        if start < 0:
            about["Range"] = f"bytes={start}"
        try:
            async with self._client.call() as s3:
                answer = await s3.get_object(**about)
        except OutOfRange as error:
            blob = await self.head(key) if error.size <= 0 else None
            if start >= 0 or blob is None or blob.size:
                raise OutOfRange(blob.size if blob else error.size) from None
            yield Reading(blob, 0, 0, _nothing())
            return
        body = answer["Body"]
        try:
            yield self._reading(key, answer)
        finally:
            body.close()

    async def list(self, prefix: str = "", *, cursor: str | None = None, limit: int = 1000) -> Page:
        check_prefix(prefix)
        check_limit(limit)
        if (begin := sendable(prefix)) is None:
            return Page([], None)
        after = {} if cursor is None else {"StartAfter": self._prefix + cursor}
        async with self._client.call() as s3:
            answer = await s3.list_objects_v2(
                Bucket=self._bucket, Prefix=self._prefix + begin, MaxKeys=limit, **after
            )
        cut = len(self._prefix)
        items = [
            Item(held["Key"][cut:], held["Size"], held["LastModified"])
            for held in answer.get("Contents", ())
        ]
        cursor = items[-1].key if items and answer.get("IsTruncated") else None
        fit = [item for item in items if item.key.startswith(prefix) and is_key(item.key)]
        return Page(fit, cursor)

    async def delete(self, key: str) -> None:
        about = self._object(key)
        async with self._client.call() as s3:
            await s3.delete_object(**about)

    async def presign(
        self,
        key: str,
        method: Literal["GET", "PUT"],
        expires: int,
        *,
        content_type: str = OCTETS,
        filename: str | None = None,
    ) -> SignedUrl:
        about = self._object(key)
        check_content_type(content_type)
        check_expiry(expires)
        check_filename(filename)
        headers = {}
        if method == "PUT":
            about["ContentType"] = headers["Content-Type"] = content_type
        elif filename is not None:
            about["ResponseContentDisposition"] = disposition(filename)
        operation = "put_object" if method == "PUT" else "get_object"
        async with self._client.call() as s3:
            url = await s3.generate_presigned_url(operation, Params=about, ExpiresIn=expires)
        return SignedUrl(url, headers)

    def _object(self, key: str) -> dict[str, Any]:
        check_key(key, longest=self._longest)
        return {"Bucket": self._bucket, "Key": self._prefix + key}

    def _reading(self, key: str, answer: dict[str, Any]) -> Reading:
        length = answer["ContentLength"]
        if found := CONTENT_RANGE.fullmatch(answer.get("ContentRange", "")):
            start, last, total = map(int, found.groups())
        else:
            start, last, total = 0, length - 1, length
        return Reading(_blob(key, answer, total), start, last + 1, self._chunks(answer["Body"]))

    async def _chunks(self, body: Any) -> AsyncIterator[bytes]:
        while True:
            async with self._client.call():
                chunk = await body.read(CHUNK)
            if not chunk:
                return
            yield chunk


async def _nothing() -> AsyncIterator[bytes]:
    for _ in ():
        yield b""


def _blob(key: str, answer: dict[str, Any], size: int) -> Blob:
    sha256 = answer.get("Metadata", {}).get("sha256", "")
    content_type = answer.get("ContentType", OCTETS)
    known = sha256 if SHA256.fullmatch(sha256) else None
    return Blob(key, size, known, content_type, answer["LastModified"])
