"""What JetStream answers on one connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from itertools import count

from nats import errors as failures
from nats.aio.client import Client
from nats.aio.msg import Msg

NOBODY = "503"


class Answers:
    """In place of nats-py's `request`: who is cancelled is, and who waits is told at once when the
    connection is lost or closed.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._inbox = client.new_inbox()
        self._numbers = count()
        self._waiting: dict[str, Callable[[Msg | None], object]] = {}
        self._over = False

    async def listen(self) -> None:
        await self._client.subscribe(f"{self._inbox}.*", cb=self._heard)

    async def one(self, subject: str, body: bytes) -> bytes:
        """Raises what nats-py does; NoRespondersError when no stream takes it."""
        answer: asyncio.Future[Msg | None] = asyncio.get_running_loop().create_future()
        reply = self._reply(partial(_give, answer))
        try:
            await self._client.publish(subject, body, reply=reply)
            said = _there(await answer)
        finally:
            del self._waiting[reply]
        if said.headers and said.headers.get("Status") == NOBODY:
            raise failures.NoRespondersError
        data: bytes = said.data
        return data

    @asynccontextmanager
    async def several(self, subject: str, body: bytes) -> AsyncIterator[AsyncIterator[Msg]]:
        """As many as come while it is entered."""
        heard: asyncio.Queue[Msg | None] = asyncio.Queue()
        reply = self._reply(heard.put_nowait)
        try:
            await self._client.publish(subject, body, reply=reply)
            yield _each(heard)
        finally:
            del self._waiting[reply]

    def end(self) -> None:
        self._over = True
        for heard in self._waiting.values():
            heard(None)

    def _reply(self, heard: Callable[[Msg | None], object]) -> str:
        if self._over:
            raise failures.ConnectionClosedError
        reply = f"{self._inbox}.{next(self._numbers)}"
        self._waiting[reply] = heard
        return reply

    async def _heard(self, said: Msg) -> None:
        if heard := self._waiting.get(said.subject):
            heard(said)


def _give(answer: asyncio.Future[Msg | None], said: Msg | None) -> None:
    if not answer.done():
        answer.set_result(said)


async def _each(heard: asyncio.Queue[Msg | None]) -> AsyncIterator[Msg]:
    while True:
        yield _there(await heard.get())


def _there(said: Msg | None) -> Msg:
    if said is None:
        raise failures.ConnectionClosedError
    return said
