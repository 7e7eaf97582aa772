"""What `--watch` takes for a change."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest

from gateway import filewatch
from gateway.filewatch import changes, code_changes, stamp
from tests.gateway.serving import until


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filewatch, "EVERY", 0.01)


def touch(file: Path, second: int) -> None:
    file.touch()
    os.utime(file, (second, second))


class Watch:
    """Counts the changes of the code below the roots."""

    def __init__(self, *roots: Path) -> None:
        self.roots = [str(root) for root in roots]
        self.changes = 0
        self.looks = 0
        self.before_each: Callable[[], None] = lambda: None
        self._task = asyncio.create_task(self._count(code_changes(self._asked)))

    async def some_looks(self) -> int:
        seen = self.looks
        await until(lambda: self.looks >= seen + 4)
        return self.changes

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _asked(self) -> Sequence[str]:
        self.looks += 1
        self.before_each()
        return self.roots

    async def _count(self, changes: AsyncIterator[None]) -> None:
        async for _ in changes:
            self.changes += 1


async def test_a_file_that_is_replaced_has_changed_and_one_that_is_gone_has_not(
    tmp_path: Path,
) -> None:
    file = tmp_path / "table"
    file.write_text("one")
    told = changes(file, stamp(file))
    next_one = asyncio.ensure_future(anext(told))
    file.unlink()
    await asyncio.sleep(0.05)
    assert not next_one.done()
    touch(file, 5)
    await asyncio.wait_for(next_one, 10)


async def test_code_that_is_edited_added_or_removed_has_changed(tmp_path: Path) -> None:
    package, alone = tmp_path / "package", tmp_path / "alone.py"
    (package / "deep").mkdir(parents=True)
    for file in (alone, package / "deep" / "a.py", package / "notes.txt"):
        touch(file, 1)
    watch = Watch(package, alone)
    assert await watch.some_looks() == 0
    touch(package / "notes.txt", 2)
    assert await watch.some_looks() == 0, "it is no code"
    for number, (file, second) in enumerate(
        [(alone, 2), (package / "deep" / "a.py", 2), (package / "b.so", 1)], 1
    ):
        touch(file, second)
        assert await watch.some_looks() == number
    (package / "b.so").unlink()
    assert await watch.some_looks() == 4
    await watch.close()


async def test_a_place_that_a_reload_brings_or_takes_away_is_no_change(tmp_path: Path) -> None:
    one, two = tmp_path / "one.py", tmp_path / "two.py"
    for file in (one, two):
        touch(file, 1)
    watch = Watch(one)
    await watch.some_looks()
    watch.roots.append(str(two))
    assert await watch.some_looks() == 0
    touch(two, 2)
    assert await watch.some_looks() == 1
    watch.roots.remove(str(one))
    assert await watch.some_looks() == 1
    await watch.close()


async def test_code_is_left_time_to_settle(tmp_path: Path) -> None:
    file = tmp_path / "one.py"
    touch(file, 1)
    watch = Watch(file)
    await watch.some_looks()
    watch.before_each = lambda: touch(file, watch.looks + 2)
    for _ in range(3):
        assert await watch.some_looks() == 0
    watch.before_each = lambda: None
    assert await watch.some_looks() == 1
    await watch.close()
