"""Messages between the supervisor and one worker, over a pair of sockets.

A frame is four bytes of length and msgpack (which, unlike JSON, carries bytes and infinities):
kind, number, name, body. Both ends are this program; the bounds are for its bugs.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import socket
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

import msgspec

from gateway.errors import GatewayError

Note = Callable[[Any], None]
Call = Callable[[Any], Awaitable[Any]]

NOTE, CALL, ANSWER, FAILURE = range(4)
LENGTH = 4
FRAME_LIMIT = 64 * 1024 * 1024
"""Bytes of one frame: a table of 10,000 routes is some three million."""

BEHIND = 8 * 1024 * 1024
"""Bytes that wait for the other end; with more it is not there any more, or hangs."""

log = logging.getLogger(__name__)
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[int, int, str, msgspec.Raw]).decode


class Unanswered(GatewayError):
    """The other end is gone, too far behind, or took too long."""


class Refused(GatewayError):
    """The other end could not do it, and said why."""


class Channel(asyncio.Protocol):
    """`notes` are called as they come, in order; `calls` run side by side and are answered.

    `ended` is done when the other end has closed, or is gone, and all it sent was handled.
    """

    def __init__(self, notes: Mapping[str, Note], calls: Mapping[str, Call]) -> None:
        self._notes = notes
        self._calls = calls
        self._numbers = itertools.count(1)
        self._asked: dict[int, asyncio.Future[msgspec.Raw]] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._buffer = bytearray()
        self._transport: asyncio.Transport
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @classmethod
    async def over(
        cls, sock: socket.socket, notes: Mapping[str, Note], calls: Mapping[str, Call]
    ) -> Channel:
        """The channel on one socket of a pair; it closes the socket in the end."""
        loop = asyncio.get_running_loop()
        sock.setblocking(False)
        _, channel = await loop.create_connection(lambda: cls(notes, calls), sock=sock)
        return channel

    @property
    def behind(self) -> bool:
        """Whether the other end has not read for so long that nothing more is sent."""
        return self.ended.done() or self._transport.get_write_buffer_size() > BEHIND

    def tell(self, name: str, body: Any = None) -> bool:
        """Whether it is on its way."""
        if self.behind:
            return False
        self._send(NOTE, 0, name, body)
        return True

    async def ask(self, name: str, body: Any = None, *, within: float) -> msgspec.Raw:
        """The answer, to be decoded. Raises Refused, or Unanswered after `within` seconds."""
        if self.behind:
            raise Unanswered(f"{name}: it does not listen")
        number = next(self._numbers)
        future = self._asked[number] = asyncio.get_running_loop().create_future()
        self._send(CALL, number, name, body)
        try:
            return await asyncio.wait_for(future, within)
        except TimeoutError:
            raise Unanswered(f"{name}: no answer within {within:g} s") from None
        finally:
            del self._asked[number]

    def close(self) -> None:
        """What was sent still goes out."""
        self._transport.close()

    def _send(self, kind: int, number: int, name: str, body: Any) -> None:
        frame = _encode((kind, number, name, body))
        self._transport.write(len(frame).to_bytes(LENGTH, "big") + frame)

    # Called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclasses.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer
        buffer += data
        start = 0
        while len(buffer) - start >= LENGTH:
            length = int.from_bytes(buffer[start : start + LENGTH], "big")
            if length > FRAME_LIMIT:
                log.error("a frame of %d bytes is no frame", length)
                self._transport.abort()
                return
            if len(buffer) - start < LENGTH + length:
                break
            start += LENGTH
            frame = bytes(memoryview(buffer)[start : start + length])
            start += length
            try:
                self._handle(*_decode(frame))
            except Exception:
                log.exception("a message between supervisor and worker was not understood")
        del buffer[:start]

    def connection_lost(self, error: Exception | None) -> None:
        for future in self._asked.values():
            if not future.done():
                future.set_exception(Unanswered("it has ended"))
        for task in self._running:
            task.cancel()
        self.ended.set_result(None)

    def _handle(self, kind: int, number: int, name: str, body: msgspec.Raw) -> None:
        if kind == NOTE:
            self._notes[name](body)
        elif kind == CALL:
            task = asyncio.get_running_loop().create_task(self._answer(number, name, body))
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        elif (future := self._asked.get(number)) is not None and not future.done():
            if kind == ANSWER:
                # A view of the frame, which is not needed any further.
                future.set_result(body.copy())
            else:
                future.set_exception(Refused(msgspec.msgpack.decode(body, type=str)))

    async def _answer(self, number: int, name: str, body: msgspec.Raw) -> None:
        kind = ANSWER
        try:
            answer = await self._calls[name](body.copy())
        except GatewayError as error:
            kind, answer = FAILURE, str(error)
        except Exception as error:
            log.exception("%s failed", name)
            kind, answer = FAILURE, f"{type(error).__name__}: {error}"
        if not self.ended.done():
            self._send(kind, number, name, answer)
