"""A process that takes: `python -m tests.backends.limits.taking URL KEY COUNT SECONDS BURST HOW`.

HOW is a number of takes, or a duration such as `2s`. It says "ready", begins when told by a line
on stdin, and ends by saying how many passed, and between when and when the first and the last
one did: when it was asked for, and when the answer was there.
"""

from __future__ import annotations

import asyncio
import inspect
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import NamedTuple

from backends.limits import DRIVERS
from tests.e2e.gateway_process import ROOT


class Taken(NamedTuple):
    passed: int
    first_asked: float
    first_told: float
    last_asked: float
    last_told: float


class Taking:
    """The process, seen from outside."""

    def __init__(self, url: str, numbers: tuple[int, float, int], how: str, key: str) -> None:
        about = [url, key, *map(str, numbers), how]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.backends.limits.taking", *about],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            text=True,
        )

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def begin(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def taken(self) -> Taken:
        passed, *times = self.line().split()
        return Taken(int(passed), *map(float, times))

    def end(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()


@contextmanager
def takers(
    url: str, numbers: tuple[int, float, int], how: str, *, key: str, many: int
) -> Iterator[list[Taking]]:
    """All of them ready, none begun."""
    all_of_them = [Taking(url, numbers, how, key) for _ in range(many)]
    try:
        assert [taker.line() for taker in all_of_them] == ["ready"] * many
        yield all_of_them
    finally:
        for taker in all_of_them:
            taker.end()


def together(all_of_them: Sequence[Taking]) -> list[Taken]:
    for taker in all_of_them:
        taker.begin()
    return [taker.taken() for taker in all_of_them]


def elapsed(taken: Sequence[Taken]) -> tuple[float, float]:
    """Seconds between the first and the last that passed, at least and at most: a machine that is
    busy tells late of either."""
    least = max(each.last_asked for each in taken) - min(each.first_told for each in taken)
    return least, max(each.last_told for each in taken) - min(each.first_asked for each in taken)


async def take(url: str, key: str, numbers: tuple[int, float, int], how: str) -> Taken:
    limits = DRIVERS.open(url)
    say("ready")
    sys.stdin.readline()
    times = [time.monotonic()] * 4
    until = times[0] + float(how[:-1]) if how.endswith("s") else float("inf")
    passed = 0
    for number in count():
        if str(number) == how:
            break
        asked = time.monotonic()
        said = limits.take(key, *numbers)
        decision = await said if inspect.isawaitable(said) else said
        now = time.monotonic()
        if decision.allowed:
            passed += 1
            times = [*(times[:2] if passed > 1 else (asked, now)), asked, now]
        elif now > until:  # and nothing is left of what had piled up while no one could run
            break
        await asyncio.sleep(0)  # as a worker's loop does
    await limits.close()
    return Taken(passed, *times)


def main() -> None:
    url, key, requests, seconds, burst, how = sys.argv[1:]
    say(*asyncio.run(take(url, key, (int(requests), float(seconds), int(burst)), how)))


def say(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
