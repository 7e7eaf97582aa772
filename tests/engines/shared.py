"""One server for all processes of a test session: those that run on Java are too big for more."""

from __future__ import annotations

import fcntl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import psutil

from tests.engines.engine import ServerProcess, kill_tree

E = TypeVar("E", bound=ServerProcess)


@contextmanager
def shared(kind: type[E], folder: Path) -> Iterator[E]:
    """The server that all who name `folder` share: the first starts it, the last kills it.

    Who uses it holds a lock, which the kernel takes back from a process that was killed. A test
    that stops or pauses its engine starts one of its own instead.
    """
    folder.mkdir(parents=True, exist_ok=True)
    state = folder / "state"
    with (folder / "users").open("a") as users:
        fcntl.flock(users, fcntl.LOCK_SH)
        with (folder / "starting").open("a") as starting:
            fcntl.flock(starting, fcntl.LOCK_EX)
            if not running(state):
                start(kind(Path(tempfile.mkdtemp(dir=folder))), state)
        engine = kind(folder)
        engine.port = int(state.read_text().split()[1])
        try:
            yield engine
        finally:
            with suppress(BlockingIOError):
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                end(int(state.read_text().split()[0]))
                state.unlink()


_started: dict[int, ServerProcess] = {}  # by pid; it may outlive this process, whose child it is


def start(engine: ServerProcess, state: Path) -> None:
    engine.start()
    _started[engine.pid] = engine
    state.write_text(f"{engine.pid} {engine.port}")


def running(state: Path) -> bool:
    return state.exists() and psutil.pid_exists(int(state.read_text().split()[0]))


def end(pid: int) -> None:
    if mine := _started.pop(pid, None):
        mine.kill()
    else:
        kill_tree(pid)
