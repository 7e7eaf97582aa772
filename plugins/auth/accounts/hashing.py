"""Argon2id (RFC 9106) off the event loop, so many at once and no more."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from plugins.auth.accounts.errors import Overloaded

THREADS = 2
NICE = 15
AT_ONCE = 64
AT_ONCE_OF_A_CLIENT = 8
T = TypeVar("T")


def _give_way() -> None:
    """This thread, a process to Linux: what the event loop does comes first."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)


def _argon2(memory: int, passes: int) -> PasswordHasher:
    return PasswordHasher(time_cost=passes, memory_cost=memory, parallelism=1)


@cache
def _nobody(memory: int, passes: int) -> str:
    """Of a password that nobody has."""
    return _argon2(memory, passes).hash(secrets.token_urlsafe())


class Hashing:
    """memory: KiB. waited: told how many seconds each has waited for a thread.

    A client is a block of addresses; one alone cannot keep the others out.
    """

    def __init__(
        self, memory: int, passes: int, waited: Callable[[float], None] = lambda _: None
    ) -> None:
        self._argon2 = _argon2(memory, passes)
        self._threads = ThreadPoolExecutor(THREADS, "auth-passwords", _give_way)
        self._nobody = _nobody(memory, passes)
        self._waited = waited
        self._under_way = 0
        self._of_client: Counter[str] = Counter()

    def under_way(self) -> int:
        """How many are in a thread or wait for one."""
        return self._under_way

    def stop(self) -> None:
        """Those not yet begun are cancelled."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def hash(self, password: str, client: str) -> str:
        """Raises Overloaded."""
        return await self.run(lambda: self._argon2.hash(password), client)

    async def matches(self, encoded: str | None, password: str, client: str) -> bool:
        """For None, as of an account that does not exist, it takes as long. Raises Overloaded."""
        known = await self.run(lambda: self._verify(encoded or self._nobody, password), client)
        return known and encoded is not None

    def outdated(self, encoded: str) -> bool:
        """Whether it was made with other parameters than are used now."""
        return self._argon2.check_needs_rehash(encoded)

    async def run(self, work: Callable[[], T], client: str) -> T:
        """In one of the threads. Raises Overloaded."""
        if self._under_way >= AT_ONCE or self._of_client[client] >= AT_ONCE_OF_A_CLIENT:
            raise Overloaded("too many passwords are being checked")
        self._under_way += 1
        self._of_client[client] += 1
        asked, begun = time.monotonic(), [0.0]

        def timed() -> T:
            begun[0] = time.monotonic()
            return work()

        future = asyncio.get_running_loop().run_in_executor(self._threads, timed)
        future.add_done_callback(lambda _: self._ended(client, begun[0] - asked))
        return await asyncio.shield(future)  # what left the queue runs to its end, and counts

    def _ended(self, client: str, waited: float) -> None:
        self._waited(max(waited, 0.0))
        self._under_way -= 1
        self._of_client[client] -= 1
        if not self._of_client[client]:
            del self._of_client[client]

    def _verify(self, encoded: str, password: str) -> bool:
        try:
            return self._argon2.verify(encoded, password)
        except (VerificationError, InvalidHashError):
            return False
