"""Jobs in Redis, a Redis Cluster, or a Redis watched by sentinels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from backends.address import Address
from backends.errors import BackendError, Refused
from backends.jobs import redis_scripts as scripts
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
    named,
    page,
    rules,
    text,
)
from backends.jobs.entry import job as stored
from backends.jobs.job import (
    ENDED,
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
from backends.jobs.redis_link import RedisLink

PREFIX = "ait-gateway:jobs:"
QUEUES = f"{PREFIX}queues"
PORTS = {"redis+sentinel": 26379}


class RedisOptions(Options):
    replicas: int = 0


def open_redis(url: str) -> RedisJobs:
    """Raises BackendError."""
    scheme = url.partition("://")[0]
    address = Address.parse("jobs", url, port=PORTS.get(scheme, 6379), secure=("rediss",))
    options = address.options(RedisOptions)
    database = scheme in ("redis", "rediss")
    if not address.hosts or (database and (len(address.hosts) > 1 or not _number(address.path))):
        raise BackendError(f"jobs: {scheme}:// is host[:port][/database number]")
    if scheme == "redis+sentinel" and not address.path:
        raise BackendError("jobs: redis+sentinel://host[,host]/name needs the primary's name")
    if options.replicas and scheme == "redis+cluster":
        raise BackendError("jobs: replicas is for redis:// and redis+sentinel://")
    bounds = Bounds.of(options)
    return RedisJobs(RedisLink(address, bounds.timeout, options.replicas), bounds)


class RedisJobs:
    def __init__(self, link: RedisLink, bounds: Bounds) -> None:
        self._link = link
        self._bounds = bounds
        self._known: set[str] = set()

    async def check(self) -> None:
        """Refused, too, when Redis would evict jobs to make room."""
        await self._link.run(scripts.stats, _base("check"))
        info = await self._link.call(_memory)
        policy = info.get("maxmemory_policy", "noeviction")
        if info.get("maxmemory") and str(policy).startswith("allkeys"):
            raise Refused(f"jobs: Redis evicts jobs: maxmemory-policy is {policy}")

    async def close(self) -> None:
        await self._link.close()

    async def enqueue(self, job: NewJob) -> Ticket:
        return (await self._enqueue([entry(job, self._bounds)]))[0]

    async def enqueue_many(self, jobs: Sequence[NewJob]) -> list[Ticket]:
        new = entries(jobs, self._bounds)
        return await self._enqueue(new) if new else []

    async def _enqueue(self, new: list[Entry]) -> list[Ticket]:
        queue = await self._listed(new[0].queue)
        values = [value for one in new for value in _values(one)]
        most = self._bounds.waiting
        said = await self._link.run(
            scripts.enqueue, _base(queue), most, len(new), *values, safe=True
        )
        self._fits(queue, said)
        pairs = zip(said[::2], said[1::2], strict=True)
        return [Ticket(there.decode(), bool(made)) for there, made in pairs]

    async def _listed(self, queue: str) -> str:
        """The list of queues is in another slot than the queue, so this is a call of its own."""
        if queue not in self._known:
            await self._link.call(lambda client: client.sadd(QUEUES, queue))
            self._known.add(queue)
        return queue

    def _fits(self, queue: str, said: Any) -> None:
        if isinstance(said, int):
            most = self._bounds.waiting
            raise Refused(f"jobs: {said} wait in queue {queue}, {most} are allowed")

    async def cancel(self, queue: str, job_id: str) -> bool:
        return bool(await self._link.run(scripts.cancel, _base(queue), job_id))

    async def job(self, queue: str, job_id: str) -> Job | None:
        key = f"{_base(queue)}job:{job_id}"
        row = await self._link.call(lambda client: client.hmget(key, scripts.FIELDS))
        return None if row[0] is None else _job(queue, row)

    async def page(
        self, queue: str, state: State, *, limit: int = 100, offset: int = 0
    ) -> list[Job]:
        page(limit, offset)
        order = "newest" if state in ENDED else "next"
        asked = (State(state).value, offset, limit, order, *scripts.FIELDS)
        rows = await self._link.run(scripts.page, _base(queue), *asked) if limit else []
        return [_job(queue, row) for row in rows if row[0] is not None]

    async def stats(self, queue: str) -> Stats:
        *counts, behind = await self._link.run(scripts.stats, _base(queue), *State)
        counted = dict(zip(State, counts, strict=True))
        return Stats(behind=int(behind) / 1000, **{state.value: counted[state] for state in State})

    async def queues(self) -> list[str]:
        names = await self._link.call(lambda client: client.smembers(QUEUES))
        return sorted(name.decode() for name in names)

    async def replay(self, queue: str, ids: Sequence[str] | None = None) -> int:
        return await self._of_dead("replay", queue, ids)

    async def discard(self, queue: str, ids: Sequence[str] | None = None) -> int:
        return await self._of_dead("discard", queue, ids)

    async def _of_dead(self, act: str, queue: str, ids: Sequence[str] | None) -> int:
        few(ids or ())
        asked = ("*",) if ids is None else [one for one in ids if one != "*"]
        return int(await self._link.run(scripts.dead, _base(queue), act, *asked))

    async def fire(self, schedule: str, at: float, job: NewJob) -> bool:
        new = entry(job, self._bounds)
        queue = await self._listed(new.queue)
        asked = (self._bounds.waiting, named("schedule", schedule), repr(float(at)))
        said = await self._link.run(scripts.fire, _base(queue), *asked, *_values(new), safe=True)
        self._fits(queue, said)
        return bool(said == b"yes")

    async def last_fired(self, queue: str, schedule: str) -> float | None:
        key = f"{_base(queue)}fires"
        at = await self._link.call(lambda client: client.hget(key, schedule))
        return None if at is None else float(at)

    async def claim(self, queue: str, worker: str, count: int, lease: float) -> Claims:
        claimable(count, lease)
        asked = (count, _ms(lease), worker, LOST)
        then, *rows = await self._link.run(scripts.claim, _base(queue), *asked)
        return Claims([_claimed(row) for row in rows], None if then < 0 else then / 1000)

    async def beat(self, queue: str, beats: Sequence[Beat], lease: float) -> list[Standing]:
        few(beats)
        values: list[Any] = []
        for beat in beats:
            done, note = fraction(beat.progress), text(beat.note)
            values += [beat.id, beat.fence, "" if done is None else repr(done)]
            values.append("-" if note is None else f"+{note}")
        said = await self._link.run(scripts.beat, _base(queue), _ms(lease), *values)
        return [Standing(standing.decode()) for standing in said]

    async def finish(self, queue: str, outcomes: Sequence[Outcome]) -> list[bool]:
        few(outcomes)
        bounds = self._bounds
        values: list[Any] = [bounds.history, _ms(bounds.history_for), bounds.dead_letters]
        for outcome in outcomes:
            result, error = ending(outcome, bounds)
            values += [outcome.id, outcome.fence, outcome.verdict.value, _ms(outcome.delay)]
            values += [result or b"", error or ""]
        said = await self._link.run(scripts.finish, _base(queue), *values)
        return [bool(held) for held in said]

    async def wait(self, queue: str, seconds: float) -> None:
        if seconds > 0:
            await self._link.wait(f"{_base(queue)}wake", max(seconds, 0.01))


async def _memory(client: Any) -> dict[str, Any]:
    info = await client.info("memory")
    return info if "maxmemory" in info else next(iter(info.values()), {})


def _number(path: str) -> bool:
    return not path or (path.isascii() and path.isdigit())


def _base(queue: str) -> str:
    return f"{PREFIX}{{{queue}}}:"


def _ms(seconds: float) -> int:
    """At least 1 for what is not 0."""
    return max(1, round(seconds * 1000)) if seconds > 0 else 0


def _values(new: Entry) -> tuple[Any, ...]:
    order = (new.id, new.name, new.payload, new.priority, _ms(new.delay))
    return (*order, new.unique or "", new.attempts, new.rules)


def _claimed(row: Any) -> Claimed:
    job_id, fence, name, payload, attempt, attempts, how = row
    more = rules(int(attempts), how)
    return Claimed(
        job_id.decode(), int(fence), name.decode(), decoded(payload), int(attempt), *more
    )


def _job(queue: str, row: Any) -> Job:
    """From FIELDS."""
    has = dict(zip(scripts.FIELDS, row, strict=True))
    said = {name: has[name] and has[name].decode() for name in has if name not in ("payload",)}
    times = (said[name] and int(said[name]) / 1000 for name in ("created", "due"))
    began, ended = (said[name] and int(said[name]) / 1000 for name in ("started", "ended"))
    return stored(
        (
            *(said["id"], queue, said["name"], said["state"], has["payload"]),
            *(int(said["priority"]), said["unique"], int(said["attempt"]), int(said["attempts"])),
            *times,
            *(began, ended, float(said["progress"] or 0), said["note"] or "", said["error"]),
            *(said["result"], said["worker"], said["cancelling"]),
        )
    )
