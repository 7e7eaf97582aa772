"""How late the event loop is: the one number that shows something blocks it."""

from __future__ import annotations

import asyncio

from gateway.telemetry.metrics import Metrics

INTERVAL = 0.25
BUCKETS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)


class LoopLag:
    """Sets a timer four times a second and counts, in seconds, how late it goes off."""

    def __init__(self, metrics: Metrics) -> None:
        self._lag = metrics.histogram(
            "gateway_event_loop_lag_seconds",
            "How late timers of the event loop go off.",
            buckets=BUCKETS,
        )
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        self._arm(asyncio.get_running_loop())

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self, loop: asyncio.AbstractEventLoop) -> None:
        due = loop.time() + INTERVAL
        self._timer = loop.call_later(INTERVAL, self._went_off, loop, due)

    def _went_off(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        self._lag.observe(max(0.0, loop.time() - due))
        self._arm(loop)
