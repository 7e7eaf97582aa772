"""An upstream: its targets, and for each a pool of connections taken without waiting."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from gateway.config.model import Upstream as UpstreamConfig
from gateway.config.model import UpstreamTls
from gateway.errors import ConnectFailed, PoolExhausted, UpstreamTimeout
from gateway.upstream.connection import UpstreamConnection
from gateway.wheel import Wheel

if TYPE_CHECKING:
    from gateway.proxy import Call

MAX_WAITING = 1024


def tls_context(tls: UpstreamTls | None) -> ssl.SSLContext:
    """Certificates and host names are verified, whatever the options. Raises OSError."""
    context = ssl.create_default_context(cafile=tls.ca if tls else None)
    context.set_alpn_protocols(["http/1.1"])
    if tls and tls.cert:
        context.load_cert_chain(tls.cert, tls.key)
    return context


class Target:
    """One server of an upstream. At most `limit` connections are open to it at a time.

    reachable: whether the last attempt to connect to it went well.
    """

    def __init__(
        self, url: str, weight: int, config: UpstreamConfig, context: ssl.SSLContext | None
    ) -> None:
        parts = urlsplit(url)
        self.url = url
        self.weight = weight
        self.effective = 0
        self.path = parts.path if parts.scheme == "unix" else None
        self.base = b"" if self.path else parts.path.rstrip("/").encode("ascii")
        self.host = parts.hostname or ""
        self.port = parts.port or (443 if parts.scheme == "https" else 80)
        self.authority = (parts.netloc or "localhost").encode("ascii")
        self.tls = context if parts.scheme == "https" else None
        self.server_name = (config.tls and config.tls.server_name) or self.host
        self.limit = config.max_connections
        self.max_age = config.max_age
        self.keep_idle = config.keep_idle
        self.open = 0
        self.reachable = True
        self.idle: deque[UpstreamConnection] = deque()
        self.waiting: deque[Call] = deque()
        self.retired = False

    def take(self, now: float) -> UpstreamConnection | None:
        """An idle connection that is young enough, the one used last first."""
        idle = self.idle
        while idle:
            connection = idle.pop()
            if now < connection.retire_at and connection.keep:
                return connection
            connection.close()
        return None

    def __repr__(self) -> str:
        return f"<Target {self.url} open={self.open} idle={len(self.idle)}>"


class Upstream:
    """A group of targets, and the balance between them."""

    def __init__(
        self, name: str, config: UpstreamConfig, loop: asyncio.AbstractEventLoop, wheel: Wheel
    ) -> None:
        self.name = name
        self.config = config
        self.loop = loop
        self.wheel = wheel
        secure = any(target.url.startswith("https:") for target in config.targets)
        context = tls_context(config.tls) if secure else None
        self.targets = [Target(t.url, t.weight, config, context) for t in config.targets]
        self._only = self.targets[0] if len(self.targets) == 1 else None
        self._connecting: set[asyncio.Task[None]] = set()

    def choose(self) -> Target:
        """Smooth weighted round robin: each target in turn, as often as its weight says."""
        if self._only is not None:
            return self._only
        total = 0
        best = self.targets[0]
        for target in self.targets:
            target.effective += target.weight
            total += target.weight
            if target.effective > best.effective:
                best = target
        best.effective -= total
        return best

    def acquire(self, call: Call) -> None:
        """Give `call` a connection to its target: now, when one stands, or when one is free."""
        target = call.target
        connection = target.take(self.loop.time()) if call.reuse else None
        if connection is not None:
            call.connected(connection)
        elif target.open < target.limit:
            self._open(call)
        elif target.idle:
            target.idle.popleft().close()
            self._open(call)
        elif len(target.waiting) < MAX_WAITING:
            call.wait_until(self.loop.time() + call.connect_timeout)
            target.waiting.append(call)
        else:
            call.failed(PoolExhausted("too many requests wait for a connection"))

    def release(self, connection: UpstreamConnection) -> None:
        """Take back a connection whose answer is complete."""
        target = connection.target
        now = self.loop.time()
        if target.retired or now >= connection.retire_at:
            connection.close()
            return
        waiting = target.waiting
        while waiting:
            call = waiting.popleft()
            if call.wanted:
                call.connected(connection)
                return
        connection.deadline = now + target.keep_idle
        if connection.deadline < connection.armed:
            self.wheel.arm(connection)
        target.idle.append(connection)

    def lost(self, connection: UpstreamConnection) -> None:
        """A connection ended; its place goes to whoever waits for one."""
        target = connection.target
        target.open -= 1
        self.wheel.disarm(connection)
        if connection in target.idle:
            target.idle.remove(connection)
        self._next(target)

    def retire(self) -> None:
        """No longer in the table: idle connections close now, busy ones when they are done."""
        for target in self.targets:
            target.retired = True
            while target.idle:
                target.idle.pop().close()

    def _next(self, target: Target) -> None:
        while target.waiting and target.open < target.limit:
            call = target.waiting.popleft()
            if call.wanted:
                self._open(call)

    def _open(self, call: Call) -> None:
        call.target.open += 1
        task = self.loop.create_task(self._connect(call, call.target))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _connect(self, call: Call, target: Target) -> None:
        def connection() -> UpstreamConnection:
            return UpstreamConnection(self, target)

        try:
            async with asyncio.timeout(call.connect_timeout):
                if target.path is not None:
                    _, made = await self.loop.create_unix_connection(connection, target.path)
                else:
                    _, made = await self.loop.create_connection(
                        connection,
                        target.host,
                        target.port,
                        ssl=target.tls,
                        server_hostname=target.server_name if target.tls else None,
                    )
        except TimeoutError:
            target.open -= 1
            target.reachable = False
            call.failed(UpstreamTimeout(f"{target.url} did not accept a connection in time"))
            self._next(target)
        except OSError as error:
            target.open -= 1
            target.reachable = False
            call.failed(ConnectFailed(f"{target.url} cannot be reached: {reason(error)}"))
            self._next(target)
        else:
            target.reachable = True
            if call.wanted:
                call.connected(made)
            else:
                self.release(made)


def reason(error: OSError) -> str:
    """What went wrong, for an operator's log."""
    return error.strerror or str(error) or type(error).__name__
