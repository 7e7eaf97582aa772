"""Scripts on one Redis, a cluster, or whatever server a sentinel says is the primary."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any

from redis.asyncio import Redis, RedisCluster, Sentinel
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    NoScriptError,
    RedisClusterException,
    RedisError,
    ResponseError,
)

from backends.address import Address
from backends.errors import BackendError, BackendUnavailable, Refused
from backends.jobs.redis_scripts import Script

AT_ONCE = 16
MOST_WAITING = 10_000
REFUSALS = re.compile(r"\b(NOAUTH|WRONGPASS|NOPERM|OOM|WRONGTYPE)\b")
CODE = re.compile(r"\b[A-Z]{4,}\b")

Client = Any  # of redis-py, whose Redis and RedisCluster share no type
Step = Callable[[Client], Awaitable[Any]]


class RedisLink:
    """timeout: seconds for a call, connecting and its turn included."""

    def __init__(self, address: Address, timeout: float, replicas: int) -> None:
        self._address = address
        self._timeout = timeout
        self._replicas = replicas
        self._client: Client | None = None
        self._others: list[Client] = []
        self._connecting = asyncio.Lock()
        self._gate = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0
        self._closed = False

    async def run(self, script: Script, *values: Any, safe: bool = False) -> Any:
        """safe: wait until as many replicas as were asked for have it too."""
        replicas = self._replicas if safe else 0
        return await self.call(lambda client: _run(client, script, values, replicas, self._timeout))

    async def call(self, step: Step) -> Any:
        """Raises BackendUnavailable and Refused."""
        if self._waiting >= MOST_WAITING:
            raise BackendUnavailable(f"jobs: too many wait for {self._address}")
        self._waiting += 1
        try:
            async with asyncio.timeout(self._timeout), self._gate:
                return await self._translated(step)
        except TimeoutError:
            said = f"jobs: {self._address}: no answer in {self._timeout:g} s"
            raise BackendUnavailable(said) from None
        finally:
            self._waiting -= 1

    async def wait(self, key: str, seconds: float) -> None:
        """Until something is pushed to the list, or the time is over."""
        try:
            async with asyncio.timeout(seconds + self._timeout):
                await self._translated(lambda client: client.blpop([key], timeout=seconds))
        except TimeoutError:
            said = f"jobs: {self._address}: no answer while waiting"
            raise BackendUnavailable(said) from None

    async def close(self) -> None:
        self._closed = True
        client, self._client = self._client, None
        for one in (client, *self._others):
            if one is not None:
                await one.aclose()

    async def _translated(self, step: Step) -> Any:
        if self._closed:
            raise BackendError("jobs: the store is closed")
        try:
            return await step(self._client or await self._connected())
        except (RedisError, RedisClusterException, OSError) as error:
            raise self._translation(error) from None

    async def _connected(self) -> Client:
        async with self._connecting:
            if self._client is None:
                client, self._others = _client(self._address)
                if isinstance(client, RedisCluster):
                    await client.initialize()  # calls that find it half done are sent twice
                self._client = client
        return self._client

    def _translation(self, error: Exception) -> BackendError:
        """Not redis-py's own text, which may repeat what was sent."""
        refusal = REFUSALS.search(str(error))
        if refusal or isinstance(error, AuthenticationError):
            said = refusal[0] if refusal else "login"
            return Refused(f"jobs: {self._address} refused: {said}")
        code = CODE.match(str(error)) if isinstance(error, ResponseError) else None
        said = code[0] if code else type(error).__name__
        return BackendUnavailable(f"jobs: {self._address}: {said}")


async def _run(
    client: Client, script: Script, values: tuple[Any, ...], replicas: int, within: float
) -> Any:
    try:
        return await _send(client, ("EVALSHA", script.sha, 1, *values), replicas, within)
    except NoScriptError:
        return await _send(client, ("EVAL", script.text, 1, *values), replicas, within)


async def _send(client: Client, command: tuple[Any, ...], replicas: int, within: float) -> Any:
    if not replicas:
        return await client.execute_command(*command)
    async with client.pipeline(transaction=False) as pipe:  # WAIT is about its own connection
        pipe.execute_command(*command)
        pipe.execute_command("WAIT", replicas, int(within * 800))
        said, reached = await pipe.execute()
    if reached < replicas:
        raise BackendUnavailable(f"jobs: only {reached} of {replicas} replicas have it")
    return said


def _client(address: Address) -> tuple[Client, list[Client]]:
    """And those it asks where to go, which it does not close."""
    about: dict[str, Any] = {
        "username": address.username,
        "password": address.password,
        "socket_timeout": None,  # whoever calls has a deadline for all of it
        "socket_connect_timeout": 2.0,
        "protocol": 2,
        "max_connections": 1_000_000,  # bounded here: by the gate, and by who waits
    }
    if address.tls is not None:
        about |= {
            "ssl": True,
            "ssl_ca_certs": address.tls.ca,
            "ssl_certfile": address.tls.cert,
            "ssl_keyfile": address.tls.key,
        }
    # Never by itself: a claim that is sent twice leaves the first one's jobs to lapse.
    about["retry"] = Retry(NoBackoff(), 0)
    if address.scheme == "redis+cluster":
        nodes = [ClusterNode(host.name, host.port) for host in address.hosts]
        return RedisCluster(startup_nodes=nodes, **about), []
    if address.scheme == "redis+sentinel":
        sentinels = [(host.name, host.port) for host in address.hosts]
        watch: Any = Sentinel(sentinels, socket_timeout=1.0)  # type: ignore[no-untyped-call]  # theirs
        return watch.master_for(address.path, **about), watch.sentinels
    host = address.hosts[0]
    return Redis(host=host.name, port=host.port, db=int(address.path or 0), **about), []
