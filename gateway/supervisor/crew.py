"""The workers of a host: one for each seat, and another when one ends."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from gateway.config.model import Server
from gateway.errors import GatewayError
from gateway.listening import Doors
from gateway.supervisor import orders
from gateway.supervisor.channel import Note
from gateway.supervisor.process import NotStarted, WorkerProcess
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.snapshot import Piece
from gateway.telemetry.total import Total

log = logging.getLogger("gateway.supervisor")

GRACE = 1.0
"""Seconds for clients to hear that connections close."""

WELL_AFTER = 10.0
"""A worker that lived so long did not die of its start."""

FIRST_PAUSE, LONGEST_PAUSE = 0.25, 10.0


SILENCES = 6
"""So many questions in a row without an answer in time, and a worker hangs. Several, because all
of them are late when the whole machine has stood still."""


class Patience(NamedTuple):
    """Seconds a worker is given, and is ended after: to build its table and start its plugins,
    to answer what takes no time (SILENCES times), and to stop its plugins once it has drained."""

    start: float = 60.0
    answer: float = 5.0
    stop: float = 15.0


PATIENCE = Patience()


class Crew:
    """`serving` has the worker of each seat, None while there is none.

    The sockets of an empty seat are accepted from by another worker, so nothing that connects
    waits for a restart. `content` is the file as it was last taken: a worker that is restarted
    serves by that, whatever has been written since.
    """

    def __init__(
        self,
        path: Path,
        content: bytes,
        server: Server,
        metrics: Metrics,
        patience: Patience = PATIENCE,
    ) -> None:
        self.path = path
        self.content = content
        self.total = Total()
        self.processes: set[WorkerProcess] = set()
        self.serving: list[WorkerProcess | None] = [None] * server.workers
        self.ending = False
        self._drain = server.drain
        self.patience = patience
        self._failures = [0] * server.workers
        self._leader: WorkerProcess | None = None
        self._filling: dict[int, asyncio.Task[None]] = {}
        self._background: set[asyncio.Task[Any]] = set()
        self._restarts = metrics.counter(
            "gateway_worker_restarts_total", "Workers that took the place of one that had ended."
        )
        self.doors = Doors(server.listen, server.workers)

    async def start(self) -> None:
        """Fill every seat. Raises NotStarted, and then none is left, when one stays empty."""
        seats = range(len(self.serving))
        hiring = [asyncio.create_task(self._hire(number)) for number in seats]
        try:
            made = await asyncio.gather(*hiring)
        except BaseException:
            self.ending = True
            self.doors.close()
            for task in hiring:
                task.cancel()
            await asyncio.wait(hiring)
            self.kill()
            await self._all_ended(self.processes)
            raise
        self.serving[:] = made
        for worker in made:
            self._later(self._watch(worker))
        await self._arrange()
        for address in self.doors.addresses:
            log.info("listening on %s with %d workers", address, len(made))

    def workers(self) -> list[WorkerProcess]:
        """Those that serve, by their numbers."""
        return [worker for worker in self.serving if worker is not None]

    async def roll(self, content: bytes) -> None:
        """A new worker for each seat, one by one. Raises NotStarted, and the rest stays.

        Each is ready before the one that it replaces takes its leave.
        """
        for number in range(len(self.serving)):
            self._stop_filling(number)
            try:
                worker = await self._hire(number, content)
            except NotStarted:
                if self.serving[number] is None:
                    self._fill(number)
                raise
            self.content = content
            before = self.serving[number]
            self._failures[number] = 0
            self._seat(worker)
            if before is not None:
                before.tell(orders.DRAIN, orders.Drain(grace=None, accepting=False))
                self._later(self._end_in_time(before))

    async def drain(self, hurry: bool) -> None:
        """Let all workers finish what is in flight, and end those that take too long."""
        self.ending = True
        for number in tuple(self._filling):
            self._stop_filling(number)
        leaving = self.workers()
        grace = 0.0 if hurry or not await self._connections(leaving) else GRACE
        for worker in leaving:
            worker.tell(orders.DRAIN, orders.Drain(grace, accepting=True))
        self.doors.close()
        await self._all_ended(self.processes, grace + self._drain + self.patience.stop)
        self.kill()
        await self._all_ended(self.processes)

    def abandon(self) -> None:
        """Break off what is in flight everywhere."""
        for worker in self.processes:
            worker.tell(orders.ABANDON)

    def kill(self) -> None:
        for worker in tuple(self.processes):
            worker.kill()

    # One worker

    async def _hire(self, number: int, content: bytes | None = None) -> WorkerProcess:
        """A process that is ready to serve. Raises NotStarted."""
        content = self.content if content is None else content
        descriptors = self.doors.descriptors()
        flat = [each for some in descriptors for each in some]
        try:
            worker = await WorkerProcess.spawn(number, content, flat, self._notes)
        except OSError as error:
            raise NotStarted(f"worker {number}: {error}") from error
        self.processes.add(worker)
        worker.ended.add_done_callback(lambda _: self._lost(worker))
        doors = list(zip(self.doors.listens, descriptors, strict=True))
        try:
            await worker.start(
                orders.Start(str(self.path), content, doors, number), self.patience.start
            )
        except asyncio.CancelledError:
            worker.kill()
            raise
        return worker

    def _notes(self, worker: WorkerProcess) -> dict[str, Note]:
        return {
            orders.NUMBERS: lambda body: self.total.take(worker, orders.read(body, Piece)),
            orders.LEAVING: lambda _: self._leaves(worker),
            orders.MESSAGE: partial(self._pass_on, worker),
        }

    def _pass_on(self, worker: WorkerProcess, body: Any) -> None:
        message = orders.read(body, orders.Message)
        for other in tuple(self.processes):
            # One that is starting has subscribed to nothing, or has from here on.
            if other is not worker:
                other.tell(orders.MESSAGE, message)

    def _seat(self, worker: WorkerProcess) -> None:
        if not worker.alive:
            # Its end was told while nobody had seated it.
            self._empty(worker.number)
            return
        self.serving[worker.number] = worker
        self._later(self._watch(worker))
        self._later(self._arrange())

    def _leaves(self, worker: WorkerProcess) -> None:
        """Somebody else asked it to."""
        if self.serving[worker.number] is worker:
            self._empty(worker.number)
            self._later(self._end_in_time(worker))

    def _lost(self, worker: WorkerProcess) -> None:
        self.processes.discard(worker)
        self.total.bury(worker)
        if self.serving[worker.number] is not worker:
            return
        lived = time.monotonic() - (worker.since or 0.0)
        self._failures[worker.number] = (
            0 if lived > WELL_AFTER else self._failures[worker.number] + 1
        )
        if not self.ending:
            said = worker.how_it_ended()
            log.error("worker %d (process %d): %s", worker.number, worker.pid, said)
        self._empty(worker.number)

    # Its seat

    def _empty(self, number: int) -> None:
        self.serving[number] = None
        if not self.ending:
            self._later(self._arrange())
            self._fill(number)

    def _fill(self, number: int) -> None:
        if number not in self._filling:
            task = self._filling[number] = asyncio.create_task(self._refill(number))
            task.add_done_callback(lambda _: self._filled(number, task))

    def _filled(self, number: int, task: asyncio.Task[None]) -> None:
        if self._filling.get(number) is task:
            del self._filling[number]

    def _stop_filling(self, number: int) -> None:
        task = self._filling.pop(number, None)
        if task is not None:
            task.cancel()

    async def _refill(self, number: int) -> None:
        while True:
            failures = self._failures[number]
            if failures:
                await asyncio.sleep(min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (failures - 1)))
            try:
                worker = await self._hire(number)
            except NotStarted as reason:
                self._failures[number] += 1
                log.error("not started (failure %d): %s", self._failures[number], reason)
                continue
            if worker.content != self.content:
                # The file was taken anew meanwhile, and this worker was not asked.
                worker.kill()
                continue
            self._restarts.inc()
            log.info("worker %d serves again as process %d", number, worker.pid)
            # No longer under way: should it be dead by now, the seat is filled anew.
            self._filling.pop(number, None)
            self._seat(worker)
            return

    async def _arrange(self) -> None:
        """Tell each worker whose connections to accept, and which one leads."""
        present = self.workers()
        if not present:
            self._leader = None
            return
        if self._leader not in present:
            self._leader = present[0]
        empty = [number for number, worker in enumerate(self.serving) if worker is None]
        orders_of = [
            orders.Arrange([worker.number, *empty[at :: len(present)]], worker is self._leader)
            for at, worker in enumerate(present)
        ]
        await asyncio.gather(*map(self._tell_arrangement, present, orders_of))

    async def _tell_arrangement(self, worker: WorkerProcess, arrange: orders.Arrange) -> None:
        try:
            await worker.ask(type(None), orders.ARRANGE, arrange, within=self.patience.answer)
        except GatewayError as error:
            if worker.alive and not self.ending:
                log.error("worker %d: %s", worker.number, error)

    async def _watch(self, worker: WorkerProcess) -> None:
        """End it when it hangs; another takes its seat."""
        silences = 0
        while self.serving[worker.number] is worker and not self.ending:
            began = time.monotonic()
            try:
                await worker.ask(int, orders.CONNECTIONS, within=self.patience.answer)
                silences = 0
            except GatewayError:
                silences += 1
            if silences == SILENCES and worker.alive:
                log.error(
                    "worker %d (process %d) has not answered for %g s and is replaced",
                    worker.number,
                    worker.pid,
                    SILENCES * self.patience.answer,
                )
                worker.kill()
                return
            await asyncio.sleep(max(0.0, began + self.patience.answer - time.monotonic()))

    async def _end_in_time(self, worker: WorkerProcess) -> None:
        await self._all_ended([worker], GRACE + self._drain + self.patience.stop)
        worker.kill()

    async def _connections(self, workers: Iterable[WorkerProcess]) -> int:
        asked = [worker.ask(int, orders.CONNECTIONS, within=GRACE) for worker in workers]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        # One that does not answer may have some.
        return sum(answer if isinstance(answer, int) else 1 for answer in answers)

    async def _all_ended(
        self, workers: Iterable[WorkerProcess], within: float | None = None
    ) -> None:
        tasks = [worker.ended for worker in workers]
        if tasks:
            await asyncio.wait(tasks, timeout=within)

    def _later(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
