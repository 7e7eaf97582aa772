"""All capabilities, and the engines behind them that one process has open."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from backends.drivers import Drivers, imported
from backends.errors import BackendError, BackendUnavailable

if TYPE_CHECKING:
    from backends.blobs import Blobs
    from backends.documents import Documents
    from backends.events import Events
    from backends.jobs import Jobs
    from backends.keyvalue import KeyValue
    from backends.limits import Limits
    from backends.search import Search
    from backends.sql import Pool, Sql

log = logging.getLogger("gateway.backends")

EMBEDDED: Mapping[str, str | None] = {
    "sql": "sqlite:///data/gateway.db",
    "keyvalue": "memory://",
    "blobs": "file:///data/blobs",
    "search": "sqlite:///data/search.db",
    "documents": None,
    "jobs": "sqlite:///data/jobs.db",
    "events": "memory://",
    "limits": "memory://",
}
"""What is in force where the file names nothing; `documents` has no embedded driver."""

PATIENCE = 30.0
LONGEST_PAUSE = 2.0

T = TypeVar("T")


def drivers(capability: str) -> Drivers[Any]:
    """Those of one capability. Raises KeyError for what is none."""
    if capability not in EMBEDDED:
        raise KeyError(capability)
    found: Drivers[Any] = imported(f"backends.{capability}:DRIVERS")
    return found


class Engine(Generic[T]):
    """The driver of the capability after which the attribute is called."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._capability = name

    def __get__(self, backends: Backends, owner: type) -> T:
        driver: T = backends.open(self._capability)
        return driver


class Backends:
    """The engines of one process by capability, each opened when it is first asked for.

    urls: as in the file's `backends:`. opened: drivers that somebody has made, by capability.
    Asking raises BackendError when a driver cannot be made.
    """

    sql: Engine[Sql] = Engine()
    keyvalue: Engine[KeyValue] = Engine()
    blobs: Engine[Blobs] = Engine()
    search: Engine[Search] = Engine()
    documents: Engine[Documents] = Engine()
    jobs: Engine[Jobs] = Engine()
    events: Engine[Events] = Engine()
    limits: Engine[Limits] = Engine()

    def __init__(self, urls: Mapping[str, str], opened: Mapping[str, Any] | None = None) -> None:
        self._urls = urls
        self._opened: dict[str, Any] = dict(opened or {})
        self._ready: set[str] = set()

    async def ready(self, capabilities: Iterable[str], patience: float = PATIENCE) -> None:
        """Wait until each of them answers; `patience` seconds in all.

        Raises BackendError: of an engine that does not come, or at once of one that refuses.
        """
        until = asyncio.get_running_loop().time() + patience
        for capability in capabilities:
            if capability not in self._ready:
                await _answers(self.open(capability).check, until)
                self._ready.add(capability)

    def checks(self) -> Mapping[str, Callable[[], Awaitable[None]]]:
        """Of those that something needs."""
        return {capability: self._opened[capability].check for capability in sorted(self._ready)}

    def sql_pool(self) -> Pool | None:
        """None while nothing needs `sql`."""
        return self.sql.pool() if "sql" in self._ready else None

    async def close(self) -> None:
        """All that were opened, the last one first. One that fails to close is logged."""
        while self._opened:
            capability, driver = self._opened.popitem()
            try:
                await driver.close()
            except Exception:
                log.exception("backends.%s failed to close", capability)

    def open(self, capability: str) -> Any:
        """Its driver, the same one each time."""
        if capability not in self._opened:
            url = self._urls.get(capability, EMBEDDED[capability])
            if url is None:
                raise BackendError(f"{capability}: it has no embedded default; set its URL")
            self._opened[capability] = drivers(capability).open(url)
        return self._opened[capability]


async def _answers(check: Callable[[], Awaitable[None]], until: float) -> None:
    loop = asyncio.get_running_loop()
    pause, said = 0.1, ""
    while True:
        try:
            return await check()
        except BackendUnavailable as error:
            left = until - loop.time()
            if left <= 0:
                raise
            if said != (said := str(error)):
                log.warning("backends.%s; trying again", said)
            await asyncio.sleep(min(left, random.uniform(pause / 2, pause)))  # noqa: S311 - no secret
            pause = min(pause * 2, LONGEST_PAUSE)
