"""Jobs in one SQLite file, shared by the processes of a machine."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from backends.address import Address
from backends.errors import BackendError, Refused
from backends.jobs import sqlite_schema as sql
from backends.jobs.entry import (
    Bounds,
    Entry,
    Options,
    claimable,
    decoded,
    duration,
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
from backends.jobs.sqlite_thread import SqliteThread

TIDY_EVERY = 60.0
TIDY_AFTER = 50
COUNTS_LAST = 1.0


class SqliteOptions(Options):
    poll: str = "100ms"


def open_sqlite(url: str) -> SqliteJobs:
    """`sqlite:///relative/file`, `sqlite:////absolute/file`. Raises BackendError."""
    address = Address.parse("jobs", url)
    if address.hosts or not address.path or address.path == ":memory:":
        raise BackendError("jobs: sqlite:// needs a file, as in sqlite:///data/jobs.db")
    options = address.options(SqliteOptions)
    return SqliteJobs(Path(address.path), Bounds.of(options), duration(options, "poll"))


class SqliteJobs:
    """poll: seconds between looks for what other processes have enqueued."""

    def __init__(self, file: Path, bounds: Bounds, poll: float) -> None:
        self._bounds = bounds
        self._poll = poll
        self._thread = SqliteThread(file, sql.SCHEMA, bounds.timeout)
        self._come: dict[str, asyncio.Event] = {}
        self._ended: dict[str, int] = {}
        self._tidied: dict[str, float] = {}
        self._counted: dict[str, tuple[float, int]] = {}
        self._more: set[str] = set()  # queues that gave all that was asked for

    async def check(self) -> None:
        await self._thread.run(lambda db: db.execute("SELECT count(*) FROM queues").fetchone())

    async def close(self) -> None:
        await self._thread.close()

    async def enqueue(self, job: NewJob) -> Ticket:
        new = entry(job, self._bounds)
        return (await self._enqueue([new]))[0]

    async def enqueue_many(self, jobs: Sequence[NewJob]) -> list[Ticket]:
        new = entries(jobs, self._bounds)
        return await self._enqueue(new) if new else []

    async def _enqueue(self, new: list[Entry]) -> list[Ticket]:
        tickets = await self._thread.run(lambda db: self._insert(db, new))
        self._wake(new[0].queue)
        return tickets

    def _insert(self, db: sqlite3.Connection, new: list[Entry]) -> list[Ticket]:
        self._make_room(db, new[0].queue, len(new))
        if not db.execute("SELECT 1 FROM queues WHERE queue = ?", (new[0].queue,)).fetchone():
            db.execute("INSERT INTO queues VALUES (?)", (new[0].queue,))
        now = time.time()
        cursor = db.cursor()
        return [_insert(cursor, one, now) for one in new]

    def _make_room(self, db: sqlite3.Connection, queue: str, more: int) -> None:
        """Counts once a second: a little over the bound is no harm, counting always would be."""
        at, count = self._counted.get(queue, (0.0, 0))
        most = self._bounds.waiting
        if time.monotonic() - at > COUNTS_LAST or count + more > most:
            at = time.monotonic()
            count = sum(n for (n,) in db.execute(sql.WAITING, (queue, most + 1)))
        if count + more > most:
            raise Refused(f"jobs: {count} wait in queue {queue}, {most} are allowed")
        self._counted[queue] = (at, count + more)

    async def cancel(self, queue: str, job_id: str) -> bool:
        known(queue, [job_id])
        values = (queue, job_id, time.time())
        return await self._thread.run(lambda db: db.execute(sql.CANCEL, values).rowcount) > 0

    async def job(self, queue: str, job_id: str) -> Job | None:
        known(queue, [job_id])
        rows = await self._rows(sql.JOB, queue, job_id)
        return stored(rows[0]) if rows else None

    async def page(
        self, queue: str, state: State, *, limit: int = 100, offset: int = 0
    ) -> list[Job]:
        known(queue)
        page(limit, offset)
        rows = await self._rows(sql.page_of(State(state)), queue, limit, offset)
        return [stored(row) for row in rows]

    async def stats(self, queue: str) -> Stats:
        known(queue)
        count = dict(await self._rows(sql.COUNTS, queue))
        first = await self._rows(sql.FIRST_READY, queue)
        behind = max(0.0, time.time() - first[0][0]) if first else 0.0
        return Stats(behind=behind, **{state.value: count.get(state, 0) for state in State})

    async def queues(self) -> list[str]:
        return [name for (name,) in await self._rows("SELECT queue FROM queues ORDER BY queue")]

    async def replay(self, queue: str, ids: Sequence[str] | None = None) -> int:
        count = await self._of_dead(sql.REPLAY, queue, ids, time.time())
        self._wake(queue)
        return count

    async def discard(self, queue: str, ids: Sequence[str] | None = None) -> int:
        gone = "DELETE FROM jobs WHERE queue = ? AND id = ? AND state = 'dead'"
        return await self._of_dead(gone, queue, ids)

    async def _of_dead(self, act: str, queue: str, ids: Sequence[str] | None, *rest: Any) -> int:
        known(queue, ids)

        def step(db: sqlite3.Connection) -> int:
            dead = ids
            if dead is None:
                dead = [one for (one,) in db.execute(sql.OLDEST_DEAD, (queue,))]
            return sum(db.execute(act, (*rest, queue, one)).rowcount for one in dead)

        return await self._thread.run(step)

    async def fire(self, schedule: str, at: float, job: NewJob) -> bool:
        new = entry(job, self._bounds)
        named("schedule", schedule)

        def step(db: sqlite3.Connection) -> bool:
            first = db.execute(sql.FIRE, (new.queue, schedule, at)).rowcount > 0
            if first:
                self._insert(db, [new])
            return first

        fired = await self._thread.run(step)
        self._wake(new.queue)
        return fired

    async def last_fired(self, queue: str, schedule: str) -> float | None:
        known(queue, [schedule])
        asked = "SELECT at FROM fires WHERE queue = ? AND schedule = ?"
        rows = await self._rows(asked, queue, schedule)
        return float(rows[0][0]) if rows else None

    async def claim(self, queue: str, worker: str, count: int, lease: float) -> Claims:
        known(queue)
        claimable(count, lease)
        tidy = time.monotonic() - self._tidied.get(queue, 0.0) > TIDY_EVERY
        if not (tidy or queue in self._more or await self._to_do(queue)):
            return Claims([], await self._next(queue))
        claims = await self._thread.run(partial(self._claim, queue, worker, count, lease))
        (self._more.add if len(claims.jobs) == count else self._more.discard)(queue)
        return claims

    def _claim(
        self, queue: str, worker: str, count: int, lease: float, db: sqlite3.Connection
    ) -> Claims:
        now = time.time()
        db.execute(sql.PROMOTE, (queue, now))
        db.execute(sql.RESCUE, (queue, now, LOST))
        if time.monotonic() - self._tidied.get(queue, 0.0) > TIDY_EVERY:
            self._tidy(db, queue)
        rows = db.execute(sql.CLAIM, (queue, count, now + lease, worker, now)).fetchall()
        rows.sort(key=lambda row: (-row[0], row[1], row[2]))
        then = now if len(rows) == count else db.execute(sql.NEXT, (queue,)).fetchone()[0]
        return Claims([_claimed(row) for row in rows], _until(then))

    async def beat(self, queue: str, beats: Sequence[Beat], lease: float) -> list[Standing]:
        known(queue)
        few(beats)
        until = time.time() + lease

        def step(db: sqlite3.Connection) -> list[Standing]:
            return [_beat(db, queue, beat, until) for beat in beats]

        return await self._thread.run(step)

    async def finish(self, queue: str, outcomes: Sequence[Outcome]) -> list[bool]:
        known(queue)
        few(outcomes)
        ends = [(outcome, *ending(outcome, self._bounds)) for outcome in outcomes]

        def step(db: sqlite3.Connection) -> list[bool]:
            now = time.time()
            finish = db.cursor().execute
            held = [finish(sql.FINISH, _end(queue, now, *end)).rowcount > 0 for end in ends]
            self._ended[queue] = self._ended.get(queue, 0) + len(held)
            if self._ended[queue] >= TIDY_AFTER:
                self._tidy(db, queue)
            return held

        answers = await self._thread.run(step)
        self._wake(queue)
        return answers

    def _tidy(self, db: sqlite3.Connection, queue: str) -> None:
        self._ended[queue] = 0
        self._tidied[queue] = time.monotonic()
        for state in ("done", "cancelled"):
            db.execute(sql.FORGET, (queue, state, self._bounds.history))
            db.execute(sql.FORGET_OLD, (queue, state, time.time() - self._bounds.history_for))
        db.execute(sql.FORGET, (queue, "dead", self._bounds.dead_letters))

    async def wait(self, queue: str, seconds: float) -> None:
        """Another process's job is found at the next look."""
        known(queue)
        come = self._come.setdefault(queue, asyncio.Event())
        until = time.monotonic() + seconds
        come.clear()
        while not await self._to_do(queue):
            rest = min(self._poll, until - time.monotonic())
            if rest <= 0:
                return
            try:
                async with asyncio.timeout(rest):
                    await come.wait()
                    return
            except TimeoutError:
                pass

    def _wake(self, queue: str) -> None:
        if come := self._come.get(queue):
            come.set()

    async def _to_do(self, queue: str) -> bool:
        ((todo,),) = await self._rows(sql.TO_DO, queue, time.time())
        return bool(todo)

    async def _next(self, queue: str) -> float | None:
        ((at,),) = await self._rows(sql.NEXT, queue)
        return _until(at)

    async def _rows(self, statement: str, *values: Any) -> list[Any]:
        return await self._thread.run(
            lambda db: db.execute(statement, values).fetchall(), writes=False
        )


