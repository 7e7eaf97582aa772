"""Active health checks: asks each target in turn whether it is well, and says so.

`HealthChecks` knows nothing of what becomes of its verdicts. `HostChecks` runs it in the one
worker of a host that leads, and tells every worker, itself included.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable, Mapping
from random import uniform
from urllib.parse import urlsplit

import aiohttp
import msgspec
from yarl import URL

from gateway.config.model import ActiveCheck, Upstream, UpstreamTls
from gateway.seat import Seat
from gateway.upstream.target import reason, tls_context

log = logging.getLogger("gateway.upstream")

AT_ONCE = 64
JITTER = 0.1
TOPIC = "upstream health"
WANTED = "upstream health wanted"


class Verdict(msgspec.Struct, frozen=True):
    """Whether an upstream's target is well, by its checks so far."""

    upstream: str
    url: str
    healthy: bool
    why: str


Publish = Callable[[Verdict], None]
Key = tuple[str, str, ActiveCheck, UpstreamTls | None]


class HealthChecks:
    """Runs the checks of all upstreams, and publishes a verdict after each one.

    A verdict is the same as before until `healthy` or `unhealthy` checks in a row say
    otherwise; the first check of a target of which nothing is known decides alone.
    """

    def __init__(self, publish: Publish) -> None:
        self._publish = publish
        self._running: dict[Key, asyncio.Task[None]] = {}
        self._places = asyncio.Semaphore(AT_ONCE)

    def use(self, upstreams: Mapping[str, Upstream], known: Mapping[tuple[str, str], bool]) -> None:
        """Check these from now on; what has not changed goes on as it was.

        `known`: what is thought of a target so far, by upstream and URL.
        """
        wanted = {
            (name, target.url, config.health.active, config.tls)
            for name, config in upstreams.items()
            if config.health.active is not None
            for target in config.targets
        }
        for key in self._running.keys() - wanted:
            self._running.pop(key).cancel()
        for key in wanted - self._running.keys():
            check = Check(key, known.get(key[:2]), self._publish)
            self._running[key] = asyncio.create_task(check.run(self._places))

    async def stop(self) -> None:
        running = list(self._running.values())
        self._running.clear()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


class Check:
    """The checks of one target. Whatever happens to one of them, the next one comes."""

    def __init__(self, key: Key, healthy: bool | None, publish: Publish) -> None:
        self._upstream, self._url, self._config, self._tls = key
        self._healthy = healthy
        self._publish = publish
        self._against = 0
        self._made: ssl.SSLContext | None = None

    async def run(self, places: asyncio.Semaphore) -> None:
        interval = self._config.interval
        await asyncio.sleep(uniform(0, JITTER * min(interval, 1.0)))  # noqa: S311  no secret
        while True:
            async with places:
                why = await self._ask()
            self.count(not why, why or "its checks succeed")
            pause = uniform(interval * (1 - JITTER), interval * (1 + JITTER))  # noqa: S311  no secret
            await asyncio.sleep(pause)

    def count(self, well: bool, why: str) -> None:
        if well is self._healthy:
            self._against = 0
        else:
            self._against += 1
            needed = self._config.healthy if well else self._config.unhealthy
            if self._healthy is None or self._against >= needed:
                self._healthy = well
                self._against = 0
        if well is self._healthy:
            self._publish(Verdict(self._upstream, self._url, well, why))

    async def _ask(self) -> str:
        """Why the target is not well; empty when it is."""
        try:
            async with asyncio.timeout(self._config.timeout):
                if self._config.path is None:
                    await self._connect()
                    return ""
                status = await self._get(self._config.path)
                return "" if 200 <= status < 400 else f"the check was answered {status}"
        except TimeoutError:
            return f"no answer to the check within {self._config.timeout:g} s"
        except aiohttp.ClientError as error:
            return f"the check failed: {type(error).__name__}"
        except OSError as error:
            return f"the check failed: {reason(error)}"
        except Exception as error:
            log.exception("the check of %s failed", self._url)
            return f"the check failed: {type(error).__name__}"

    async def _connect(self) -> None:
        parts = urlsplit(self._url)
        if parts.scheme == "unix":
            _, writer = await asyncio.open_unix_connection(parts.path)
        else:
            context = self._context()
            name = (self._tls and self._tls.server_name) or parts.hostname
            port = parts.port or (443 if context else 80)
            _, writer = await asyncio.open_connection(
                parts.hostname, port, ssl=context, server_hostname=name if context else None
            )
        writer.transport.abort()

    async def _get(self, path: str) -> int:
        connector: aiohttp.BaseConnector
        if self._url.startswith("unix:"):
            connector = aiohttp.UnixConnector(urlsplit(self._url).path, force_close=True)
            url = f"http://localhost{path}"
        else:
            connector = aiohttp.TCPConnector(ssl=self._context() or True, force_close=True)
            url = self._url.rstrip("/") + path
        async with (
            aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": "ait-gateway health check"},
            ) as session,
            session.get(
                URL(url, encoded=True),
                allow_redirects=False,
                server_hostname=self._tls.server_name if self._tls else None,
            ) as answer,
        ):
            return answer.status

    def _context(self) -> ssl.SSLContext | None:
        if self._made is None and self._url.startswith("https:"):
            self._made = tls_context(self._tls)
        return self._made


class HostChecks:
    """The checks of a host: run by the worker that leads, heard by all of them.

    `judge` is called in every worker, with every verdict. One that starts later asks what is
    known, and need not wait for the next check.
    """

    def __init__(self, seat: Seat, judge: Publish) -> None:
        self._seat = seat
        self._judge = judge
        self._upstreams: Mapping[str, Upstream] = {}
        self._known: dict[tuple[str, str], Verdict] = {}
        self._asked = False
        self._checks = HealthChecks(self._tell)
        self._cancel = (
            seat.broadcast.subscribe(TOPIC, self._heard),
            seat.broadcast.subscribe(WANTED, self._repeat),
            seat.leadership.watch(lambda held: self._run()),
        )

    def use(self, upstreams: Mapping[str, Upstream]) -> None:
        """The upstreams of the table in force."""
        self._upstreams = upstreams
        here = {
            (name, target.url)
            for name, config in upstreams.items()
            if config.health.active is not None
            for target in config.targets
        }
        self._known = {key: verdict for key, verdict in self._known.items() if key in here}
        self._run()
        if not self._asked:
            self._asked = True
            self._seat.broadcast.publish(WANTED, b"")

    async def stop(self) -> None:
        for cancel in self._cancel:
            cancel()
        await self._checks.stop()

    def _run(self) -> None:
        leads = self._seat.leadership.held
        known = {key: verdict.healthy for key, verdict in self._known.items()}
        self._checks.use(self._upstreams if leads else {}, known)

    def _tell(self, verdict: Verdict) -> None:
        self._seat.broadcast.publish(TOPIC, msgspec.json.encode(verdict))

    def _heard(self, payload: bytes) -> None:
        verdict = msgspec.json.decode(payload, type=Verdict)
        self._known[verdict.upstream, verdict.url] = verdict
        self._judge(verdict)

    def _repeat(self, _: bytes) -> None:
        """A worker has started and knows nothing."""
        if self._seat.leadership.held:
            for verdict in self._known.values():
                self._tell(verdict)
