"""Several processes on one SQLite file, killed at random."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

PROCESSES = 4
ROWS = 40
PATIENCE = 40.0


class Writer:
    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self.errors = folder / f"{name}.errors"
        program = [sys.executable, "-m", "tests.backends.sql.writing", f"sqlite:///{folder}/t.db"]
        with self.log.open("wb") as out, self.errors.open("wb") as errors:
            self.process = subprocess.Popen([*program, name], stdout=out, stderr=errors)

    def acknowledged(self) -> list[int]:
        whole, _, _ = self.log.read_text().rpartition("\n")
        return [int(line) for line in whole.split()]

    def has(self, rows: int) -> bool:
        assert self.process.poll() is None, self.errors.read_text()
        return len(self.acknowledged()) >= rows

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def writers(tmp_path: Path) -> Iterator[list[Writer]]:
    """That start together on a file that is not there yet."""
    started = [Writer(tmp_path, f"w{number}") for number in range(PROCESSES)]
    yield started
    for writer in started:
        writer.kill()


def test_none_starves_and_what_each_wrote_survives_its_kill(
    writers: list[Writer], tmp_path: Path
) -> None:
    for writer in writers:
        # Those after a killed one must get on though it died in the middle of what it did.
        goal = len(writer.acknowledged()) + ROWS
        until(lambda writer=writer, goal=goal: writer.has(goal))
        writer.kill()
    kept = rows(tmp_path / "t.db")
    for writer in writers:
        written = writer.acknowledged()
        assert written == list(range(len(written)))
        # One more may have been written though nobody was told any more.
        assert kept[writer.name] in (written, [*written, len(written)])


def rows(file: Path) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    connection = sqlite3.connect(file)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    for name, number in connection.execute("SELECT name, number FROM written ORDER BY 1, 2"):
        found.setdefault(name, []).append(number)
    assert connection.execute("SELECT * FROM alembic_version_writing").fetchall() == [("0001",)]
    connection.close()
    return found


def until(true: object) -> None:
    assert callable(true)
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)
