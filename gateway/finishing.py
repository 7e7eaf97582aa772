"""The end of an exchange: answers of the gateway's own, and the books."""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from contextlib import suppress
from email.utils import formatdate
from http import HTTPStatus
from time import perf_counter, time
from typing import TYPE_CHECKING, Final

from gateway.errors import Problem, Response
from gateway.exchange import Exchange
from gateway.http1.headers import field_line
from gateway.http1.response import ResponseHead

if TYPE_CHECKING:
    from gateway.chain import Phases
    from gateway.dataplane import DataPlane
    from gateway.listener import Listener

log = logging.getLogger("gateway.request")

PHRASES: Final = {status.value: status.phrase.encode("ascii") for status in HTTPStatus}
FAILED = "The gateway failed to handle this request."
RESET = struct.pack("ii", 1, 0)
NO_BODY: Final = frozenset({204, 304})

_date: tuple[int, bytes] = (0, b"")


def date_line() -> bytes:
    """`Date: ...` of this second (RFC 9110, 6.6.1)."""
    global _date  # noqa: PLW0603  a cache of one value
    now = int(time())
    if _date[0] != now:
        _date = (now, b"Date: " + formatdate(now, usegmt=True).encode("ascii"))
    return _date[1]


def unwind(listener: Listener, exchange: Exchange, phases: Phases) -> bool:
    """Run response phases on `exchange.answer`; False when one failed and a 500 went out."""
    exchange.transform = exchange.rewriting = None
    try:
        for phase in phases:
            phase(exchange)
    except Exception as error:  # noqa: BLE001  a middleware is foreign code
        fail(listener, exchange, error)
        return False
    return True


def fail(listener: Listener, exchange: Exchange, error: Exception) -> None:
    """A middleware raised: the trace goes to the log, a 500 to the client if it still can."""
    blame(exchange, error)
    exchange.failure = "error"
    listener.give_up(Problem(500, FAILED))


def respond(
    listener: Listener, exchange: Exchange, response: Response, phases: Phases = ()
) -> None:
    """Send an answer made by the gateway itself."""
    listener.peer = None
    try:
        lines = [field_line(name, value) for name, value in response.headers]
    except ValueError as error:
        blame(exchange, error)
        exchange.failure = "error"
        respond(listener, exchange, Problem(500, FAILED))
        return
    head = ResponseHead()
    head.status = response.status
    head.lines = lines
    body = response.render(exchange.request_id)
    if phases and exchange.failure != "error":
        exchange.answer = head
        bodiless = exchange.method == "HEAD" or head.status in NO_BODY
        head.content_length = 0 if bodiless else len(body)
        if not unwind(listener, exchange, phases):
            return
        try:
            body = _transformed(exchange, head, body)
        except Exception as error:  # noqa: BLE001  a middleware is foreign code
            fail(listener, exchange, error)
            return
    exchange.status = head.status
    _skip_body(listener, exchange)
    listener.last = listener.last or response.close
    lines.insert(0, b"HTTP/1.1 %d %b" % (head.status, PHRASES.get(head.status, b"")))
    if head.status not in NO_BODY:
        lines.append(b"Content-Length: %d" % len(body))
    lines.append(date_line())
    lines.append(b"X-Request-ID: " + exchange.request_id.encode("latin-1"))
    listener.connection_line(lines)
    lines.append(b"")
    lines.append(b"" if exchange.method == "HEAD" or head.status in NO_BODY else body)
    listener.relay(b"\r\n".join(lines))
    listener.finish()


def _transformed(exchange: Exchange, head: ResponseHead, body: bytes) -> bytes:
    transform = exchange.transform
    if transform is None or head.fixed:
        return body
    return transform.feed(body) + transform.end()


def _skip_body(listener: Listener, exchange: Exchange) -> None:
    """A body that has come already is no reason to end the connection."""
    if listener.left and listener.left <= len(listener.buffer):
        exchange.bytes_received += listener.left
        listener.buffer = listener.buffer[listener.left :]
        listener.left = 0


def refuse(listener: Listener, problem: Problem) -> None:
    """Answer something that is no request, and end the connection."""
    exchange = Exchange()
    exchange.method = "-"
    exchange.host = ""
    exchange.path = exchange.query = b""
    exchange.lines = []
    exchange.started = perf_counter()
    exchange.route = listener.plane.table.unmatched
    exchange.body_limit = 0
    listener.client.introduce(exchange)
    listener.exchange = exchange
    listener.begun = False
    listener.last = True
    # What follows cannot be understood: read it, so that the answer arrives, and drop it.
    listener.left = 1
    listener.buffer = b""
    respond(listener, exchange, problem)


def done(plane: DataPlane, exchange: Exchange) -> None:
    """Once for every exchange, after its last byte: done phases, metrics, access log."""
    if exchange.entered is not None:
        for phase in exchange.entered.done:
            try:
                phase(exchange)
            except Exception as error:  # noqa: BLE001  a middleware is foreign code
                blame(exchange, error)
    seconds = perf_counter() - exchange.started
    exchange.route.metrics.observe(
        exchange.method, exchange.status, seconds, exchange.upstream_seconds
    )
    if plane.access_log.enabled and exchange.logged:
        plane.access_log.record(exchange, seconds)


def reset(transport: asyncio.Transport) -> None:
    """End the connection by RST, which no client takes for the end of an answer."""
    sock = transport.get_extra_info("socket")
    if sock is not None and transport.get_extra_info("sslcontext") is None:
        with suppress(OSError):  # it may just have ended by itself
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    transport.abort()


def blame(exchange: Exchange, error: BaseException) -> None:
    log.error(
        "a middleware of route %s failed",
        exchange.route.id,
        exc_info=error,
        extra={"request_id": exchange.request_id},
    )
