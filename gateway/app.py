"""The composition root: a file in, a running gateway out. The only file that knows everybody."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import uvloop

from backends.catalogue import Backends
from backends.errors import BackendError
from gateway import loader
from gateway.admin import Question, Readiness, admin_app, start_admin
from gateway.cli.routes import compiled
from gateway.config import ConfigErrors, Resolved, read, resolve
from gateway.config.model import Listen
from gateway.config.source import read_file
from gateway.dataplane import DataPlane
from gateway.errors import GatewayError, LoadError
from gateway.filewatch import Stamp, changes, code_changes, stamp
from gateway.listening import Listening
from gateway.live import explained
from gateway.plugin import HealthCheck
from gateway.seat import Seat
from gateway.table import Builder, Table, retire
from gateway.telemetry import logs
from gateway.telemetry.access_log import AccessLog
from gateway.telemetry.loop_lag import LoopLag
from gateway.telemetry.metrics import Metrics
from gateway.upstream.checks import HostChecks, Verdict

log = logging.getLogger("gateway")

GRACE = 1.0
"""Seconds between `/readyz` turning false and the last accept."""


def serve(path: Path, watch: bool = False) -> int:
    """Run until SIGTERM or SIGINT; the process's exit code. Prints why it cannot start."""
    seen = stamp(path)
    try:
        content = read_file(path)
        resolved = configuration(path, content)
    except ConfigErrors as errors:
        sys.stderr.write(f"{errors}\n")
        return 2
    logs.configure(resolved.config.server.log_level)
    try:
        if resolved.config.server.workers > 1:
            from gateway.supervisor import supervise  # noqa: PLC0415 - one worker needs none

            return supervise(path, content, resolved.config.server, seen if watch else None)
        uvloop.run(_run(path, resolved, seen if watch else None))
    except (GatewayError, OSError) as error:
        sys.stderr.write(f"ait-gateway: {error}\n")
        return 1
    finally:
        logging.shutdown()
    return 0


def configuration(path: Path, content: bytes | None = None) -> Resolved:
    """The file, or what it held when it was read, checked whole. Raises ConfigErrors."""
    return resolve(read(path, content=content), loader.middleware_class, loader.plugin_class)


async def _run(path: Path, resolved: Resolved, watched: Stamp | None) -> None:
    gateway = Gateway(path, resolved)
    try:
        gateway.obey_signals()
        await gateway.start()
        settle()
        await gateway.until_told(watched)
    finally:
        await gateway.stop()


