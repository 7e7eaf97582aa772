"""A reload of all workers: each builds the new table aside, then all take it, or none does."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from gateway.config import ConfigErrors
from gateway.config.source import read_file
from gateway.errors import GatewayError
from gateway.supervisor import orders
from gateway.supervisor.crew import Crew
from gateway.supervisor.process import NotStarted, WorkerProcess
from gateway.telemetry.metrics import Metrics

log = logging.getLogger("gateway.supervisor")


class Reloading:
    """One at a time, reloads and rolls alike."""

    def __init__(self, crew: Crew, metrics: Metrics) -> None:
        self._crew = crew
        self._metrics = metrics
        self._lock = asyncio.Lock()

    async def reload(self) -> Sequence[str]:
        """Read the file; everything that is wrong with it, and then nothing has changed."""
        async with self._lock:
            try:
                content = await asyncio.to_thread(read_file, self._crew.path)
            except ConfigErrors as unreadable:
                return self._said([str(error) for error in unreadable.errors])
            workers = self._crew.workers()
            if not workers:
                return self._said(["no worker is there to look at the file"])
            answers = await asyncio.gather(*(self._prepare(each, content) for each in workers))
            # The workers find the same mistakes.
            errors = list(dict.fromkeys(error for answer in answers for error in answer))
            if errors:
                await asyncio.gather(*map(self._abort, workers))
                return self._said(errors)
            self._crew.content = content
            await asyncio.gather(*(self._commit(each, content) for each in workers))
            late = [each for each in self._crew.workers() if each.content != content]
            await asyncio.gather(*(self._follow(each, content) for each in late))
            return self._said([])

    async def roll(self) -> None:
        """Replace the workers one by one, by the code and the file as they are now."""
        async with self._lock:
            log.info("replacing the workers")
            try:
                content = await asyncio.to_thread(read_file, self._crew.path)
                await self._crew.roll(content)
            except (ConfigErrors, NotStarted) as reason:
                log.error("the workers are not replaced: %s", reason)
            else:
                log.info("the workers are replaced")

    def _said(self, errors: list[str]) -> list[str]:
        self._metrics.reloaded(success=not errors)
        for error in errors:
            log.error("not reloaded: %s", error)
        if not errors:
            log.info("reloaded %s", self._crew.path)
        return errors

    async def _prepare(self, worker: WorkerProcess, content: bytes) -> list[str]:
        try:
            return await worker.ask(
                list[str], orders.PREPARE, content, within=self._crew.patience.start
            )
        except GatewayError as error:
            return [f"worker {worker.number}: {error}"]

    async def _commit(self, worker: WorkerProcess, content: bytes) -> None:
        """A worker that does not take what all others have taken is replaced by one that does."""
        try:
            await worker.ask(type(None), orders.COMMIT, within=self._crew.patience.answer)
        except GatewayError as error:
            log.error("worker %d is replaced: %s", worker.number, error)
            worker.kill()
        else:
            worker.content = content

    async def _follow(self, worker: WorkerProcess, content: bytes) -> None:
        """For one that began to serve while the others looked at the file."""
        if errors := await self._prepare(worker, content):
            log.error("worker %d is replaced: %s", worker.number, errors[0])
            worker.kill()
        else:
            await self._commit(worker, content)

    async def _abort(self, worker: WorkerProcess) -> None:
        try:
            await worker.ask(type(None), orders.ABORT, within=self._crew.patience.answer)
        except GatewayError as error:
            # What it prepared is dropped with the next reload at the latest.
            log.warning("worker %d: %s", worker.number, error)
