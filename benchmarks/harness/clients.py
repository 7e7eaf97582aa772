"""One connection of each kind of load."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from benchmarks.harness.generator import Load

MESSAGE = 64  # bytes of payload: see live.PAYLOAD
SEND = bytes([0x81, 0x80 | MESSAGE, 0, 0, 0, 0]) + b"." * MESSAGE  # RFC 6455, masked by zeros
ANSWER = 2 + MESSAGE
MARK = b'data: {"at": '


class Client(asyncio.Protocol):
    """Asks, waits for the whole answer, asks again; one that breaks is an error and is replaced.

    `began` is when it began to connect, on the monotonic clock."""

    transport: asyncio.Transport

    def __init__(self, load: Load, again: Callable[[float], Client], began: float) -> None:
        self.load = load
        self.again = again
        self.started = began
        self.buffer = b""
        self.left = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.begin()

    def begin(self) -> None:
        self.send()

    def send(self) -> None:
        self.started = time.monotonic()
        self.transport.write(self.load.next_request())

    def data_received(self, data: bytes) -> None:
        if self.left > 1:  # the rest of a long body is only counted
            self.left -= len(data)
            if self.left > 0:
                self.left = max(2, self.left)
                return
            data = b""
        buffer = self.buffer + data if self.buffer else data
        self.left = 0 if not data else missing(buffer)
        if self.left:
            self.buffer = buffer
            return
        self.buffer = b""
        self.answered(buffer)

    def answered(self, answer: bytes) -> None:
        if answer[9:10] == b"2":
            self.load.tally.done(self.started)
        else:
            self.load.tally.errors += 1
        self.next()

    def next(self) -> None:
        self.send()

    def connection_lost(self, _: Exception | None) -> None:
        self.load.tally.errors += 1
        self.load.lost(self)


class Fresh(Client):
    """A new connection for each request; its time begins before it connects."""

    def send(self) -> None:
        self.transport.write(self.load.next_request())

    def next(self) -> None:
        self.load.tally.errors -= 1  # that this connection ends is none
        self.transport.close()


class Paced(Client):
    """Sends when it is due; when that has passed, at once, and counts from when it was due."""

    def __init__(
        self,
        load: Load,
        again: Callable[[float], Client],
        began: float,
        due: float,
        interval: float,
    ) -> None:
        super().__init__(load, again, began)
        self.due = due
        self.interval = interval

    def begin(self) -> None:
        while self.due < self.started:
            self.due += self.interval
        self.wait()

    def send(self) -> None:
        if not self.transport.is_closing():
            super().send()
            self.started = self.due

    def next(self) -> None:
        self.due += self.interval
        self.wait()

    def wait(self) -> None:
        now = time.monotonic()
        if self.due <= now:
            self.send()
        else:
            asyncio.get_running_loop().call_later(self.due - now, self.send)


class Idle(Client):
    """Asks once, then stays."""

    def next(self) -> None:
        pass


class Socket(Client):
    """After the handshake, one message to and fro."""

    upgraded = False

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if not self.upgraded:
            head, end, rest = self.buffer.partition(b"\r\n\r\n")
            if not end:
                return
            if b" 101 " not in head[:13]:
                self.transport.close()
                return
            self.upgraded = True
            self.buffer = rest
            self.speak()
        elif len(self.buffer) >= ANSWER:
            self.buffer = self.buffer[ANSWER:]
            self.load.tally.done(self.started)
            self.speak()

    def speak(self) -> None:
        self.started = time.monotonic()
        self.transport.write(SEND)


class Listener(Client):
    """Counts events, and how old each is when it is here."""

    def data_received(self, data: bytes) -> None:
        *whole, self.buffer = (self.buffer + data).split(b"\n\n")
        for event in whole:
            at = event.find(MARK)
            if at < 0:
                self.load.tally.errors += 1
            else:
                sent = int(event[at + len(MARK) : at + len(MARK) + 20])
                self.load.tally.done(sent / 1e9)


def missing(answer: bytes) -> int:
    """Bytes that the answer still lacks; 1 when that cannot be told yet."""
    end = answer.find(b"\r\n\r\n")
    if end < 0:
        return 1
    head = answer[:end].lower()
    at = head.find(b"\r\ncontent-length:")
    if at < 0:
        return 0 if answer.endswith(b"\r\n0\r\n\r\n") else 1
    length = int(head[at + 17 :].split(b"\r\n", 1)[0])
    return max(0, end + 4 + length - len(answer))


KINDS: dict[str, type[Client]] = {"idle": Idle, "websocket": Socket, "events": Listener}


def client(load: Load, number: int, begin: float) -> Callable[[float], Client]:
    """Makes the connection of that number, and whatever replaces it."""
    spec = load.spec
    kind = Fresh if spec.fresh else KINDS.get(spec.kind, Client)
    interval = spec.connections / spec.rate if spec.kind == "rate" else 0.0

    def make(began: float) -> Client:
        if spec.kind == "rate":
            first = begin + interval * number / spec.connections
            return Paced(load, make, began, first, interval)
        return kind(load, make, began)

    return make
