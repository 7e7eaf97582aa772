"""Structs as lines of JSON that no content can break, split or forge."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence

import msgspec

# JSON lets these through, terminals and line splitters act on them: DEL, C1, U+2028, U+2029.
CONTROL = re.compile(rb"\x7f|\xc2[\x80-\x9f]|\xe2\x80[\xa8\xa9]")

_encoder = msgspec.json.Encoder()


def encode(entries: Sequence[msgspec.Struct]) -> bytes:
    """A line for each. Lone surrogates become `\\udcff`, control characters JSON escapes."""
    try:
        text = _encoder.encode_lines(entries)
    except UnicodeEncodeError:
        text = _encoder.encode_lines([_sound(entry) for entry in entries])
    if text.isascii() and b"\x7f" not in text:
        return text
    return CONTROL.sub(_escaped, text)


def quoted(text: str) -> str:
    """A text as JSON, by the same rules."""
    try:
        data = _encoder.encode(text)
    except UnicodeEncodeError:
        data = _encoder.encode(_without_surrogates(text))
    if data.isascii() and b"\x7f" not in data:
        return data.decode("ascii")
    return CONTROL.sub(_escaped, data).decode()


def date_and_time(second: int) -> str:
    """RFC 3339 in UTC, up to the seconds."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))


def _sound(entry: msgspec.Struct) -> dict[str, object]:
    return {
        name: _without_surrogates(value) if type(value) is str else value
        for name, value in msgspec.structs.asdict(entry).items()
    }


def _without_surrogates(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def _escaped(found: re.Match[bytes]) -> bytes:
    return b"\\u%04x" % ord(found[0].decode())
