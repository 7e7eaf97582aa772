"""Deadlines without a timer each: one coarse clock for all connections of a loop."""

from __future__ import annotations

import asyncio
import math
from typing import Final, Protocol

NEVER: Final = math.inf
TICK: Final = 0.05


class Timed(Protocol):
    """**Protocol:** something with a deadline, in seconds of the loop's clock.

    Whoever moves `deadline` later just writes it. Whoever moves it earlier than `armed` calls
    `Wheel.arm`. That makes a deadline per request one attribute and one comparison.
    """

    deadline: float
    armed: float

    def expire(self, now: float) -> None: ...


class Wheel:
    """Calls `expire` at most TICK seconds after a deadline; holds nothing that has none."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._slots: dict[int, set[Timed]] = {}
        self._turned = 0
        self._timer: asyncio.TimerHandle | None = None

    def arm(self, timed: Timed) -> None:
        """See to it that `timed` is looked at when its deadline has passed."""
        self.disarm(timed)
        if timed.deadline == NEVER:
            return
        if self._timer is None:
            self._turned = int(self._loop.time() / TICK)
            self._timer = self._loop.call_later(TICK, self._turn)
        timed.armed = timed.deadline
        self._slots.setdefault(self._slot(timed.deadline), set()).add(timed)

    def disarm(self, timed: Timed) -> None:
        """Forget `timed`; its deadline is no longer of interest."""
        if timed.armed != NEVER:
            slot = self._slot(timed.armed)
            waiting = self._slots.get(slot)
            if waiting is not None:
                waiting.discard(timed)
                if not waiting:
                    del self._slots[slot]
            timed.armed = NEVER

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._slots.clear()

    def _slot(self, at: float) -> int:
        return max(int(at / TICK), self._turned + 1)

    def _turn(self) -> None:
        now = self._loop.time()
        until = int(now / TICK)
        due: list[Timed] = []
        for slot in range(self._turned + 1, until + 1):
            due.extend(self._slots.pop(slot, ()))
        self._turned = until
        for timed in due:
            if timed.armed == NEVER:
                continue  # disarmed by one that expired just now
            timed.armed = NEVER
            if timed.deadline > now:
                self.arm(timed)
                continue
            try:
                timed.expire(now)
            except Exception as error:  # noqa: BLE001  one must not stop the clock of all others
                context = {"message": "an expired deadline failed", "exception": error}
                self._loop.call_exception_handler(context)
        self._timer = self._loop.call_later(TICK, self._turn) if self._slots else None
