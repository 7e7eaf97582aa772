"""What a URL says about a Redis, a cluster of it or its sentinels."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import msgspec
from redis.asyncio.connection import Connection, ConnectionPool, SSLConnection
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import (
    SentinelConnectionPool,
    SentinelManagedConnection,
    SentinelManagedSSLConnection,
)
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig

from backends.address import Address, Host, Tls, seconds
from backends.errors import BackendError
from backends.redis.sentinels import Sentinels

PORT = 6379
SENTINEL_PORT = 26379
SECURE = ("rediss", "rediss+cluster", "rediss+sentinel", "rediss+stream")
DATABASE = re.compile("[0-9]{1,5}")
GROUP = re.compile("([^/]+)(?:/([0-9]{1,5}))?")


class Options(msgspec.Struct):
    pool: int = 10
    prefix: str = "ait-gateway:"
    timeout: str = "2s"
    sentinel_username: str | None = None
    sentinel_password: str | None = None


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """timeout: seconds a call may take, waiting for a connection included. pool: connections.

    prefix: of every key. group: the name that sentinels know the primary by.
    """

    capability: str
    text: str
    hosts: tuple[Host, ...]
    group: str
    pool: int
    prefix: str
    timeout: float
    login: dict[str, Any] = field(repr=False)
    sentinel_login: dict[str, Any] = field(repr=False)
    tls: dict[str, Any] | None

    @classmethod
    def of(cls, address: Address, options: Options) -> RedisAddress:
        """Raises BackendError."""
        capability, kind = address.capability, address.scheme.partition("+")[2]
        if not address.hosts or (len(address.hosts) > 1 and kind not in ("cluster", "sentinel")):
            raise BackendError(f"{capability}: {address.scheme}:// needs a host")
        group, database = _path(address, kind)
        try:
            timeout = seconds(options.timeout)
        except ValueError:
            timeout = 0
        if not 0 < timeout <= 600:
            raise BackendError(f"{capability}: timeout is a duration such as 2s")
        if not 1 <= options.pool <= 1000:
            raise BackendError(f"{capability}: pool is a number from 1 to 1000")
        return cls(
            *(capability, str(address), address.hosts, group, options.pool),
            *(options.prefix, timeout),
            {"username": address.username, "password": address.password, "db": database},
            {"username": options.sentinel_username, "password": options.sentinel_password},
            _tls(address.tls),
        )

    @property
    def where(self) -> str:
        """For messages."""
        return f"{self.capability}: {self.text}"

    def settings(self) -> dict[str, Any]:
        """Of a connection. Nothing is repeated by redis-py: it cannot know what may be."""
        return {
            **self.login,
            **(self.tls or {}),
            **self._manners(),
            "socket_timeout": None,
            "socket_connect_timeout": self.timeout,
        }

    def _manners(self) -> dict[str, Any]:
        return {
            "retry": Retry(NoBackoff(), 0),
            "protocol": 2,
            "maint_notifications_config": MaintNotificationsConfig(enabled=False),
        }

    def connection(self, connect_within: float) -> Connection:
        """One to one server. connect_within: seconds."""
        return self._kind(**self._server() | {"socket_connect_timeout": connect_within})

    def connections(self) -> ConnectionPool:
        """To one server; `group` by its sentinels."""
        if self.group:
            return self._by_sentinels()
        return ConnectionPool(
            connection_class=self._kind, max_connections=self.pool, **self._server()
        )

    @property
    def _kind(self) -> type[Connection]:
        return Connection if self.tls is None else SSLConnection

    def _server(self) -> dict[str, Any]:
        return {"host": self.hosts[0].name, "port": self.hosts[0].port, **self.settings()}

    def _by_sentinels(self) -> ConnectionPool:
        asked = {
            **self.sentinel_login,
            **({"ssl": True, **self.tls} if self.tls is not None else {}),
            **self._manners(),
            "socket_connect_timeout": self.timeout,
        }
        # One that hangs must leave time for the next one.
        share = self.timeout / (len(self.hosts) + 1)
        sentinels = Sentinels([(host.name, host.port) for host in self.hosts], share, asked)
        managed = SentinelManagedConnection if self.tls is None else SentinelManagedSSLConnection
        return SentinelConnectionPool(  # type: ignore[no-untyped-call]  # redis-py's
            self.group,
            sentinels,
            connection_class=managed,
            max_connections=self.pool,
            check_connection=False,
            **self.settings(),
        )


def _tls(tls: Tls | None) -> dict[str, Any] | None:
    if tls is None:
        return None
    return {"ssl_ca_certs": tls.ca, "ssl_certfile": tls.cert, "ssl_keyfile": tls.key}


def _path(address: Address, kind: str) -> tuple[str, int]:
    """The sentinels' group and the database."""
    where = f"{address.capability}: {address.scheme}://"
    if kind == "cluster":
        if address.path:
            raise BackendError(f"{where} takes no path: a cluster has one database")
        return "", 0
    if kind == "sentinel":
        if not (match := GROUP.fullmatch(address.path)):
            raise BackendError(f"{where} needs the primary's name: {where}host/mymaster")
        return match[1], int(match[2] or 0)
    if address.path and not DATABASE.fullmatch(address.path):
        raise BackendError(f"{where}: the path is the number of the database")
    return "", int(address.path or 0)
