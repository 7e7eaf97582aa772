"""An answer's body on its way through a transform: piece by piece, in bounded memory."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

from gateway import finishing
from gateway.errors import Problem

if TYPE_CHECKING:
    from gateway.exchange import BodyTransform, Exchange
    from gateway.http1.headers import Headers
    from gateway.http1.response import ResponseHead
    from gateway.listener import Listener
    from gateway.peer import Peer
    from gateway.proxy import Call

log = logging.getLogger("gateway.request")

PIECE = 64 * 1024
"""Bytes that are transformed before others have their turn."""


DIGESTS = ("Content-MD5", "Digest", "Content-Digest", "Repr-Digest")


def forget_digests(headers: Headers) -> None:
    """They are of a body with other bytes (RFC 9530)."""
    for name in DIGESTS:
        headers.remove(name)


def describe_anew(headers: Headers) -> None:
    """The answer's body will have other bytes: its tag becomes weak (RFC 9110, 8.8.1)."""
    forget_digests(headers)
    headers.remove("Accept-Ranges")
    tag = headers.get("etag")
    if tag is not None and tag[:2] != "W/":
        headers.set("ETag", "W/" + tag)


def confirm_tag(exchange: Exchange) -> None:
    """A 304 names the tag that the client has, which is the weak one where bytes were changed;
    a strong one would not match what it keeps (RFC 9111, 4.3.4).
    """
    headers = exchange.answer.headers
    tag = headers.get("etag")
    if tag and any(f"W/{tag}" in held for held in exchange.headers.getall("if-none-match")):
        headers.set("ETag", f"W/{tag}")


class Sink(Protocol):
    """**Protocol:** where the bytes of an upstream's answer go: a listener, or what precedes it."""

    def relay(self, data: bytes) -> None: ...
    def finish(self) -> None: ...


def takes(call: Call, head: ResponseHead, body: bytes, complete: bool) -> bool:
    """Send an answer that is to be transformed, or needs new framing; False for any other."""
    if head.content_length == 0:
        return False
    exchange = call.exchange
    if exchange.upgrade is not None:
        call.listener.last = True  # as Call.answer has it
    if exchange.rewriting is not None:
        call.sink = collected = CollectedAnswer(call, head, exchange.rewriting)
        collected.relay(body)
        if complete:
            collected.finish()
        return True
    transform = exchange.transform
    if transform is None:
        if head.length is not None:
            return False
        transform = Unchanged()
    call.sink = answer = TransformedAnswer(call.listener, call, transform)
    answer.start(head, body, complete)
    return True


class BodyRefused(Exception):
    """An answer's body cannot be rewritten; says why."""


class Unchanged:
    """Frames anew what no middleware wanted to change."""

    def feed(self, data: bytes) -> bytes:
        return data

    def end(self) -> bytes:
        return b""


