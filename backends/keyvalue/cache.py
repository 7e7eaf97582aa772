"""What is dear to load, kept in a keyvalue engine; loaded once however many ask for it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import TracebackType

from backends.errors import BackendUnavailable, Refused
from backends.keyvalue import KeyValue
from backends.keyvalue.bounds import milliseconds

Load = Callable[[], Awaitable[bytes | None]]

log = logging.getLogger("gateway.backends")

PRESENT = b"+"
ABSENT = b"-"


class Cache:
    """Bytes of any driver under `prefix`; one for all drivers.

    prefix: of its keys; caches that share an engine have different ones.
    without: whether it goes on without its engine while that is away, by loading; else its
    BackendUnavailable is raised.
    away_for: seconds for which an engine that was found away is not asked again.
    patience: seconds that an engine may take, before it counts as away; None: its own.
    load_within: seconds a load may take.
    most_loads: how many loads may be under way; beyond, BackendUnavailable.
    """

    def __init__(
        self,
        keyvalue: KeyValue,
        *,
        prefix: str = "",
        without: bool = True,
        away_for: float = 1.0,
        patience: float | None = None,
        load_within: float = 30.0,
        most_loads: int = 1000,
    ) -> None:
        self._keyvalue = keyvalue
        self._prefix = prefix
        self._without = without
        self._away_for = away_for
        self._patience = patience
        self._away_until = 0.0
        self._load_within = load_within
        self._most_loads = most_loads
        self._loads: dict[str, _Flight] = {}
        self._under_way = 0

    async def get_or_load(
        self, key: str, load: Load, ttl: float | None, absent_ttl: float | None = None
    ) -> bytes | None:
        """What is cached, else what `load` gives, kept for `ttl` seconds.

        A load that gives None says that there is nothing; that is kept for `absent_ttl`
        seconds, or not at all. Who asks in this process while a load is under way waits for
        it, and raises what it raises; a failure is not kept. The load goes on when the one
        who caused it is cancelled, and ends when nobody waits any more.

        Raises BackendUnavailable also when a load takes too long, or too many are under way.
        """
        for each in (ttl, absent_ttl):
            if each is not None:
                milliseconds(each)
        flight = self._loads.get(key)
        if flight is None:
            if (kept := await self._stored(key)) is not None:
                return _value(kept)
            if (flight := self._loads.get(key)) is None:
                flight = self._start(key, load, ttl, absent_ttl)
        return await self._wait(key, flight)

    async def put(self, key: str, value: bytes, ttl: float | None) -> None:
        """What a load under way gives is not kept. Raises as `forget` does."""
        self._disown(key, self._loads.get(key))
        await self._keyvalue.set(self._prefix + key, PRESENT + value, ttl)

    async def forget(self, key: str) -> None:
        """What a load under way gives is for those who wait already, and is not kept.

        Raises BackendUnavailable, whatever `without` says: who changed something must know
        that others may still see the old.
        """
        self._disown(key, self._loads.get(key))
        await self._keyvalue.delete(self._prefix + key)

    async def forget_prefix(self, prefix: str) -> None:
        """As `forget`, for all keys that begin so."""
        for key in [key for key in self._loads if key.startswith(prefix)]:
            self._disown(key, self._loads[key])
        await self._keyvalue.delete_prefix(self._prefix + prefix)

    def _start(self, key: str, load: Load, ttl: float | None, absent_ttl: float | None) -> _Flight:
        if self._under_way >= self._most_loads:
            raise BackendUnavailable("cache: too many loads are under way")
        flight = self._loads[key] = _Flight()
        flight.task = asyncio.create_task(self._find(flight, key, load, ttl, absent_ttl))
        flight.task.add_done_callback(lambda task: self._ended(key, flight))
        self._under_way += 1
        return flight

    async def _wait(self, key: str, flight: _Flight) -> bytes | None:
        task = flight.task
        flight.waiting += 1
        try:
            await asyncio.wait([task])
        finally:
            flight.waiting -= 1
            if not flight.waiting and not task.done():
                self._disown(key, flight)
                task.cancel()
        if task.cancelled():
            raise BackendUnavailable("cache: the load was cancelled")
        if (error := task.exception()) is not None:
            # Each who waits raises it: what they add to its traceback must not add up.
            raise error.with_traceback(flight.traceback)
        return task.result()

    def _ended(self, key: str, flight: _Flight) -> None:
        self._under_way -= 1
        self._disown(key, flight)
        if not flight.task.cancelled() and (error := flight.task.exception()) is not None:
            flight.traceback = error.__traceback__

    def _disown(self, key: str, flight: _Flight | None) -> None:
        if flight is not None and self._owns(key, flight):
            del self._loads[key]

    def _owns(self, key: str, flight: _Flight) -> bool:
        """Whether what it gives may be kept, and is for who comes now."""
        return self._loads.get(key) is flight

    async def _find(
        self,
        flight: _Flight,
        key: str,
        load: Load,
        ttl: float | None,
        absent_ttl: float | None,
    ) -> bytes | None:
        # Another load may have ended between the look of who caused this one and its start.
        if (kept := await self._stored(key)) is not None and self._owns(key, flight):
            return _value(kept)
        try:
            async with asyncio.timeout(self._load_within) as within:
                value = await load()
        except TimeoutError:
            if not within.expired():
                raise
            raise BackendUnavailable(f"cache: no load in {self._load_within:g} s") from None
        if value is not None:
            await self._keep(flight, key, PRESENT + value, ttl)
        elif absent_ttl is not None:
            await self._keep(flight, key, ABSENT, absent_ttl)
        return value

    async def _keep(self, flight: _Flight, key: str, value: bytes, ttl: float | None) -> None:
        """Unless the engine will not, as it is full or the value too large."""
        if not self._owns(key, flight) or self._is_away():
            return
        try:
            async with self._patiently():
                await self._keyvalue.set(self._prefix + key, value, ttl)
            if not self._owns(key, flight):  # forgotten amid this
                await self._keyvalue.delete(self._prefix + key)
        except Refused:
            pass
        except BackendUnavailable as error:
            self._found_away(error)

    async def _stored(self, key: str) -> bytes | None:
        if self._is_away():
            return None
        try:
            async with self._patiently():
                found = await self._keyvalue.get(self._prefix + key)
            self._found_there()
            return found
        except BackendUnavailable as error:
            self._found_away(error)
            return None

    @asynccontextmanager
    async def _patiently(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._patience):
                yield
        except TimeoutError:
            raise BackendUnavailable("keyvalue: it takes too long") from None

    def _is_away(self) -> bool:
        return self._without and asyncio.get_running_loop().time() < self._away_until

    def _found_away(self, error: BackendUnavailable) -> None:
        """Raises it again when nothing goes on without the engine."""
        if not self._without:
            raise error
        if not self._away_until:
            log.warning("a cache goes on without its engine: %s", error)
        self._away_until = asyncio.get_running_loop().time() + self._away_for

    def _found_there(self) -> None:
        if self._away_until:
            log.warning("a cache has its engine again")
        self._away_until = 0.0


class _Flight:
    """One load for all who wait."""

    task: asyncio.Task[bytes | None]

    def __init__(self) -> None:
        self.waiting = 0
        self.traceback: TracebackType | None = None


def _value(kept: bytes) -> bytes | None:
    return kept[1:] if kept.startswith(PRESENT) else None
