"""Runs the jobs of a queue, whatever store they are in."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import socket
from collections import Counter
from collections.abc import Awaitable, Mapping
from contextlib import suppress
from uuid import uuid4

from backends.errors import BackendError
from backends.jobs import MOST_AT_ONCE, Jobs, Outcome, Standing, Verdict
from backends.jobs.attempt import GRACE, Attempt
from backends.jobs.running import Handler

log = logging.getLogger(__name__)

IDLE = 1.0
BEAT_EVERY = 1.0
LONGEST_PAUSE = 5.0


class Worker:
    """Up to `concurrency` jobs of `queue` at a time, each by the handler of its name.

    lease: seconds after which others may take over the jobs of a worker that was killed; they
    are renewed about every second, by a task of its own. A handler that blocks the event loop
    blocks that too: blocking work belongs in a thread. drain: seconds that running jobs get to
    end once `stop` is called; those that have not are handed back and run elsewhere.

    A job is out of the worker's hands when its outcome is stored; until then it takes one of the
    places. While the store is away the jobs that run go on, and their outcomes wait for it.
    """

    def __init__(
        self,
        jobs: Jobs,
        queue: str,
        handlers: Mapping[str, Handler],
        *,
        concurrency: int = 10,
        lease: float = 30.0,
        drain: float = 10.0,
    ) -> None:
        if not 1 <= concurrency <= MOST_AT_ONCE or lease <= 0:
            raise ValueError(f"concurrency is 1 to {MOST_AT_ONCE}, lease some seconds")
        self.name = f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"
        self.counts: Counter[Verdict] = Counter()
        self._jobs = jobs
        self._queue = queue
        self._handlers = dict(handlers)
        self._concurrency = concurrency
        self._lease = lease
        self._drain_for = drain
        self._held: dict[tuple[str, int], Attempt] = {}
        self._outcomes: list[Outcome] = []
        self._to_store = asyncio.Event()
        self._changed = asyncio.Event()
        self._stopping = asyncio.Event()
        self._away = False

    async def run(self) -> None:
        """Until `stop`. Cancelled, it leaves what it holds to lapse."""
        steps = [asyncio.create_task(step()) for step in (self._work, self._beat, self._store)]
        try:
            done, _ = await asyncio.wait(steps, return_when=asyncio.FIRST_COMPLETED)
            for step in done:
                step.result()
        finally:
            tasks = [*steps, *(held.task for held in self._held.values())]
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=GRACE)

    async def _work(self) -> None:
        await self._pull()
        await self._drain()

    def stop(self) -> None:
        """No more is claimed; `run` ends within about `drain` seconds."""
        self._stopping.set()
        self._changed.set()

    async def _pull(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            self._changed.clear()
            if not (free := self._concurrency - len(self._held)):
                await self._changed.wait()
                continue
            try:
                claims = await self._jobs.claim(self._queue, self.name, free, self._lease)
                self._back()
                failures = 0
                for claimed in claims.jobs:
                    handler = self._handlers.get(claimed.name)
                    attempt = Attempt(self._queue, claimed, handler, self._ended)
                    self._held[claimed.id, claimed.fence] = attempt
                if len(claims.jobs) < free:
                    rest = IDLE if claims.next is None else min(claims.next, IDLE)
                    await self._unless_stopped(self._jobs.wait(self._queue, rest))
            except BackendError as error:
                failures += 1
                self._gone(error)
                await self._unless_stopped(asyncio.sleep(_pause(failures)))

    async def _unless_stopped(self, waiting: Awaitable[None]) -> None:
        """Raises what `waiting` does."""
        task = asyncio.ensure_future(waiting)
        stop = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                task.result()
        finally:
            task.cancel()
            stop.cancel()
            await asyncio.wait({task, stop})

    async def _drain(self) -> None:
        await self._emptied(self._drain_for)
        for held in self._held.values():
            held.stop("stopping")
        await self._emptied(GRACE)
        if self._held:
            log.warning("%d jobs of %s did not stop in time", len(self._held), self._queue)

    async def _emptied(self, within: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                while self._held:
                    self._changed.clear()
                    await self._changed.wait()

    def _ended(self, outcome: Outcome) -> None:
        """Of a job that was lost there is nothing to store."""
        if (outcome.id, outcome.fence) in self._held:
            self._outcomes.append(outcome)
            self._to_store.set()

    async def _store(self) -> None:
        while True:
            await self._to_store.wait()
            self._to_store.clear()
            while batch := self._outcomes[:MOST_AT_ONCE]:
                await self._finish(batch)
                del self._outcomes[: len(batch)]
                for outcome in batch:
                    self._held.pop((outcome.id, outcome.fence), None)
                self._changed.set()

    async def _finish(self, batch: list[Outcome]) -> None:
        failures = 0
        while True:
            try:
                stored = await self._jobs.finish(self._queue, batch)
            except BackendError as error:
                failures += 1
                self._gone(error)
                await asyncio.sleep(_pause(failures))
            else:
                self.counts.update(
                    outcome.verdict for outcome, held in zip(batch, stored, strict=True) if held
                )
                return

    async def _beat(self) -> None:
        """Takes no notice of handlers, but of those that outstay their time and its grace."""
        while True:
            await asyncio.sleep(min(self._lease / 3, BEAT_EVERY))
            held = [one for one in self._held.values() if not one.outstayed()]
            if not held:
                continue
            beats = [one.running.beat() for one in held]
            try:
                standings = await self._jobs.beat(self._queue, beats, self._lease)
            except BackendError as error:
                self._gone(error)
                continue
            for one, standing in zip(held, standings, strict=True):
                if standing is Standing.CANCELLING:
                    one.stop("cancelled")
                elif standing is Standing.LOST and not one.task.done():
                    one.stop("lost")
                    self._held.pop((one.running.id, one.running.fence), None)
                    self._changed.set()

    def _gone(self, error: BackendError) -> None:
        if not self._away:
            log.warning("the store of queue %s is away: %s", self._queue, error)
        self._away = True

    def _back(self) -> None:
        if self._away:
            log.warning("the store of queue %s is back", self._queue)
        self._away = False


def _pause(failures: int) -> float:
    """Seconds, with jitter."""
    longest = min(0.05 * 2.0 ** min(failures, 10), LONGEST_PAUSE)
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
