"""What a store of blobs says of what it holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from backends.errors import BackendError


class Blob(NamedTuple):
    """size: bytes. sha256: of all bytes, hex; None for a blob whose writer did not tell the engine.

    modified: by the engine's clock, aware; what `put` gives may be some seconds off what `head`
    gives later.
    """

    key: str
    size: int
    sha256: str | None
    content_type: str
    modified: datetime


class Item(NamedTuple):
    """What a listing knows of a blob."""

    key: str
    size: int
    modified: datetime


class Page(NamedTuple):
    """cursor: where the next page begins; None when there is no more."""

    items: Sequence[Item]
    cursor: str | None


class SignedUrl(NamedTuple):
    """headers: what whoever asks must send, just so."""

    url: str
    headers: Mapping[str, str]


class Corrupt(BackendError):
    """The bytes are not those that were promised, or not those that were stored."""


class OutOfRange(BackendError):
    """The range begins at or after the end. size: of the blob, in bytes."""

    def __init__(self, size: int) -> None:
        super().__init__("blobs: the range begins after the blob's end")
        self.size = size


def span(start: int, end: int | None, size: int) -> tuple[int, int]:
    """The first byte and the one after the last, as `Blobs.get` says. Raises OutOfRange."""
    if start < 0:
        return max(0, size + start), size
    last = size if end is None else min(end, size)
    if start >= last and (start, end) != (0, None):
        raise OutOfRange(size)
    return start, last
