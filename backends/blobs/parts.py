"""Bodies cut anew, in bounded memory."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterable, AsyncIterator, Callable, Coroutine
from typing import Any, NamedTuple, TypeVar

from backends.blobs.blob import Corrupt
from backends.errors import BackendUnavailable

WORTH_A_THREAD = 1 << 18
MOST_OF_ONE = 4

T = TypeVar("T")


async def parts(body: bytes | AsyncIterable[bytes], size: int) -> AsyncIterator[tuple[bytes, bool]]:
    """Each part with whether it is the last: all of `size` bytes but the last, which may be empty.

    Holds one part and what the body gave last.
    """
    if isinstance(body, bytes | bytearray | memoryview):
        whole = memoryview(body)
        for at in range(0, max(len(whole), 1), size):
            yield bytes(whole[at : at + size]), at + size >= len(whole)
        return
    held = bytearray()
    async for chunk in body:
        held += chunk
        while len(held) > size:
            part = bytes(held[:size])
            del held[:size]
            yield part, False
    yield bytes(held), True


class Slots:
    """How many parts all puts of a driver hold together, filling or under way."""

    def __init__(self, slots: int, patience: float) -> None:
        self._free = asyncio.Semaphore(slots)
        self._patience = patience

    async def take(self) -> None:
        """Raises BackendUnavailable after `patience` seconds."""
        try:
            async with asyncio.timeout(self._patience):
                await self._free.acquire()
        except TimeoutError:
            raise BackendUnavailable("blobs: too many large puts are under way") from None

    def give_back(self) -> None:
        self._free.release()


class Part(NamedTuple):
    """number: from 1. Whoever has one gives its slot back."""

    number: int
    data: bytes
    last: bool


class Cut:
    """A body in parts that are counted and hashed as they come."""

    def __init__(self, body: bytes | AsyncIterable[bytes], size: int, slots: Slots) -> None:
        self._parts = parts(body, size)
        self._digest = hashlib.sha256()
        self._number = 0
        self.slots = slots
        self.size = 0

    async def part(self) -> Part:
        """The next, once there is a slot for it."""
        await self.slots.take()
        try:
            data, last = await anext(self._parts)
            await in_thread(self._digest.update, data)
        except BaseException:
            self.slots.give_back()
            raise
        self._number += 1
        self.size += len(data)
        return Part(self._number, data, last)

    def sha256(self, promised: str | None) -> str:
        """Of all parts so far. Raises Corrupt if another was promised."""
        digest = self._digest.hexdigest()
        if promised not in (None, digest):
            raise Corrupt("blobs: the body is not what its sha256 promised")
        return digest


async def send_all(cut: Cut, part: Part, send: Callable[[Part], Coroutine[Any, Any, T]]) -> list[T]:
    """Each part from `part` on, some at a time; what `send` gave, in order.

    Raises what `send` or the body raises; no part is under way then.
    """
    tasks: list[asyncio.Task[T]] = []
    try:
        while True:
            task = asyncio.create_task(send(part))
            task.add_done_callback(lambda _: cut.slots.give_back())
            tasks.append(task)
            if part.last:
                return await asyncio.gather(*tasks)
            await _room(tasks)
            part = await cut.part()
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


async def in_thread(work: Callable[[bytes], T], data: bytes) -> T:
    """Hashing of little is quicker than the way to a thread."""
    return work(data) if len(data) <= WORTH_A_THREAD else await asyncio.to_thread(work, data)


async def _room(tasks: list[asyncio.Task[T]]) -> None:
    """Until few enough are under way. Raises what one of them has raised."""
    while True:
        under_way = [task for task in tasks if not task.done()]
        for task in tasks:
            if task.done():
                task.result()
        if len(under_way) < MOST_OF_ONE:
            return
        await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