def _row(new: Entry, now: float) -> tuple[Any, ...]:
    state = "delayed" if new.delay > 0 else "ready"
    values = (new.queue, new.id, new.name, state, new.payload, new.priority, new.unique)
    return (*values, new.attempts, new.rules, now, now + new.delay)


def _insert(db: sqlite3.Cursor, new: Entry, now: float) -> Ticket:
    if db.execute(sql.INSERT, _row(new, now)).rowcount > 0:
        return Ticket(new.id, True)
    (there,) = db.execute(sql.STANDING_FOR, (new.queue, new.id, new.unique)).fetchone()
    return Ticket(there, False)


def _claimed(row: Any) -> Claimed:
    job_id, fence, name, payload, attempt, attempts, how = row[3:]
    return Claimed(job_id, fence, name, decoded(payload), attempt, *rules(attempts, how))


def _beat(db: sqlite3.Connection, queue: str, beat: Beat, until: float) -> Standing:
    values = (until, fraction(beat.progress), text(beat.note), queue, beat.id, beat.fence)
    row = db.execute(sql.BEAT, values).fetchone()
    if row is None:
        return Standing.LOST
    return Standing.CANCELLING if row[0] else Standing.HELD


def _end(
    queue: str, now: float, end: Outcome, result: bytes | None, error: str | None
) -> tuple[Any, ...]:
    return (queue, end.id, end.fence, end.verdict, now + end.delay, now, result, error)


def _until(at: float | None) -> float | None:
    return None if at is None else max(0.0, at - time.time())
