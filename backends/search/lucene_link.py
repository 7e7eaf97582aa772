"""What Elasticsearch and OpenSearch share below queries: calls over HTTP and their errors."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from backends.address import Address, seconds, size
from backends.errors import BackendError, BackendUnavailable, Conflict, Missing, Refused
from backends.search.index import NAME

PORT = 9200
FIRST_PAUSE = 0.1
LONGEST_PAUSE = 2.0
JSON = "application/json"
LINES = "application/x-ndjson"


class Options(msgspec.Struct, frozen=True):
    timeout: str = "10s"
    prefix: str = "ait_"
    chunk: str = "4MiB"
    connections: int = 10
    shards: int = 0
    replicas: int = -1


BIG = 1 << 16
"""Bytes of a body from which aiohttp is given a file of it, to write it piece by piece."""


class Answered(Exception):
    """The server answered with an error. kind: `index_not_found_exception` and the like."""

    def __init__(self, status: int, kind: str) -> None:
        super().__init__(status, kind)
        self.status = status
        self.kind = kind


class Lost(Exception):
    """No answer, or none that could be read."""


class Wire(Protocol):
    """One client library."""

    async def call(
        self, method: str, path: str, body: bytes | None, params: Mapping[str, str], content: str
    ) -> Any:
        """The answer's JSON. Raises Answered and Lost, nothing else."""

    async def close(self) -> None: ...


class Link:
    """Every call has the timeout for all of it. One that is told to come later (429, 503) comes
    again, more and more slowly, while there is time; calls may be carried out twice.
    """

    def __init__(self, address: Address, options: Options, wire: Wire) -> None:
        self.address = address
        self.options = options
        self.timeout = seconds(options.timeout)
        self.chunk = size(options.chunk)
        self._wire = wire
        self._closed = False

    async def call(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        params: Mapping[str, str] | None = None,
        content: str = JSON,
    ) -> Any:
        """Raises Answered, whose meaning is the caller's to tell, and BackendError."""
        if self._closed:
            raise BackendError("search: the index is closed")
        try:
            async with asyncio.timeout(self.timeout):
                for pause in pauses():
                    try:
                        return await self._wire.call(method, path, body, params or {}, content)
                    except Answered as answer:
                        if answer.status not in (429, 503):
                            raise
                        await asyncio.sleep(pause)
        except TimeoutError:
            raise BackendUnavailable(
                f"search: {self.address}: no answer in {self.timeout:g} s"
            ) from None
        except Lost as lost:
            raise BackendUnavailable(f"search: {self.address}: {lost}") from None
        raise AssertionError  # pauses never end

    async def close(self) -> None:
        if not self._closed:
            self._closed = True
            await self._wire.close()

    def translated(self, answer: Answered, what: str) -> BackendError:
        """what: is missing, if it is."""
        said = f"search: {self.address}: {answer.status} {answer.kind}"
        if answer.kind in ("index_not_found_exception", "alias_not_found_exception"):
            return Missing(f"search: there is no {what}")
        if answer.status in (408, 429) or answer.status >= 500:
            return BackendUnavailable(said)
        return Conflict(said) if answer.status == 409 else Refused(said)


def pauses() -> Any:
    """Seconds, twice as many each time, and not for everybody the same."""
    pause = FIRST_PAUSE
    while True:
        yield pause * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load
        pause = min(pause * 2, LONGEST_PAUSE)


def kind_of(error: object) -> str:
    """Of an error in an answer; its reason is left out, it quotes values."""
    found = error.get("type") if isinstance(error, dict) else None
    return found if isinstance(found, str) and found.replace("_", "").isalnum() else "error"


def read(url: str) -> tuple[Address, Options]:
    """Raises BackendError.

    timeout: of one call. prefix: of the names of all indexes on the server. chunk: bytes sent at
    once when many documents are put. connections: to each host. shards, replicas: of indexes
    that are made; the server's own default when 0 and -1.
    """
    address = Address.parse("search", url, port=PORT)
    options = address.options(Options)
    if not address.hosts:
        raise BackendError(f"search: a URL is {address.scheme}://host:{PORT}")
    try:
        good = seconds(options.timeout) > 0 and size(options.chunk) >= 1024
    except ValueError:
        good = False
    if not good or not 1 <= options.connections <= 1000:
        raise BackendError(
            "search: timeout is such as 10s, chunk such as 4MiB, connections 1 to 1000"
        )
    if not NAME.fullmatch(options.prefix) or not -1 <= options.replicas <= 10:
        raise BackendError("search: prefix is letters, digits and _; replicas are 0 to 10")
    if not 0 <= options.shards <= 1024:
        raise BackendError("search: shards are 1 to 1024")
    return address, options
