"""What a key, a media type and the like may be, the same for every driver."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import quote

from backends.errors import Refused

LONGEST_KEY = 1024
LONGEST_SEGMENT = 255
LONGEST_EXPIRY = 7 * 24 * 3600
UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\\\\\ud800-\udfff\ufffe\uffff]")
MEDIA_TYPE = re.compile(r"[!#$%&'*+.^_`|~\w-]+/[!#$%&'*+.^_`|~\w-]+(?:\s*;[ -~]*)?", re.ASCII)
SHA256 = re.compile("[0-9a-f]{64}")


class Put(NamedTuple):
    """What a put is about, beside its body."""

    key: str
    content_type: str
    sha256: str | None
    only_if_absent: bool

    def checked(self, *, longest: int = LONGEST_KEY) -> Put:
        """Raises Refused."""
        check_key(self.key, longest=longest)
        check_content_type(self.content_type)
        if self.sha256 is not None and not SHA256.fullmatch(self.sha256):
            raise Refused("blobs: sha256 is 64 lower-case hexadecimal digits")
        return self


def check_key(key: str, *, longest: int = LONGEST_KEY) -> None:
    """Raises Refused. longest: bytes in UTF-8."""
    _check_text(key, longest)
    for segment in key.split("/"):
        if segment in ("", ".", ".."):
            raise Refused("blobs: a key has no empty, . or .. between slashes, nor ends with one")
        if len(segment.encode()) > LONGEST_SEGMENT:
            raise Refused(f"blobs: a key has at most {LONGEST_SEGMENT} bytes between slashes")


def is_key(text: str) -> bool:
    """Others may write to the same engine what is no key here."""
    try:
        check_key(text)
    except Refused:
        return False
    return True


def check_prefix(prefix: str) -> None:
    """Raises Refused. It may be empty, and end anywhere in a key."""
    if prefix:
        _check_text(prefix, LONGEST_KEY)


def sendable(prefix: str) -> str | None:
    """As much of a checked prefix as every engine takes; None when no key begins with it.

    A last `.` or `..` may be part of a longer segment, yet engines take it for a folder.
    """
    *folders, last = prefix.split("/")
    if any(folder in ("", ".", "..") for folder in folders):
        return None
    return prefix[: len(prefix) - len(last)] if last in (".", "..") else prefix


def check_content_type(content_type: str) -> None:
    """Raises Refused."""
    if len(content_type) > 255 or not MEDIA_TYPE.fullmatch(content_type):
        raise Refused("blobs: the content type is no media type of up to 255 characters")


def check_range(start: int, end: int | None) -> None:
    """Raises Refused."""
    if end is not None and (start < 0 or end <= start):
        raise Refused("blobs: a range ends after it starts, and one from the end has no end")


def check_limit(limit: int) -> None:
    """Raises Refused."""
    if not 1 <= limit <= 1000:
        raise Refused("blobs: a page has from 1 to 1000 items")


def check_expiry(expires: int) -> None:
    """Raises Refused."""
    if not 1 <= expires <= LONGEST_EXPIRY:
        raise Refused("blobs: a signed URL is good for 1 second to 7 days")


def check_filename(filename: str | None) -> None:
    """Raises Refused."""
    if filename is not None:
        _check_text(filename, LONGEST_SEGMENT)


def disposition(filename: str) -> str:
    """The Content-Disposition (RFC 6266) that saves a download under this name."""
    return f"attachment; filename*=UTF-8''{quote(filename, safe='')}"


def _check_text(text: str, longest: int) -> None:
    if UNFIT.search(text):
        raise Refused("blobs: a name has no control character, backslash or lone surrogate")
    if not 1 <= len(text.encode()) <= longest:
        raise Refused(f"blobs: a name has from 1 to {longest} bytes")
