"""A gateway as the admin listener sees it, whose state a test sets."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from gateway.admin import AdminView, Question, Readiness
from gateway.plugin import HealthCheck
from gateway.telemetry.metrics import Metrics


class View:
    def __init__(self) -> None:
        self.metrics = Metrics("1.2.3")
        self.is_live = True
        self.is_draining = False
        self.named_checks: dict[str, HealthCheck] = {}
        self._readiness = Readiness(lambda: self.named_checks)
        self.table: list[Any] = []
        self.errors: list[str] = []
        self.failure: Exception | None = None
        self.reloads = 0
        self.reloading = 0
        self.most_reloading = 0

    def live(self) -> bool:
        return self.is_live

    def draining(self) -> bool:
        return self.is_draining

    async def checks(self) -> Mapping[str, str | None]:
        return await self._readiness.checks()

    async def routes(self) -> Sequence[Any]:
        return self.table

    async def explain(self, question: Question) -> Any:
        if " " in question.url:
            raise ValueError("a space in the secret url")
        return question

    async def reload(self) -> Sequence[str]:
        self.reloads += 1
        self.reloading += 1
        self.most_reloading = max(self.most_reloading, self.reloading)
        await asyncio.sleep(0.01)
        self.reloading -= 1
        if self.failure is not None:
            raise self.failure
        return self.errors


view: type[AdminView] = View
