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

from backends.errors import BackendError
from backends.limits import open_limits
from gateway import loader
from gateway.admin import admin_app, start_admin
from gateway.cli.explain import explain
from gateway.cli.routes import compiled
from gateway.config import ConfigErrors, Resolved, read, resolve
from gateway.dataplane import DataPlane
from gateway.errors import GatewayError, LoadError
from gateway.listening import Listening
from gateway.plugin import HealthCheck
from gateway.table import Builder, Table, retire
from gateway.telemetry import logs
from gateway.telemetry.access_log import AccessLog
from gateway.telemetry.loop_lag import LoopLag
from gateway.telemetry.metrics import Metrics

log = logging.getLogger("gateway")

Stamp = tuple[int, int]

WATCH_EVERY = 0.5
GRACE = 1.0
"""Seconds between `/readyz` turning false and the last accept."""


def serve(path: Path, watch: bool = False) -> int:
    """Run until SIGTERM or SIGINT; the process's exit code. Prints why it cannot start."""
    seen = _stamp(path)
    try:
        resolved = configuration(path)
    except ConfigErrors as errors:
        sys.stderr.write(f"{errors}\n")
        return 2
    logs.configure(resolved.config.server.log_level)
    try:
        uvloop.run(_run(path, resolved, seen if watch else None))
    except (GatewayError, OSError) as error:
        sys.stderr.write(f"ait-gateway: {error}\n")
        return 1
    finally:
        logging.shutdown()
    return 0


def configuration(path: Path) -> Resolved:
    """The file, checked whole. Raises ConfigErrors."""
    return resolve(read(path), loader.middleware_class, loader.plugin_class)


async def _run(path: Path, resolved: Resolved, watched: Stamp | None) -> None:
    gateway = Gateway(path, resolved)
    try:
        gateway.obey_signals()
        await gateway.start()
        await gateway.until_told(watched)
    finally:
        await gateway.stop()


