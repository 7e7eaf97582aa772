"""Leases: a worker takes some requests more than it needs now, and serves those by itself."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable
from contextlib import suppress
from functools import partial
from itertools import islice

from backends.errors import BackendUnavailable
from backends.limits import Decision, standing
from backends.limits.redis_link import Granted, RedisLink, cells_in
from backends.redis.address import RedisAddress

SHARE = 0.05
LONGEST = 1.0
SMALLER = 10
LOOKED_AT = 4

_decision = tuple.__new__


class LeasedLimits:
    """GCRA in Redis where most requests are answered here, without a round trip.

    What is leased was counted by Redis when it was taken and passes a little later. A lease
    ends after a twentieth of the rate's period, after a second at most; then what is left of it
    is given back. So, however many gateways lease, no more than `count / 20` requests pass
    beyond rate and burst: in any time of three periods or more, less than 2 % of the limit.
    None is withheld either, but for those that a worker held when it was killed.

    A lease grows up to `most` requests, or a tenth of the burst, while it is used up in time,
    and shrinks to what was used when it is not. A refusal stands, here, until a request could
    pass; a second at most. With more than `max_keys` keys in use, each request of those beyond
    is a round trip.
    """

    shared = True

    def __init__(self, address: RedisAddress, most: int, max_keys: int = 10_000) -> None:
        self._link = RedisLink(address)
        self._most = most
        self._max_keys = max_keys
        self._leases: dict[tuple[str, int, float, int], Lease] = {}

    @property
    def keys_held(self) -> int:
        return len(self._leases)

    def take(
        self, key: str, count: int, seconds: float, burst: int
    ) -> Decision | Awaitable[Decision]:
        name = (key, count, seconds, burst)
        lease = self._leases.get(name)
        if lease is None:
            most = min(self._most - 1, burst // SMALLER)
            life = min(seconds * SHARE, LONGEST)
            lease = Lease(self._link, key, seconds / count, burst, most=most, life=life)
            self._keep(name, lease)
        return lease.take()

    async def peek(self, key: str, count: int, seconds: float, burst: int) -> Decision:
        """What is leased here, and what Redis has beyond."""
        owed = (await self._link.ask(key, 0, seconds / count * 1e6, burst)).owed / 1e6
        lease = self._leases.get((key, count, seconds, burst))
        leased = lease.in_hand() * seconds / count if lease is not None else 0.0
        return standing(max(owed - leased, 0.0), seconds / count, burst)

    def _keep(self, name: tuple[str, int, float, int], lease: Lease) -> None:
        """Unless all places are taken: then this lease serves who came for it, and is gone."""
        if len(self._leases) >= self._max_keys:
            for other in list(islice(self._leases, LOOKED_AT)):
                # Those that are in use go to the end of the line.
                busy = self._leases.pop(other)
                if not busy.is_idle():
                    self._leases[other] = busy
        if len(self._leases) < self._max_keys:
            self._leases[name] = lease

    async def check(self) -> None:
        """Raises BackendUnavailable when Redis does not decide."""
        await self.peek("probe", 1, 1.0, 1)

    async def close(self) -> None:
        for lease in self._leases.values():
            lease.give_back()
        await self._link.close()


class Lease:
    """One key's. At most one question is under way; who comes meanwhile waits for its answer.

    interval, life: seconds. most: how many beyond those who wait.
    """

    __slots__ = (
        "_asking",
        "_beyond",
        "_burst",
        "_cells",
        "_end",
        "_extra",
        "_full_at",
        "_interval",
        "_key",
        "_life",
        "_link",
        "_loop",
        "_most",
        "_passes_at",
        "_refused_until",
        "_until",
        "_waiters",
    )

    def __init__(
        self, link: RedisLink, key: str, interval: float, burst: int, *, most: int, life: float
    ) -> None:
        self._link = link
        self._loop = asyncio.get_running_loop()
        self._key = key
        self._interval = interval
        self._burst = burst
        self._most = most
        self._life = life
        self._extra = 0  # up to `most`
        self._cells = 0  # in hand,
        self._until = 0.0  # until then
        self._beyond = 0  # how many more Redis would have given
        self._full_at = 0.0
        self._passes_at = 0.0  # the next one, says the last refusal,
        self._refused_until = 0.0  # which stands until then
        self._waiters: deque[asyncio.Future[Decision]] = deque()
        self._asking = False
        self._end: asyncio.TimerHandle | None = None

    def is_idle(self) -> bool:
        return not self._cells and not self._asking

    def in_hand(self) -> int:
        return self._cells if self._loop.time() < self._until else 0

    def take(self) -> Decision | Awaitable[Decision]:
        now = self._loop.time()
        if self._cells and now < self._until:
            self._cells -= 1
            return self._passed(now)
        if now < self._refused_until:
            return self._refused(now)
        waiter: asyncio.Future[Decision] = self._loop.create_future()
        self._waiters.append(waiter)
        if not self._asking:
            try:
                self._ask(now)
            except BackendUnavailable:
                self._waiters.clear()
                raise
        return waiter

    def _passed(self, now: float) -> Decision:
        reset = self._full_at - now - self._cells * self._interval
        about = (True, self._cells + self._beyond, max(reset, 0.0), 0.0)
        return _decision(Decision, about)

    def _refused(self, now: float) -> Decision:
        return _decision(Decision, (False, 0, self._full_at - now, self._passes_at - now))

    def _ask(self, now: float) -> None:
        """Raises BackendUnavailable."""
        if self._cells:
            self.give_back()
        elif now < self._until:
            self._extra = min(2 * self._extra + 1, self._most)
        cells = len(self._waiters) + self._extra
        answer = self._link.ask(self._key, cells, self._interval * 1e6, self._burst)
        self._asking = True
        answer.add_done_callback(partial(self._answered, now, cells))

    def _answered(self, asked_at: float, asked: int, answer: asyncio.Future[Granted]) -> None:
        self._asking = False
        self._stop_timer()
        if error := answer.exception():
            self._fail(error)
            return
        now, interval = self._loop.time(), self._interval * 1e6
        self._cells, owed = answer.result()
        self._until = asked_at + self._life  # from then, so that no time is counted twice
        self._full_at = now + owed / 1e6
        self._beyond = cells_in(self._burst * interval - owed, interval)
        all_of_them = self._cells == asked
        self._serve(now)
        if self._cells:
            self._end = self._loop.call_at(self._until, self.give_back)
        if not all_of_them:
            self._extra = self._cells
            self._passes_at = self._full_at - (self._burst - 1) * self._interval
            self._refused_until = min(self._passes_at, now + LONGEST)
            while self._waiters:
                _tell(self._waiters.popleft(), self._refused(now))
        elif self._waiters:
            try:
                self._ask(now)
            except BackendUnavailable as error:
                self._fail(error)

    def _serve(self, now: float) -> None:
        while self._cells and self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                self._cells -= 1
                _tell(waiter, self._passed(now))

    def _fail(self, error: BaseException) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_exception(error)

    def give_back(self) -> None:
        """What is in hand, now."""
        self._stop_timer()
        unused, self._cells = self._cells, 0
        self._extra = max(0, self._extra - unused)
        if unused:
            with suppress(BackendUnavailable):
                answer = self._link.ask(self._key, -unused, self._interval * 1e6, self._burst)
                answer.add_done_callback(asyncio.Future.exception)

    def _stop_timer(self) -> None:
        if self._end is not None:
            self._end.cancel()


def _tell(waiter: asyncio.Future[Decision], decision: Decision) -> None:
    if not waiter.done():
        waiter.set_result(decision)
