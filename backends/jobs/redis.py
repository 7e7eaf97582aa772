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
    known,
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
from backends.redis.address import PORT, SECURE, SENTINEL_PORT, RedisAddress
from backends.redis.address import Options as AddressOptions


class RedisOptions(Options):
    pool: int = 10
    prefix: str = "ait-gateway:"
    sentinel_username: str | None = None
    sentinel_password: str | None = None
    replicas: int = 0


def open_redis(url: str) -> RedisJobs:
    """Raises BackendError."""
    kind = url.partition("://")[0].partition("+")[2]
    port = SENTINEL_PORT if kind == "sentinel" else PORT
    address = Address.parse("jobs", url, port=port, secure=SECURE)
    options = address.options(RedisOptions)
    if options.replicas < 0 or (options.replicas and kind == "cluster"):
        raise BackendError("jobs: replicas is for redis:// and redis+sentinel://")
    about = AddressOptions(
        options.pool,
        options.prefix,
        options.timeout,
        options.sentinel_username,
        options.sentinel_password,
    )
    where = RedisAddress.of(address, about)
    link = RedisLink(where, cluster=kind == "cluster", replicas=options.replicas)
    return RedisJobs(link, f"{options.prefix}jobs:", Bounds.of(options))


class RedisJobs:
    """prefix: of all keys."""

    def __init__(self, link: RedisLink, prefix: str, bounds: Bounds) -> None:
        self._link = link
        self._prefix = prefix
        self._bounds = bounds
        self._known: set[str] = set()

    async def check(self) -> None:
        """Refused, too, when Redis would evict jobs to make room."""
        await self._link.run(scripts.stats, self._base("check"))
        info = _memory(await self._link.call("INFO", "memory", reads=True))
        policy = info.get("maxmemory_policy", "noeviction")
        if info.get("maxmemory", "0") != "0" and policy.startswith("allkeys"):
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
            scripts.enqueue, self._base(queue), most, len(new), *values, safe=True
        )
        self._fits(queue, said)
        pairs = zip(said[::2], said[1::2], strict=True)
        return [Ticket(there.decode(), bool(made)) for there, made in pairs]

    async def _listed(self, queue: str) -> str:
        """The list of queues is in another slot than the queue, so this is a call of its own."""
        if queue not in self._known:
            await self._link.call("SADD", f"{self._prefix}queues", queue)
            self._known.add(queue)
        return queue

    def _fits(self, queue: str, said: Any) -> None:
        if isinstance(said, int):
            most = self._bounds.waiting
            raise Refused(f"jobs: {said} wait in queue {queue}, {most} are allowed")

    async def cancel(self, queue: str, job_id: str) -> bool:
        known(queue, [job_id])
        return bool(await self._link.run(scripts.cancel, self._base(queue), job_id))

    async def job(self, queue: str, job_id: str) -> Job | None:
        known(queue, [job_id])
        key = f"{self._base(queue)}job:{job_id}"
        row = await self._link.call("HMGET", key, *scripts.FIELDS, reads=True)
        return None if row[0] is None else _job(queue, row)

    async def page(
        self, queue: str, state: State, *, limit: int = 100, offset: int = 0
    ) -> list[Job]:
        known(queue)
        page(limit, offset)
        order = "newest" if state in ENDED else "next"
        asked = (State(state).value, offset, limit, order, *scripts.FIELDS)
        rows = await self._link.run(scripts.page, self._base(queue), *asked) if limit else []
        return [_job(queue, row) for row in rows if row[0] is not None]

    async def stats(self, queue: str) -> Stats:
        known(queue)
        *counts, behind = await self._link.run(scripts.stats, self._base(queue), *State)
        counted = dict(zip(State, counts, strict=True))
        return Stats(behind=int(behind) / 1000, **{state.value: counted[state] for state in State})

    async def queues(self) -> list[str]:
        names = await self._link.call("SMEMBERS", f"{self._prefix}queues", reads=True)
        return sorted(name.decode() for name in names)

    async def replay(self, queue: str, ids: Sequence[str] | None = None) -> int:
        return await self._of_dead("replay", queue, ids)

    async def discard(self, queue: str, ids: Sequence[str] | None = None) -> int:
        return await self._of_dead("discard", queue, ids)

    async def _of_dead(self, act: str, queue: str, ids: Sequence[str] | None) -> int:
        known(queue, ids)
        asked = ("*",) if ids is None else [one for one in ids if one != "*"]
        return int(await self._link.run(scripts.dead, self._base(queue), act, *asked))

    async def fire(self, schedule: str, at: float, job: NewJob) -> bool:
        new = entry(job, self._bounds)
        queue = await self._listed(new.queue)
        asked = (self._bounds.waiting, named("schedule", schedule), repr(float(at)))
        said = await self._link.run(
            scripts.fire, self._base(queue), *asked, *_values(new), safe=True
        )
        self._fits(queue, said)
        return bool(said == b"yes")

    async def last_fired(self, queue: str, schedule: str) -> float | None:
        known(queue, [schedule])
        key = f"{self._base(queue)}fires"
        at = await self._link.call("HGET", key, schedule, reads=True)
        return None if at is None else float(at)

    async def claim(self, queue: str, worker: str, count: int, lease: float) -> Claims:
        known(queue)
        claimable(count, lease)
        asked = (count, _ms(lease), worker, LOST)
        then, *rows = await self._link.run(scripts.claim, self._base(queue), *asked)
        return Claims([_claimed(row) for row in rows], None if then < 0 else then / 1000)

    async def beat(self, queue: str, beats: Sequence[Beat], lease: float) -> list[Standing]:
        known(queue)
        few(beats)
        values: list[Any] = []
        for beat in beats:
            done, note = fraction(beat.progress), text(beat.note)
            values += [beat.id, beat.fence, "" if done is None else repr(done)]
            values.append("-" if note is None else f"+{note}")
        said = await self._link.run(scripts.beat, self._base(queue), _ms(lease), *values)
        return [Standing(standing.decode()) for standing in said]

    async def finish(self, queue: str, outcomes: Sequence[Outcome]) -> list[bool]:
        known(queue)
        few(outcomes)
        bounds = self._bounds
        values: list[Any] = [bounds.history, _ms(bounds.history_for), bounds.dead_letters]
        for outcome in outcomes:
            result, error = ending(outcome, bounds)
            values += [outcome.id, outcome.fence, outcome.verdict.value, _ms(outcome.delay)]
            values += [result or b"", error or ""]
        said = await self._link.run(scripts.finish, self._base(queue), *values)
        return [bool(held) for held in said]

    def _base(self, queue: str) -> str:
        """Of the keys of a queue; the braces keep them in one slot of a cluster."""
        return f"{self._prefix}{{{queue}}}:"

    async def wait(self, queue: str, seconds: float) -> None:
        known(queue)
        if seconds > 0:
            await self._link.wait(f"{self._base(queue)}wake", max(seconds, 0.01))


def _memory(said: Any) -> dict[str, str]:
    """As the server says it, or as redis-py has read it, of a cluster by node."""
    if isinstance(said, bytes):
        lines = (line.partition(":") for line in said.decode().splitlines())
        return {name: value for name, _, value in lines}
    info = said if "maxmemory" in said else next(iter(said.values()), {})
    return {name: str(value) for name, value in info.items()}


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
