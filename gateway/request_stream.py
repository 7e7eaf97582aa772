"""Cuts the bytes of a client into requests and their bodies, one request at a time."""

from __future__ import annotations

from abc import abstractmethod
from time import perf_counter
from typing import TYPE_CHECKING, Final

from gateway.client_connection import ClientConnection
from gateway.errors import Problem
from gateway.exchange import Exchange
from gateway.http1.body import BadBody, ChunkedBody
from gateway.http1.fields import TOKEN
from gateway.http1.proxy_protocol import BadPreface, read_preface
from gateway.http1.request import BadRequest, parse_request
from gateway.peer import Peer

if TYPE_CHECKING:
    from gateway.dataplane import DataPlane

IN_ONE_GO: Final = 16
BYTES_IN_ONE_GO: Final = 16 * 1024
"""What a client that sends ahead gets done before others have their turn."""
CHUNKS_AT_ONCE: Final = 64 * 1024
"""Bytes of a chunked body that are looked through before others have their turn."""
FIRST_BYTES: Final = {bytes([byte]) for byte in TOKEN} | {b"", b"\r"}
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class RequestStream(ClientConnection):
    """The reading half of a listener.

    exchange: the request under way; the next one waits in `buffer`. left: bytes of its body
    still to come; `chunked` follows one without a length. last: the connection ends after the
    answer that is due. begun: its head has been sent. next_due: a pipelined request is about
    to be read. head_due: the deadline of a head that has come in part.
    """

    __slots__ = (
        "begun",
        "chunked",
        "exchange",
        "head_due",
        "last",
        "left",
        "next_due",
        "peer",
    )

    def __init__(self, plane: DataPlane) -> None:
        super().__init__(plane)
        self.exchange: Exchange | None = None
        self.peer: Peer | None = None
        self.left = 0
        self.chunked: ChunkedBody | None = None
        self.last = self.begun = self.next_due = False
        self.head_due = 0.0

    @abstractmethod
    def begin(self, exchange: Exchange) -> None:
        """A whole head is there."""

    @abstractmethod
    def refuse(self, problem: Problem) -> None:
        """What came is no request."""

    @abstractmethod
    def give_up(self, problem: Problem) -> None:
        """The request under way cannot go on."""

    def next_request(self) -> None:
        """Go on with what the client has sent ahead, a few requests at a time."""
        until = len(self.buffer) - BYTES_IN_ONE_GO
        for _ in range(IN_ONE_GO):
            if not self._may_begin():
                return
            data, self.buffer = self.buffer, b""
            self.read_request(data)
            if self.buffer == data:
                return
            if len(self.buffer) < until:
                break
        if not self.next_due and self._may_begin():
            self.next_due = True
            self.loop.call_soon(self._next_in_turn)

    def _may_begin(self) -> bool:
        return self.exchange is None and not (self.closing or self.blocked or not self.buffer)

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
            exchange.unwelcome = self.chunked.unwelcome
        else:
            self.left = length
        self.begun = False
        self.last = self.plane.draining or not exchange.keep_alive
        if self.reading is False:
            self.read(True)
        self.begin(exchange)

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
            self.read(True)

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
        if exchange is None or peer is None or not self.expects_body() or not peer.ready():
            return
        if exchange.expect:
            exchange.expect = False
            if not self.buffer:
                self.transport.write(CONTINUE)
        self.active = self.loop.time()
        if self.buffer and not self._pass_on(exchange, peer):
            return
        if not self.expects_body():
            peer.end_body()
            self.go_on()
            if not self.begun:
                self.deadline_at(self.active + exchange.route.request_timeout)
            return
        self.deadline_at(self.active + exchange.route.idle_timeout)
        if self.buffer:
            self.read(False)
            self.loop.call_soon(self.pump)
        elif self.gone:
            self.transport.abort()  # it has ended amid its body
        elif not self.held:
            self.read(True)

    def _pass_on(self, exchange: Exchange, peer: Peer) -> bool:
        """Some of the buffer to the peer; False when the request was refused for it."""
        data = self.buffer
        if self.chunked is not None and len(data) > CHUNKS_AT_ONCE:
            data = data[:CHUNKS_AT_ONCE]
        taken = self._measure(data, exchange)
        if taken < 0:
            return False
        self.buffer = self.buffer[taken:] if taken < len(self.buffer) else b""
        exchange.bytes_received += taken
        peer.body(data if taken == len(data) else data[:taken])
        return True

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
