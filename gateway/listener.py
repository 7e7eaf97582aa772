"""One client connection: reads requests one after the other, and writes their answers in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import perf_counter
from typing import TYPE_CHECKING, Final

from gateway import finishing, guarding
from gateway.client_connection import A_MOMENT
from gateway.errors import Problem, Response
from gateway.exchange import Exchange
from gateway.request_stream import RequestStream

if TYPE_CHECKING:
    from gateway.chain import Phases
    from gateway.dataplane import DataPlane
    from gateway.inprocess import Handlers

HELD: Final = 64 * 1024
DOUBT: Final = 1.0
"""Seconds that a client which closed amid its answer may be silent to."""


class Listener(RequestStream):
    """A client connection of the data plane.

    raw: takes the client's bytes as they are, once the protocol was switched. ended: the other
    end of a tunnel has closed its sending side. left_amid: the client has closed its own while
    its answer was being sent. inprocess: its aiohttp handlers, once a plugin was asked.
    """

    __slots__ = ("ended", "inprocess", "left_amid", "raw")

    def __init__(self, plane: DataPlane) -> None:
        super().__init__(plane)
        self.inprocess: Handlers | None = None
        self.raw: Callable[[bytes], None] | None = None
        self.ended = self.left_amid = False

    # From the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if self.closing:
            self.transport.abort()
        elif not self.plane.admit(self):
            self.refuse(Problem(503, "Too many connections.", [("Retry-After", "1")]))
            self.transport.close()  # nothing was read yet, so nothing is lost by it

    def data_received(self, data: bytes) -> None:
        if self.exchange is None:
            if self.closing:
                return
            if self.buffer:
                data = self.buffer + data
                self.buffer = b""
            if self.blocked:
                self.buffer = data
                self.read(len(data) <= HELD)
                return
            self.read_request(data)
            if self.buffer:
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
                self.read(False)

    def eof_received(self) -> bool:
        """The client has closed its sending side (FIN); it may still read its answer."""
        self.gone = True
        if self.raw is not None and self.peer is not None:
            self.peer.half_close()
            if self.ended:
                self.close_tunnel()
            return True
        if self.exchange is None:
            return self.next_due or (self.blocked and bool(self.buffer))
        if self.expects_body():
            # All of the body may have come already and wait for the peer; `pump` will see.
            return self.peer is None or not self.peer.ready()
        if self.begun and not self.buffer:
            # Most likely it has closed altogether; more bytes to it would tell.
            self.left_amid = True
            self.set_deadline(DOUBT)
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
        elif self.begun or self.raw is not None or self._body_flows():
            patience = DOUBT if self.left_amid else exchange.route.idle_timeout
            if self.moved() or now - self.active < patience:
                self.deadline = max(self.active + patience, now)
                self.plane.wheel.arm(self)
            elif self.begun:
                self.break_off("client" if self.left_amid or self.blocked else "timeout")
            elif self._waits_for_body():
                exchange.failure = "client"
                self.give_up(Problem(408, "The request's body did not come in time."))
            else:
                self._too_late(exchange)
        else:
            self._too_late(exchange)

    def _body_flows(self) -> bool:
        """Whether more of the request is due, and somebody is there to take it."""
        return self.expects_body() and self.peer is not None and self.peer.ready()

    def _waits_for_body(self) -> bool:
        """Whether it is the client that does not go on."""
        return self._body_flows() and not self.held and not self.buffer

    def _too_late(self, exchange: Exchange) -> None:
        exchange.failure = "timeout"
        self.give_up(Problem(504, "The request took longer than its route allows."))

    def _expire_idle(self) -> None:
        if self.transport.get_write_buffer_size() and self.moved():
            self.set_deadline(self.plane.idle_timeout)
        elif self.closing or not self.buffer:
            self.transport.abort() if self.closing else self.transport.close()
        else:
            self.refuse(Problem(408, "The request's head did not come in time."))

    # Answers

    def begin(self, exchange: Exchange) -> None:
        guarding.begin(self, exchange)

    def unwind(self, phases: Phases) -> bool:
        """Run response phases; False when one failed and a problem went out instead."""
        assert self.exchange is not None
        return finishing.unwind(self, self.exchange, phases)

    def connection_line(self, lines: list[bytes]) -> None:
        """Say what becomes of the connection, where that is not the default."""
        assert self.exchange is not None
        if self.plane.draining or self.left or self.chunked is not None:
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

    def relay_interim(self, data: bytes) -> None:
        """Write a 1xx answer; the final one is still due."""
        exchange = self.exchange
        if exchange is not None:
            exchange.bytes_sent += len(data)
            self.transport.write(data)

    def relay_last(self, data: bytes) -> None:
        """Write the last bytes of the answer."""
        exchange = self.exchange
        if exchange is not None:
            exchange.bytes_sent += len(data)
            self.transport.write(data)
            self.finish()

    def stream(self) -> None:
        """The head is out and the body goes on: from here on silence is what is limited."""
        if self.exchange is not None:
            self.deadline_at(self.active + self.exchange.route.idle_timeout)

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
            entered = exchange.entered
            self.respond(problem, entered.response if entered is not None else ())

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
        self.exchange = self.peer = None
        finishing.done(self.plane, exchange)
        if self.gone and not self.buffer:
            self.last = True
        plane = self.plane
        if self.last or self.left or self.chunked is not None:
            self._finish_last()
            return
        if not self.reading:
            self.go_on()
        # A client that was not told of the end may ask once more, and is told then.
        patience = A_MOMENT if plane.draining else plane.idle_timeout
        self.deadline = deadline = self.loop.time() + patience
        if deadline < self.armed:
            plane.wheel.arm(self)
        if self.buffer and not self.next_due:
            self.next_due = True
            self.loop.call_soon(self._next_in_turn)

    def _finish_last(self) -> None:
        unread = self.expects_body()
        self.raw = self.chunked = None
        self.left = 0
        self.close(unread)

    def break_off(self, failure: str) -> None:
        """End an answer that cannot be completed, so that the client sees it is not whole."""
        self._cancel_peer()
        exchange = self.exchange
        self.closing = True
        if exchange is not None:
            exchange.failure = failure
            self._done(exchange)
            if exchange.minor == 0:
                finishing.reset(self.transport)  # to such a client a mere end looks whole
                return
        self.transport.close()
        self.set_deadline(self.plane.idle_timeout)

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
            self.read(True)
        self.stream()

    def end_tunnel(self) -> None:
        """The other side sends no more; once neither does, the tunnel is over."""
        self.ended = True
        if self.gone or not self.transport.can_write_eof():
            self.close_tunnel()
        else:
            self.transport.write_eof()

    def close_tunnel(self) -> None:
        exchange = self.exchange
        self.peer = None
        if exchange is not None:
            exchange.upstream_seconds = perf_counter() - exchange.started
            self._done(exchange)
        self.close(False)
