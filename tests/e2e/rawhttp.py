"""HTTP/1 spoken by hand: a client that sends and records exact bytes.

Everything blocks, with DEADLINE seconds as the bound, so that a test reads from top to bottom.
"""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import struct
import zlib
from dataclasses import dataclass, field
from typing import Any, TypeAlias

DEADLINE = 25.0
CRLF = b"\r\n"

Address: TypeAlias = tuple[str, int] | str


class Closed(Exception):
    """The peer ended the connection, `reset` or not, before what was asked for."""

    def __init__(self, received: bytes, *, reset: bool) -> None:
        super().__init__(f"closed (reset={reset}) after {received[-200:]!r}")
        self.received = received
        self.reset = reset


@dataclass
class Message:
    """A request or an answer as it came off the wire. `complete` is False for a broken body."""

    start: bytes
    lines: list[bytes]
    body: bytes = b""
    trailers: list[bytes] = field(default_factory=list)
    complete: bool = True

    @property
    def status(self) -> int:
        return int(self.start.split(b" ", 2)[1])

    @property
    def target(self) -> bytes:
        return self.start.split(b" ")[1]

    @property
    def fields(self) -> list[tuple[bytes, bytes]]:
        return [(name, value.strip(b" \t")) for name, _, value in self._parted()]

    def values(self, name: str) -> list[bytes]:
        return [value for key, value in self.fields if key.lower() == name.lower().encode()]

    def value(self, name: str) -> bytes | None:
        values = self.values(name)
        assert len(values) < 2, f"{name} came {len(values)} times: {values}"
        return values[0] if values else None

    def json(self) -> Any:
        return json.loads(self.body)

    def _parted(self) -> list[tuple[bytes, bytes, bytes]]:
        return [line.partition(b":") for line in self.lines]


class Wire:
    """One connection. `received` keeps every byte unless `keep` is off."""

    def __init__(self, sock: socket.socket, *, keep: bool = True) -> None:
        sock.settimeout(DEADLINE)
        self.sock = sock
        self.keep = keep
        self.received = bytearray()
        self.count = 0
        self._unread = bytearray()

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def send_slowly(self, data: bytes) -> None:
        """Each byte in a segment of its own."""
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in data:
            self.sock.sendall(bytes([byte]))

    def half_close(self) -> None:
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()

    def read_line(self) -> bytes:
        """Up to and without CRLF."""
        while CRLF not in self._unread:
            self._need_more()
        line, _, rest = bytes(self._unread).partition(CRLF)
        self._unread[:] = rest
        return line

    def read_exactly(self, size: int) -> bytes:
        while len(self._unread) < size:
            self._need_more()
        data = bytes(self._unread[:size])
        del self._unread[:size]
        return data

    def checksum(self, size: int) -> int:
        """The crc32 of the next `size` bytes, which are not kept."""
        first = bytes(self._unread[:size])
        del self._unread[:size]
        crc, left = zlib.crc32(first), size - len(first)
        while left:
            data = self.sock.recv(min(left, 1 << 20))
            if not data:
                raise Closed(b"", reset=False)
            crc, left = zlib.crc32(data, crc), left - len(data)
        return crc

    def read_to_end(self) -> bytes:
        """Up to the FIN. Raises Closed for a reset."""
        while self._more():
            pass
        data = bytes(self._unread)
        self._unread.clear()
        return data

    def read_head(self) -> Message:
        start = self.read_line()
        lines = []
        while line := self.read_line():
            lines.append(line)
        return Message(start, lines)

    def read_body(self, message: Message, *, until_close: bool) -> None:
        """The body by its framing, into `message`; a connection lost on the way is recorded."""
        try:
            if (message.value("Transfer-Encoding") or b"").lower() == b"chunked":
                assert message.value("Content-Length") is None, "both framings"
                self._read_chunks(message)
            elif (length := message.value("Content-Length")) is not None:
                message.body = self.read_exactly(int(length))
            elif until_close:
                message.body = self.read_to_end()
        except Closed as closed:
            message.complete = False
            message.body += closed.received

    def wait_closed(self) -> bytes:
        """Until the peer's FIN or reset; what came before it."""
        try:
            return self.read_to_end()
        except Closed as closed:
            return closed.received

    def _read_chunks(self, message: Message) -> None:
        parts = []
        try:
            while size := int(self.read_line().partition(b";")[0], 16):
                parts.append(self.read_exactly(size))
                assert self.read_line() == b"", "chunk data is longer than its size"
        finally:
            message.body = b"".join(parts)
        while line := self.read_line():
            message.trailers.append(line)

    def _need_more(self) -> None:
        if not self._more():
            rest = bytes(self._unread)
            self._unread.clear()
            raise Closed(rest, reset=False)

    def _more(self) -> bool:
        try:
            data = self.sock.recv(256 * 1024)
        except (ConnectionError, ssl.SSLError):
            rest = bytes(self._unread)
            self._unread.clear()
            raise Closed(rest, reset=True) from None
        self.count += len(data)
        if self.keep:
            self.received += data
        self._unread += data
        return bool(data)


class Client(Wire):
    """A client's connection."""

    def get(self, target: str, host: str, *lines: str) -> Message:
        self.send(request("GET", target, host, *lines))
        return self.answer()

    def answer(self, method: str = "GET") -> Message:
        """The next answer, interim ones included. Raises Closed when none comes."""
        message = self.read_head()
        bodiless = method == "HEAD" or message.status in (204, 304) or message.status < 200
        if not bodiless:
            self.read_body(message, until_close=True)
        return message

    def sees_the_end(self) -> None:
        """The server closes, and had no more to say."""
        rest = self.wait_closed()
        assert rest == b"", f"more bytes than one answer: {rest[:200]!r}"


def request(method: str, target: str, host: str, *lines: str, body: bytes = b"") -> bytes:
    """A request; with a body it has a Content-Length."""
    head = [f"{method} {target} HTTP/1.1", f"Host: {host}", *lines]
    if body:
        head.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*head, "", ""]).encode("latin-1") + body


def answer(body: bytes = b"ok", *lines: str, status: str = "200 OK") -> bytes:
    """An answer with a Content-Length."""
    head = [f"HTTP/1.1 {status}", *lines, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(head).encode("latin-1") + body


def dial(address: Address, *, keep: bool = True) -> Client:
    if isinstance(address, str):
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(DEADLINE)
        sock.connect(address)
        return Client(sock, keep=keep)
    return Client(socket.create_connection(address, timeout=DEADLINE), keep=keep)
