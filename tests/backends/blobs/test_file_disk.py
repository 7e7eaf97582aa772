from __future__ import annotations

import asyncio
import threading

import pytest

from backends.blobs.file_disk import MOST_WAITING, Disk
from backends.errors import BackendUnavailable


async def test_work_that_has_begun_is_over_when_the_cancelled_hear_of_it() -> None:
    disk, begun, go_on, done = Disk(1), threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        go_on.wait()
        done.set()

    running = asyncio.create_task(disk.run(work))
    await asyncio.to_thread(begun.wait)
    for _ in range(3):
        running.cancel()
        await asyncio.sleep(0)
    assert not running.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert done.is_set()
    await disk.close()


async def test_work_that_waits_its_turn_is_dropped_but_cleaning_up_is_not() -> None:
    disk, go_on = Disk(1), threading.Event()
    done: list[str] = []
    first = asyncio.create_task(disk.run(go_on.wait))
    work = asyncio.create_task(disk.run(done.append, "work"))
    cleaning = asyncio.create_task(disk.surely(lambda: done.append("cleaning")))
    await asyncio.sleep(0.01)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    cleaning.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await cleaning
    await first
    assert done == ["cleaning"]
    await disk.close()
    await disk.surely(lambda: done.append("closed"))
    assert done == ["cleaning", "closed"]


async def test_a_queue_that_is_full_says_so() -> None:
    disk, go_on = Disk(1), threading.Event()
    waiting = [asyncio.create_task(disk.run(go_on.wait)) for _ in range(MOST_WAITING)]
    await asyncio.sleep(0)
    with pytest.raises(BackendUnavailable, match="too many"):
        await disk.run(print)
    go_on.set()
    await asyncio.gather(*waiting)
    await disk.close()
    with pytest.raises(BackendUnavailable, match="closed"):
        await disk.run(print)
