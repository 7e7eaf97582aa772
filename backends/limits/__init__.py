"""Rate limits: one contract, its drivers beside it."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import NamedTuple, Protocol


class Decision(NamedTuple):
    """What a limiter says of one request.

    remaining: requests that would pass right now. reset: seconds until the full burst is
    there again. retry_after: seconds until one request would pass; 0 when this one did.
    """

    allowed: bool
    remaining: int
    reset: float
    retry_after: float


class Limits(Protocol):
    """**Protocol:** GCRA (generic cell rate algorithm) per key.

    `take` is one atomic step. `count` requests are allowed each `seconds`, `burst` more at
    once. A driver that needs a round trip returns an awaitable and raises BackendError when
    its engine is away; one that does not answers at once. Keys expire by themselves, and a
    driver's memory is bounded however many keys there are.
    """

    shared: bool
    """Whether all workers that serve the same table see the same counts."""

    def take(
        self, key: str, count: int, seconds: float, burst: int
    ) -> Decision | Awaitable[Decision]: ...

    async def close(self) -> None: ...
