"""HTTP/1.1 over kept connections, as lean as it can be: the generator is not what is measured."""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

LENGTH = re.compile(rb"\r\nContent-Length: (\d+)", re.IGNORECASE)


@dataclass
class Answer:
    status: int
    head: bytes
    body: bytes


Next = Callable[[Answer | None], bytes]
"""The bytes of a connection's next request, from the answer before."""


@dataclass
class Tally:
    seconds: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)

    @property
    def count(self) -> int:
        return self.statuses.total()

    def percentile(self, share: float) -> float:
        """In milliseconds."""
        ordered = sorted(self.latencies)
        return 1e3 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]


async def driven(port: int, nexts: list[Next], seconds: float, pause: float = 0.0) -> Tally:
    """One connection for each of `nexts`, one request at a time. pause: seconds between two."""
    tally, began = Tally(), time.perf_counter()
    await asyncio.gather(*(_drive(port, each, began + seconds, pause, tally) for each in nexts))
    tally.seconds = time.perf_counter() - began
    return tally


async def once(port: int, request: bytes) -> Answer:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        return await _answer(reader)
    finally:
        writer.close()


async def _drive(port: int, following: Next, until: float, pause: float, tally: Tally) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answer: Answer | None = None
    try:
        while (now := time.perf_counter()) < until:
            writer.write(following(answer))
            answer = await _answer(reader)
            tally.latencies.append(time.perf_counter() - now)
            tally.statuses[answer.status] += 1
            if pause:
                await asyncio.sleep(pause)
        following(answer)  # it may go on from here another time
    finally:
        writer.close()


async def _answer(reader: asyncio.StreamReader) -> Answer:
    head = await reader.readuntil(b"\r\n\r\n")
    found = LENGTH.search(head)
    body = await reader.readexactly(int(found[1])) if found else b""
    return Answer(int(head[9:12]), head, body)


def post(path: str, form: bytes, *fields: str) -> bytes:
    head = [f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(form)}"]
    kind = "Content-Type: application/x-www-form-urlencoded"
    return "\r\n".join([*head, kind, *fields, "", ""]).encode() + form


def get(path: str, *fields: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: localhost", *fields, "", ""]).encode()
