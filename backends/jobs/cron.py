"""Schedules whose jobs are enqueued once per fire time, however many processes keep them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from backends.errors import BackendError
from backends.jobs import Jobs, NewJob
from backends.jobs.entry import named

log = logging.getLogger(__name__)

LONGEST_SLEEP = 30.0
PAUSE = 0.5


class Schedule:
    """expression: cron's five fields, or six with seconds first. zone: an IANA time zone.

    make: the job of a fire time, all of one queue. late: seconds after its time that one may
    still fire; of several missed ones only the last does.

    Where the clock is put forward, a fixed time that is skipped fires when it is put forward;
    where it is put back, a fixed time that comes twice fires once (Debian's cron does the same).
    Raises ValueError.
    """

    def __init__(
        self,
        name: str,
        expression: str,
        queue: str,
        make: Callable[[datetime], NewJob],
        *,
        zone: str = "UTC",
        late: float = 60.0,
    ) -> None:
        if not 0 < late <= 86400:
            raise ValueError("late is at most a day of seconds")
        try:
            self._zone = ZoneInfo(zone)
            CronSim(expression, datetime.now(self._zone))
            self.name = named("schedule", name)
        except (CronSimError, KeyError, ValueError, OSError, BackendError) as error:
            raise ValueError(f"schedule {name}: {error}") from None
        self.queue = queue
        self.make = make
        self.late = late
        self._expression = expression

    def job(self, at: float) -> NewJob:
        """Raises ValueError for one of another queue, and what `make` does."""
        job = self.make(datetime.fromtimestamp(at, UTC))
        if job.queue != self.queue:
            raise ValueError(f"its jobs are of queue {self.queue}, this one is of {job.queue}")
        return job

    def after(self, moment: float) -> float:
        """The next fire time, both in Unix seconds."""
        start = datetime.fromtimestamp(moment, self._zone)
        times = (at.timestamp() for at in CronSim(self._expression, start))
        return next(at for at in times if at > moment)  # in an hour that comes twice, not always so

    def due(self, since: float, now: float) -> float | None:
        """The last fire time after `since` that is not too late at `now`."""
        at, last = max(since, now - self.late), None
        while (at := self.after(at)) <= now:
            last = at
        return last


class Cron:
    """Keeps schedules. Every process may run one; the store lets one of them fire each time."""

    def __init__(self, jobs: Jobs, schedules: Iterable[Schedule]) -> None:
        self._jobs = jobs
        self._schedules = list(schedules)

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            for schedule in self._schedules:
                group.create_task(self._keep(schedule))

    async def _keep(self, schedule: Schedule) -> None:
        since: float | None = None
        begun = time.time()
        while True:
            try:
                if since is None:
                    last = await self._jobs.last_fired(schedule.queue, schedule.name)
                    since = begun if last is None else last
                if (at := schedule.due(since, time.time())) is not None:
                    await self._jobs.fire(schedule.name, at, schedule.job(at))
                    since = at
            except Exception as error:  # noqa: BLE001 - `make` may raise anything; others go on
                log.warning("schedule %s could not fire: %s", schedule.name, error)
                await asyncio.sleep(PAUSE)
            else:
                rest = schedule.after(time.time()) - time.time()
                await asyncio.sleep(min(max(rest, 0.0), LONGEST_SLEEP))
