"""The answers of a target, taken apart and passed to the listener of the client that asked."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from typing import TYPE_CHECKING, Final

from gateway.errors import UpstreamProtocolError
from gateway.http1.body import BadBody, ChunkedBody
from gateway.http1.response import UNTIL_CLOSE, BadAnswer, ResponseHead, parse_response

if TYPE_CHECKING:
    from gateway.proxy import Call
    from gateway.upstream.target import Target

MAX_HEAD: Final = 64 * 1024
MAX_INTERIM: Final = 16


class AnswerReader(asyncio.Protocol):
    """The reading half of an UpstreamConnection.

    left: bytes of the body still to come, None while the head has not come, or UNTIL_CLOSE. A
    chunked body is followed by `chunked`. encode: the client gets chunks where the target
    ends the body by closing. keep: the connection can serve another call; used: it has before.
    """

    __slots__ = (
        "buffer",
        "call",
        "chunked",
        "encode",
        "interim",
        "keep",
        "left",
        "paused",
        "started",
        "target",
        "transport",
        "tunnel",
        "used",
    )

    transport: asyncio.Transport

    def __init__(self, target: Target) -> None:
        self.target = target
        self.call: Call | None = None
        self.buffer = b""
        self.left: int | None = None
        self.chunked: ChunkedBody | None = None
        self.encode = False
        self.tunnel = False
        self.keep = True
        self.used = False
        self.paused = False
        self.interim = 0
        self.started = 0.0

    @abstractmethod
    def complete(self, call: Call, head: ResponseHead | None = None, body: bytes = b"") -> None:
        """The answer is whole; with it comes what of it was not yet passed on."""

    def data_received(self, data: bytes) -> None:
        call = self.call
        if call is None:
            self.keep = False
            self.transport.abort()  # bytes that nobody asked for
        elif self.tunnel:
            call.listener.relay(data)
        elif self.left is None:
            self._head(call, self.buffer + data if self.buffer else data)
        elif self.chunked is not None:
            self._chunked(call, self.chunked, data)
        elif self.left == UNTIL_CLOSE:
            call.sink.relay(b"%x\r\n%b\r\n" % (len(data), data) if self.encode else data)
        else:
            self._counted(call, data)

    def resume_reading(self) -> None:
        if self.paused:
            self.paused = False
            self.transport.resume_reading()

    def _head(self, call: Call, data: bytes) -> None:
        while True:
            end = data.find(b"\r\n\r\n")
            if end < 0:
                if len(data) > MAX_HEAD or data.count(b"\n") != data.count(b"\r\n"):
                    self._refuse(call, "the head is too large, or has bare line feeds")
                else:
                    self.buffer = data
                return
            self.buffer = b""
            if end > MAX_HEAD:
                self._refuse(call, "the head is too large")
                return
            try:
                head = parse_response(data[:end], call.exchange.method == "HEAD")
            except BadAnswer as error:
                self._refuse(call, str(error))
                return
            rest = data[end + 4 :]
            if head.status >= 200:
                self._final(call, head, rest)
                return
            if not self._interim(call, head, rest):
                return
            data = rest

    def _interim(self, call: Call, head: ResponseHead, rest: bytes) -> bool:
        """Relay a 1xx answer; whether a further head is awaited. RFC 9110, 15.2."""
        if head.status == 101:
            if not _asked_for(head.upgrade, call.exchange.upgrade):
                self._refuse(call, "a 101 that nobody asked for")
                return False
            self.tunnel = True
            self.keep = False
            call.switched(head, rest)
            return False
        self.interim += 1
        if self.interim > MAX_INTERIM:
            self._refuse(call, "too many interim answers")
            return False
        if head.status != 100:
            call.interim(head)
        return True

    def _final(self, call: Call, head: ResponseHead, rest: bytes) -> None:
        length = head.content_length
        self.keep = head.keep_alive
        self.encode = False
        if length is None:
            self._start_chunked(call, head, rest)
        elif length == UNTIL_CLOSE:
            self.keep = False
            self.left = UNTIL_CLOSE
            self.chunked = None
            self.encode = call.exchange.takes_chunks
            if self.encode and rest:
                rest = b"%x\r\n%b\r\n" % (len(rest), rest)
            call.answer(head, rest, False)
        elif len(rest) > length:
            self._refuse(call, "more bytes than Content-Length says")
        else:
            self.left = length - len(rest)
            self.chunked = None
            if self.left:
                call.answer(head, rest, False)
            else:
                self.complete(call, head, rest)

    def _start_chunked(self, call: Call, head: ResponseHead, rest: bytes) -> None:
        body = ChunkedBody(decoded=None if call.exchange.takes_chunks else [])
        try:
            taken = body.feed(rest)
        except BadBody as error:
            self._refuse(call, str(error))
            return
        if taken < len(rest):
            self._refuse(call, "more bytes than the last chunk")
            return
        if body.decoded is not None:
            rest = b"".join(body.decoded)
            body.decoded.clear()
        if body.complete:
            self.complete(call, head, rest)
        else:
            self.left = UNTIL_CLOSE
            self.chunked = body
            call.answer(head, rest, False)

    def _chunked(self, call: Call, body: ChunkedBody, data: bytes) -> None:
        try:
            taken = body.feed(data)
        except BadBody as error:
            self._refuse(call, str(error))
            return
        if taken < len(data):
            self.keep = False
            data = data[:taken]
        if body.decoded is not None:
            data = b"".join(body.decoded)
            body.decoded.clear()
        call.sink.relay(data)
        if body.complete:
            self.chunked = None
            self.complete(call)

    def _counted(self, call: Call, data: bytes) -> None:
        left = self.left
        assert left is not None
        if len(data) > left:
            self.keep = False
            data = data[:left]
        self.left = left = left - len(data)
        call.sink.relay(data)
        if not left:
            self.complete(call)

    def _end_of_stream(self, call: Call) -> None:
        """The end of the connection is the end of the body (RFC 9112, 6.3)."""
        if self.encode:
            call.sink.relay(b"0\r\n\r\n")
        self.complete(call)

    def _refuse(self, call: Call, why: str) -> None:
        self.call = None
        self.keep = False
        self.transport.abort()
        call.failed(UpstreamProtocolError(f"{self.target.url} did not answer in HTTP/1.1: {why}"))


def _asked_for(given: bytes | None, asked: bytes | None) -> bool:
    """Whether the protocol that was switched to is among those offered (RFC 9110, 7.8)."""
    if not given or not asked:
        return False
    return given.lower() in {name.strip(b" \t") for name in asked.lower().split(b",")}
