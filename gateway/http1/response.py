"""Reads the head of an HTTP/1.1 answer (RFC 9112). What is not clean is refused, not repaired."""

from __future__ import annotations

import re
from typing import Final

from gateway.http1 import fields
from gateway.http1.fields import CONTENT_LENGTH, UNKNOWN, FieldKinds
from gateway.http1.headers import HeaderLines
from gateway.http1.request import LINE_ENDS, MAX_FIELDS

STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9][0-9])(?: [^\r\n]*)?")
KINDS: Final = FieldKinds(fields.HOP_BY_HOP)
KEEP_ALIVE: Final = b"Connection: keep-alive"
UNTIL_CLOSE: Final = -1


class BadAnswer(Exception):
    """The answer is not clean HTTP/1.x."""


class ResponseHead:
    """A parsed head.

    start: the status line with the gateway's own version and the reason as received. lines:
    the fields that travel on. content_length: None when chunked, UNTIL_CLOSE when the end of the
    connection ends the body; 0 also for answers that never have one. has_length: whether a
    Content-Length stands among `lines`.
    """

    __slots__ = (
        "_headers",
        "content_length",
        "has_length",
        "keep_alive",
        "lines",
        "minor",
        "start",
        "status",
        "upgrade",
    )

    status: int
    start: bytes
    lines: list[bytes]

    def __init__(self) -> None:
        self.minor = 1
        self.content_length: int | None = UNTIL_CLOSE
        self.keep_alive = True
        self.has_length = False
        self.upgrade: bytes | None = None
        self._headers: HeaderLines | None = None

    def again(self) -> ResponseHead:
        """One like it, with lines of its own."""
        other = ResponseHead.__new__(ResponseHead)
        other.minor = self.minor
        other.status = self.status
        other.start = self.start
        other.lines = self.lines.copy()
        other.content_length = self.content_length
        other.keep_alive = self.keep_alive
        other.has_length = self.has_length
        other.upgrade = self.upgrade
        other._headers = None
        return other

    @property
    def headers(self) -> HeaderLines:
        """A view of `lines` by name; changes go into `lines`."""
        if self._headers is None:
            self._headers = HeaderLines(self.lines)
        return self._headers

    @property
    def length(self) -> int | None:
        """Bytes of the body; None when that is not known yet."""
        length = self.content_length
        return None if length == UNTIL_CLOSE else length

    @property
    def fixed(self) -> bool:
        """Whether there is no body."""
        return self.content_length == 0


# The same head often comes again within its second. Parsing is a pure function, so one that
# came twice is remembered; not if it sets a cookie, and not if it is long.
MAX_SEEN: Final = 1024
MAX_REMEMBERED: Final = 256
MAX_KEPT: Final = 1024
_seen: Final[set[int]] = set()
_heads: Final[dict[bytes, ResponseHead]] = {}
_starts: Final[dict[bytes, tuple[int, int, bytes]]] = {}


def parse_response(head: bytes, to_head: bool) -> ResponseHead:
    """The head from the bytes before the empty line; `to_head`: it answers a HEAD request.

    Raises BadAnswer.
    """
    known = _heads.get(head)
    if known is not None and not to_head:
        return known.again()
    response = _parse(head, to_head)
    if not to_head:
        mark = hash(head)
        if mark in _seen:
            _remember(head, response)
        elif len(_seen) < MAX_SEEN:
            _seen.add(mark)
        else:
            _seen.clear()
    return response


def _remember(head: bytes, response: ResponseHead) -> None:
    if len(head) <= MAX_KEPT and b"ookie" not in head:
        if len(_heads) >= MAX_REMEMBERED:
            _heads.clear()
        _heads[head] = response.again()


def _parse(head: bytes, to_head: bool) -> ResponseHead:
    response = ResponseHead()
    lines = head.split(b"\r\n")
    count = len(lines) - 1
    if count > MAX_FIELDS or head.translate(None, fields.IN_A_LINE) != LINE_ENDS[count]:
        raise BadAnswer("the head holds control characters, or too many fields")
    start = _starts.get(lines[0])
    if start is None:
        start = _status_line(lines[0])
    response.minor, response.status, response.start = start
    if response.minor == 0:
        response.keep_alive = False
    del lines[0]
    response.lines = lines
    length: bytes | None = None
    special: list[tuple[int, bytes]] = []
    known = KINDS.known
    for line in lines:
        name = line[: line.find(b":") + 1]
        kind = known.get(name, UNKNOWN)
        if kind == UNKNOWN:
            kind = KINDS.classify(name)
        if kind == CONTENT_LENGTH:
            if length is not None:
                raise BadAnswer("more than one Content-Length")
            length = line[15:].strip(b" \t")
        elif kind:
            special.append((kind, line))
    coding: bytes | None = None
    if special:
        for _, line in special:
            lines.remove(line)
        if len(special) > 1 or special[0][1] != KEEP_ALIVE or response.minor == 0:
            coding = _special_fields(special, response)
    _framing(length, coding, to_head, response)
    return response


def _status_line(line: bytes) -> tuple[int, int, bytes]:
    found = STATUS_LINE.fullmatch(line)
    if found is None:
        raise BadAnswer("the status line is not one")
    start = (int(found[1]), int(found[2]), b"HTTP/1.1 " + line[9:])
    if len(_starts) >= 256:
        _starts.clear()
    if len(line) <= 64:
        _starts[line] = start
    return start


def _special_fields(special: list[tuple[int, bytes]], response: ResponseHead) -> bytes | None:
    """Take note of the hop-by-hop fields; the transfer coding, if there is one."""
    coding: bytes | None = None
    upgrade: bytes | None = None
    options: set[bytes] = set()
    for kind, line in special:
        value = line[line.find(b":") + 1 :].strip(b" \t")
        if kind == fields.CONNECTION:
            options |= {option.strip(b" \t").lower() for option in value.split(b",")}
        elif kind == fields.TRANSFER_ENCODING:
            if coding is not None:
                raise BadAnswer("more than one Transfer-Encoding")
            coding = value
        elif kind == fields.UPGRADE:
            upgrade = value
        elif kind == fields.INVALID:
            raise BadAnswer("a header field has no valid name")
    if b"close" in options:
        response.keep_alive = False
    elif b"keep-alive" in options:
        response.keep_alive = True
    if b"upgrade" in options:
        response.upgrade = upgrade
    listed = options - {b"close", b"keep-alive", b"upgrade", b"", b"content-length"}
    if listed:
        response.lines[:] = [
            line for line in response.lines if line.partition(b":")[0].lower() not in listed
        ]
    return coding


def _framing(
    length: bytes | None, coding: bytes | None, to_head: bool, response: ResponseHead
) -> None:
    """RFC 9112, 6.3."""
    if length is not None:
        if coding is not None:
            raise BadAnswer("both Content-Length and Transfer-Encoding")
        if not length.isdigit() or len(length) > 18:
            raise BadAnswer("Content-Length is not a number")
        response.has_length = True
        response.content_length = int(length)
    elif coding is not None:
        if coding.lower() != b"chunked" or response.minor == 0:
            raise BadAnswer("the transfer coding is not chunked")
        response.content_length = None
    status = response.status
    if status < 200 or status == 204:
        if coding is not None or length not in (None, b"0"):
            raise BadAnswer("a body where none may be")
        response.content_length = 0
    elif to_head or status == 304:
        response.content_length = 0
