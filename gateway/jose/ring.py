"""The keys in use, kept fresh in the background; old ones serve on while the source is down."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable

from gateway.jose.keys import KeySet, KeysUnavailable
from gateway.jose.sources import KeySource
from gateway.jose.verify import UnknownKey, Verified, Verifier

FIRST_RETRY = 1.0
LAST_RETRY = 15.0
COOL_DOWN = 10.0


class KeyRing:
    """`keys` is None until the source gave some. `changed` is told of each new set at once.

    One fetch is under way at a time, whoever asked. Unknown key ids cause at most one each
    `cool_down` seconds; a failing source is asked again after `first_retry` seconds, then
    after twice as long each time, up to 15 s. `counted` is told "ok" or "failed".
    """

    def __init__(
        self,
        log: logging.Logger,
        *,
        changed: Callable[[KeySet], None],
        counted: Callable[[str], None],
        first_retry: float = FIRST_RETRY,
        cool_down: float = COOL_DOWN,
    ) -> None:
        self.keys: KeySet | None = None
        self._source: KeySource
        self._log = log
        self._changed = changed
        self._counted = counted
        self._first_retry = first_retry
        self._cool_down = cool_down
        self._failures = 0
        self._pause = first_retry
        self._next = 0.0
        self._warm_until = -math.inf
        self._flight: asyncio.Task[None] | None = None
        self._keeper: asyncio.Task[None] | None = None

    async def start(self, source: KeySource) -> None:
        """Begin to fetch. Waits, and raises KeysUnavailable, for a local source only."""
        self._source = source
        if source.local:
            self._take((await source.fetch()).keys)
        self._join()
        self._keeper = asyncio.create_task(self._keep())

    async def refresh(self, source: KeySource) -> None:
        """Instead of `start`, each time keys are needed: fetches when it is time, and waits for
        that. What nobody asks for is not fetched."""
        self._source = source
        if asyncio.get_running_loop().time() >= self._next:
            self._join()
        if self._flight is not None:
            await asyncio.wait([self._flight])

    async def verified(self, verifier: Verifier, token: str) -> Verified:
        """A key that nobody knows is looked for once in a while, by one request for all.

        Raises Refused, and KeysUnavailable while none are known.
        """
        for _ in range(2):
            if self.keys is None:
                raise KeysUnavailable("no keys are known yet")
            try:
                return verifier.verify(token, self.keys)
            except UnknownKey:
                if (flight := self.refetch()) is None:
                    raise
                await asyncio.wait([flight])
        raise UnknownKey

    async def stop(self) -> None:
        tasks = [task for task in (self._keeper, self._flight) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._keeper = self._flight = None

    @property
    def flight(self) -> asyncio.Task[None] | None:
        """The fetch under way, which never raises: to be waited for with `asyncio.wait`."""
        return self._flight

    def refetch(self) -> asyncio.Task[None] | None:
        """The fetch to wait for because of an unknown key id, or None while that cools down."""
        now = asyncio.get_running_loop().time()
        if self._flight is None and now >= self._warm_until:
            self._warm_until = now + self._cool_down
            self._join()
        return self._flight

    def retry_after(self) -> int:
        """Whole seconds until the source is asked again, at least one."""
        return max(1, math.ceil(self._next - asyncio.get_running_loop().time()))

    def _join(self) -> asyncio.Task[None]:
        if self._flight is None:
            self._flight = asyncio.create_task(self._fetch())
        return self._flight

    async def _keep(self) -> None:
        while True:
            await asyncio.wait([self._join()])
            await asyncio.sleep(self._pause)

    async def _fetch(self) -> None:
        try:
            fetched = await self._source.fetch()
        except KeysUnavailable as error:
            self._fail(error)
        else:
            self._pause = fetched.again_in
            self._recover()
            self._take(fetched.keys)
        finally:
            self._next = asyncio.get_running_loop().time() + self._pause
            self._flight = None

    def _take(self, keys: KeySet) -> None:
        if self.keys is None or keys.marks != self.keys.marks:
            self.keys = keys
            self._changed(keys)
            if not keys.marks:
                self._log.warning("the issuer has no key that fits the pinned algorithms")

    def _fail(self, error: KeysUnavailable) -> None:
        self._counted("failed")
        self._pause = min(self._first_retry * 2 ** min(self._failures, 10), LAST_RETRY)
        self._failures += 1
        if self._failures == 1:
            state = "none are known yet" if self.keys is None else "the known ones serve on"
            self._log.warning("signing keys cannot be fetched, %s: %s", state, error)

    def _recover(self) -> None:
        self._counted("ok")
        if self._failures:
            self._log.warning("signing keys are fetched again after %d failures", self._failures)
        self._failures = 0
