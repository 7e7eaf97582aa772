"""A client connection as bytes, flow and time; `listener.py` adds what the bytes mean."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from typing import TYPE_CHECKING, Final, cast

from gateway.forwarding import Client
from gateway.wheel import NEVER

if TYPE_CHECKING:
    from gateway.dataplane import DataPlane

LINGER: Final = 2.0
A_MOMENT: Final = 1.0


class ClientConnection(asyncio.Protocol):
    """The transport of a client, its deadline and its end.

    buffer: bytes received and not yet used. closing: what still comes is thrown away. gone:
    the client has closed its sending side. held: the peer takes no more of the body for now.
    blocked: the client takes no more of the answer.
    """

    __slots__ = (
        "active",
        "armed",
        "blocked",
        "buffer",
        "client",
        "closing",
        "deadline",
        "gone",
        "held",
        "loop",
        "plane",
        "reading",
        "transport",
        "unsent",
    )

    transport: asyncio.Transport
    client: Client

    def __init__(self, plane: DataPlane) -> None:
        self.plane = plane
        self.loop = plane.loop
        self.buffer = b""
        self.closing = self.gone = self.held = self.blocked = False
        self.reading = True
        self.unsent = 0
        self.active = 0.0
        self.deadline = NEVER
        self.armed = NEVER

    @abstractmethod
    def expire(self, now: float) -> None:
        """The deadline has passed."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        client = Client.of(self.transport, self.plane)
        self.closing = client is None
        if client is not None:
            self.client = client
            self.set_deadline(A_MOMENT if self.plane.draining else self.plane.idle_timeout)

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
        self.read(True)
        self.set_deadline(LINGER)

    def moved(self) -> bool:
        """Whether the client took bytes since the last look, or this is the first one."""
        before, self.unsent = self.unsent, self.transport.get_write_buffer_size()
        return self.unsent != before

    def hold(self) -> None:
        """The peer takes no more of the body for now."""
        self.held = True
        self.read(False)

    def go_on(self) -> None:
        self.held = False
        self.read(True)

    def read(self, on: bool) -> None:
        if on is not self.reading and not self.transport.is_closing():
            self.reading = on
            if on:
                self.transport.resume_reading()
            else:
                self.transport.pause_reading()

    def set_deadline(self, seconds: float) -> None:
        self.deadline_at(self.loop.time() + seconds)

    def deadline_at(self, deadline: float) -> None:
        self.deadline = deadline
        if deadline < self.armed:
            self.plane.wheel.arm(self)
