"""One connection to a target: asked by a call, kept for the next one."""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import TYPE_CHECKING, cast

from gateway.errors import ConnectionLost
from gateway.http1.response import UNTIL_CLOSE, ResponseHead
from gateway.upstream.answer import AnswerReader
from gateway.wheel import NEVER

if TYPE_CHECKING:
    from gateway.proxy import Call
    from gateway.upstream.target import Target


class UpstreamConnection(AnswerReader):
    """Carries one call at a time; between calls it lies in its target's pool.

    made: it stood, if only for a moment. ended: the target's side of a tunnel sends no more.
    """

    __slots__ = ("armed", "deadline", "ended", "made", "retire_at")

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self.ended = False
        self.made = False
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

    def complete(self, call: Call, head: ResponseHead | None = None, body: bytes = b"") -> None:
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
            call.sink.finish()

    def _unflushed(self, call: Call) -> bool:
        """Whether bytes of a request's body still wait to be sent."""
        return call.exchange.content_length != 0 and self.transport.get_write_buffer_size() > 0

    def expire(self, now: float) -> None:
        """It lay idle for too long."""
        if self.call is None:
            self.close()
