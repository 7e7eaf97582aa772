"""What jobs ask of Redis beside single calls: copies on replicas, and to wait for a push."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from redis.exceptions import NoScriptError

from backends.errors import BackendUnavailable
from backends.redis.address import RedisAddress
from backends.redis.cluster import ClusterLink
from backends.redis.link import Link, Script, ServerLink, Word

MOST_WAITING = 1000


class RedisLink:
    """replicas: how many must have what a `safe` script wrote before it counts as done."""

    def __init__(self, address: RedisAddress, *, cluster: bool, replicas: int) -> None:
        self._waits: Link
        waiting = replace(address, pool=MOST_WAITING)  # or idle workers would take all places
        if cluster:
            self._calls: Link = ClusterLink(address)
            self._waits = ClusterLink(waiting)
        else:
            self._calls = self._copied = CopiedLink(address)
            self._waits = ServerLink(waiting)
        self._replicas = replicas
        self._longest_wait = address.timeout / 4

    async def run(self, script: Script, base: str, *words: Word, safe: bool = False) -> Any:
        """Raises BackendUnavailable and Refused, as do the others."""
        key = base.encode()
        if safe and self._replicas:
            return await self._copied.run_copied(self._replicas, script, key, *words)
        return await self._calls.run(script, key, *words)

    async def call(self, *words: Word, reads: bool = False) -> Any:
        return await self._calls.call(*words, reads=reads)

    async def wait(self, key: str, seconds: float) -> None:
        """Until something is pushed to the list, or the time is over."""
        until = time.monotonic() + seconds
        while (rest := until - time.monotonic()) > 0:
            some = min(max(rest, 0.01), self._longest_wait)
            if await self._waits.call("BLPOP", key, f"{some:.3f}") is not None:
                return

    async def close(self) -> None:
        await self._waits.close()
        await self._calls.close()


class CopiedLink(ServerLink):
    async def run_copied(self, replicas: int, script: Script, key: bytes, *words: Word) -> Any:
        """WAIT is about what its own connection wrote."""

        async def once() -> Any:
            connection = await self._pool.get_connection()  # type: ignore[no-untyped-call]  # redis-py's
            try:
                try:
                    said = await _ask(connection, "EVALSHA", script.digest, 1, key, *words)
                except NoScriptError:
                    said = await _ask(connection, "EVAL", script.source, 1, key, *words)
                patience = int(self.address.timeout * 800)
                reached = await _ask(connection, "WAIT", replicas, patience)
            except BaseException:
                await connection.disconnect(nowait=True)  # its answer may be still under way
                raise
            finally:
                await self._pool.release(connection)
            if reached < replicas:
                where = self.address.where
                raise BackendUnavailable(f"{where}: only {reached} of {replicas} replicas have it")
            return said

        return await self._bounded(once, reads=False)


async def _ask(connection: Any, *words: Word) -> Any:
    await connection.send_command(*words)
    return await connection.read_response()
