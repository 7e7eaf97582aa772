"""A worker as its supervisor sees it: a process, and the channel to it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from gateway.errors import GatewayError
from gateway.supervisor import orders
from gateway.supervisor.channel import Channel, Note, Refused, Unanswered

T = TypeVar("T")

LAST_WORDS = 1.0
"""Seconds after the process's end for what it still sent."""

TO_CLEAN_UP = 5.0
"""Seconds for a worker that could not start to stop the plugins which could."""


class NotStarted(GatewayError):
    """The worker did not get as far as serving; the message says why."""


class WorkerProcess:
    """Number `number` of the workers. `ended` is done once nothing more comes from it.

    content: what it was told to serve by. since: when it began to.
    """

    def __init__(self, number: int, process: asyncio.subprocess.Process, content: bytes) -> None:
        self.number = number
        self.content = content
        self.since: float | None = None
        self.answering = True
        self._process = process
        self._channel: Channel
        self.ended: asyncio.Task[None]

    @classmethod
    async def spawn(
        cls,
        number: int,
        content: bytes,
        descriptors: Sequence[int],
        notes: Callable[[WorkerProcess], dict[str, Note]],
    ) -> WorkerProcess:
        """Raises OSError when there can be no such process."""
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                process = await asyncio.create_subprocess_exec(
                    *_command(theirs.fileno()),
                    stdin=asyncio.subprocess.DEVNULL,
                    pass_fds=[theirs.fileno(), *set(descriptors)],
                    # Ctrl-C in a terminal is for the supervisor, which lets the workers drain.
                    process_group=0,
                )
            except BaseException:
                ours.close()
                raise
        worker = cls(number, process, content)
        try:
            worker._channel = await Channel.over(ours, notes(worker), {})
        except BaseException:
            process.kill()
            await process.wait()
            raise
        worker.ended = asyncio.create_task(worker._wait())
        return worker

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    async def start(self, start: orders.Start, within: float) -> None:
        """Raises NotStarted; then the process is gone."""
        try:
            await self._channel.ask(orders.START, start, within=within)
        except Refused as refused:
            # It stops what it had started, and goes.
            await asyncio.wait([self.ended], timeout=TO_CLEAN_UP)
            await self._end()
            raise NotStarted(f"worker {self.number}: {refused}") from None
        except Unanswered as unanswered:
            # One that goes by itself says by its status how it went.
            await asyncio.wait([self.ended], timeout=LAST_WORDS if self._channel.behind else 0)
            reason = str(unanswered) if self.alive else self.how_it_ended()
            await self._end()
            raise NotStarted(f"worker {self.number}: {reason}") from None
        self.since = time.monotonic()

    async def ask(self, kind: type[T], name: str, body: Any = None, *, within: float) -> T:
        """Raises Refused or Unanswered."""
        return orders.read(await self._channel.ask(name, body, within=within), kind)

    def tell(self, name: str, body: Any = None) -> None:
        """A worker that is megabytes behind hangs; one that misses nothing takes its place."""
        if not self._channel.tell(name, body):
            self.kill()

    def kill(self) -> None:
        if self.alive:
            self._process.kill()

    def how_it_ended(self) -> str:
        status = self._process.returncode
        if status is None:
            return "it still runs"
        if status >= 0:
            return f"it ended with exit status {status}"
        try:
            return f"it was ended by {signal.Signals(-status).name}"
        except ValueError:
            return f"it was ended by signal {-status}"

    def resident(self) -> int:
        """Bytes of memory; 0 when that cannot be known."""
        try:
            with open(f"/proc/{self.pid}/statm", encoding="ascii") as numbers:
                return int(numbers.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except (OSError, IndexError):
            return 0

    async def _end(self) -> None:
        self.kill()
        # Not awaited itself: who is cancelled here must not cancel that.
        await asyncio.wait([self.ended])

    async def _wait(self) -> None:
        await self._process.wait()
        await asyncio.wait([self._channel.ended], timeout=LAST_WORDS)
        self._channel.close()


def _command(descriptor: int) -> list[str]:
    """As this interpreter was started, as far as finding and judging modules goes."""
    flags = [f"-W{option}" for option in sys.warnoptions]
    if sys.flags.isolated:
        flags.append("-I")
    elif sys.flags.safe_path or not (sys.path and sys.path[0] in ("", os.getcwd())):
        flags.append("-P")
    return [sys.executable, *flags, "-m", "gateway.supervisor.worker", str(descriptor)]
