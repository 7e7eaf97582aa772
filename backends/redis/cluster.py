"""Calls to a Redis Cluster; redis-py knows which node has which key."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import Any
from weakref import WeakSet

from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.connection import Connection, SSLConnection
from redis.exceptions import ConnectionError as LostConnection
from redis.exceptions import RedisError

from backends.errors import BackendUnavailable
from backends.redis.address import RedisAddress
from backends.redis.link import SCANNED_AT_ONCE, Link, Word


class ClusterLink(Link):
    """Redirections are followed, as a node that redirects has carried out nothing."""

    def __init__(self, address: RedisAddress) -> None:
        super().__init__(address)
        settings = address.settings() | {
            # Shorter than a call's time: a node that hangs must be seen by redis-py, which
            # then asks another one who has its slots now.
            "socket_timeout": address.timeout / 2,
            "socket_connect_timeout": address.timeout / 4,
        }
        settings.pop("db")
        self._cluster = RedisCluster(
            startup_nodes=[ClusterNode(host.name, host.port) for host in address.hosts],
            ssl=address.tls is not None,
            max_connections=address.pool + 1,
            reinitialize_steps=0,  # it would break every connection, also those in use
            **settings,
        )
        self._made: WeakSet[Connection] = WeakSet()
        kind = self._tracked(Connection if address.tls is None else SSLConnection)
        self._cluster.connection_kwargs["connection_class"] = kind
        for node in self._cluster.startup_nodes:
            node.connection_class = kind

    async def _send(self, words: Sequence[Word]) -> Any:
        await self._cluster.initialize()  # else the first calls go to any node
        return await self._cluster.execute_command(*words)

    async def values(self, keys: Sequence[bytes]) -> list[bytes | None]:
        return await self._each("GET", keys, reads=True)

    async def unlink(self, keys: Sequence[bytes]) -> int:
        return sum(await self._each("UNLINK", keys, reads=False))

    async def _each(self, command: str, keys: Sequence[bytes], *, reads: bool) -> list[Any]:
        async def once() -> list[Any]:
            await self._cluster.initialize()
            pipeline = self._cluster.pipeline()
            for key in keys:
                pipeline.execute_command(command, key)
            return await pipeline.execute()

        return await self._bounded(once, reads)

    async def scan(self, pattern: bytes) -> AsyncIterator[list[bytes]]:
        await self._bounded(self._know, reads=True)
        for node in self._cluster.get_primaries():
            cursor = 0
            while True:
                cursor, keys = await self._page(node, cursor, pattern)
                if keys:
                    yield keys
                if not cursor:
                    break

    async def _page(
        self, node: ClusterNode, cursor: int, pattern: bytes
    ) -> tuple[int, list[bytes]]:
        async def once() -> Any:
            return await self._cluster.scan(cursor, pattern, SCANNED_AT_ONCE, target_nodes=node)

        cursors, keys = await self._bounded(once, reads=True)
        return cursors[node.name], keys

    async def _know(self) -> None:
        await self._cluster.initialize()
        if not self._cluster.get_primaries():
            raise BackendUnavailable(f"{self.address.where}: no primary is known")

    def _tracked(self, kind: type[Connection]) -> type[Connection]:
        """redis-py's client forgets connections of nodes that have gone, and closes none while
        it looks for the others; and its pipelines still connect after they have failed."""
        link = self

        class Tracked(kind):  # type: ignore[misc, valid-type]  # it is known only here
            def __init__(self, **settings: Any) -> None:
                super().__init__(**settings)
                link._made.add(self)

            async def connect_check_health(self, *settings: Any, **more: Any) -> None:
                with link._counted():
                    if not link._closed:
                        await super().connect_check_health(*settings, **more)
                    if link._closed:
                        await self.disconnect(nowait=True)
                        raise LostConnection

        return Tracked

    async def _disconnect(self) -> None:
        with suppress(RedisError, OSError):
            await self._cluster.aclose()
        for connection in list(self._made):
            with suppress(RedisError, OSError):
                await connection.disconnect()
