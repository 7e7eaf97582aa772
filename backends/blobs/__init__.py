"""Blobs, which are files without a folder: one contract, its drivers beside it."""

from __future__ import annotations

from collections.abc import AsyncIterable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Literal, Protocol, runtime_checkable

from backends.blobs.blob import Blob, Corrupt, Item, OutOfRange, Page, SignedUrl
from backends.blobs.reading import Reading
from backends.blobs.signing import Grant
from backends.drivers import Backend, Driver, Drivers

__all__ = [
    "DRIVERS",
    "Blob",
    "Blobs",
    "Body",
    "Corrupt",
    "Grant",
    "Item",
    "OutOfRange",
    "Page",
    "Reading",
    "SignedUrl",
    "Signs",
]

Body = bytes | AsyncIterable[bytes]
OCTETS = "application/octet-stream"


class Blobs(Backend, Protocol):
    """**Protocol:** whole blobs by key.

    A key is 1 to 1024 bytes of UTF-8: segments of up to 255 bytes with one slash between, none of
    them `.` or `..`, without control characters, backslashes and lone surrogates. Any other key
    raises Refused before an engine hears of it. `a` and `a/b` are two keys, but while there is an
    `a`, an engine that keeps files in folders (MinIO) does not list `a/b`.

    Memory is bounded however large a blob is, and disk work, hashing of much and connecting stay
    off the event loop. Beside what is named, each call raises BackendUnavailable and Refused.
    """

    async def put(
        self,
        key: str,
        body: Body,
        *,
        content_type: str = OCTETS,
        sha256: str | None = None,
        only_if_absent: bool = False,
    ) -> Blob:
        """Publish all of `body` at once, in place of what is there.

        Whoever reads sees the old blob or the new one, never half; once this returns, the new
        one is kept by the engine. A put that raises, is cancelled or whose body raises leaves the
        old one, except that after BackendUnavailable, or a cancellation while it is being
        published, the new one may be there, whole.

        sha256: hex of what the body is to be; Corrupt when it is another, and nothing is kept.
        only_if_absent: Conflict when there is a blob; of many at once, one wins. Of large puts at
        once to one key without it each succeeds, or raises Conflict where another went before.
        """

    async def head(self, key: str) -> Blob:
        """Raises Missing."""

    def get(
        self, key: str, start: int = 0, end: int | None = None
    ) -> AbstractAsyncContextManager[Reading]:
        """Bytes `start` (from 0) up to, not with, `end`; the last `-start` where start is negative.

        Entering raises Missing. As in RFC 9110 section 14.1.2, an end or a suffix beyond the blob
        is taken as far as there is, and a start at or beyond its end raises OutOfRange, except
        that all of an empty blob, or its suffix, is empty. What is read is one blob as it was when
        entered, whatever happens to the key meanwhile; where the engine cannot, the iteration
        raises Conflict.
        """

    async def list(self, prefix: str = "", *, cursor: str | None = None, limit: int = 1000) -> Page:
        """Blobs whose key begins with `prefix`, up to `limit` (1 to 1000).

        They are in order of their keys' code points; an engine may put those beyond U+FFFF before
        U+E000, as UTF-16 has them.
        cursor: of the page before, with the same prefix. Each blob that is there from the first
        page to the last is on exactly one of them. A page may be short though more follow.
        """

    async def delete(self, key: str) -> None:
        """Does nothing when there is no such blob."""

    async def presign(
        self,
        key: str,
        method: Literal["GET", "PUT"],
        expires: int,
        *,
        content_type: str = OCTETS,
        filename: str | None = None,
    ) -> SignedUrl:
        """A URL that lets whoever has it do this one thing, for `expires` seconds (up to 7 days).

        content_type: of what is PUT. filename: what a GET is to be saved as; without it the
        answer says nothing of it. Nobody asks whether there is such a blob. One that was PUT so
        may have no sha256.
        """


@runtime_checkable
class Signs(Protocol):
    """**Protocol:** of a driver whose engine serves nothing by itself, so that somebody else must.

    Whoever serves `?public=` asks it what a request may do, and does that with `get` or `put`.
    """

    async def verify(self, method: str, key: str, query: Mapping[str, str]) -> Grant:
        """key: the decoded path below `public`. Raises Refused for a URL not signed here, changed,
        for another method (a HEAD may do what a GET may) or past its time."""


DRIVERS: Drivers[Blobs] = Drivers(
    "blobs",
    {
        "file": Driver("backends.blobs.file:open_file"),
        "s3": Driver("backends.blobs.s3:open_s3", "s3"),
        "azure": Driver("backends.blobs.azure:open_azure", "azure"),
    },
)
