"""One connection to a target: reads its answers and passes them to the client's listener."""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import TYPE_CHECKING, cast

from gateway.errors import ConnectionLost, UpstreamProtocolError
from gateway.http1.body import BadBody, ChunkedBody
from gateway.http1.response import UNTIL_CLOSE, BadAnswer, ResponseHead, parse_response
from gateway.wheel import NEVER

if TYPE_CHECKING:
    from gateway.proxy import Call
    from gateway.upstream.target import Target

MAX_HEAD = 64 * 1024
MAX_INTERIM = 16


class UpstreamConnection(asyncio.Protocol):
    """Carries one call at a time; between calls it lies in its target's pool.

    The answer's state is `left`: bytes of body still to come, None while the head has not
    come, or UNTIL_CLOSE. A chunked body is followed by `chunked`.
    """

    __slots__ = (
        "armed",
        "buffer",
        "call",
        "chunked",
        "deadline",
        "encode",
        "ended",
        "interim",
        "keep",
        "left",
        "made",
        "paused",
        "retire_at",
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
        self.ended = False
        self.keep = True
        self.used = False
        self.made = False
        self.paused = False
        self.interim = 0
        self.started = 0.0
        self.deadline = NEVER
        self.armed = NEVER
        self.retire_at = target.loop.time() + target.max_age

    # From the proxy

    def send(self, call: Call, head: bytes) -> None:
        """Ask; the answer goes to `call`."""
        self.call = call
        self.deadline = NEVER
        self.left = None
        self.interim = 0
        self.started = perf_counter()
        self.transport.write(head)

    def cancel(self) -> None:
        """Nobody waits for what still comes."""
        self.call = None
        self.keep = False
        self.transport.abort()

    def half_close(self) -> None:
        """The client of a tunnel sends no more; once neither side does, the tunnel is over."""
        if self.ended or not self.transport.can_write_eof():
            self.close()
        else:
            self.transport.write_eof()

    def pause_reading(self) -> None:
        self.paused = True
        self.transport.pause_reading()

    def resume_reading(self) -> None:
        if self.paused:
            self.paused = False
            self.transport.resume_reading()

    def close(self) -> None:
        """End it. What a tunnel's client has sent still goes out; else nothing is under way."""
        self.call = None
        self.keep = False
        if self.tunnel:
            self.transport.close()
        else:
            self.transport.abort()  # a TLS goodbye would outlive the loop

    # From the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.made = True

    def data_received(self, data: bytes) -> None:
        call = self.call
        if call is None:
            self.cancel()  # bytes that nobody asked for
        elif self.tunnel:
            call.listener.relay(data)
        elif self.left is None:
            self._head(call, self.buffer + data if self.buffer else data)
        elif self.chunked is not None:
            self._chunked(call, self.chunked, data)
        elif self.left == UNTIL_CLOSE:
            call.listener.relay(b"%x\r\n%b\r\n" % (len(data), data) if self.encode else data)
        else:
            self._counted(call, data)

    def eof_received(self) -> bool:
        call = self.call
        if call is None:
            return False
        if self.tunnel:
            self.ended = True
            call.listener.end_tunnel()
            return call.listener.raw is not None
        if self.left == UNTIL_CLOSE and self.chunked is None:
            self._end_of_stream(call)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        call, self.call = self.call, None
        self.keep = False
        self.target.lost(self)
        if call is not None:
            if self.tunnel:
                call.listener.close_tunnel()
            elif self.left is None and not self.buffer:
                call.lost(ConnectionLost(f"{self.target.url} closed the connection"), self.used)
            else:
                call.failed(ConnectionLost(f"{self.target.url} ended amid its answer"))

    def pause_writing(self) -> None:
        if self.call is not None:
            self.call.listener.hold()

    def resume_writing(self) -> None:
        if self.call is not None:
            self.call.listener.go_on()

    def expire(self, now: float) -> None:
        """It lay idle for too long."""
        if self.call is None:
            self.close()

    # The answer

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
            self.encode = call.exchange.minor == 1
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
                self._complete(call, head, rest)

    def _start_chunked(self, call: Call, head: ResponseHead, rest: bytes) -> None:
        body = ChunkedBody(decoded=None if call.exchange.minor else [])
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
            self._complete(call, head, rest)
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
        call.listener.relay(data)
        if body.complete:
            self.chunked = None
            self._complete(call)

    def _counted(self, call: Call, data: bytes) -> None:
        left = self.left
        assert left is not None
        if len(data) > left:
            self.keep = False
            data = data[:left]
        self.left = left = left - len(data)
        call.listener.relay(data)
        if not left:
            self._complete(call)

    def _end_of_stream(self, call: Call) -> None:
        """The end of the connection is the end of the body (RFC 9112, 6.3)."""
        if self.encode:
            call.listener.relay(b"0\r\n\r\n")
        self._complete(call)

    def _complete(self, call: Call, head: ResponseHead | None = None, body: bytes = b"") -> None:
        """The answer is whole: free the connection first, so that the next request finds it."""
        call.exchange.upstream_seconds = perf_counter() - self.started
        call.connection = None
        self.call = None
        self.used = True
        self.left = None
        if self.keep and call.sent_all and not self._unflushed(call):
            self.resume_reading()
            self.target.release(self)
        else:
            self.transport.abort()  # nobody waits for what of the request is still unsent
        if head is not None:
            call.answer(head, body, True)
        else:
            call.listener.finish()

    def _unflushed(self, call: Call) -> bool:
        """Whether bytes of a request's body still wait to be sent."""
        return call.exchange.content_length != 0 and self.transport.get_write_buffer_size() > 0

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
