"""Finds where a chunked body ends (RFC 9112, 7.1) without changing a byte of it."""

from __future__ import annotations

from collections.abc import Callable

from gateway.http1 import fields

MAX_SIZE_LINE = 256
MAX_TRAILERS = 8 * 1024
MAX_EXTENSIONS = 16 * 1024
SMALL = {form % size: size for size in range(1, 4097) for form in (b"%x", b"%X")}
HEX = frozenset(b"0123456789abcdefABCDEF")


class BadBody(Exception):
    """The chunked framing is broken."""


class ChunkedBody:
    """Follows a chunked body as it comes.

    `feed` returns how many bytes of its argument belong to the body; fewer than all only when
    the body is whole, and then `complete` is set. `size` counts the bytes of data so far. With
    `decoded` the data itself is collected there, for a peer that knows no chunks. unwelcome:
    whether no trailer may bear a name, by whoever has taken away its fields.
    """

    __slots__ = (
        "_extensions",
        "_left",
        "_line",
        "_state",
        "_trailers",
        "complete",
        "decoded",
        "size",
        "unwelcome",
    )

    def __init__(self, decoded: list[bytes] | None = None) -> None:
        self.complete = False
        self.size = 0
        self.decoded = decoded
        self.unwelcome: list[Callable[[bytes], bool]] = []
        self._state = self._size_line
        self._line = b""
        self._left = 0
        self._trailers = 0
        self._extensions = 0

    def feed(self, data: bytes) -> int:
        """Raises BadBody."""
        at = 0
        end = len(data)
        while at < end and not self.complete:
            at = self._state(data, at)
        return at

    def _size_line(self, data: bytes, at: int) -> int:
        if not self._line:
            at = self._whole_chunks(data, at)
            if at >= len(data):
                return at
        line, at = self._take_line(data, at, MAX_SIZE_LINE)
        if line is None:
            return at
        digits, _, extension = line.partition(b";")
        digits = digits.rstrip(b" \t") if extension else digits
        if not digits or len(digits) > 15 or not HEX.issuperset(digits):
            raise BadBody("a chunk size is not a number")
        if extension.translate(None, fields.IN_A_LINE):
            raise BadBody("a control character stands in a chunk extension")
        if extension:
            self._extensions += len(extension)
            if self._extensions > MAX_EXTENSIONS + self.size:
                raise BadBody("the chunk extensions outweigh the data")
        self._left = int(digits, 16)
        self._state = self._data if self._left else self._trailer
        return at

    def _whole_chunks(self, data: bytes, at: int) -> int:
        """Step over small chunks that are wholly here: many of them must not cost much."""
        while True:
            stop = data.find(b"\r\n", at, at + 8)
            size = SMALL.get(data[at:stop]) if stop > 0 else None
            if size is None:
                return at
            end = stop + 2 + size
            if data[end : end + 2] != b"\r\n":
                return at
            self.size += size
            if self.decoded is not None:
                self.decoded.append(data[stop + 2 : end])
            at = end + 2

    def _data(self, data: bytes, at: int) -> int:
        took = min(self._left, len(data) - at)
        self._left -= took
        self.size += took
        if self.decoded is not None:
            self.decoded.append(data[at : at + took])
        if not self._left:
            self._state = self._data_end
        return at + took

    def _data_end(self, data: bytes, at: int) -> int:
        line, at = self._take_line(data, at, 0)
        if line is not None:
            self._state = self._size_line
        return at

    def _trailer(self, data: bytes, at: int) -> int:
        line, at = self._take_line(data, at, MAX_TRAILERS)
        if line is None:
            return at
        if not line:
            self.complete = True
            return at
        self._trailers += len(line)
        name, colon, value = line.partition(b":")
        if self._trailers > MAX_TRAILERS or not colon or not fields.is_token(name):
            raise BadBody("a trailer is not a field, or there are too many")
        if value.translate(None, fields.IN_A_LINE):
            raise BadBody("a control character stands in a trailer")
        lowered = name.lower().replace(b"_", b"-")
        if lowered in fields.NOT_IN_A_TRAILER or lowered.startswith(b"x-forwarded-"):
            raise BadBody("a trailer frames, routes or vouches for the message")
        if any(unwelcome(name) for unwelcome in self.unwelcome):
            raise BadBody("a trailer bears the name of a field that this route takes away")
        return at

    def _take_line(self, data: bytes, at: int, most: int) -> tuple[bytes | None, int]:
        """The next line without its CRLF, or None when it has not all come yet."""
        end = data.find(b"\n", at)
        stop = len(data) if end < 0 else end + 1
        line = self._line + data[at:stop]
        if end < 0:
            if len(line) > most + 1 or b"\r" in line[:-1]:
                raise BadBody("a line of the chunked framing is too long")
            self._line = line
            return None, stop
        self._line = b""
        if len(line) > most + 2 or line[-2:] != b"\r\n" or b"\r" in line[:-2]:
            raise BadBody("a line of the chunked framing does not end in CRLF")
        return line[:-2], stop
