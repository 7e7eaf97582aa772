"""Jobs in PostgreSQL."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from backends.address import Address
from backends.errors import BackendError, BackendUnavailable, Refused
from backends.jobs import postgres_schema as sql
from backends.jobs.entry import (
    Bounds,
    Entry,
    Options,
    claimable,
    decoded,
    ending,
    entries,
    entry,
    few,
    fraction,
    known,
    named,
    page,
    rules,
    text,
)
from backends.jobs.entry import job as stored
from backends.jobs.job import (
    LOST,
    Beat,
    Claimed,
    Claims,
    Job,
    NewJob,
    Outcome,
    Standing,
    State,
    Stats,
    Ticket,
)
from backends.jobs.postgres_link import CHANNEL, Connection, PostgresLink

TIDY_EVERY = 60.0
TIDY_AFTER = 50
COUNTS_LAST = 1.0
MEND_EVERY = 0.05
TRIES = 5


class PostgresOptions(Options):
    connections: int = 8


def open_postgres(url: str) -> PostgresJobs:
    """Raises BackendError."""
    address = Address.parse("jobs", url, port=5432)
    options = address.options(PostgresOptions)
    if not address.hosts or options.connections < 1:
        raise BackendError("jobs: postgresql:// is user:password@host[:port]/database")
    bounds = Bounds.of(options)
    return PostgresJobs(PostgresLink(address, bounds.timeout, options.connections), bounds)


class PostgresJobs:
    def __init__(self, link: PostgresLink, bounds: Bounds) -> None:
        self._link = link
        self._bounds = bounds
        self._known: set[str] = set()
        self._ended: dict[str, int] = {}
        self._tidied: dict[str, float] = {}
        self._mended: dict[str, float] = {}
        self._counted: dict[str, tuple[float, int]] = {}

    async def check(self) -> None:
        await self._link.rows("SELECT 1 FROM gateway_job_queues LIMIT 1")

    async def close(self) -> None:
        await self._link.close()

    async def enqueue(self, job: NewJob) -> Ticket:
        return (await self._enqueue([entry(job, self._bounds)]))[0]

    async def enqueue_many(self, jobs: Sequence[NewJob]) -> list[Ticket]:
        new = entries(jobs, self._bounds)
        return await self._enqueue(new) if new else []

    async def _enqueue(self, new: list[Entry]) -> list[Ticket]:
        await self._prepare(new[0].queue, len(new))
        if len(new) == 1:  # most are new: one statement is all there is to do
            values = (new[0].queue, CHANNEL, *_columns(new))
            if await self._link.rows(sql.ENQUEUE, *values):
                return [Ticket(new[0].id, True)]
        return await self._link.run(lambda connection: _enqueue(connection, new))

    async def _prepare(self, queue: str, more: int) -> None:
        """Counts once a second: a little over the bound is no harm, counting always would be."""
        if queue not in self._known:
            await self._link.rows(sql.LISTED, queue)
            self._known.add(queue)
        at, count = self._counted.get(queue, (0.0, 0))
        most = self._bounds.waiting
        if time.monotonic() - at > COUNTS_LAST or count + more > most:
            at = time.monotonic()
            ((count,),) = await self._link.rows(sql.WAITING, queue, most + 1)
        if count + more > most:
            raise Refused(f"jobs: {count} wait in queue {queue}, {most} are allowed")
        self._counted[queue] = (at, count + more)

    async def cancel(self, queue: str, job_id: str) -> bool:
        known(queue, [job_id])
        return bool(await self._link.rows(sql.CANCEL, queue, job_id))

    async def job(self, queue: str, job_id: str) -> Job | None:
        known(queue, [job_id])
        rows = await self._link.rows(sql.JOB, queue, job_id)
        return stored(rows[0]) if rows else None

    async def page(
        self, queue: str, state: State, *, limit: int = 100, offset: int = 0
    ) -> list[Job]:
        known(queue)
        page(limit, offset)
        rows = await self._link.rows(sql.page_of(State(state)), queue, limit, offset)
        return [stored(row) for row in rows]

    async def stats(self, queue: str) -> Stats:
        known(queue)
        (row,) = await self._link.rows(sql.STATS, queue)
        return Stats(**row)

    async def queues(self) -> list[str]:
        rows = await self._link.rows(
            'SELECT queue FROM gateway_job_queues ORDER BY queue COLLATE "C"'
        )
        return [queue for (queue,) in rows]

    async def replay(self, queue: str, ids: Sequence[str] | None = None) -> int:
        known(queue, ids)

        async def step(connection: Connection) -> int:
            async with connection.transaction():
                dead = await _dead(connection, queue, ids)
                values = [connection.fetch(sql.REPLAY, queue, one, CHANNEL) for one in dead]
                return sum([bool(await rows) for rows in values])

        return await self._link.run(step)

    async def discard(self, queue: str, ids: Sequence[str] | None = None) -> int:
        known(queue, ids)

        async def step(connection: Connection) -> int:
            return len(
                await connection.fetch(sql.DISCARD, queue, await _dead(connection, queue, ids))
            )

        return await self._link.run(step)

    async def fire(self, schedule: str, at: float, job: NewJob) -> bool:
        new = entry(job, self._bounds)
        named("schedule", schedule)
        await self._prepare(new.queue, 1)
        values = (new.queue, CHANNEL, *_columns([new]), schedule, float(at))
        return bool(await self._link.rows(sql.FIRE, *values))

    async def last_fired(self, queue: str, schedule: str) -> float | None:
        known(queue, [schedule])
        asked = "SELECT at FROM gateway_job_fires WHERE queue = $1 AND schedule = $2"
        rows = await self._link.rows(asked, queue, schedule)
        return float(rows[0][0]) if rows else None

    async def claim(self, queue: str, worker: str, count: int, lease: float) -> Claims:
        known(queue)
        claimable(count, lease)
        rows = []
        if time.monotonic() - self._mended.get(queue, 0.0) < MEND_EVERY:
            rows = await self._link.rows(sql.CLAIM, queue, count, lease, worker)
        if len(rows) < count:
            await self._mend(queue)
            more = (queue, count - len(rows), lease, worker)
            rows += await self._link.rows(sql.CLAIM, *more)
        rows.sort(key=lambda row: (-row[0], row[1], row[2]))
        then = 0.0 if len(rows) == count else (await self._link.rows(sql.NEXT, queue))[0][0]
        return Claims([_claimed(row) for row in rows], None if then is None else max(0.0, then))

    async def _mend(self, queue: str) -> None:
        """What is due is ready, and so is what nobody holds any more."""
        self._mended[queue] = time.monotonic()
        await self._link.rows(sql.MEND, queue, LOST)
        if time.monotonic() - self._tidied.get(queue, 0.0) > TIDY_EVERY:
            await self._tidy(queue)

    async def beat(self, queue: str, beats: Sequence[Beat], lease: float) -> list[Standing]:
        known(queue)
        few(beats)
        columns = (
            [beat.id for beat in beats],
            [beat.fence for beat in beats],
            [fraction(beat.progress) for beat in beats],
            [text(beat.note) for beat in beats],
        )
        rows = await self._link.rows(sql.BEAT, queue, lease, *columns)
        held = {(job_id, fence): asked for job_id, fence, asked in rows}
        return [_standing(held.get((beat.id, beat.fence))) for beat in beats]

    async def finish(self, queue: str, outcomes: Sequence[Outcome]) -> list[bool]:
        known(queue)
        few(outcomes)
        ends = [ending(outcome, self._bounds) for outcome in outcomes]
        columns = (
            [outcome.id for outcome in outcomes],
            [outcome.fence for outcome in outcomes],
            [outcome.verdict.value for outcome in outcomes],
            [float(outcome.delay) for outcome in outcomes],
            [result for result, _ in ends],
            [error for _, error in ends],
        )
        rows = await self._link.rows(sql.FINISH, queue, CHANNEL, *columns)
        held = {(job_id, fence) for job_id, fence, _ in rows}
        self._ended[queue] = self._ended.get(queue, 0) + len(held)
        if self._ended[queue] >= TIDY_AFTER:
            with suppress(BackendError):  # they are finished all the same
                await self._tidy(queue)
        return [(outcome.id, outcome.fence) in held for outcome in outcomes]

    async def _tidy(self, queue: str) -> None:
        self._ended[queue] = 0
        self._tidied[queue] = time.monotonic()
        for state in ("done", "cancelled"):
            await self._link.rows(sql.FORGET, queue, state, self._bounds.history)
            await self._link.rows(sql.FORGET_OLD, queue, state, self._bounds.history_for)
        await self._link.rows(sql.FORGET, queue, "dead", self._bounds.dead_letters)

    async def wait(self, queue: str, seconds: float) -> None:
        known(queue)
        come = self._link.come(queue)
        come.clear()
        await self._link.listen()
        ((todo,),) = await self._link.rows(sql.TO_DO, queue)
        if not todo:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await come.wait()


async def _enqueue(connection: Connection, new: list[Entry]) -> list[Ticket]:
    """One that stands in the way may end before it is looked for: then there is none, again."""
    queue = new[0].queue
    async with connection.transaction():
        made: set[int] = set()
        there: dict[int, str] = {}
        for _ in range(TRIES):
            left = [place for place in range(len(new)) if place not in made and place not in there]
            if not left:
                break
            asked = [new[place] for place in left]
            rows = await connection.fetch(sql.ENQUEUE, queue, CHANNEL, *_columns(asked))
            ids = {job_id for job_id, _ in rows}
            for place in left:
                if new[place].id in ids:
                    made.add(place)
                    ids.discard(new[place].id)
            rest = [place for place in left if place not in made]
            if rest:
                keys = ([new[place].id for place in rest], [new[place].unique for place in rest])
                rows = await connection.fetch(sql.STANDING_FOR, queue, *keys)
                there |= {rest[place - 1]: job_id for place, job_id in rows}
        if len(made) + len(there) < len(new):
            raise BackendUnavailable(f"jobs: the unique keys of queue {queue} change too fast")
    return [
        Ticket(one.id, True) if place in made else Ticket(there[place], False)
        for place, one in enumerate(new)
    ]


def _columns(new: list[Entry]) -> tuple[list[Any], ...]:
    return (
        [one.id for one in new],
        [one.name for one in new],
        [one.payload for one in new],
        [one.priority for one in new],
        [one.unique for one in new],
        [one.attempts for one in new],
        [one.rules for one in new],
        [one.delay for one in new],
    )


async def _dead(connection: Connection, queue: str, ids: Sequence[str] | None) -> list[str]:
    if ids is not None:
        return list(ids)
    return [one for (one,) in await connection.fetch(sql.OLDEST_DEAD, queue)]


def _claimed(row: Any) -> Claimed:
    job_id, fence, name, payload, attempt, attempts, how = tuple(row)[3:]
    return Claimed(job_id, fence, name, decoded(payload), attempt, *rules(attempts, how))


def _standing(cancelling: bool | None) -> Standing:
    if cancelling is None:
        return Standing.LOST
    return Standing.CANCELLING if cancelling else Standing.HELD
