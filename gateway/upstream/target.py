"""One target of an upstream, and the connections to it, taken without waiting."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from gateway.config.model import Target as TargetConfig
from gateway.config.model import Upstream as UpstreamConfig
from gateway.config.model import UpstreamTls
from gateway.errors import ConnectFailed, PoolExhausted, UpstreamError, UpstreamTimeout
from gateway.upstream.connection import UpstreamConnection
from gateway.upstream.health import Health
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
    """One server. At most `limit` connections are open to it at a time.

    weight: as configured; health.share is what it has of it now. requests: how often it was
    chosen. reachable: whether the last attempt to connect to it went well. settings: what it
    was made with and cannot change; one with the same settings can be kept over a reload.
    """

    def __init__(
        self,
        place: TargetConfig,
        config: UpstreamConfig,
        context: ssl.SSLContext | None,
        loop: asyncio.AbstractEventLoop,
        wheel: Wheel,
    ) -> None:
        url = place.url
        parts = urlsplit(url)
        self.loop = loop
        self.wheel = wheel
        self.url = url
        self.settings = settings_of(url, config)
        self.path = parts.path if parts.scheme == "unix" else None
        self.base = b"" if self.path else parts.path.rstrip("/").encode("ascii")
        self.host = parts.hostname or ""
        self.port = parts.port or (443 if parts.scheme == "https" else 80)
        self.authority = (parts.netloc or "localhost").encode("ascii")
        self.tls = context if parts.scheme == "https" else None
        self.server_name = (config.tls and config.tls.server_name) or self.host
        self.health = Health(wheel)
        self.open = 0
        self.requests = 0
        self.reachable = True
        self.retired = False
        self.idle: deque[UpstreamConnection] = deque()
        self.waiting: deque[Call] = deque()
        self._connecting: set[asyncio.Task[None]] = set()
        self.adapt(place.weight, config)

    def adapt(self, weight: int, config: UpstreamConfig) -> None:
        """Take over what may change while it serves."""
        self.limit = config.max_connections
        self.max_age = config.max_age
        self.keep_idle = config.keep_idle
        self.weight = weight
        self.health.adapt(weight, config.health)
        self.retired = False

    @property
    def in_flight(self) -> int:
        """Requests on their way, or waiting for a connection."""
        return self.open - len(self.idle) + len(self.waiting)

    def take(self, now: float) -> UpstreamConnection | None:
        """An idle connection that is young enough, the one used last first."""
        idle = self.idle
        while idle:
            connection = idle.pop()
            if now < connection.retire_at and connection.keep:
                return connection
            connection.close()
        return None

    def acquire(self, call: Call) -> None:
        """Give `call` a connection: now, when one stands, or when one is free."""
        connection = self.take(self.loop.time()) if call.reuse else None
        if connection is not None:
            call.connected(connection)
        elif self.open < self.limit:
            self._open(call)
        elif self.idle:
            self.idle.popleft().close()
            self._open(call)
        elif len(self.waiting) < MAX_WAITING:
            call.wait_until(self.loop.time() + call.connect_timeout)
            self.waiting.append(call)
        else:
            call.failed(PoolExhausted("too many requests wait for a connection"))

    def release(self, connection: UpstreamConnection) -> None:
        """Take back a connection whose answer is complete."""
        now = self.loop.time()
        if self.retired or now >= connection.retire_at:
            connection.close()
            return
        waiting = self.waiting
        while waiting:
            call = waiting.popleft()
            if call.wanted:
                call.connected(connection)
                return
        connection.deadline = now + self.keep_idle
        if connection.deadline < connection.armed:
            self.wheel.arm(connection)
        self.idle.append(connection)

    def forget(self, call: Call) -> None:
        """The call no longer waits for a connection."""
        if call in self.waiting:
            self.waiting.remove(call)

    def lost(self, connection: UpstreamConnection) -> None:
        """A connection ended; its place goes to whoever waits for one."""
        self.open -= 1
        self.wheel.disarm(connection)
        if connection in self.idle:
            self.idle.remove(connection)
        self._next()

    def retire(self) -> None:
        """No longer in the table: idle connections close now, busy ones when they are done."""
        self.retired = True
        self.health.forget()
        while self.idle:
            self.idle.pop().close()

    def __repr__(self) -> str:
        return f"<Target {self.url} open={self.open} idle={len(self.idle)}>"

    def _next(self) -> None:
        while self.waiting and self.open < self.limit:
            call = self.waiting.popleft()
            if call.wanted:
                self._open(call)

    def _open(self, call: Call) -> None:
        self.open += 1
        task = self.loop.create_task(self._connect(call))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _connect(self, call: Call) -> None:
        connection = UpstreamConnection(self)
        try:
            async with asyncio.timeout(call.connect_timeout):
                await self._dial(connection)
        except TimeoutError:
            late = UpstreamTimeout(f"{self.url} did not accept a connection in time")
            self._not_connected(call, connection, late)
        except (OSError, UnicodeError) as error:
            refused = ConnectFailed(f"{self.url} cannot be reached: {reason(error)}")
            self._not_connected(call, connection, refused)
        else:
            self.reachable = True
            if call.wanted:
                call.connected(connection)
            else:
                connection.used = True  # whoever gets it must reckon with its going stale
                self.release(connection)

    async def _dial(self, connection: UpstreamConnection) -> None:
        if self.path is not None:
            await self.loop.create_unix_connection(lambda: connection, self.path)
        else:
            await self.loop.create_connection(
                lambda: connection,
                self.host,
                self.port,
                ssl=self.tls,
                server_hostname=self.server_name if self.tls else None,
            )

    def _not_connected(
        self, call: Call, connection: UpstreamConnection, error: UpstreamError
    ) -> None:
        self.reachable = False
        if not connection.made:
            self.open -= 1  # else `lost` is told, and counts
        call.failed(error)
        self._next()


def settings_of(url: str, config: UpstreamConfig) -> tuple[str, UpstreamTls | None]:
    return url, config.tls if url.startswith("https:") else None


def reason(error: OSError | UnicodeError) -> str:
    """What went wrong, for an operator's log."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
