"""Reads the head of an HTTP/1.1 request (RFC 9112), strictly: what is ambiguous is refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from gateway.http1 import fields
from gateway.http1.fields import CONTENT_LENGTH, HOST, IN_A_LINE, UNKNOWN, FieldKinds
from gateway.http1.headers import HeaderLines

MAX_FIELDS: Final = 256
LONGEST_NAME: Final = 253  # RFC 1035 in dots and letters; what is longer is not worth remembering
LINE_ENDS: Final = tuple(b"\r\n" * count for count in range(MAX_FIELDS + 2))
METHODS: Final = {
    name.encode(): name
    for name in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH")
}
# Case matters (RFC 9110, 9.1): `get` would be another method than GET to some and not to others.
METHOD = re.compile(rb"[A-Z][A-Z0-9_-]{0,31}")
AUTHORITY = re.compile(rb"([A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?")
ABSOLUTE_FORM = re.compile(rb"(?i:https?)://([^/?#@]+)((?:[/?].*)?)", re.DOTALL)
KINDS: Final = FieldKinds(fields.IN_A_REQUEST)


class BadRequest(Exception):
    """The client is told `status` and `detail`, and the connection ends."""

    def __init__(self, detail: str, status: int = 400) -> None:
        super().__init__(detail)
        self.detail = detail
        self.status = status


class RequestHead:
    """A parsed head. What is not set by `parse_request` has its default here.

    start: the request line. request_target: as received. lines: the fields that travel on, as
    received, hop-by-hop ones gone.
    forwarded: X-Forwarded-*, Forwarded and X-Request-ID, to be believed or not. origin_form:
    the target was a path, not a whole URL. content_length: None when the body is chunked.
    keep_alive: the client wants the connection to stay. unwelcome: its ChunkedBody's, if the body
    is chunked. upgrade: the protocol asked for, when `Connection: upgrade` names it too.
    """

    __slots__ = (
        "_headers",
        "authority",
        "content_length",
        "expect",
        "forwarded",
        "host",
        "keep_alive",
        "lines",
        "method",
        "minor",
        "origin_form",
        "path",
        "query",
        "request_target",
        "start",
        "unwelcome",
        "upgrade",
    )

    start: bytes
    method: str
    request_target: bytes
    path: bytes
    query: bytes
    host: str
    lines: list[bytes]

    def __init__(self) -> None:
        self.authority = b""
        self.minor = 1
        self.origin_form = True
        self.content_length: int | None = 0
        self.keep_alive = True
        self.expect = False
        self.upgrade: bytes | None = None
        self.forwarded: list[bytes] | None = None
        self.unwelcome: list[Callable[[bytes], bool]] | None = None
        self._headers: HeaderLines | None = None

    def getall(self, name: str) -> list[str]:
        """The values of a field; the view is not made before somebody asks."""
        return self.headers.getall(name)

    @property
    def headers(self) -> HeaderLines:
        """A view of `lines` by name; changes go into `lines`."""
        if self._headers is None:
            self._headers = HeaderLines(self.lines)
        return self._headers


def parse_request(head: bytes, request: RequestHead) -> None:
    """Fill `request` from the bytes before the empty line. Raises BadRequest."""
    lines = head.split(b"\r\n")
    count = len(lines) - 1
    if count > MAX_FIELDS:
        raise BadRequest("too many header fields", 431)
    if head.translate(None, IN_A_LINE) != LINE_ENDS[count]:
        raise BadRequest("a control character stands in the request head")
    _start_line(lines[0], request)
    del lines[0]
    request.lines = lines
    special: list[tuple[int, bytes]] = []
    authority: bytes | None = None
    known = KINDS.known
    for line in lines:
        name = line[: line.find(b":") + 1]
        kind = known.get(name, UNKNOWN)
        if kind == UNKNOWN:
            kind = KINDS.classify(name)
        if kind == HOST:
            if authority is not None:
                raise BadRequest("more than one Host field")
            authority = line[5:].strip(b" \t")
        elif kind:
            special.append((kind, line))
    if special:
        for kind, line in special:
            if kind != CONTENT_LENGTH:
                lines.remove(line)
        _special_fields(special, request)
    _host(authority, request)


def _start_line(line: bytes, request: RequestHead) -> None:
    request.start = line
    parts = line.split(b" ")
    if len(parts) != 3:
        raise BadRequest("the request line is not three words")
    method, target, version = parts
    name = METHODS.get(method)
    if name is None:
        if not METHOD.fullmatch(method):
            raise BadRequest("the method is not one")
        if method == b"CONNECT":
            # With a path it would still be a tunnel to some, and the next request its bytes.
            raise BadRequest("no tunnels are opened here")
        name = method.decode("ascii")
    request.method = name
    if version != b"HTTP/1.1":
        if version != b"HTTP/1.0":
            raise BadRequest("the version is neither HTTP/1.1 nor HTTP/1.0")
        request.minor = 0
        request.keep_alive = False
    request.request_target = target
    if target[:1] != b"/":
        target = _other_form(target, request)
    request.path, _, request.query = target.partition(b"?")


def _other_form(target: bytes, request: RequestHead) -> bytes:
    """RFC 9112, 3.2.2 and 3.2.4: the absolute and the asterisk form, in origin form."""
    if target == b"*" and request.method == "OPTIONS":
        return target
    absolute = ABSOLUTE_FORM.fullmatch(target)
    if absolute is None:
        raise BadRequest("the target is neither a path nor a URL")
    request.authority = absolute[1]
    request.origin_form = False
    rest = absolute[2]
    return rest if rest[:1] == b"/" else b"/" + rest


def _special_fields(special: list[tuple[int, bytes]], request: RequestHead) -> None:
    length: bytes | None = None
    coding: bytes | None = None
    upgrade: bytes | None = None
    options: list[bytes] = []
    for kind, line in special:
        value = line[line.find(b":") + 1 :].strip(b" \t")
        if kind == fields.CONNECTION:
            options += [option.strip(b" \t").lower() for option in value.split(b",")]
        elif kind == fields.CONTENT_LENGTH:
            if length is not None:
                raise BadRequest("more than one Content-Length")
            length = value
        elif kind == fields.TRANSFER_ENCODING:
            if coding is not None:
                raise BadRequest("more than one Transfer-Encoding")
            coding = value
        elif kind == fields.UPGRADE:
            upgrade = value if upgrade is None else upgrade + b", " + value
        elif kind == fields.EXPECT:
            if value.lower() != b"100-continue":
                raise BadRequest("the expectation is not known here", 417)
            request.expect = request.minor == 1
        elif kind == fields.FORWARDED:
            if request.forwarded is None:
                request.forwarded = []
            request.forwarded.append(line)
        elif kind == fields.INVALID:
            raise BadRequest("a header field has no valid name")
    _framing(length, coding, request)
    if options:
        _connection(options, upgrade, request)


def _framing(length: bytes | None, coding: bytes | None, request: RequestHead) -> None:
    """RFC 9112, 6: one framing, said once, or none."""
    if coding is not None:
        if length is not None:
            raise BadRequest("both Content-Length and Transfer-Encoding")
        if coding.lower() != b"chunked" or request.minor == 0:
            raise BadRequest("the transfer coding is not chunked")
        request.content_length = None
    elif length is not None:
        if not length.isdigit() or len(length) > 18:
            raise BadRequest("Content-Length is not a number")
        request.content_length = int(length)


def _connection(options: list[bytes], upgrade: bytes | None, request: RequestHead) -> None:
    """RFC 9110, 7.6.1: what Connection lists ends here."""
    named = frozenset(options)
    if b"close" in named:
        request.keep_alive = False
    elif b"keep-alive" in named:
        request.keep_alive = True
    # An h2c upgrade would carry requests past every guard; it may be ignored (RFC 9110, 7.8).
    possible = request.minor == 1 and request.content_length == 0
    if b"upgrade" in named and upgrade and possible and b"h2c" not in upgrade.lower():
        request.upgrade = upgrade
    listed = named - {b"close", b"keep-alive", b"upgrade", b""}
    if listed:
        if listed & {b"host", b"content-length", b"transfer-encoding"}:
            raise BadRequest("Connection lists a field that frames or routes the request")
        request.lines[:] = [
            line for line in request.lines if line.partition(b":")[0].lower() not in listed
        ]


_hosts: Final[dict[bytes, str]] = {}


def _host(authority: bytes | None, request: RequestHead) -> None:
    """RFC 9112, 3.2: exactly one valid Host in HTTP/1.1, and no other one in the target."""
    if authority is None:
        if request.minor == 1:
            raise BadRequest("no Host field")
        authority = request.authority
        if not authority:
            request.host = ""
            return
        request.lines.insert(0, b"Host: " + authority)
    elif request.authority and request.authority.lower() != authority.lower():
        raise BadRequest("the target and the Host field name different hosts")
    request.authority = authority
    host = _hosts.get(authority)
    if host is None:
        host = _normal_host(authority)
        if len(_hosts) >= fields.REMEMBERED:
            _hosts.clear()
        if len(authority) <= LONGEST_NAME:
            _hosts[authority] = host
    request.host = host


def _normal_host(authority: bytes) -> str:
    found = AUTHORITY.fullmatch(authority)
    if found is None or int(found[2] or 0) > 65535:
        raise BadRequest("the host is not valid")
    return found[1].decode("ascii").lower().rstrip(".")
