"""Limits in shared memory: exact and synchronous, for all processes of one host."""

from __future__ import annotations

import ctypes
import logging
import mmap
import re
import time
from collections.abc import Callable
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple
from urllib.parse import parse_qsl

from backends.errors import BackendError, BackendUnavailable
from backends.limits import Decision, standing
from backends.limits.robust_mutex import SIZE as MUTEX_SIZE
from backends.limits.robust_mutex import RobustMutexes
from backends.limits.segment import HEADER_SIZE, Segment

STRIPES = 64
WINDOW = 64
HASH_SIZE = 16
FEWEST_SLOTS, MOST_SLOTS = STRIPES * WINDOW, 2**24
MUTEXES_AT = HEADER_SIZE
HASHES_AT = MUTEXES_AT + STRIPES * MUTEX_SIZE
PLACES_KEPT = 8192
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
TELL_EVERY = 60.0
"""Seconds between two warnings that the table is full."""

log = logging.getLogger(__name__)

_decision = tuple.__new__


class Place(NamedTuple):
    """Where a key is looked for: `mutex` guards the bytes `start` to `end` of the hashes."""

    mutex: ctypes.c_void_p
    digest: bytes
    start: int
    end: int
    overflow: int


class ShmLimits:
    """GCRA over a table of fixed size: hashes of keys, and beside each its tat, the theoretical
    arrival time of the next request. Two tats or hashes never share a write, so a process may
    die anywhere and leaves no more than a slot that expires.

    A key is one of WINDOW slots from the one that its keyed hash names, in one of STRIPES
    stripes with a lock each; a slot whose tat has passed is free for the next newcomer. When
    the whole window counts, newcomers share one bucket a stripe until there is room again: they
    are limited together, neither let through uncounted nor refused outright. With keys in two
    thirds of the slots that is the lot of one newcomer in 5,000. A slot takes 24 bytes.

    clock: monotonic seconds, the same in all processes.
    """

    shared = True

    def __init__(self, name: str, slots: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._a_stripe = -(-slots // STRIPES)
        slots = self._a_stripe * STRIPES
        self._tats_at = HASHES_AT + slots * HASH_SIZE
        self._slots = slots
        self._mutexes = RobustMutexes()
        self._try_lock, self._unlock = self._mutexes.try_lock, self._mutexes.unlock
        self._segment = Segment(name, self._tats_at + (slots + STRIPES) * 8, self._prepare)
        self._memory = self._segment.memory
        self._find = self._memory.find
        self._tats = memoryview(self._memory)[self._tats_at :].cast("d")
        self._clock, self._origin = clock, self._segment.origin
        self._pointers = _pointers(self._memory)
        self._place = lru_cache(PLACES_KEPT)(self._place_of)
        self._told = -TELL_EVERY

    def take(self, key: str, count: int, seconds: float, burst: int) -> Decision:
        mutex, digest, start, end, overflow = self._place(key)
        interval = seconds / count
        slack = 1e-6 if interval > 2e-6 else interval / 2  # as in memory.py
        allowed = False
        # Nothing in here makes a container: the garbage collector must not run under the lock.
        try:
            if said := self._try_lock(mutex):
                self._mutexes.wait(mutex, said)
            now = self._clock() - self._origin
            at = self._find(digest, start, end)
            slot = (at - HASHES_AT) >> 4 if at >= 0 else self._claim(digest, start, now, overflow)
            tat = self._tats[slot]
            if tat < now:  # noqa: PLR1730 - max() costs more than the whole comparison
                tat = now
            spare = now + burst * interval - tat
            if spare + slack >= interval:
                allowed = True
                self._tats[slot] = tat = tat + interval
            elif spare < 0:  # the burst has shrunk since
                self._tats[slot] = tat = tat + spare
                spare = 0.0
        finally:
            self._unlock(mutex)
        if slot >= self._slots:
            self._tell_full()
        if allowed:
            remaining = int((spare + slack) / interval) - 1
            return _decision(Decision, (True, remaining, tat - now, 0.0))
        return _decision(Decision, (False, 0, tat - now, interval - spare))

    def peek(self, key: str, count: int, seconds: float, burst: int) -> Decision:
        mutex, digest, start, end, _ = self._place(key)
        try:
            if said := self._try_lock(mutex):
                self._mutexes.wait(mutex, said)
            now = self._clock() - self._origin
            at = self._find(digest, start, end)
            tat = self._tats[(at - HASHES_AT) >> 4] if at >= 0 else now
        finally:
            self._unlock(mutex)
        return standing(max(tat - now, 0.0), seconds / count, burst)

    def _claim(self, digest: bytes, start: int, now: float, overflow: int) -> int:
        """A slot of the window for a newcomer, or the stripe's overflow."""
        first = (start - HASHES_AT) >> 4
        for slot in range(first, first + WINDOW):
            if self._tats[slot] <= now:
                at = HASHES_AT + slot * HASH_SIZE
                self._memory[at : at + HASH_SIZE] = digest
                return slot
        return overflow

    def _tell_full(self) -> None:
        now = time.monotonic()
        if now - self._told >= TELL_EVERY:
            self._told = now
            log.warning(
                "limits: the shared memory is full, newcomers are counted together: more than %d "
                "slots are needed",
                self._slots,
            )

    def _place_of(self, key: str) -> Place:
        text = key.encode("utf-8", "surrogatepass")
        secret = self._segment.secret
        digest = blake2b(text, key=secret, digest_size=HASH_SIZE).digest()
        window, stripe = divmod(int.from_bytes(digest[:8], "little"), STRIPES)
        first = stripe * self._a_stripe + window % (self._a_stripe - WINDOW + 1)
        start = HASHES_AT + first * HASH_SIZE
        end = start + WINDOW * HASH_SIZE
        return Place(self._pointers[stripe], digest, start, end, self._slots + stripe)

    def _prepare(self, memory: mmap.mmap) -> None:
        """With nobody else attached: whatever held a lock is gone."""
        memory[MUTEXES_AT:HASHES_AT] = bytes(HASHES_AT - MUTEXES_AT)
        for pointer in _pointers(memory):
            self._mutexes.init(pointer)

    async def check(self) -> None:
        """Nothing is away that lies in memory."""

    async def close(self) -> None:
        if self._place is _closed:
            return
        self._place = _closed  # type: ignore[assignment]  # any callable will do
        self._tats.release()
        self._segment.close()


def _pointers(memory: mmap.mmap) -> list[ctypes.c_void_p]:
    base = ctypes.addressof(ctypes.c_char.from_buffer(memory)) + MUTEXES_AT
    return [ctypes.c_void_p(base + MUTEX_SIZE * stripe) for stripe in range(STRIPES)]


def _closed(_: str) -> Place:
    # A lock in memory that is no longer mapped would end the process.
    raise BackendUnavailable("limits: shared memory is closed")


def open_shm(url: str) -> ShmLimits:
    """`shm://`, `shm:///name`, `shm:///name?slots=65536`. Raises BackendError."""
    path, _, query = url.removeprefix("shm://").partition("?")
    name = path.removeprefix("/") or "default"
    if (path and path[0] != "/") or not NAME.fullmatch(name):
        raise BackendError("limits: expected shm:///name, of letters, digits, - and _")
    options = dict(parse_qsl(query, keep_blank_values=True))
    slots = options.pop("slots", "65536")
    if options:
        raise BackendError("limits: shm:// has no option but slots")
    if not slots.isdecimal() or not FEWEST_SLOTS <= int(slots[:9]) <= MOST_SLOTS:
        raise BackendError(f"limits: slots is a number from {FEWEST_SLOTS} to {MOST_SLOTS}")
    return ShmLimits(name, int(slots))
