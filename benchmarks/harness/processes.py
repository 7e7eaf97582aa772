"""Programs that run on cores of their own, in a session of their own, until they are left."""

from __future__ import annotations

import os
import random
import resource
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

PATIENCE = 20.0
GRACE = 3.0


@dataclass(frozen=True)
class Cores:
    """Where the proxy runs, and where the load and the upstream do."""

    proxy: frozenset[int]
    load: frozenset[int]

    @classmethod
    def of_this_machine(cls, workers: int = 1) -> Cores:
        """`workers` cores for the proxy and the rest for the load, as long as there is a rest."""
        free = sorted(os.sched_getaffinity(0))
        if len(free) < 2:
            raise RuntimeError("a benchmark needs two cores: one for the proxy, one for its load")
        if len(free) <= workers:
            return cls(frozenset(free), frozenset(free))
        return cls(frozenset(free[:workers]), frozenset(free[workers:]))


@contextmanager
def pinned(cores: frozenset[int]) -> Iterator[None]:
    """What is started meanwhile inherits these cores, and sees so many of them."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def many_files() -> int:
    """Raises the limit of open files as far as it goes, for all that is started after."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def free_ports(count: int) -> list[int]:
    """Below the ephemeral range, so that no outgoing connection takes one meanwhile."""
    found: set[int] = set()
    while len(found) < count:
        port = random.randrange(12_000, 32_000)  # noqa: S311 - no secret
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            found.add(port)
    return sorted(found)


@contextmanager
def running(
    argv: Sequence[str | Path], folder: Path, cores: frozenset[int], port: int
) -> Iterator[int]:
    """Its pid, which is its session's too, once it takes connections at `port`."""
    log = folder / "output.log"
    with log.open("wb") as output, pinned(cores):
        process = subprocess.Popen(  # noqa: S603 - the command lines of peers.py
            [str(word) for word in argv],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        _await_port(process, port, log)
        yield process.pid
    finally:
        _end(process)


def _await_port(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    status = process.poll()
    how = f"not in {PATIENCE:g} s" if status is None else f"exit status {status}"
    said = log.read_text(errors="replace").strip().splitlines()[-3:]
    raise RuntimeError(" | ".join([f"it did not start ({how})", *said]))


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(GRACE)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
