"""Whether a target is fit to be asked, by active checks and by what requests to it came to."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from gateway.config.model import Health as HealthConfig
from gateway.wheel import NEVER, TICK, Wheel

LONGEST = 10
"""An ejection lasts at most so many times `eject_for`."""
NOTABLE = 0.1
"""Failures count when they are at least this share of the target's requests meanwhile."""
FIRST_SHARE = 0.1
STEPS = 10


class Health:
    """One target's verdicts, its ejections, and the share of its weight that it has now.

    good: neither a check nor an ejection speaks against it. checked: the active checks' last
    verdict. share: its weight, or less for a while after it came back. Everybody in
    `watchers` is told when `good` or `share` has changed.
    """

    __slots__ = (
        "_back_at",
        "_config",
        "_failures",
        "_grown",
        "_wheel",
        "armed",
        "checked",
        "deadline",
        "ejected_until",
        "ejections",
        "share",
        "watchers",
        "weight",
        "why",
    )

    _config: HealthConfig
    weight: int
    share: float

    def __init__(self, wheel: Wheel) -> None:
        self._wheel = wheel
        self._failures: deque[tuple[float, int]] = deque()
        self._back_at = -NEVER
        self._grown = 1.0
        self.checked = True
        self.why = ""
        self.ejected_until = -NEVER
        self.ejections = 0
        self.deadline = NEVER
        self.armed = NEVER
        self.watchers: list[Callable[[], None]] = []

    @property
    def good(self) -> bool:
        return self.checked and self.ejected_until == -NEVER

    def adapt(self, weight: int, config: HealthConfig) -> None:
        """Take over what a reload changed. What no longer applies is forgiven."""
        self._config = config
        self.weight = weight
        self.share = weight * self._grown
        if config.active is None:
            self.checked = True
        if config.passive is None:
            self.ejected_until = -NEVER
        failures = config.passive.failures if config.passive is not None else 0
        self._failures = deque(self._failures, failures)

    def judge(self, healthy: bool, why: str, now: float) -> bool:
        """A verdict of the active checks; whether it is a new one."""
        if healthy is self.checked:
            return False
        self.checked = healthy
        self.why = why
        if self.good:
            self._come_back(now)
        self._tell()
        return True

    def failed(self, now: float, requests: int) -> bool:
        """A request failed; whether that makes too many. `requests`: the target's so far."""
        failures = self._failures
        failures.append((now, requests))
        passive = self._config.passive
        if passive is None or len(failures) < passive.failures or self.ejected_until != -NEVER:
            return False
        since, before = failures[0]
        return since > now - passive.window and len(failures) >= NOTABLE * (requests - before)

    def eject(self, now: float, why: str) -> float:
        """No requests for a while, longer each time in a row; for how many seconds."""
        passive = self._config.passive
        assert passive is not None
        if now - self._back_at > passive.window + passive.eject_for:
            self.ejections = 0
        self.ejections += 1
        seconds = passive.eject_for * min(self.ejections, LONGEST)
        self.ejected_until = now + seconds
        self.why = why
        self._failures.clear()
        self._look_at(self.ejected_until)
        self._tell()
        return seconds

    def expire(self, now: float) -> None:
        """By the wheel: the ejection is over, or the next step on the way to the full weight."""
        if self.ejected_until != -NEVER:
            self.ejected_until = -NEVER
            self._back_at = now
            if not self.checked:
                return
            self._come_back(now)
        else:
            self._grow(now)
        self._tell()

    def forget(self) -> None:
        """Its target is no longer in use."""
        self._wheel.disarm(self)
        self.watchers.clear()

    def _come_back(self, now: float) -> None:
        self._back_at = now
        self._grow(now)

    def _grow(self, now: float) -> None:
        full = self._config.slow_start
        grown = (now - self._back_at) / full if full else 1.0
        self._grown = min(1.0, max(FIRST_SHARE, grown))
        self.share = self.weight * self._grown
        if grown < 1:
            self._look_at(now + max(TICK, full / STEPS))

    def _look_at(self, at: float) -> None:
        self.deadline = at
        self._wheel.arm(self)

    def _tell(self) -> None:
        for watcher in self.watchers:
            watcher()
