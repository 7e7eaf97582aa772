"""One connection to Redis: everything that waits goes with the next call."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from itertools import chain, repeat
from typing import NamedTuple, TypeVar

from redis.asyncio.connection import Connection
from redis.exceptions import ConnectionError as LostConnection
from redis.exceptions import InvalidResponse, NoScriptError, RedisError

from backends.errors import BackendUnavailable
from backends.limits import Decision
from backends.limits.redis_script import SCRIPT, SHA
from backends.redis.address import RedisAddress

MOST_AT_ONCE = 128
MOST_WAITING = 2048
PREFIX = b"ait-gateway:limits:"
CONNECT_WITHIN = 0.5
PAUSES = (0.05, 0.1, 0.2)
LONGEST_PAUSE = 0.3
REFUSAL = re.compile(r"\b(READONLY|OOM|MISCONF|NOPERM|NOREPLICAS|WRONGTYPE|LOADING|BUSY)\b")

T = TypeVar("T")


class Granted(NamedTuple):
    """cells: how many of those asked for. owed: microseconds until the full burst is back."""

    cells: int
    owed: float

    def decision(self, interval: float, burst: int) -> Decision:
        """For one cell. interval: microseconds."""
        spare = burst * interval - self.owed
        if not self.cells:
            return Decision(False, 0, self.owed / 1e6, (interval - spare) / 1e6)
        return Decision(True, cells_in(spare, interval), self.owed / 1e6, 0.0)


def cells_in(spare: float, interval: float) -> int:
    """As in the script: rounding must not cost a request its place. Both in microseconds."""
    return int((spare + (1 if interval > 2 else interval / 2)) / interval)


class Ask(NamedTuple):
    """cells: how many to take; below 0, how many to give back. interval: microseconds."""

    key: str
    cells: int
    interval: float
    burst: int
    answer: asyncio.Future[Granted]


class RedisLink:
    """Calls go one after the other, each with up to MOST_AT_ONCE of those who wait.

    A call that fails or takes too long fails everybody who waits, and from then on `ask` fails
    at once, until a probe in the background, about three times a second, has gone through.
    A connection that turns out to be gone is made anew once, within the call's time.
    """

    def __init__(self, address: RedisAddress) -> None:
        self._address = address
        self._connection: Connection | None = None
        self._waiting: list[Ask] = []
        self._away: str | None = None
        self._task: asyncio.Task[None] | None = None

    def ask(self, key: str, cells: int, interval: float, burst: int) -> asyncio.Future[Granted]:
        """Raises BackendUnavailable, at once or from the future."""
        if self._away is not None:
            raise BackendUnavailable(self._away)
        if len(self._waiting) >= MOST_WAITING:
            raise BackendUnavailable(f"limits: too many wait for {self._address.text}")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Granted] = loop.create_future()
        self._waiting.append(Ask(key, cells, interval, burst, answer))
        if self._task is None:
            self._task = loop.create_task(self._work())
        return answer

    async def close(self) -> None:
        """Who waits still gets an answer, or in a call's time a refusal."""
        task = self._task
        if task is not None and self._away is None:
            await asyncio.wait([task], timeout=self._address.timeout)
        self._away = "limits: the connection to redis is closed"
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        self._refuse(self._waiting)  # one cancelled before its first step has not done so
        await self._disconnect()

    async def _work(self) -> None:
        """While somebody waits, or Redis is away."""
        try:
            while self._waiting:
                try:
                    await self._serve_some()
                except BackendUnavailable as error:
                    self._away = str(error)
                    self._refuse(self._waiting)
                    await self._come_back(at_once=not isinstance(error, _TooSlow))
        finally:
            self._task = None
            self._refuse(self._waiting)

    async def _serve_some(self) -> None:
        batch = [ask for ask in self._waiting[:MOST_AT_ONCE] if not ask.answer.done()]
        del self._waiting[:MOST_AT_ONCE]
        if not batch:
            return
        try:
            granted = await self._in_time(self._address.timeout, lambda: self._call(batch))
        except BaseException:
            self._waiting[:0] = batch  # for whoever refuses them
            raise
        for ask, said in zip(batch, granted, strict=True):
            if not ask.answer.done():
                ask.answer.set_result(said)

    async def _come_back(self, *, at_once: bool) -> None:
        """Until Redis takes again: a replica, or one that is full, connects but does not."""
        unused: asyncio.Future[Granted] = asyncio.get_running_loop().create_future()
        probe = [Ask("probe", 1, 1.0, 1, unused)]
        for pause in chain((0.0,) if at_once else (), PAUSES, repeat(LONGEST_PAUSE)):
            await asyncio.sleep(pause)
            try:
                await self._in_time(CONNECT_WITHIN, self._connect)
                await self._in_time(self._address.timeout, lambda: self._call(probe))
            except BackendUnavailable as error:
                self._away = str(error)
            else:
                self._away = None
                return

    def _refuse(self, asks: list[Ask]) -> None:
        for ask in asks:
            if not ask.answer.done():
                ask.answer.set_exception(BackendUnavailable(self._away))
        asks.clear()

    async def _in_time(self, seconds: float, step: Callable[[], Awaitable[T]]) -> T:
        """After a failure the connection is gone: its answer may be still under way."""
        try:
            async with asyncio.timeout(seconds):
                return await step()
        except TimeoutError:
            await self._disconnect()
            raise _TooSlow(f"limits: {self._address.text}: no answer in {seconds:g} s") from None
        except (RedisError, OSError, ValueError) as error:
            await self._disconnect()
            raise BackendUnavailable(f"limits: {self._address.text}: {_reason(error)}") from None

    async def _call(self, batch: Sequence[Ask]) -> list[Granted]:
        if self._connection is not None:
            with suppress(LostConnection, OSError):
                return await _run(self._connection, batch)
            await self._disconnect()
        return await _run(await self._connect(), batch)

    async def _connect(self) -> Connection:
        if self._connection is None:
            self._connection = self._address.connection(CONNECT_WITHIN)
            await self._connection.connect()  # type: ignore[no-untyped-call]  # redis-py's
        return self._connection

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.disconnect(nowait=True)


class _TooSlow(BackendUnavailable):
    """No answer in time."""


async def _run(connection: Connection, batch: Sequence[Ask]) -> list[Granted]:
    keys = [PREFIX + ask.key.encode("utf-8", "surrogatepass") for ask in batch]
    numbers = [number for ask in batch for number in (ask.cells, ask.interval, ask.burst)]
    rest = (len(batch), *keys, *numbers)
    await connection.send_command("EVALSHA", SHA, *rest)
    try:
        reply = await connection.read_response()
    except NoScriptError:
        await connection.send_command("EVAL", SCRIPT, *rest)
        reply = await connection.read_response()
    if not isinstance(reply, bytes):
        raise InvalidResponse
    said = iter(reply.split())
    each = zip(batch, said, said, strict=True)
    return [Granted(int(cells), float(owed)) for _, cells, owed in each]


def _reason(error: Exception) -> str:
    """Not redis-py's own text, which may repeat what was sent."""
    if isinstance(error, LostConnection) and isinstance(error.__context__, OSError):
        error = error.__context__
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if code := REFUSAL.search(str(error)):
        return f"refused, {code[0]}"
    return type(error).__name__
