"""What the admin listener shows of several workers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import msgspec

from gateway.admin import AdminView, Question
from gateway.admin.guard import Refusal
from gateway.errors import GatewayError, Problem
from gateway.supervisor import orders
from gateway.supervisor.crew import Crew
from gateway.supervisor.process import WorkerProcess
from gateway.supervisor.reloading import Reloading
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.snapshot import Changes

log = logging.getLogger("gateway.supervisor")

SCRAPE_WITHIN = 1.0
CHECK_WITHIN = 2.0

Checks = dict[str, str | None]
JSON_OR_NONE: Any = bytes | None
NOBODY_ANSWERS = Problem(503, "No worker answers.", [("Retry-After", "1")])


class CommonPage:
    """The sum of what the workers counted, by what each of them reports when it is asked.

    One that does not answer in time stands with what it had reported before.
    """

    def __init__(self, crew: Crew, own: Metrics) -> None:
        self._crew = crew
        self._own = Changes(own)
        self._asking: asyncio.Task[None] | None = None

    async def stream(self, accept: str) -> tuple[AsyncIterator[bytes], str]:
        """Scrapes that come together share the answers."""
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask_all())
        await asyncio.shield(self._asking)
        for piece in self._own.families():
            self._crew.total.take(None, piece)
        return await self._crew.total.stream(accept)

    async def _ask_all(self) -> None:
        try:
            await asyncio.gather(*map(self._ask, self._crew.workers()))
        finally:
            self._asking = None

    async def _ask(self, worker: WorkerProcess) -> None:
        try:
            await worker.ask(type(None), orders.SCRAPE, within=SCRAPE_WITHIN)
        except GatewayError as error:
            if worker.answering and worker.alive:
                worker.answering = False
                log.warning("worker %d does not answer: %s", worker.number, error)
        else:
            if not worker.answering:
                log.info("worker %d answers again", worker.number)
            worker.answering = True


class CommonView:
    """Asks the workers, whichever can answer."""

    def __init__(self, crew: Crew, reloading: Reloading, own: Metrics) -> None:
        self._crew = crew
        self._reloading = reloading
        self.metrics = CommonPage(crew, own)
        own.watch_each(
            "gateway_worker_up",
            "1 while the worker serves and answers.",
            ["worker"],
            lambda: {
                (str(number),): float(worker is not None and worker.answering)
                for number, worker in enumerate(crew.serving)
            },
        )
        own.watch_each(
            "gateway_worker_resident_memory_bytes",
            "Memory of each worker.",
            ["worker"],
            lambda: {(str(each.number),): float(each.resident()) for each in crew.workers()},
        )

    def live(self) -> bool:
        return bool(self._crew.processes)

    def draining(self) -> bool:
        return self._crew.ending

    async def checks(self) -> Mapping[str, str | None]:
        """Those of the worker that is best off: one that is ready is enough."""
        workers = self._crew.workers()
        asked = (worker.ask(Checks, orders.CHECKS, within=CHECK_WITHIN) for worker in workers)
        answers = await asyncio.gather(*asked, return_exceptions=True)
        found = [answer for answer in answers if not isinstance(answer, BaseException)]
        if not found:
            return {"workers": "none answers" if workers else "there is none"}
        return min(found, key=lambda checks: sum(each is not None for each in checks.values()))

    async def routes(self) -> Any:
        return msgspec.Raw(await self._first(bytes, orders.ROUTES, None))

    async def explain(self, question: Question) -> Any:
        """As one worker has it, and of the `others` how their guards and upstream stand."""
        asked = [(each.number, self._explained(each, question)) for each in self._crew.workers()]
        answers = await asyncio.gather(*(answer for _, answer in asked))
        told = [answer for answer in answers if isinstance(answer, dict)]
        if not told:
            raise Refusal(NOBODY_ANSWERS)
        first = told[0]
        others = [
            _standing(answer) if isinstance(answer, dict) else {"worker": number, "error": answer}
            for (number, _), answer in zip(asked, answers, strict=True)
            if answer is not first
        ]
        return {**first, "others": others}

    async def _explained(self, worker: WorkerProcess, question: Question) -> dict[str, Any] | str:
        try:
            found = await worker.ask(JSON_OR_NONE, orders.EXPLAIN, question, within=CHECK_WITHIN)
        except GatewayError as error:
            return str(error)
        if found is None:
            raise ValueError("no request")
        told: dict[str, Any] = msgspec.json.decode(found)
        return told

    async def reload(self) -> Sequence[str]:
        return await self._reloading.reload()

    async def _first(self, kind: Any, name: str, body: Any) -> Any:
        for worker in self._crew.workers():
            try:
                return await worker.ask(kind, name, body, within=self._crew.patience.answer)
            except GatewayError as error:
                log.warning("worker %d: %s", worker.number, error)
        raise Refusal(NOBODY_ANSWERS)


def _standing(told: dict[str, Any]) -> dict[str, Any]:
    """What may differ between workers."""
    states = {guard["name"]: guard["state"] for guard in told["middlewares"] if "state" in guard}
    upstream = {"upstream": told["upstream"]} if "upstream" in told else {}
    return {"worker": told["worker"], "states": states, **upstream}


view: type[AdminView] = CommonView
