"""A load generator for what wrk cannot do, or where there is none: one process, one JSON report.

`python -m benchmarks.harness.generator < spec`. It connects and loads at once; after the warm-up it
prints `ready` and counts from the moment that it reads a line; after `seconds` it prints the report
and keeps its connections until its input ends. Latencies at a fixed rate count from the moment at
which a request was due, not from when it could be sent: coordinated omission does not hide a stall.
"""

from __future__ import annotations

import asyncio
import selectors
import ssl
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import uvloop

from benchmarks.harness.clients import Client, client
from benchmarks.harness.tally import Kind, Spec, Tally

Make = Callable[[float], Client]


class Load:
    """Keeps so many connections of one kind open, and counts what comes back on them."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.tally = Tally()
        self.requests = [Path(name).read_bytes() for name in spec.requests]
        self.open: set[asyncio.BaseTransport] = set()
        self._turn = 0
        self._pending: set[asyncio.Task[None]] = set()
        self._tls: ssl.SSLContext | None = None
        if spec.tls:
            self._tls = ssl.create_default_context()
            self._tls.check_hostname = False
            self._tls.verify_mode = ssl.CERT_NONE  # a certificate that this run made itself

    def next_request(self) -> bytes:
        self._turn = (self._turn + 1) % len(self.requests)
        return self.requests[self._turn]

    async def connect(self, make: Make) -> None:
        """Until it stands; each failure is an error."""
        loop = asyncio.get_running_loop()
        began = time.monotonic()
        while True:
            try:
                transport, _ = await loop.create_connection(
                    lambda: make(began), "127.0.0.1", self.spec.port, ssl=self._tls
                )
            except OSError:
                self.tally.errors += 1
                await asyncio.sleep(0.01)
            else:
                self.open.add(transport)
                return

    def lost(self, client: Client) -> None:
        """Another one takes its place, soon; until the end nobody leaves by himself."""
        self.open.discard(client.transport)
        task = asyncio.ensure_future(self.connect(client.again))
        self._pending.add(task)
        task.add_done_callback(self._pending.discard)

    async def connect_all(self, makers: list[Make]) -> None:
        """A few at a time, so that no listener's backlog runs over."""
        for begin in range(0, len(makers), 64):
            await asyncio.gather(*map(self.connect, makers[begin : begin + 64]))


async def run(spec: Spec) -> None:
    load = Load(spec)
    loop = asyncio.get_running_loop()
    begin = loop.time()
    await load.connect_all([client(load, number, begin) for number in range(spec.connections)])
    await asyncio.sleep(spec.warm)
    say(b"ready")
    await line()
    load.tally.begin()
    await asyncio.sleep(spec.seconds)
    elapsed = time.monotonic() - load.tally.since
    say(msgspec.json.encode(load.tally.report(elapsed)))
    await line()


def say(words: bytes) -> None:
    sys.stdout.buffer.write(words + b"\n")
    sys.stdout.buffer.flush()


async def line() -> None:
    """Until a line, or the end, is there to be read."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(0, ready.set)
    await ready.wait()
    loop.remove_reader(0)
    sys.stdin.buffer.readline()


def loop_for(kind: Kind) -> Callable[[], asyncio.AbstractEventLoop]:
    """select(2) takes microseconds where epoll and libuv take milliseconds: at a fixed rate a
    millisecond of the generator's own would drown what is measured."""
    if kind == "rate":
        return lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())
    return uvloop.new_event_loop


def main() -> None:
    spec = msgspec.json.decode(sys.stdin.buffer.readline(), type=Spec)
    with asyncio.Runner(loop_factory=loop_for(spec.kind)) as runner:
        runner.run(run(spec))


if __name__ == "__main__":
    main()
