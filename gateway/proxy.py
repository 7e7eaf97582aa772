"""The endpoint that forwards to an upstream."""

from __future__ import annotations

import asyncio
import logging
from time import perf_counter
from typing import TYPE_CHECKING, Final

from gateway import transforming
from gateway.errors import (
    ConnectFailed,
    ConnectionLost,
    NoTarget,
    PoolExhausted,
    Problem,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamTimeout,
)
from gateway.exchange import Exchange
from gateway.http1.response import UNTIL_CLOSE, ResponseHead
from gateway.upstream.request_head import request_head
from gateway.upstream.retry import FREE
from gateway.wheel import NEVER

if TYPE_CHECKING:
    from gateway.listener import Listener
    from gateway.rewrite import Rewrite
    from gateway.transforming import Sink
    from gateway.upstream.connection import UpstreamConnection
    from gateway.upstream.pool import Upstream
    from gateway.upstream.target import Target

log = logging.getLogger("gateway.proxy")

JOINED: Final = 4096
DETAILS = {
    502: "The upstream gave no valid answer.",
    503: "The upstream has no free connection.",
    504: "The upstream did not answer in time.",
}


class Proxy:
    """Forwards a route's requests to its upstream."""

    def __init__(self, upstream: Upstream, rewrite: Rewrite | None, connect_timeout: float) -> None:
        self.upstream = upstream
        self.retry = upstream.retry
        self.rewrite = rewrite
        self.connect_timeout = connect_timeout
        name = upstream.config.deadline_header
        self.deadline_header = name.encode("ascii") if name is not None else None

    def begin(self, listener: Listener, exchange: Exchange) -> None:
        listener.peer = call = Call(listener, exchange, self)
        call.start()


