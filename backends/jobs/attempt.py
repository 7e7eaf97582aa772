"""One attempt at a claimed job: the task that runs its handler, and what comes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from backends.jobs.job import Claimed, Outcome, Verdict
from backends.jobs.running import GiveUp, Handler, Running, TryLater, described

GRACE = 2.0
STOPPED = {"cancelled": Verdict.CANCELLED, "stopping": Verdict.RELEASE}


class Attempt:
    """Runs from the start. `ended` is called with the outcome."""

    def __init__(
        self,
        queue: str,
        claimed: Claimed,
        handler: Handler | None,
        ended: Callable[[Outcome], None],
    ) -> None:
        self.running = Running(queue, claimed)
        self._handler = handler
        self._ended = ended
        self._expired = False
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(claimed.timeout, self._expire)
        self.task = loop.create_task(self._outcome())
        self.task.add_done_callback(self._done)

    def stop(self, why: str) -> None:
        """Once: the handler gets CancelledError."""
        if self.running.stopped_by is None and not self.task.done():
            self.running.stopped_by = why
            self.task.cancel()

    def outstayed(self) -> bool:
        """Whether the handler goes on though its time is over; its lease may lapse."""
        over = asyncio.get_running_loop().time() > self._timer.when() + GRACE
        return over and not self.task.done()

    def _expire(self) -> None:
        if self.running.stopped_by is None:
            self._expired = self.task.cancel()

    def _done(self, task: asyncio.Task[Outcome]) -> None:
        self._timer.cancel()
        if task.cancelled():
            self._ended(self._stopped())
        elif (error := task.exception()) is not None:
            self._ended(self._retry(described(error)))
        else:
            self._ended(task.result())

    async def _outcome(self) -> Outcome:
        job = self.running
        if self._handler is None:
            return self._retry(f"this worker has no handler named {job.name}")
        try:
            result = await self._handler(job)
        except GiveUp as error:
            return Outcome(job.id, job.fence, Verdict.DEAD, error=described(error))
        except TryLater as error:
            return self._retry(described(error), error.seconds)
        except Exception as error:  # noqa: BLE001 - a handler may raise anything
            return self._retry(described(error))
        return Outcome(job.id, job.fence, Verdict.DONE, result=result)

    def _stopped(self) -> Outcome:
        job = self.running
        if verdict := STOPPED.get(job.stopped_by or ""):
            return Outcome(job.id, job.fence, verdict)
        if self._expired:
            return self._retry(f"it took longer than {job.timeout:g} s")
        return self._retry("the handler cancelled itself")

    def _retry(self, error: str, delay: float | None = None) -> Outcome:
        job = self.running
        wait = job.retry.delay(job.attempt) if delay is None else delay
        return Outcome(job.id, job.fence, Verdict.RETRY, wait, error=error)
