"""Whether new requests may come: the plugins' own checks, side by side and bounded."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

from gateway.errors import GatewayError
from gateway.plugin import HealthCheck
from gateway.telemetry.redaction import redact

BOUND = 1.0
"""Seconds a check may take."""

LATE = "took over a second"

log = logging.getLogger(__name__)


class Readiness:
    """Runs each check once at a time: probes that come together share its answer.

    A check that will not be cancelled is not started a second time; it counts as failed.
    """

    def __init__(self, named: Callable[[], Mapping[str, HealthCheck]]) -> None:
        self._named = named
        self._running: dict[tuple[str, HealthCheck], asyncio.Task[str | None]] = {}
        self._failing: set[str] = set()

    async def checks(self) -> dict[str, str | None]:
        """Why each check fails, None where it does not. Never raises, takes a second at most."""
        tasks = {name: self._task(name, check) for name, check in self._named().items()}
        if tasks:
            await asyncio.wait(tasks.values(), timeout=BOUND)
        reasons = {name: _reason(task) for name, task in tasks.items()}
        self._note(reasons)
        return reasons

    def _task(self, name: str, check: HealthCheck) -> asyncio.Task[str | None]:
        key = name, check
        task = self._running.get(key)
        if task is None:
            task = self._running[key] = asyncio.create_task(_run(check))
            task.add_done_callback(lambda _: self._running.pop(key))
        return task

    def _note(self, reasons: dict[str, str | None]) -> None:
        failing = {name for name, reason in reasons.items() if reason is not None}
        for name in failing - self._failing:
            log.warning("the check %s fails: %s", name, reasons[name])
        for name in self._failing - failing:
            log.info("the check %s passes again", name)
        self._failing = failing


async def _run(check: HealthCheck) -> str | None:
    try:
        await check()
    except GatewayError as error:
        return redact(str(error))
    except Exception as error:
        log.debug("a check failed", exc_info=error)
        return f"failed with {type(error).__name__}"
    return None


def _reason(task: asyncio.Task[str | None]) -> str | None:
    if not task.done():
        task.cancel()
        return LATE
    return LATE if task.cancelled() else task.result()
