"""One worker: a gateway in a process of its own, which does what its supervisor says.

Started as `python -m gateway.supervisor.worker DESCRIPTOR`, afresh rather than by fork, so that
rolling the workers runs changed code and no thread, lock or event loop is ever inherited.
It ends when its supervisor does: their socket then reads as closed.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from gateway.admin import Question
from gateway.app import Gateway, configuration, settle
from gateway.config import ConfigErrors
from gateway.errors import LoadError
from gateway.seat import Seat
from gateway.supervisor import orders
from gateway.supervisor.channel import Channel
from gateway.supervisor.orders import read
from gateway.telemetry import logs
from gateway.telemetry.snapshot import Changes

log = logging.getLogger("gateway.worker")

PUSH_EVERY = 0.1
FAMILIES_EVERY = 1.0
"""Seconds between two reports of what was counted; what a worker that is killed had not yet
reported is lost."""

A_ROUTE_MORE = 0.00005
"""... and so many more for each route: a look at one takes a two-hundredth of that."""

SELDOM = 1000
"""A family is collected in one go, in microseconds when it is small; all of them are reported
by so many times the longest of these."""

LAST_WORDS = 1.0
PATIENCE = 15.0
"""Seconds for the last report to get out; for plugins to stop, beyond the time to drain."""

LOOK_AT_PARENT = 1.0


class Worker:
    """Answers the supervisor. `ended` is set when it is time to leave."""

    def __init__(self) -> None:
        self.gateway: Gateway | None = None
        self._started = False
        self.order = orders.Drain(None, False)
        self.ended = asyncio.Event()
        self._channel: Channel
        self._changes: Changes
        self._pushing = asyncio.Lock()
        self._families_every = FAMILIES_EVERY

    async def connect(self, sock: socket.socket) -> None:
        notes = {
            orders.DRAIN: self._drain,
            orders.ABANDON: self._abandon,
            orders.MESSAGE: self._message,
        }
        calls = {
            orders.START: self._start,
            orders.ARRANGE: self._arrange,
            orders.PREPARE: self._prepare,
            orders.COMMIT: self._commit,
            orders.ABORT: self._abort,
            orders.SCRAPE: self._scrape,
            orders.CONNECTIONS: self._connections,
            orders.CHECKS: self._checks,
            orders.ROUTES: self._routes,
            orders.EXPLAIN: self._explain,
            orders.SOURCES: self._sources,
        }
        self._channel = await Channel.over(sock, notes, calls)
        self._channel.ended.add_done_callback(lambda _: self.ended.set())

    def leave(self) -> None:
        """SIGTERM to this process alone: the supervisor finds another for its seat."""
        self._channel.tell(orders.LEAVING)
        self.ended.set()

    async def run(self) -> None:
        """Until told to leave, report what is counted; then drain, and report the rest."""
        reporting = asyncio.create_task(self._report())
        await self.ended.wait()
        try:
            if self.gateway is not None:
                self.gateway.seat.leadership.turn(False)
                await self.gateway.stop(self.order.grace, self.order.accepting)
        finally:
            reporting.cancel()
            if self.gateway is not None:
                await self._push(families=True)
            self._channel.close()
            await asyncio.wait([self._channel.ended], timeout=LAST_WORDS)

    # Calls

    async def _start(self, body: Any) -> None:
        start = read(body, orders.Start)
        try:
            await self._serve(start)
        except ConfigErrors as errors:
            raise LoadError(str(errors)) from None
        except OSError as error:
            raise LoadError(str(error)) from error
        finally:
            if not self._started:
                # The answer goes out first; then what was started is stopped.
                asyncio.get_running_loop().call_soon(self.ended.set)

    async def _serve(self, start: orders.Start) -> None:
        resolved = await asyncio.to_thread(configuration, Path(start.path), start.content)
        logs.configure(resolved.config.server.log_level)
        seat = Seat(start.number, self._publish, leads=False)
        self.gateway = Gateway(Path(start.path), resolved, seat)
        self._changes = Changes(self.gateway.metrics)
        await self.gateway.start(start.doors)
        settle()
        self._started = True

    async def _arrange(self, body: Any) -> None:
        arrange = read(body, orders.Arrange)
        gateway = self._serving()
        gateway.seat.leadership.turn(arrange.leads)
        if not self.ended.is_set():
            await gateway.listening.accept_for(arrange.accept_for)

    async def _prepare(self, body: Any) -> list[str]:
        return list(await self._serving().prepare(read(body, bytes)))

    async def _commit(self, _: Any) -> None:
        self._serving().commit()

    async def _abort(self, _: Any) -> None:
        await self._serving().abort()

    async def _scrape(self, _: Any) -> None:
        await self._push(families=True)

    async def _connections(self, _: Any) -> int:
        return len(self._serving().plane.connections)

    async def _checks(self, _: Any) -> dict[str, str | None]:
        return dict(await self._serving().checks())

    async def _routes(self, _: Any) -> bytes:
        return await asyncio.to_thread(msgspec.json.encode, await self._serving().routes())

    async def _sources(self, _: Any) -> list[str]:
        return list(self._serving().sources())

    async def _explain(self, body: Any) -> bytes | None:
        try:
            found = await self._serving().explain(read(body, Question))
        except ValueError:
            return None
        return msgspec.json.encode(found)

    # Notes

    def _drain(self, body: Any) -> None:
        self.order = read(body, orders.Drain)
        self.ended.set()

    def _abandon(self, _: Any) -> None:
        if self.gateway is not None:
            self.gateway.abandon()

    def _message(self, body: Any) -> None:
        if self.gateway is not None:
            message = read(body, orders.Message)
            self.gateway.seat.broadcast.deliver(message.topic, message.payload)

    # What is counted

    async def _report(self) -> None:
        due = time.monotonic()
        while True:
            pause = PUSH_EVERY
            if self.gateway is not None and not self._channel.behind:
                families = time.monotonic() >= due
                await self._push(families)
                due += self._families_every if families else 0.0
                pause += A_ROUTE_MORE * len(self.gateway.metrics.routes())
            await asyncio.sleep(pause)

    async def _push(self, families: bool) -> None:
        """What changed since the last time, a piece at a time, between other work."""
        async with self._pushing:
            for piece in self._changes.routes():
                if piece.routes or piece.gone:
                    self._channel.tell(orders.NUMBERS, piece)
                await asyncio.sleep(0)
            if families:
                await self._push_families()

    async def _push_families(self) -> None:
        pieces = self._changes.families()
        longest = 0.0
        try:
            while True:
                began = time.thread_time()
                piece = next(pieces, None)
                if piece is None:
                    break
                self._channel.tell(orders.NUMBERS, piece)
                longest = max(longest, time.thread_time() - began)
                await asyncio.sleep(0)
        except Exception:
            log.exception("a metric cannot be read")
        self._families_every = max(FAMILIES_EVERY, SELDOM * longest)

    def _publish(self, topic: str, payload: bytes) -> None:
        if not self._channel.tell(orders.MESSAGE, orders.Message(topic, payload)):
            log.error("the supervisor does not listen: a message about %s is lost", topic)

    def _serving(self) -> Gateway:
        if self.gateway is None:
            raise LoadError("the worker has not started yet")
        return self.gateway


def _outlive_no_supervisor(worker: Worker, parent: int) -> None:
    """It ends workers that hang; once it has died, nobody else would. Runs in a thread."""
    while os.getppid() == parent:
        time.sleep(LOOK_AT_PARENT)
    gateway = worker.gateway
    time.sleep(PATIENCE if gateway is None else PATIENCE + gateway.resolved.config.server.drain)
    os._exit(1)


async def _run(descriptor: int) -> None:
    sock = socket.socket(fileno=descriptor)
    sock.set_inheritable(False)
    worker = Worker()
    threading.Thread(
        target=_outlive_no_supervisor, args=(worker, os.getppid()), daemon=True
    ).start()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, worker.leave)
    for ignored in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR2):
        loop.add_signal_handler(ignored, _obey_the_supervisor_only)
    await worker.connect(sock)
    await worker.run()


def _obey_the_supervisor_only() -> None:
    """Whoever signals a whole group means the supervisor, which tells the workers."""


def main(arguments: list[str]) -> None:
    logs.configure("info")
    try:
        uvloop.run(_run(int(arguments[0])))
    finally:
        logging.shutdown()


if __name__ == "__main__":
    main(sys.argv[1:])
