"""Lines on their way to a file or a stream, by a thread that nobody waits for."""

from __future__ import annotations

import os
import select
import stat
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Generic, Protocol, TextIO, TypeVar

RecordT = TypeVar("RecordT")

CAPACITY = 65_536
"""Records of an access log that wait at most; what comes on top is lost and counted."""

BATCH = 8_192
SLICE = 64
PAUSE = 0.00005
"""Records of one write at most; records rendered in one go, and seconds between two goes."""

WHOLE = select.PIPE_BUF
"""Bytes that a pipe takes whole or not at all, so that no other process writes in between."""

INTERVAL = 0.1
STUCK = 1.0
"""Seconds between two looks at the queue; seconds given to a pipe that is full."""

CLOSED = -1
NEWLINE = ord("\n")

# Nobody may wait for a reader: a FIFO without one is an error, a full one says so.
FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK


class Sink(Protocol):
    """**Protocol:** where lines end. Each method raises OSError."""

    def descriptor(self) -> int:
        """To write to, right now."""

    def close(self) -> None: ...


class Stream:
    """Standard output or error. Its own duplicate: the number may come to mean a socket.

    One that was closed before the start is no error until something is written.
    """

    def __init__(self, stream: TextIO | None) -> None:
        try:
            self._descriptor = CLOSED if stream is None else os.dup(stream.fileno())
        except (OSError, ValueError):
            self._descriptor = CLOSED

    def descriptor(self) -> int:
        return self._descriptor

    def close(self) -> None:
        if self._descriptor != CLOSED:
            os.close(self._descriptor)


class File:
    """A file that is opened again once somebody moved or removed it (log rotation)."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = os.open(path, FLAGS, 0o640)

    def descriptor(self) -> int:
        if self._rotated():
            fresh = os.open(self._path, FLAGS, 0o640)
            os.close(self._descriptor)
            self._descriptor = fresh
        return self._descriptor

    def _rotated(self) -> bool:
        try:
            there = os.stat(self._path)
        except FileNotFoundError:
            return True
        return not os.path.samestat(there, os.fstat(self._descriptor))

    def close(self) -> None:
        os.close(self._descriptor)


class LineWriter(Generic[RecordT]):
    """A bounded queue and the thread that empties it.

    `render` makes whole lines of records and runs in that thread, as does `failed`, which is
    told when writing stops working (with the error) and when it works again (with None).
    `lost` is told how many records were dropped, by whichever thread dropped them. at_once:
    records that are rendered in one go.
    """

    def __init__(
        self,
        sink: Sink,
        render: Callable[[Sequence[RecordT]], bytes],
        lost: Callable[[int], None],
        failed: Callable[[Exception | None], None],
        *,
        capacity: int = CAPACITY,
        at_once: int = SLICE,
    ) -> None:
        self.waiting: deque[RecordT] = deque()
        self.failing = False
        self._capacity = capacity
        self._at_once = at_once
        self._sink = sink
        self._render = render
        self._lost = lost
        self._failed = failed
        self._torn = False
        self._closing = False
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lines", daemon=True)
        self._thread.start()

    def add(self, record: RecordT) -> None:
        """To be written within `INTERVAL`. Wakes nobody, waits for nobody."""
        if len(self.waiting) < self._capacity:
            self.waiting.append(record)
        else:
            self._lost(1)

    def wake(self) -> None:
        """Write now rather than soon."""
        self._wake.set()

    def close(self, seconds: float) -> None:
        """Write what waits, for so long at most; the rest is lost. May be called twice."""
        self._closing = True
        self._wake.set()
        self._thread.join(seconds)

    def _run(self) -> None:
        while not self._closing:
            self._wake.wait(INTERVAL)
            self._wake.clear()
            self._empty()
        self._empty()
        self._sink.close()

    def _empty(self) -> None:
        while self.waiting:
            self._write(b"".join(self._slices()))

    def _slices(self) -> Iterator[bytes]:
        """Rendered a little at a time: this thread and the event loop share one interpreter."""
        waiting = self.waiting
        for _ in range(min(len(waiting), BATCH) // self._at_once + 1):
            records = [waiting.popleft() for _ in range(min(len(waiting), self._at_once))]
            try:
                yield self._render(records)
            except Exception as error:  # noqa: BLE001 - one bad record must not end the thread
                self._lost(len(records))
                self._tell(error)
            time.sleep(PAUSE)

    def _write(self, lines: bytes) -> None:
        data = b"\n" + lines if self._torn else lines
        rest = memoryview(data)
        try:
            descriptor = self._sink.descriptor()
            most = len(data) if stat.S_ISREG(os.fstat(descriptor).st_mode) else WHOLE
            while rest:
                rest = rest[_write_some(descriptor, rest[: _whole_lines(data, rest, most)]) :]
        except OSError as error:
            self._lost(min(bytes(rest).count(b"\n"), lines.count(b"\n")))
            if len(rest) < len(data):
                self._torn = data[-len(rest) - 1] != NEWLINE
            self._tell(error)
        else:
            self._torn = False
            self._tell(None)

    def _tell(self, error: Exception | None) -> None:
        if self.failing != (error is not None):
            self.failing = error is not None
            self._failed(error)


def _whole_lines(data: bytes, rest: memoryview, most: int) -> int:
    """How much of the `rest` of `data` to write at once: lines that several workers write to one
    pipe are not torn. One longer than `most` goes alone."""
    if len(rest) <= most:
        return len(rest)
    start = len(data) - len(rest)
    end = data.rfind(b"\n", start, start + most) + 1
    return (end or data.find(b"\n", start) + 1 or len(data)) - start


def _write_some(descriptor: int, data: memoryview) -> int:
    try:
        return os.write(descriptor, data)
    except BlockingIOError:
        room = select.poll()
        room.register(descriptor, select.POLLOUT)
        room.poll(STUCK * 1000)
        return os.write(descriptor, data)