class Gateway:
    """One worker: the data plane, its listeners, and the admin listener that sees into it."""

    def __init__(self, path: Path, resolved: Resolved) -> None:
        config = resolved.config
        self.path = path
        self.resolved = resolved
        self.loop = asyncio.get_running_loop()
        self.metrics = Metrics(version("ait-gateway"))
        self.access_log = AccessLog(config.server.access_log, self.metrics)
        self.plane = DataPlane(config, self.loop, self.access_log)
        self.limits = _limits(config.backends)
        self.builder = Builder(self.loop, self.plane.wheel, self.metrics, self.limits)
        self.listening = Listening(self.plane, self.loop)
        self.lag = LoopLag(self.metrics)
        self.table: Table | None = None
        self._admin: Any = None
        self._reloading = asyncio.Lock()
        self._background: set[asyncio.Task[None]] = set()
        self._told = asyncio.Event()
        self._hurry = False

    async def start(self) -> None:
        """Raises GatewayError or OSError when a part of it cannot be had."""
        server = self.resolved.config.server
        self.table = await self.builder.build(self.resolved, None)
        self.plane.use(self.table)
        self._watch_metrics()
        self.lag.start()
        if server.admin is not None:
            self._admin = await start_admin(admin_app(self), server.admin)
            log.info("admin on %s", self._admin.address)
        for address in await self.listening.start(server.listen):
            log.info("listening on %s", address)
        self.metrics.reloaded(success=True)
        _settle()

    def obey_signals(self) -> None:
        """SIGTERM drains, SIGINT hurries, SIGHUP reloads."""
        self.loop.add_signal_handler(signal.SIGTERM, self._tell, False)
        self.loop.add_signal_handler(signal.SIGINT, self._tell, True)
        self.loop.add_signal_handler(signal.SIGHUP, self._in_background, self.reload)

    async def until_told(self, watched: Stamp | None) -> None:
        """Serve until a signal asks for the end, reloading when the watched file changes."""
        if watched is not None:
            self._in_background(self._watch_file, watched)
        await self._told.wait()

    async def stop(self) -> None:
        """Drain, then stop what was started, in reverse."""
        config = self.resolved.config
        self.plane.start_draining()
        if self.plane.connections and not self._hurry:
            log.info("draining")
            await asyncio.sleep(GRACE)
        self.listening.stop()
        await self.plane.drain(config.server.drain)
        for task in self._background:
            task.cancel()
        if self._admin is not None:
            await self._admin.runner.cleanup()
        self.lag.stop()
        if self.table is not None:
            self.table.retire_upstreams(())
            await retire(self.table, Table(self.resolved))
        await self.limits.close()
        self.plane.wheel.close()
        self.access_log.close()

    # What the admin listener asks

    def live(self) -> bool:
        return True

    def draining(self) -> bool:
        return self.plane.draining

    def checks(self) -> Mapping[str, HealthCheck]:
        if self.table is None:
            return {}
        return {
            f"{name}.{check}": probe
            for name, plugin in self.table.plugins.items()
            for check, probe in plugin.checks().items()
        }

    def routes(self) -> Sequence[Any]:
        return compiled(self.resolved)

    def explain(self, method: str, url: str, headers: Sequence[tuple[str, str]]) -> Any:
        router = self.table.router if self.table is not None else None
        return explain(self.resolved, method, url, headers, router)

    async def reload(self) -> Sequence[str]:
        """Build a table from the file as it is now and swap it in; or say what is wrong."""
        async with self._reloading:
            if self.table is None:
                return ["the gateway has not started yet"]
            try:
                resolved = await asyncio.to_thread(configuration, self.path)
                table = await self.builder.build(resolved, self.table)
            except ConfigErrors as errors:
                return self._not_reloaded([str(error) for error in errors.errors])
            except (GatewayError, OSError) as error:
                return self._not_reloaded([str(error)])
            self._swap(table, resolved)
            return []

    def _swap(self, table: Table, resolved: Resolved) -> None:
        old, self.table = self.table, table
        _warn_of_fixed(self.resolved, resolved)
        self.resolved = resolved
        self.plane.use(table)
        logs.configure(resolved.config.server.log_level)
        self.metrics.reloaded(success=True)
        log.info("reloaded %s", self.path)
        assert old is not None
        self._in_background(self._retire, old, table)
        _settle()

    def _not_reloaded(self, errors: list[str]) -> list[str]:
        self.metrics.reloaded(success=False)
        for error in errors:
            log.error("not reloaded: %s", error)
        return errors

    async def _retire(self, old: Table, new: Table) -> None:
        """Once nothing in flight is on the old table, stop what only it had."""
        old.retire_upstreams(new.upstreams.values())
        await self.plane.quiet(old.routes, self.resolved.config.server.drain)
        await retire(old, new)
        self.metrics.keep_routes([route.id for route in new.routes] + [new.unmatched.id])

    def _tell(self, hurry: bool) -> None:
        if self._told.is_set():
            for listener in tuple(self.plane.connections):
                listener.transport.abort()
        self._hurry = hurry
        self._told.set()

    def _in_background(self, work: Any, *arguments: Any) -> None:
        task = self.loop.create_task(work(*arguments))
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _watch_file(self, seen: Stamp) -> None:
        while True:
            await asyncio.sleep(WATCH_EVERY)
            now = _stamp(self.path)
            if now is not None and now != seen:
                seen = now
                await self.reload()

    def _reachable(self) -> Mapping[tuple[str, ...], float]:
        upstreams = self.table.upstreams.items() if self.table is not None else ()
        return {
            (name, target.url): float(target.reachable)
            for name, upstream in upstreams
            for target in upstream.targets
        }

    def _watch_metrics(self) -> None:
        metrics, plane = self.metrics, self.plane
        metrics.watch(
            "gateway_connections", "Client connections open.", lambda: len(plane.connections)
        )
        metrics.watch("gateway_requests_in_flight", "Requests not yet answered.", plane.in_flight)
        metrics.watch_each(
            "gateway_upstream_healthy",
            "1 when the last attempt to connect to the target went well.",
            ["upstream", "target"],
            self._reachable,
        )


def _limits(backends: Mapping[str, str]) -> Any:
    others = sorted(set(backends) - {"limits"})
    if others:
        raise LoadError(f"backends: this version has no driver for {', '.join(others)}")
    try:
        return open_limits(backends.get("limits", "memory://"))
    except BackendError as error:
        raise LoadError(f"backends.limits: {error}") from error


def _warn_of_fixed(old: Resolved, new: Resolved) -> None:
    for name in ("listen", "admin", "workers", "access_log", "trusted_proxies"):
        if getattr(old.config.server, name) != getattr(new.config.server, name):
            log.warning("server.%s has changed and takes effect at the next start", name)
    if old.config.backends != new.config.backends:
        log.warning("backends have changed and take effect at the next start")


def _stamp(path: Path) -> Stamp | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino


def _settle() -> None:
    """What the table is made of lives long: the collector need not look at it again."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