class TransformedAnswer:
    """Stands between a listener and its peer: the peer's sink, and the listener's peer.

    rest: bytes still to be transformed. due: the loop will go on with them. ended: the body has
    come whole. While there is a rest the peer reads no more, so it is one read long at most.
    """

    __slots__ = ("chunked", "due", "ended", "exchange", "listener", "peer", "rest", "transform")

    def __init__(self, listener: Listener, peer: Peer, transform: BodyTransform) -> None:
        assert listener.exchange is not None
        self.listener = listener
        self.exchange = listener.exchange
        self.peer = peer
        self.transform = transform
        self.chunked = self.exchange.minor == 1
        self.rest = b""
        self.due = self.ended = False

    def start(self, head: ResponseHead, body: bytes, complete: bool) -> None:
        """Send the head, and the body as far as it has come."""
        listener = self.listener
        lines = [head.start, *without_framing(head.lines)]
        whole = complete and len(body) <= PIECE
        if whole:
            data = self._transformed(body, last=True)
            if data is None:
                return
            lines.append(b"Content-Length: %d" % len(data))
        elif self.chunked:
            lines.append(b"Transfer-Encoding: chunked")
        else:
            listener.last = True
        listener.connection_line(lines)
        lines += [b"", b""]
        if whole:
            listener.relay_last(b"\r\n".join(lines) + (data or b""))
            return
        listener.peer = self
        listener.relay(b"\r\n".join(lines))
        listener.stream()
        self.ended = complete
        self.relay(body)

    # From the peer

    def relay(self, data: bytes) -> None:
        self.rest = self.rest + data if self.rest else data
        if not self.due:
            self._work()

    def finish(self) -> None:
        self.ended = True
        if not self.due:
            self._work()

    def _work(self) -> None:
        """One piece; the others in further turns of the loop."""
        listener = self.listener
        self.due = False
        if listener.exchange is not self.exchange:
            self.rest = b""
            return
        held = len(self.rest) > PIECE
        piece, self.rest = (self.rest[:PIECE], self.rest[PIECE:]) if held else (self.rest, b"")
        last = self.ended and not held
        data = self._transformed(piece, last)
        if data is None:
            return
        if self.chunked and data:
            data = b"%x\r\n%b\r\n" % (len(data), data)
        if last:
            listener.relay_last(data + b"0\r\n\r\n" if self.chunked else data)
            return
        listener.relay(data)
        if held:
            self.due = True
            self.peer.pause()
            listener.loop.call_soon(self._work)
        elif not listener.blocked:
            self.peer.resume()

    def _transformed(self, data: bytes, last: bool) -> bytes | None:
        """None when the transform failed and the exchange was ended for it."""
        try:
            out = self.transform.feed(data) if data else b""
            return out + self.transform.end() if last else out
        except Exception as error:  # noqa: BLE001  a middleware is foreign code
            self.rest = b""
            finishing.fail(self.listener, self.exchange, error)
            return None

    # From the listener, as its peer

    def pause(self) -> None:
        self.peer.pause()

    def resume(self) -> None:
        if not self.due:
            self.peer.resume()

    def ready(self) -> bool:
        return self.peer.ready()

    def body(self, data: bytes) -> None:
        self.peer.body(data)

    def end_body(self) -> None:
        self.peer.end_body()

    def half_close(self) -> None:
        self.peer.half_close()

    def cancel(self) -> None:
        self.rest = b""
        self.peer.cancel()


def without_framing(lines: list[bytes]) -> list[bytes]:
    framing = (b"content-length", b"trailer")
    return [line for line in lines if line.partition(b":")[0].lower() not in framing]


class CollectedAnswer:
    """Stands between a listener and the call until the answer's body is whole and rewritten."""

    __slots__ = ("call", "exchange", "head", "listener", "rewriting")

    def __init__(self, call: Call, head: ResponseHead, rewriting: BodyTransform) -> None:
        self.call = call
        self.listener = call.listener
        self.exchange = call.exchange
        self.head = head
        self.rewriting = rewriting

    # From the call's connection

    def relay(self, data: bytes) -> None:
        if data and self._current():
            try:
                self.rewriting.feed(data)
            except BodyRefused as refused:
                self._refuse(refused)

    def finish(self) -> None:
        if not self._current():
            return
        try:
            body = self.rewriting.end()
        except BodyRefused as refused:
            self._refuse(refused)
            return
        listener, exchange, head = self.listener, self.exchange, self.head
        if exchange.transform is not None:
            TransformedAnswer(listener, self.call, exchange.transform).start(head, body, True)
            return
        lines = [head.start, *without_framing(head.lines), b"Content-Length: %d" % len(body)]
        listener.connection_line(lines)
        listener.relay_last(b"\r\n".join([*lines, b"", body]))

    def _current(self) -> bool:
        """Whether the client still waits for this very answer."""
        return self.listener.exchange is self.exchange and self.call.sink is self

    def _refuse(self, refused: BodyRefused) -> None:
        exchange = self.exchange
        log.warning(
            "an answer of %s to route %s cannot be rewritten: %s",
            exchange.target,
            exchange.route.id,
            refused,
            extra={"request_id": exchange.request_id},
        )
        exchange.failure = "protocol"
        self.listener.give_up(Problem(502, "The upstream's answer cannot be rewritten."))
