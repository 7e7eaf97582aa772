"""A blob's way into S3: at once, or in parts."""

from __future__ import annotations

import asyncio
import hashlib
from base64 import b64encode
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from backends.blobs.blob import Blob
from backends.blobs.key import Put
from backends.blobs.parts import Cut, Part, in_thread, send_all
from backends.blobs.s3_client import S3Client, Unsure
from backends.errors import BackendError, Conflict, Missing, Refused

MOST_PARTS = 10_000
COPIED_AT_ONCE = 5 << 30
SLOWEST = 10 << 20  # bytes a second at which S3 is trusted to copy and to join


class S3Upload:
    """One put. name: the object's."""

    def __init__(self, client: S3Client, bucket: str, name: str, put: Put) -> None:
        self._client = client
        self._object = {"Bucket": bucket, "Key": name}
        self._put = put

    async def run(self, cut: Cut) -> Blob:
        part = await cut.part()
        if not part.last:
            return await self._in_parts(cut, part)
        try:
            return await self._at_once(part.data, cut.sha256(self._put.sha256))
        finally:
            cut.slots.give_back()

    async def _at_once(self, data: bytes, sha256: str) -> Blob:
        async with self._client.call() as s3:
            answer = await s3.put_object(
                **self._object,
                **self._condition(),
                Body=data,
                ContentType=self._put.content_type,
                Metadata={"sha256": sha256},
                ChecksumSHA256=b64encode(bytes.fromhex(sha256)).decode(),
            )
        return self._blob(answer, len(data), sha256)

    async def _in_parts(self, cut: Cut, first: Part) -> Blob:
        beginning = asyncio.create_task(self._begin())
        try:
            upload = await asyncio.shield(beginning)
        except BaseException:
            cut.slots.give_back()
            with suppress(BackendError, asyncio.CancelledError):  # it may begin all the same
                await self._abort(await beginning)
            raise
        try:
            sent = await send_all(cut, first, lambda part: self._send(upload, part))
            sha256 = cut.sha256(self._put.sha256)
            async with self._client.call(extra=cut.size / SLOWEST) as s3:
                answer = await s3.complete_multipart_upload(
                    **upload, **self._condition(), MultipartUpload={"Parts": sent}
                )
        except BaseException:
            await self._abort(upload)
            raise
        if self._put.sha256 is None:
            await self._tell(sha256, cut.size, answer["ETag"])
        return self._blob(answer, cut.size, sha256)

    async def _begin(self) -> dict[str, Any]:
        known = {} if self._put.sha256 is None else {"sha256": self._put.sha256}
        async with self._client.call() as s3:
            answer = await s3.create_multipart_upload(
                **self._object,
                ContentType=self._put.content_type,
                Metadata=known,
                ChecksumAlgorithm="SHA256",
            )
        return {**self._object, "UploadId": answer["UploadId"]}

    async def _send(self, upload: dict[str, Any], part: Part) -> dict[str, Any]:
        if part.number > MOST_PARTS:
            raise Refused(f"blobs: the body has over {MOST_PARTS} parts; part_size is too small")
        digest = await in_thread(lambda data: hashlib.sha256(data).digest(), part.data)
        checksum = b64encode(digest).decode()
        number = part.number
        async with self._client.call() as s3:
            answer = await s3.upload_part(
                **upload, PartNumber=number, Body=part.data, ChecksumSHA256=checksum
            )
        return {"PartNumber": number, "ETag": answer["ETag"], "ChecksumSHA256": checksum}

    async def _tell(self, sha256: str, size: int, etag: str) -> None:
        """Of a body whose sha256 nobody knew before its end: by a copy of it onto itself."""
        if size > COPIED_AT_ONCE:
            return
        with suppress(Conflict, Missing, Unsure):  # somebody has replaced it since
            async with self._client.call(extra=size / SLOWEST) as s3:
                await s3.copy_object(
                    **self._object,
                    CopySource=self._object,
                    CopySourceIfMatch=etag,
                    MetadataDirective="REPLACE",
                    ContentType=self._put.content_type,
                    Metadata={"sha256": sha256},
                )

    async def _abort(self, upload: dict[str, Any]) -> None:
        """As well as can be; also for who is cancelled."""

        async def abort() -> None:
            with suppress(BackendError):
                async with self._client.call() as s3:
                    await s3.abort_multipart_upload(**upload)

        aborting = asyncio.create_task(abort())
        try:
            await asyncio.shield(aborting)
        except asyncio.CancelledError:
            await asyncio.wait([aborting])
            raise

    def _condition(self) -> dict[str, str]:
        return {"IfNoneMatch": "*"} if self._put.only_if_absent else {}

    def _blob(self, answer: dict[str, Any], size: int, sha256: str) -> Blob:
        """Its time is by the engine's clock, which the answer tells."""
        modified = datetime.now(UTC)
        with suppress(KeyError, ValueError):
            modified = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
        return Blob(self._put.key, size, sha256, self._put.content_type, modified)
