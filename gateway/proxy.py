"""The endpoint that forwards to an upstream."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from gateway.errors import (
    ConnectFailed,
    ConnectionLost,
    PoolExhausted,
    Problem,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamTimeout,
)
from gateway.exchange import Exchange
from gateway.http1.response import UNTIL_CLOSE, ResponseHead
from gateway.wheel import NEVER

if TYPE_CHECKING:
    from gateway.listener import Listener
    from gateway.rewrite import Rewrite
    from gateway.upstream.connection import UpstreamConnection
    from gateway.upstream.pool import Target, Upstream

log = logging.getLogger("gateway.proxy")

# RFC 9110, 9.2.2: asking twice has the effect of asking once.
IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"})
JOINED = 4096
DETAILS = {
    502: "The upstream gave no valid answer.",
    503: "The upstream has no free connection.",
    504: "The upstream did not answer in time.",
}


class Proxy:
    """Forwards a route's requests to its upstream."""

    def __init__(self, upstream: Upstream, rewrite: Rewrite | None, connect_timeout: float) -> None:
        self.upstream = upstream
        self.retries = upstream.config.retries
        self.rewrite = rewrite
        self.connect_timeout = connect_timeout

    def begin(self, listener: Listener, exchange: Exchange) -> None:
        call = Call(listener, exchange, self)
        listener.peer = call
        call.start()


class Call:
    """One request on its way to a target, and the listener's peer while it lasts.

    wanted: nobody has given up on it yet. reuse: a kept connection will do. sent_all: the
    request went out whole, so the connection can serve the next one.
    """

    __slots__ = (
        "armed",
        "connection",
        "deadline",
        "exchange",
        "head",
        "listener",
        "proxy",
        "replay",
        "replay_size",
        "reuse",
        "sent_all",
        "target",
        "tried",
        "wanted",
    )

    target: Target
    head: bytes

    def __init__(self, listener: Listener, exchange: Exchange, proxy: Proxy) -> None:
        self.listener = listener
        self.exchange = exchange
        self.proxy = proxy
        self.sent_all = exchange.content_length == 0
        self.wanted = True
        self.reuse = True
        self.tried = 0
        self.deadline = NEVER
        self.armed = NEVER
        self.connection: UpstreamConnection | None = None
        self.replay: list[bytes] | None = None
        self.replay_size = 0

    @property
    def connect_timeout(self) -> float:
        return self.proxy.connect_timeout

    def start(self) -> None:
        exchange = self.exchange
        upstream = self.proxy.upstream
        self.target = target = upstream.choose()
        exchange.target = target.url
        self.head = request_head(exchange, target, self.proxy.rewrite, self.listener)
        upstream.acquire(self)

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

    def wait_until(self, deadline: float) -> None:
        self.deadline = deadline
        self.proxy.upstream.wheel.arm(self)

    def expire(self, now: float) -> None:
        self.failed(PoolExhausted(f"no connection to {self.target.url} came free in time"))

    def lost(self, error: ConnectionLost, used: bool) -> None:
        """The connection ended before a byte of the answer. A kept one may just be stale."""
        retries = self.proxy.retries
        safe = self.exchange.method in IDEMPOTENT and self.replay_size <= retries.max_body
        if used and safe and "reset" in retries.on and self.tried < retries.attempts:
            self.tried += 1
            self.reuse = False
            self.connection = None
            self.proxy.upstream.acquire(self)
        else:
            self.failed(error)

    def failed(self, error: UpstreamError) -> None:
        if not self.wanted:
            return
        unsent = self.connection is None and isinstance(error, ConnectFailed | UpstreamTimeout)
        self.connection = None
        proxy = self.proxy
        others = len(proxy.upstream.targets) > 1 and self.tried < proxy.retries.attempts
        if unsent and others and "connect" in proxy.retries.on:
            self.tried += 1
            self.start()
            return
        self._end()
        self.exchange.failure = FAILURES[type(error)]
        log.warning("%s", error, extra={"request_id": self.exchange.request_id})
        retry = [("Retry-After", "1")] if error.status == 503 else []
        self.listener.fail(Problem(error.status, DETAILS[error.status], retry))

    def _end(self) -> None:
        self.wanted = False
        self.proxy.upstream.wheel.disarm(self)

    # From the listener, as its peer

    def body(self, data: bytes) -> None:
        """A piece of the request's body, framed as it came."""
        connection = self.connection
        if connection is None:
            return
        most = self.proxy.retries.max_body
        if self.replay_size <= most and self.exchange.method in IDEMPOTENT:
            self.replay_size += len(data)
            if self.replay_size > most:
                self.replay = None
            elif self.replay is None:
                self.replay = [data]
            else:
                self.replay.append(data)
        connection.transport.write(data)

    def end_body(self) -> None:
        self.sent_all = True

    def ready(self) -> bool:
        return self.connection is not None

    def cancel(self) -> None:
        """The client is gone, or the time is up."""
        self._end()
        if self.connection is not None:
            self.connection.cancel()
            self.connection = None

    def pause(self) -> None:
        if self.connection is not None:
            self.connection.pause_reading()

    def resume(self) -> None:
        if self.connection is not None:
            self.connection.resume_reading()

    def half_close(self) -> None:
        if self.connection is not None:
            self.connection.half_close()

    # From the connection

    def answer(self, head: ResponseHead, body: bytes, complete: bool) -> None:
        """Send the head, and the body as far as it has come."""
        listener, exchange = self.listener, self.exchange
        status = exchange.status = head.status
        if exchange.route.chain.response:
            exchange.answer = head
            if not listener.unwind(exchange.route.chain.response):
                return
            if head.status != status:
                exchange.status = head.status
                head.start = b"HTTP/1.1 %d " % head.status
        lines = head.lines
        lines.insert(0, head.start)
        if head.content_length is None or head.content_length == UNTIL_CLOSE:
            if exchange.minor:
                lines.append(b"Transfer-Encoding: chunked")
            else:
                listener.last = True
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


FAILURES: dict[type[UpstreamError], str] = {
    ConnectFailed: "connect",
    UpstreamTimeout: "timeout",
    ConnectionLost: "reset",
    PoolExhausted: "exhausted",
    UpstreamProtocolError: "protocol",
}


def request_head(
    exchange: Exchange, target: Target, rewrite: Rewrite | None, listener: Listener
) -> bytes:
    """The head for the target: as it came but for the path, and who forwarded it."""
    start = exchange.start
    if rewrite is not None or target.base or not exchange.minor or not exchange.origin_form:
        path = exchange.path if rewrite is None else rewrite(exchange.path, exchange.captures)
        query = exchange.request_target.partition(b"?")
        start = b"%b %b%b%b%b HTTP/1.1" % (
            exchange.method.encode("ascii"),
            target.base,
            path,
            query[1],
            query[2],
        )
    lines = [start, *exchange.lines]
    if not exchange.authority:
        lines.append(b"Host: " + target.authority)
    if exchange.content_length is None:
        lines.append(b"Transfer-Encoding: chunked")
    elif exchange.upgrade is not None:
        lines.append(b"Connection: Upgrade")
        lines.append(b"Upgrade: " + exchange.upgrade)
    lines.append(listener.forwarding(exchange))
    return b"\r\n".join(lines)
