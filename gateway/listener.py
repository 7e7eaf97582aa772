"""One client connection: reads requests one after the other, and writes their answers in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol, cast

from gateway import finishing, guarding
from gateway.errors import Problem, Response
from gateway.exchange import Exchange
from gateway.forwarding import Client
from gateway.http1.body import BadBody, ChunkedBody
from gateway.http1.fields import TOKEN
from gateway.http1.proxy_protocol import BadPreface, read_preface
from gateway.http1.request import BadRequest, parse_request
from gateway.wheel import NEVER

if TYPE_CHECKING:
    from gateway.chain import Phases
    from gateway.dataplane import DataPlane

HELD = 64 * 1024
LINGER = 2.0
IN_ONE_GO = 16
FIRST_BYTES = {bytes([byte]) for byte in TOKEN} | {b"", b"\r"}
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Peer(Protocol):
    """**Protocol:** the other side of an exchange: an upstream call, or a plugin's handler.

    The listener gives it the body as it comes, once it is `ready`, and asks it to `pause`
    while the client takes no more bytes. `half_close`: the client of a tunnel sends no more.
    `cancel` says that nobody waits for it any more.
    """

    def ready(self) -> bool: ...
    def body(self, data: bytes) -> None: ...
    def end_body(self) -> None: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def half_close(self) -> None: ...
    def cancel(self) -> None: ...


class Listener(asyncio.Protocol):
    """A client connection of the data plane.

    buffer: bytes received and not yet used: part of a head, of a body, or the next request.
    left: bytes of the request's body still to come; `chunked` follows one without a length.
    last: the connection ends after the answer that is due. begun: its head has been sent.
    closing: no further request is read; what still comes is thrown away. gone: the client has
    closed its sending side. ended: so has the other end of a tunnel. held: the peer takes no
    more of the body for now. blocked: the client takes no more of the answer.
    raw: takes the client's bytes as they are, once the protocol was switched.
    """

    __slots__ = (
        "active",
        "armed",
        "begun",
        "blocked",
        "buffer",
        "chunked",
        "client",
        "closing",
        "deadline",
        "ended",
        "exchange",
        "gone",
        "head_due",
        "held",
        "inprocess",
        "last",
        "left",
        "loop",
        "next_due",
        "peer",
        "plane",
        "raw",
        "reading",
        "transport",
        "unsent",
    )

    transport: asyncio.Transport

    def __init__(self, plane: DataPlane) -> None:
        self.plane = plane
        self.loop = plane.loop
        self.client: Client
        self.buffer = b""
        self.exchange: Exchange | None = None
        self.peer: Peer | None = None
        self.inprocess: Any = None
        self.left = 0
        self.chunked: ChunkedBody | None = None
        self.raw: Callable[[bytes], None] | None = None
        self.last = self.begun = self.closing = self.gone = self.ended = False
        self.held = self.blocked = self.next_due = False
        self.reading = True
        self.unsent = 0
        self.active = 0.0
        self.head_due = 0.0
        self.deadline = NEVER
        self.armed = NEVER

    # From the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.client = Client.of(self.transport, self.plane)
        self.set_deadline(self.plane.idle_timeout)
        if not self.plane.admit(self):
            self.refuse(Problem(503, "Too many connections.", [("Retry-After", "1")]))

    def data_received(self, data: bytes) -> None:
        if self.exchange is None:
            if self.closing:
                return
            if self.buffer:
                data = self.buffer + data
                self.buffer = b""
            self.read_request(data)
            if self.buffer and self.exchange is None and not self.closing:
                self.next_request()
        elif self.raw is not None:
            self.active = self.loop.time()
            self.exchange.bytes_received += len(data)
            self.raw(data)
        else:
            self.buffer = self.buffer + data if self.buffer else data
            if self.expects_body() and self.peer is not None and self.peer.ready():
                self.pump()
            elif len(self.buffer) > HELD:
                self._read(False)

    def eof_received(self) -> bool:
        """The client has closed its sending side (FIN); it may still read its answer."""
        self.gone = True
        if self.raw is not None and self.peer is not None:
            self.peer.half_close()
            if self.ended:
                self.close_tunnel()
            return True
        if self.exchange is None or self.expects_body():
            return self.next_due
        if self.begun and not self.buffer:
            # Most likely it has closed altogether; more bytes to it would tell.
            self.set_deadline(1.0)
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self.closing = True
        self.plane.forget(self)
        if self.inprocess is not None:
            self.inprocess.connection_lost(exc)
        exchange = self.exchange
        if exchange is not None:
            self._cancel_peer()
            if self.raw is None:
                exchange.failure = exchange.failure or "client"
                exchange.status = exchange.status or 499
            self._done(exchange)

    def pause_writing(self) -> None:
        self.blocked = True
        if self.peer is not None:
            self.peer.pause()

    def resume_writing(self) -> None:
        self.blocked = False
        self.active = self.loop.time()
        if self.peer is not None:
            self.peer.resume()
        elif self.exchange is None and self.buffer:
            self.next_request()

    def expire(self, now: float) -> None:
        """A deadline has passed. What that means depends on where the exchange stands."""
        exchange = self.exchange
        if exchange is None:
            self._expire_idle()
        elif self.begun or self.raw is not None or self.expects_body():
            patience = 1.0 if self.gone and self.raw is None else exchange.route.idle_timeout
            if self._moved() or now - self.active < patience:
                self.deadline = max(self.active + patience, now)
                self.plane.wheel.arm(self)
            elif self.begun:
                self.break_off("client" if self.gone or self.blocked else "timeout")
            else:
                exchange.failure = "client"
                self.give_up(Problem(408, "The request's body did not come in time."))
        else:
            exchange.failure = "timeout"
            self.give_up(Problem(504, "The request took longer than its route allows."))

    def _expire_idle(self) -> None:
        if self.transport.get_write_buffer_size() and self._moved():
            self.set_deadline(self.plane.idle_timeout)
        elif self.closing or not self.buffer:
            self.transport.abort() if self.closing else self.transport.close()
        else:
            self.refuse(Problem(408, "The request's head did not come in time."))

    def _moved(self) -> bool:
        """Whether the client took bytes since the last look."""
        before, self.unsent = self.unsent, self.transport.get_write_buffer_size()
        return self.unsent < before

    # Requests

    def next_request(self) -> None:
        """Go on with what the client has sent ahead, a few requests at a time."""
        for _ in range(IN_ONE_GO):
            if self.exchange is not None or self.closing or self.blocked or not self.buffer:
                return
            data, self.buffer = self.buffer, b""
            self.read_request(data)
            if self.exchange is None and self.buffer == data:
                return
        if self.exchange is None and self.buffer and not self.next_due:
            self.next_due = True
            self.loop.call_soon(self._next_in_turn)

    def _next_in_turn(self) -> None:
        self.next_due = False
        self.next_request()

    def read_request(self, data: bytes) -> None:
        """Start an exchange if a whole head is there; keep the bytes otherwise."""
        end = data.find(b"\r\n\r\n")
        if end < 0:
            self._part_of_a_head(data)
            return
        if end > self.plane.max_head:
            self._too_large(data)
            return
        exchange = Exchange()
        exchange.started = perf_counter()
        try:
            parse_request(data[:end], exchange)
        except BadRequest as error:
            self._not_http(data, error)
            return
        end += 4
        self.buffer = data[end:] if end < len(data) else b""
        self.exchange = exchange
        length = exchange.content_length
        if length is None:
            self.chunked = ChunkedBody()
        else:
            self.left = length
        self.begun = False
        self.last = self.plane.draining or not exchange.keep_alive
        if self.reading is False:
            self._read(True)
        guarding.begin(self, exchange)

    def _part_of_a_head(self, data: bytes) -> None:
        if self.client.may_introduce and self._introduced(data):
            return
        if data[:2] == b"\r\n":
            data = data[2:]  # RFC 9112, 2.2: an empty line before the request
            if b"\r\n\r\n" in data:
                self.read_request(data)
                return
        if len(data) > self.plane.max_head:
            self._too_large(data)
        elif data.count(b"\n") != data.count(b"\r\n") or data[:1] not in FIRST_BYTES:
            self._not_http(data, BadRequest("the request is not HTTP/1.1"))
        else:
            self._keep_part(data)

    def _keep_part(self, data: bytes) -> None:
        if self.deadline != self.head_due:
            self.set_deadline(self.plane.headers_timeout)
            self.head_due = self.deadline
        self.buffer = data
        if self.gone:
            self.close(False)
        else:
            self._read(True)

    def _not_http(self, data: bytes, error: BadRequest) -> None:
        if self.client.may_introduce and self._introduced(data):
            return
        if data[:2] == b"\r\n" and data[2:4] != b"\r\n":
            self.read_request(data[2:])
            return
        self.refuse(Problem(error.status, f"Refused: {error.detail}."))

    def _introduced(self, data: bytes) -> bool:
        """Whether these bytes begin with the PROXY header of a trusted proxy."""
        try:
            address, size = read_preface(data)
        except BadPreface:
            return False
        if not size:
            self._keep_part(data)
            return True
        self.client = self.client.behind(address)
        if data[size:]:
            self.read_request(data[size:])
        return True

    def _too_large(self, data: bytes) -> None:
        if data.find(b"\r\n", 0, self.plane.max_head) < 0:
            self.refuse(Problem(414, "The request line is too long."))
        else:
            self.refuse(Problem(431, "The request's header section is too large."))

    def expects_body(self) -> bool:
        return self.left > 0 or self.chunked is not None

    def pump(self) -> None:
        """Give the peer what has come of the body."""
        exchange, peer = self.exchange, self.peer
        if exchange is None or peer is None or not self.expects_body():
            return
        if exchange.expect:
            exchange.expect = False
            if not self.buffer:
                self.transport.write(CONTINUE)
        if self.reading is False and not self.held:
            self._read(True)
        data = self.buffer
        if not data:
            self.active = self.loop.time()
            self._deadline_at(self.active + exchange.route.idle_timeout)
            return
        taken = self._measure(data, exchange)
        if taken < 0:
            return
        self.active = self.loop.time()
        self.buffer = data[taken:] if taken < len(data) else b""
        exchange.bytes_received += taken
        peer.body(data if taken == len(data) else data[:taken])
        if self.expects_body():
            self._deadline_at(self.active + exchange.route.idle_timeout)
        else:
            peer.end_body()
            if not self.begun:
                self._deadline_at(self.active + exchange.route.request_timeout)

    def _measure(self, data: bytes, exchange: Exchange) -> int:
        """How many of these bytes are body; -1 when the request was refused for them."""
        body = self.chunked
        if body is None:
            taken = min(self.left, len(data))
            self.left -= taken
            return taken
        try:
            taken = body.feed(data)
        except BadBody as error:
            exchange.failure = "client"
            self.give_up(Problem(400, f"Refused: {error}."))
            return -1
        if body.size > exchange.body_limit:
            exchange.failure = "client"
            self.give_up(Problem(413, "The request's body is too large."))
            return -1
        if body.complete:
            self.chunked = None
        return taken

    # Answers

    def unwind(self, phases: Phases) -> bool:
        """Run response phases; False when one failed and a problem went out instead."""
        assert self.exchange is not None
        return finishing.unwind(self, self.exchange, phases)

    def forwarding(self, exchange: Exchange) -> bytes:
        return self.client.forwarding(exchange)

    def connection_line(self, lines: list[bytes]) -> None:
        """Say what becomes of the connection, where that is not the default."""
        assert self.exchange is not None
        if self.plane.draining or self.expects_body():
            self.last = True
        if self.last:
            lines.append(b"Connection: close")
        elif self.exchange.minor == 0:
            lines.append(b"Connection: keep-alive")

    def relay(self, data: bytes) -> None:
        """Write bytes of the answer."""
        exchange = self.exchange
        if exchange is not None and data:
            exchange.bytes_sent += len(data)
            self.begun = True
            self.active = self.loop.time()
            self.transport.write(data)

    def stream(self) -> None:
        """The head is out and the body goes on: from here on silence is what is limited."""
        if self.exchange is not None:
            self._deadline_at(self.active + self.exchange.route.idle_timeout)

    def respond(self, response: Response, phases: Phases = ()) -> None:
        """Answer here and now."""
        assert self.exchange is not None
        finishing.respond(self, self.exchange, response, phases)

    def fail(self, problem: Problem) -> None:
        """The endpoint has failed: a problem, or a broken answer when it has begun."""
        exchange = self.exchange
        if exchange is None:
            return
        if self.begun:
            self.break_off(exchange.failure or "error")
        else:
            self.respond(problem, exchange.route.chain.response)

    def give_up(self, problem: Problem) -> None:
        """End the exchange from this side, whatever the peer still does."""
        self._cancel_peer()
        self.fail(problem)

    def refuse(self, problem: Problem) -> None:
        """Answer what is no request, and end the connection."""
        finishing.refuse(self, problem)

    def finish(self) -> None:
        """The answer is whole: on to the next request, or to the end of the connection."""
        exchange = self.exchange
        if exchange is None:
            return
        self.peer = None
        unread = self.expects_body()
        self._done(exchange)
        if self.last or unread or (self.gone and not self.buffer):
            self.close(unread)
            return
        if self.held:
            self.go_on()
        self._deadline_at(self.loop.time() + self.plane.idle_timeout)
        if self.buffer and not self.next_due:
            self.next_due = True
            self.loop.call_soon(self._next_in_turn)

    def close(self, unread: bool) -> None:
        """End the connection; while the client still sends, so that it can read the answer.

        Closing with bytes unread would reset the connection and lose the answer (RFC 9112, 9.6).
        """
        self.closing = True
        self.buffer = b""
        if not unread or self.gone:
            self.transport.close()
            self.set_deadline(self.plane.idle_timeout)
            return
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._read(True)
        self.set_deadline(LINGER)

    def break_off(self, failure: str) -> None:
        """End an answer that cannot be completed, so that the client sees it is not whole."""
        self._cancel_peer()
        exchange = self.exchange
        self.closing = True
        if exchange is not None:
            exchange.failure = failure
            self._done(exchange)
        finishing.reset(self.transport)

    def _cancel_peer(self) -> None:
        peer, self.peer = self.peer, None
        if peer is not None:
            peer.cancel()

    def _done(self, exchange: Exchange) -> None:
        self.exchange = None
        self.raw = None
        self.chunked = None
        self.left = 0
        finishing.done(self.plane, exchange)

    # Tunnels

    def open_tunnel(self, other: asyncio.Transport) -> None:
        """Bytes for bytes from here on; the client's early ones first."""
        self.raw = other.write
        self.last = True
        if self.buffer:
            other.write(self.buffer)
            self.buffer = b""
        if self.reading is False:
            self._read(True)
        self.stream()

    def end_tunnel(self) -> None:
        """The other side sends no more; once neither does, the tunnel is over."""
        self.ended = True
        if self.gone or not self.transport.can_write_eof():
            self.close_tunnel()
        else:
            self.transport.write_eof()

    def close_tunnel(self) -> None:
        self.peer = None
        if self.exchange is not None:
            self._done(self.exchange)
        self.close(False)

    # Flow and time

    def hold(self) -> None:
        """The peer takes no more of the body for now."""
        self.held = True
        self._read(False)

    def go_on(self) -> None:
        self.held = False
        self._read(True)

    def _read(self, on: bool) -> None:
        if on is not self.reading and not self.transport.is_closing():
            self.reading = on
            if on:
                self.transport.resume_reading()
            else:
                self.transport.pause_reading()

    def set_deadline(self, seconds: float) -> None:
        self._deadline_at(self.loop.time() + seconds)

    def _deadline_at(self, deadline: float) -> None:
        self.deadline = deadline
        if deadline < self.armed:
            self.plane.wheel.arm(self)