class Call:
    """One request on its way to a target, and the listener's peer while it lasts.

    sink: what the answer's bytes go to; the listener, unless they are transformed.
    wanted: nobody has given up on it yet. reuse: a kept connection will do. sent_all: the
    request went out whole, so the connection can serve the next one. failures: how many tries
    came to nothing, at the targets `tried`. pause_before: the next one, while it waits.
    """

    __slots__ = (
        "armed",
        "connection",
        "deadline",
        "exchange",
        "failures",
        "head",
        "listener",
        "pause_before",
        "proxy",
        "replay",
        "replay_size",
        "reuse",
        "sent_all",
        "sink",
        "target",
        "tried",
        "wanted",
    )

    target: Target
    head: bytes

    def __init__(self, listener: Listener, exchange: Exchange, proxy: Proxy) -> None:
        self.listener = listener
        self.sink: Sink = listener
        self.exchange = exchange
        self.proxy = proxy
        self.sent_all = exchange.content_length == 0
        self.wanted = True
        self.reuse = True
        self.failures = 0
        self.tried: tuple[Target, ...] = ()
        self.pause_before: asyncio.TimerHandle | None = None
        self.deadline = NEVER
        self.armed = NEVER
        self.connection: UpstreamConnection | None = None
        self.replay: list[bytes] | None = None
        self.replay_size = 0

    @property
    def connect_timeout(self) -> float:
        return self.proxy.connect_timeout

    def start(self) -> None:
        exchange, proxy = self.exchange, self.proxy
        upstream = proxy.upstream
        target = upstream.only or upstream.choose(exchange, self.tried)
        if target is None:
            self._give_up(NoTarget(f"no target of upstream {upstream.name} is healthy"), "connect")
            return
        self.target = target
        target.requests += 1
        exchange.target = target.url
        self.head = request_head(exchange, target, proxy, self.listener)
        target.acquire(self)

    # From the pool

    def connected(self, connection: UpstreamConnection) -> None:
        self.connection = connection
        if self.deadline != NEVER:
            self.deadline = NEVER
            self.proxy.upstream.wheel.disarm(self)
        connection.send(self, self.head)
        if self.replay:
            connection.transport.writelines(self.replay)
        if not self.sent_all:
            self.listener.pump()
        elif self.proxy.retry.per_try is not None:
            self._limit_try()

    def wait_until(self, deadline: float) -> None:
        self.deadline = deadline
        self.proxy.upstream.wheel.arm(self)

    def expire(self, now: float) -> None:
        """No connection came free, or this try has taken long enough for another to begin."""
        connection = self.connection
        if connection is None:
            self.failed(PoolExhausted(f"no connection to {self.target.url} came free in time"))
        elif self._may_retry("timeout"):
            self.proxy.upstream.blame(self.target, "timeout")
            connection.cancel()
            self._again("timeout")

    def _limit_try(self) -> None:
        per_try = self.proxy.retry.per_try
        if per_try is not None:
            self.wait_until(self.listener.loop.time() + per_try)

    def lost(self, error: ConnectionLost, used: bool) -> None:
        """The connection ended before a byte of the answer. A kept one may just be stale."""
        self.failed(error, "stale" if used else "reset")

    def failed(self, error: UpstreamError, cause: str = "") -> None:
        """This try came to nothing; perhaps another one will not."""
        if not self.wanted:
            return
        cause = cause or self._cause(error)
        self.proxy.upstream.blame(self.target, cause)
        if self._may_retry(cause):
            log.info("%s, trying again", error, extra={"request_id": self.exchange.request_id})
            self._again(cause)
        else:
            self._give_up(error, FAILURES[type(error)])

    def _cause(self, error: UpstreamError) -> str:
        never_sent = self.connection is None and isinstance(error, UpstreamTimeout)
        return "connect" if never_sent else FAILURES[type(error)]

    def _may_retry(self, cause: str) -> bool:
        """Whether it is safe, allowed and paid for. A retry that may be made is counted."""
        retry = self.proxy.retry
        return (
            self.failures < retry.attempts
            and cause in retry.on
            and not self.listener.begun
            and (cause == "connect" or retry.replays(self.exchange, self.replay_size))
            and self.proxy.upstream.may_retry(cause)
        )

    def _again(self, cause: str) -> None:
        proxy, listener = self.proxy, self.listener
        self.connection = None
        self.failures += 1
        self.tried = (*self.tried, self.target)
        self.reuse = cause not in KEPT_MAY_BE_STALE
        self._stop_waiting()
        if listener.held:
            listener.go_on()
        if cause in FREE and proxy.upstream.has_other(self.tried):
            self.start()
            return
        delay = proxy.retry.delay(self.failures)
        self.pause_before = listener.loop.call_later(delay, self.start)

    def _give_up(self, error: UpstreamError, failure: str) -> None:
        self.connection = None
        self._end()
        self.exchange.failure = failure
        log.warning("%s", error, extra={"request_id": self.exchange.request_id})
        retry = [("Retry-After", "1")] if error.status == 503 else []
        detail = "The upstream has no healthy target." if isinstance(error, NoTarget) else ""
        self.listener.fail(Problem(error.status, detail or DETAILS[error.status], retry))

    def _end(self) -> None:
        self.wanted = False
        self._stop_waiting()

    def _stop_waiting(self) -> None:
        if self.deadline != NEVER:
            self.deadline = NEVER
            self.proxy.upstream.wheel.disarm(self)
            self.target.forget(self)
        if self.pause_before is not None:
            self.pause_before.cancel()
            self.pause_before = None

    # From the listener, as its peer

    def body(self, data: bytes) -> None:
        """A piece of the request's body, framed as it came."""
        connection = self.connection
        if connection is None:
            return
        retry = self.proxy.retry
        if retry.replays(self.exchange, self.replay_size):
            self.replay_size += len(data)
            if self.replay_size > retry.max_body:
                self.replay = None
            elif self.replay is None:
                self.replay = [data]
            else:
                self.replay.append(data)
        connection.transport.write(data)

    def end_body(self) -> None:
        self.sent_all = True
        self._limit_try()

    def ready(self) -> bool:
        return self.connection is not None

    def cancel(self) -> None:
        """The client is gone, or the time is up."""
        self._clock()
        self._end()
        if self.connection is not None:
            if self.exchange.failure == "timeout":
                self.proxy.upstream.blame(self.target, "timeout")
            self.connection.cancel()
            self.connection = None

    def pause(self) -> None:
        if self.connection is not None:
            self.connection.pause_reading()

    def resume(self) -> None:
        if self.connection is not None:
            self.connection.resume_reading()

    def _clock(self) -> None:
        """Until now it was the target's time."""
        if self.connection is not None:
            self.exchange.upstream_seconds = perf_counter() - self.connection.started

    def half_close(self) -> None:
        if self.connection is not None:
            self.connection.half_close()

    # From the connection

    def answer(self, head: ResponseHead, body: bytes, complete: bool) -> None:
        """Send the head, and the body as far as it has come."""
        listener, exchange = self.listener, self.exchange
        status = head.status
        if status >= 500 and self._disowned(status):
            return
        if self.deadline != NEVER:
            self._stop_waiting()
        exchange.status = status
        chain = exchange.route.chain
        if chain.response:
            exchange.answer = head
            if not listener.unwind(chain.response):
                return
            if head.status != status:
                exchange.status = head.status
                head.start = b"HTTP/1.1 %d " % head.status
            if chain.transforms and transforming.takes(self, head, body, complete):
                return
        lines = head.lines
        lines.insert(0, head.start)
        if head.content_length is None or head.content_length == UNTIL_CLOSE:
            if exchange.minor:
                lines.append(b"Transfer-Encoding: chunked")
            else:
                listener.last = True
        if exchange.upgrade is not None:
            listener.last = True  # what follows a refused upgrade may not be meant as requests
        listener.connection_line(lines)
        lines.append(b"")
        if len(body) < JOINED:
            lines.append(body)
        else:
            lines.append(b"")
            listener.relay(b"\r\n".join(lines))
            lines = [body]
        if complete:
            listener.relay_last(b"\r\n".join(lines))
        else:
            listener.relay(b"\r\n".join(lines))
            listener.stream()

    def _disowned(self, status: int) -> bool:
        """Whether another try is made instead of passing this answer on."""
        upstream = self.proxy.upstream
        upstream.blame(self.target, "5xx")
        if status not in self.proxy.retry.statuses or not self._may_retry(str(status)):
            return False
        if self.connection is not None:
            self.connection.cancel()
        self._again(str(status))
        return True

    def interim(self, head: ResponseHead) -> None:
        if self.exchange.minor:
            self.listener.relay_interim(b"\r\n".join([head.start, *head.lines, b"", b""]))

    def switched(self, head: ResponseHead, rest: bytes) -> None:
        """101: from here on both sides are bytes (RFC 9110, 7.8)."""
        listener, exchange = self.listener, self.exchange
        exchange.status = 101
        if exchange.route.chain.response:
            exchange.answer = head
            if not listener.unwind(exchange.route.chain.response):
                return
        assert head.upgrade is not None
        assert self.connection is not None
        upgrade = [b"Connection: Upgrade", b"Upgrade: " + head.upgrade]
        listener.relay(b"\r\n".join([head.start, *head.lines, *upgrade, b"", rest]))
        listener.open_tunnel(self.connection.transport)


# A try that was cut off says that kept connections may be as stale as this one.
KEPT_MAY_BE_STALE = frozenset({"connect", "stale", "reset", "protocol", "timeout"})
FAILURES: dict[type[UpstreamError], str] = {
    ConnectFailed: "connect",
    UpstreamTimeout: "timeout",
    ConnectionLost: "reset",
    PoolExhausted: "exhausted",
    UpstreamProtocolError: "protocol",
}
