"""Several workers on one port, and the small process that looks after them.

It binds the sockets, starts the workers and keeps their number, tells them what to do, adds up
what they counted, and has the admin listener. No request passes through it.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

from gateway.admin import AdminListener, admin_app, start_admin
from gateway.config.model import Server
from gateway.errors import GatewayError
from gateway.filewatch import Stamp, changes, code_changes
from gateway.supervisor import orders
from gateway.supervisor.crew import Crew
from gateway.supervisor.processes import Processes
from gateway.supervisor.reloading import Reloading
from gateway.supervisor.view import CommonView
from gateway.telemetry.metrics import Metrics

__all__ = ["supervise"]

log = logging.getLogger(__name__)


def supervise(path: Path, content: bytes, server: Server, watched: Stamp | None) -> int:
    """Run until SIGTERM or SIGINT; the process's exit code. Raises GatewayError or OSError.

    `content` is what the file at `path` holds and has been found right.
    """
    asyncio.run(_run(path, content, server, watched))
    return 0


async def _run(path: Path, content: bytes, server: Server, watched: Stamp | None) -> None:
    supervisor = Supervisor(path, content, server)
    try:
        supervisor.obey_signals()
        await supervisor.start()
        await supervisor.until_told(watched)
    finally:
        await supervisor.stop()


class Supervisor:
    """The crew, and whom it obeys: signals, the admin listener, the watched file."""

    def __init__(self, path: Path, content: bytes, server: Server) -> None:
        self._server = server
        self._path = path
        self._metrics = Metrics(version("ait-gateway"), process=False)
        self._crew = Crew(path, content, server, self._metrics)
        self._metrics.registry.register(Processes(lambda: self._crew.processes))
        self._reloading = Reloading(self._crew, self._metrics)
        self._admin: AdminListener | None = None
        self._told = asyncio.Event()
        self._hurry = False
        self._sources: list[str] = []
        self._background: set[asyncio.Task[Any]] = set()

    async def start(self) -> None:
        """Raises GatewayError or OSError when a part of it cannot be had."""
        if self._server.admin is not None:
            view = CommonView(self._crew, self._reloading, self._metrics)
            self._admin = await start_admin(admin_app(view), self._server.admin)
            log.info("admin on %s", self._admin.address)
        starting = asyncio.create_task(self._crew.start())
        told = asyncio.create_task(self._told.wait())
        await asyncio.wait([starting, told], return_when=asyncio.FIRST_COMPLETED)
        told.cancel()
        if starting.done():
            await starting
        else:
            starting.cancel()

    def obey_signals(self) -> None:
        """SIGTERM drains, SIGINT hurries, SIGHUP reloads, SIGUSR2 replaces the workers."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._tell, False)
        loop.add_signal_handler(signal.SIGINT, self._tell, True)
        loop.add_signal_handler(signal.SIGHUP, lambda: self._later(self._reloading.reload()))
        loop.add_signal_handler(signal.SIGUSR2, lambda: self._later(self._reloading.roll()))

    async def until_told(self, watched: Stamp | None) -> None:
        """Let the workers serve until a signal asks for the end."""
        if watched is not None:
            self._later(self._watch(watched))
            self._later(self._watch_code())
        await self._told.wait()

    async def stop(self) -> None:
        """Drain; the admin listener answers to the last."""
        for task in self._background:
            task.cancel()
        await self._crew.drain(self._hurry)
        if self._admin is not None:
            await self._admin.runner.cleanup()

    def _tell(self, hurry: bool) -> None:
        if self._told.is_set():
            self._crew.abandon()
        self._hurry = hurry
        self._told.set()

    async def _watch(self, seen: Stamp) -> None:
        async for _ in changes(self._path, seen):
            await self._reloading.reload()

    async def _watch_code(self) -> None:
        """What changed while the workers were replaced is looked at again afterwards."""
        async for _ in code_changes(self._roots):
            log.info("the code has changed")
            await self._reloading.roll()

    async def _roots(self) -> list[str]:
        """As a worker has it; as it was when none can tell."""
        for worker in self._crew.workers()[:1]:
            with suppress(GatewayError):
                within = self._crew.patience.answer
                self._sources = await worker.ask(list[str], orders.SOURCES, within=within)
        return self._sources

    def _later(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