class Gateway:
    """One worker: the data plane, its listeners, and the admin listener that sees into it.

    With a `seat` it is one of several: its supervisor has the admin listener and the sockets.
    """

    def __init__(self, path: Path, resolved: Resolved, seat: Seat | None = None) -> None:
        config = resolved.config
        self.path = path
        self.resolved = resolved
        self.loop = asyncio.get_running_loop()
        self.metrics = Metrics(version("ait-gateway"), process=seat is None)
        self.access_log = AccessLog(config.server.access_log, self.metrics)
        self.plane = DataPlane(config, self.loop, self.access_log)
        self.backends = _backends(config.backends)
        self.seat = seat or Seat()
        self.builder = Builder(self.loop, self.plane.wheel, self.metrics, self.backends, self.seat)
        self.health = HostChecks(self.seat, self._judge)
        self.listening = Listening(self.plane, self.loop)
        self.lag = LoopLag(self.metrics)
        self.table: Table | None = None
        self._admin: Any = None
        self._readiness = Readiness(self._checks)
        self._prepared: tuple[Table, Resolved] | None = None
        self._reloading = asyncio.Lock()
        self._background: set[asyncio.Task[None]] = set()
        self._told = asyncio.Event()
        self._hurry = False

    async def start(self, doors: Sequence[tuple[Listen, Sequence[int]]] | None = None) -> None:
        """Raises GatewayError or OSError when a part of it cannot be had.

        `doors` are the addresses and descriptors that a worker among others is given; it
        accepts nothing until its supervisor says whose.
        """
        server = self.resolved.config.server
        self.table = await self.builder.build(self.resolved, None)
        self.plane.use(self.table)
        self.table.come_into_force()
        self.health.use(self.resolved.config.upstreams)
        self._watch_metrics()
        self.lag.start()
        if doors is not None:
            self.listening.inherit(doors)
        else:
            if server.admin is not None:
                self._admin = await start_admin(admin_app(self), server.admin)
                log.info("admin on %s", self._admin.address)
            for address in await self.listening.start(server.listen):
                log.info("listening on %s", address)
        self.metrics.reloaded(success=True)

    def obey_signals(self) -> None:
        """SIGTERM drains, SIGINT hurries, SIGHUP reloads."""
        self.loop.add_signal_handler(signal.SIGTERM, self._tell, False)
        self.loop.add_signal_handler(signal.SIGINT, self._tell, True)
        self.loop.add_signal_handler(signal.SIGHUP, self._in_background, self.reload)

    async def until_told(self, watched: Stamp | None) -> None:
        """Serve until a signal asks for the end, reloading when what is watched changes."""
        if watched is not None:
            self._in_background(self._watch_file, watched)
            self._in_background(self._watch_code)
        await self._told.wait()

    async def stop(self, grace: float | None = None, accepting: bool = True) -> None:
        """Drain, then stop what was started, in reverse.

        grace: seconds until idle connections are closed; without it as many as are needed.
        accepting: whether new connections are taken meanwhile.
        """
        config = self.resolved.config
        self.plane.start_draining()
        if not accepting:
            self.listening.stop()
        if grace is None:
            grace = 0.0 if self._hurry else GRACE
        if grace:
            log.info("draining")
            await asyncio.sleep(grace)
        self.listening.stop()
        await self.plane.drain(config.server.drain)
        for task in self._background:
            task.cancel()
        if self._admin is not None:
            await self._admin.runner.cleanup()
        self.lag.stop()
        await self.health.stop()
        await self.abort()
        if self.table is not None:
            self.table.retire_upstreams(())
            await retire(self.table, Table(self.resolved))
        await self.backends.close()
        self.plane.wheel.close()
        self.access_log.close()

    # What the admin listener asks

    def live(self) -> bool:
        return True

    def draining(self) -> bool:
        return self.plane.draining

    async def checks(self) -> Mapping[str, str | None]:
        return await self._readiness.checks()

    async def routes(self) -> Sequence[Any]:
        return compiled(self.resolved)

    def sources(self, *, by_path: bool = False) -> Sequence[str]:
        """Where the code lies that serves, or of it what a reload executes again."""
        classes = self.table.classes() if self.table is not None else ()
        return loader.sources(classes, by_path=by_path)

    async def explain(self, question: Question) -> Any:
        assert self.table is not None
        return await explained(self.table, question, self.seat.number)

    async def reload(self) -> Sequence[str]:
        """Build a table from the file as it is now and swap it in; or say what is wrong."""
        errors = await self.prepare(None)
        for error in errors:
            log.error("not reloaded: %s", error)
        if not errors:
            self.commit()
        return errors

    async def prepare(self, content: bytes | None) -> Sequence[str]:
        """Build a table aside, to `commit` or `abort`; or say what is wrong.

        `content` is what the file held when somebody read it; without it, it is read.
        """
        async with self._reloading:
            if self.table is None:
                return ["the gateway has not started yet"]
            await self._discard()
            try:
                resolved = await asyncio.to_thread(configuration, self.path, content)
                table = await self.builder.build(resolved, self.table)
            except ConfigErrors as errors:
                self.metrics.reloaded(success=False)
                return [str(error) for error in errors.errors]
            except (GatewayError, OSError) as error:
                self.metrics.reloaded(success=False)
                return [str(error)]
            self._prepared = table, resolved
            return []

    def commit(self) -> None:
        """Serve by what was prepared; nothing where nothing was."""
        if self._prepared is not None:
            prepared, self._prepared = self._prepared, None
            self._swap(*prepared)

    async def abort(self) -> None:
        """Forget what was prepared, also when that is still under way."""
        async with self._reloading:
            await self._discard()

    async def _discard(self) -> None:
        if self._prepared is None or self.table is None:
            return
        (table, _), self._prepared = self._prepared, None
        table.retire_upstreams(self.table.upstreams.values())
        await retire(table, self.table)
        self.metrics.keep_routes([route.id for route in self.table.routes])

    def _swap(self, table: Table, resolved: Resolved) -> None:
        old, self.table = self.table, table
        _warn_of_fixed(self.resolved, resolved)
        self.resolved = resolved
        self.plane.use(table)
        table.come_into_force()
        self.health.use(resolved.config.upstreams)
        logs.configure(resolved.config.server.log_level)
        self.metrics.reloaded(success=True)
        log.info("reloaded %s", self.path)
        assert old is not None
        self._in_background(self._retire, old, table)
        settle()

    async def _retire(self, old: Table, new: Table) -> None:
        """Once nothing in flight is on the old table, stop what only it had."""
        old.retire_upstreams(new.upstreams.values())
        await self.plane.quiet(old.routes, self.resolved.config.server.drain)
        await retire(old, new)
        self.metrics.keep_routes([route.id for route in new.routes] + [new.unmatched.id])

    def abandon(self) -> None:
        """Break off whatever is still in flight."""
        for listener in tuple(self.plane.connections):
            listener.transport.abort()

    def _checks(self) -> Mapping[str, HealthCheck]:
        if self.table is None:
            return {}
        engines = {f"backends.{name}": probe for name, probe in self.backends.checks().items()}
        return engines | {
            f"{name}.{check}": probe
            for name, plugin in self.table.plugins.items()
            for check, probe in plugin.checks().items()
        }

    def _tell(self, hurry: bool) -> None:
        if self._told.is_set():
            self.abandon()
        self._hurry = hurry
        self._told.set()

    def _in_background(self, work: Any, *arguments: Any) -> None:
        task = self.loop.create_task(work(*arguments))
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _watch_file(self, seen: Stamp) -> None:
        async for _ in changes(self.path, seen):
            await self.reload()

    async def _watch_code(self) -> None:
        async def roots() -> Sequence[str]:
            return self.sources(by_path=True)

        async for _ in code_changes(roots):
            await self.reload()

    def _judge(self, verdict: Verdict) -> None:
        upstream = self.table.upstreams.get(verdict.upstream) if self.table is not None else None
        if upstream is not None:
            upstream.judge(verdict.url, verdict.healthy, verdict.why)

    def _healthy(self) -> Mapping[tuple[str, ...], float]:
        upstreams = self.table.upstreams.items() if self.table is not None else ()
        return {
            (name, url): float(healthy)
            for name, upstream in upstreams
            for url, healthy in upstream.healthy().items()
        }

    def _watch_metrics(self) -> None:
        metrics, plane = self.metrics, self.plane
        metrics.watch(
            "gateway_connections", "Client connections open.", lambda: len(plane.connections)
        )
        metrics.watch("gateway_requests_in_flight", "Requests not yet answered.", plane.in_flight)
        metrics.watch_each(
            "gateway_upstream_healthy",
            "1 unless checks, failures or the last connection attempt speak against it.",
            ["upstream", "target"],
            self._healthy,
            across="min",
        )
        metrics.watch_each(
            "gateway_sql_connections",
            "Connections of backends.sql: at the most, in use, and blocks that wait for one.",
            ["state"],
            self._sql_connections,
        )

    def _sql_connections(self) -> dict[tuple[str, ...], float]:
        pool = self.backends.sql_pool()
        return {} if pool is None else {(state,): count for state, count in pool._asdict().items()}


def _backends(urls: Mapping[str, str]) -> Backends:
    """The engines; a URL that its driver cannot read, or an extra it lacks, is told now."""
    backends = Backends(urls)
    try:
        for capability in {"limits", *urls}:
            backends.open(capability)
    except BackendError as error:
        raise LoadError(f"backends.{error}") from error
    return backends


def _warn_of_fixed(old: Resolved, new: Resolved) -> None:
    for name in ("listen", "admin", "workers", "access_log", "trusted_proxies"):
        if getattr(old.config.server, name) != getattr(new.config.server, name):
            log.warning("server.%s has changed and takes effect at the next start", name)
    if old.config.backends != new.config.backends:
        log.warning("backends have changed and take effect at the next start")


def settle() -> None:
    """What the table is made of lives long: the collector need not look at it again. For the
    process, so whoever has a gateway in a process of its own says so once it has started."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
