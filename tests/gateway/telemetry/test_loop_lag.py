"""How late the event loop is."""

from __future__ import annotations

import asyncio

from gateway.telemetry.loop_lag import LoopLag
from gateway.telemetry.metrics import Metrics


def counted(metrics: Metrics) -> float:
    return metrics.registry.get_sample_value("gateway_event_loop_lag_seconds_count") or 0


async def test_lag_is_observed_again_and_again_until_it_is_stopped() -> None:
    metrics = Metrics()
    lag = LoopLag(metrics)
    lag.start()
    while counted(metrics) < 2:  # noqa: ASYNC110 - a counter tells nobody
        await asyncio.sleep(0.01)
    lag.stop()
    lag.stop()
    seen = counted(metrics)
    await asyncio.sleep(0.3)
    assert counted(metrics) == seen
