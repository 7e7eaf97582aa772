"""What stands opposite the listener while a guard waits; also collects a request's body for it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.exchange import Exchange
    from gateway.listener import Listener


class Waiting:
    """The listener's peer while a guard waits: for keys, for Redis, or for the body itself."""

    __slots__ = ("_body", "_decoded", "_listener", "_task", "_whole")

    def __init__(self, listener: Listener, task: asyncio.Task[None]) -> None:
        self._listener = listener
        self._task = task
        self._body = bytearray()
        self._decoded: list[bytes] | None = None
        self._whole: asyncio.Future[None] | None = None

    async def read_body(self, exchange: Exchange, most: int) -> bytes | None:
        """The request's body, which the endpoint will get all the same; None when it is longer
        than `most` bytes. A chunked one that turns out to be is answered 413 by the listener.
        """
        listener = self._listener
        if not listener.expects_body():
            return b""
        allowed = exchange.body_limit
        length = exchange.content_length
        if length is not None and length > min(most, allowed):
            return None
        exchange.body_limit = min(most, allowed)
        self._body = bytearray()
        self._decoded = None
        if listener.chunked is not None:
            self._decoded = listener.chunked.decoded = []
        self._whole = listener.loop.create_future()
        listener.pump()
        await self._whole
        self._whole = None
        body = bytes(self._body)
        exchange.body_limit = allowed
        self.replace_body(exchange, body)
        return body

    def replace_body(self, exchange: Exchange, body: bytes) -> None:
        """What the endpoint gets for a body; the one before was read whole."""
        listener = self._listener
        listener.buffer = body + listener.buffer[listener.left :]
        exchange.bytes_received += listener.left - len(body)  # for it will be counted again
        listener.left = len(body)
        exchange.content_length = len(body)
        exchange.body_limit = max(exchange.body_limit, len(body))
        exchange.headers.set("Content-Length", str(len(body)))
        exchange.headers.remove("Trailer")

    # From the listener, as its peer

    def ready(self) -> bool:
        return self._whole is not None

    def cancel(self) -> None:
        self._task.cancel()

    def body(self, data: bytes) -> None:
        if self._decoded is None:
            self._body += data
        else:
            self._body += b"".join(self._decoded)
            self._decoded.clear()

    def end_body(self) -> None:
        if self._whole is not None and not self._whole.done():
            self._whole.set_result(None)

    def half_close(self) -> None:
        """No tunnel stands."""

    def pause(self) -> None:
        """Nothing flows."""

    def resume(self) -> None:
        """Nothing flows."""
