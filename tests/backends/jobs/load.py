"""Jobs that are enqueued and run without pause, whatever happens to the store meanwhile."""

from __future__ import annotations

import asyncio
import time
from typing import Self

from backends.errors import BackendUnavailable
from backends.jobs import Jobs, NewJob, Retry
from backends.jobs.running import Running
from backends.jobs.worker import Worker
from tests.conformance.jobs import until

OFTEN = Retry(attempts=100, first=0.1, longest=0.5)


class Load:
    """acknowledged: numbers of the jobs that were taken. longest: seconds of one call.
    said: what refusals said."""

    def __init__(self, jobs: Jobs, queue: str = "load") -> None:
        self.acknowledged: set[int] = set()
        self.ran: set[int] = set()
        self.refusals = 0
        self.said: set[str] = set()
        self.longest = 0.0
        self._jobs = jobs
        self._queue = queue
        self._worker = Worker(jobs, queue, {"n": self._run}, lease=1.5, drain=1.0)
        self._over = False

    async def __aenter__(self) -> Self:
        self._tasks = [
            asyncio.create_task(self._worker.run()),
            asyncio.create_task(self._enqueue()),
        ]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._over = True
        self._worker.stop()
        done, late = await asyncio.wait(self._tasks, timeout=20)
        assert not late, "it hangs"
        for task in done:
            task.result()

    async def _run(self, job: Running) -> None:
        await asyncio.sleep(0.002)
        self.ran.add(job.payload)

    async def _enqueue(self) -> None:
        """One that was refused is enqueued again, with its id."""
        job = NewJob(self._queue, "n", 0, retry=OFTEN)
        while not self._over:
            if await self._acknowledged(job):
                job = NewJob(self._queue, "n", job.payload + 1, retry=OFTEN)
            await asyncio.sleep(0.003)

    async def _acknowledged(self, job: NewJob) -> bool:
        begun = time.monotonic()
        try:
            await self._jobs.enqueue(job)
        except BackendUnavailable as error:
            self.refusals += 1
            self.said.add(str(error))
            return False
        finally:
            self.longest = max(self.longest, time.monotonic() - begun)
        self.acknowledged.add(job.payload)
        return True

    async def goes_on(self, count: int = 30) -> None:
        """That many more are taken, and as many run."""
        taken, ran = len(self.acknowledged) + count, len(self.ran) + count

        async def more() -> bool:
            return len(self.acknowledged) >= taken and len(self.ran) >= ran

        await until(more, 20)

    async def is_refused(self) -> None:
        before = self.refusals

        async def more() -> bool:
            return self.refusals > before

        await until(more, 20)

    async def all_ran(self) -> None:
        """What was taken until now."""
        taken = set(self.acknowledged)

        async def are_done() -> bool:
            return taken <= self.ran

        await until(are_done, 30)
