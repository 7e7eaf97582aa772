"""What engines share: start, stop, kill -9, pause; and start again on the same port and data."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import ClassVar, Self

import psutil

HOST = "127.0.0.1"


GIVEN: set[int] = set()
"""Ports that were found free: whoever asked may not listen on them yet."""


def free_port(highest: int = 32_000) -> int:
    """Below the ephemeral range, so that no outgoing connection takes it meanwhile."""
    for _ in range(1000):
        port = random.randrange(12_000, highest)
        if port not in GIVEN and not listens(port):
            GIVEN.add(port)
            return port
    raise AssertionError("no free port")


def listens(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: a connection of an earlier one that lingers does not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return True
    return False


class Engine(ABC):
    """Runs while entered, or from `start` to `stop` or `kill`. Every call blocks until it is done,
    so a test on an event loop calls them by `asyncio.to_thread`.
    """

    @property
    @abstractmethod
    def url(self) -> str:
        """As a configuration would name it; the same after every start."""

    @abstractmethod
    def start(self) -> None:
        """Returns when it answers, with all it acknowledged before."""

    @abstractmethod
    def stop(self) -> None:
        """As an operator would, who lets it end what it is doing. Nothing if it does not run."""

    @abstractmethod
    def kill(self) -> None:
        """kill -9. Nothing if it does not run."""

    @abstractmethod
    def pause(self) -> None:
        """It hangs: its kernel still accepts connections, and nothing is answered."""

    @abstractmethod
    def resume(self) -> None: ...

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.kill()  # of several servers, those that did start
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @contextmanager
    def paused(self) -> Iterator[None]:
        self.pause()
        try:
            yield
        finally:
            self.resume()


class ServerProcess(Engine):
    """An engine that is one program, whose data and log are in `folder`."""

    PATIENCE: ClassVar = 30.0  # seconds for it to answer, or to end when asked to
    STOP: ClassVar = signal.SIGTERM

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def name(self) -> str:
        return type(self).__name__

    @property
    def pid(self) -> int:
        assert self._process is not None, f"{self.name} does not run"
        return self._process.pid

    @abstractmethod
    def command(self) -> list[str]: ...

    @abstractmethod
    def answers(self) -> bool:
        """Whether it would serve a client now. An OSError is a no."""

    def environment(self) -> dict[str, str]:
        """What it needs beside what the tests have."""
        return {}

    def start(self) -> None:
        assert self._process is None, f"{self.name} runs already"
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self.environment()},
                start_new_session=True,  # a Ctrl-C is for pytest, which then stops the engines
            )
        try:
            self.wait_until_it_answers()
        except BaseException:
            self.kill()
            raise

    def wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + self.PATIENCE
        while not self._answers():
            ended = self._process is None or self._process.poll() is not None
            if ended or time.monotonic() > deadline:
                said = (self.folder / "log").read_text(errors="replace")[-2000:]
                raise AssertionError(f"{self.name} {'ended' if ended else 'is silent'}:\n{said}")
            time.sleep(0.02)

    def _answers(self) -> bool:
        try:
            return self.answers()
        except OSError:
            return False

    def stop(self) -> None:
        if (process := self._process) is None:
            return
        for _ in range(int(self.PATIENCE)):  # Redis must be asked again: it says no at times
            process.send_signal(self.STOP)
            with suppress(subprocess.TimeoutExpired):
                process.wait(1.0)
                self._process = None
                return
        self.kill()
        raise AssertionError(f"{self.name} did not end in {self.PATIENCE:g} s")

    def kill(self) -> None:
        if self._process is None:
            return
        kill_tree(self.pid)
        self._process.wait()
        self._process = None

    def pause(self) -> None:
        for process in tree(self.pid):
            with gone_is_fine():
                process.suspend()
                while process.status() not in {psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE}:
                    time.sleep(0.001)  # the signal takes a moment

    def resume(self) -> None:
        for process in tree(self.pid):
            with gone_is_fine():
                process.resume()


def tree(pid: int) -> list[psutil.Process]:
    """A process and all below it: the parent first, so that it starts no other child meanwhile."""
    try:
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def kill_tree(pid: int) -> None:
    """kill -9, and until nothing of it runs; its parent has yet to wait for it."""
    processes = tree(pid)
    for process in processes:
        with gone_is_fine():
            process.kill()
    for process in processes:
        with gone_is_fine():
            while not is_over(process):
                time.sleep(0.001)  # nothing outlives a kill -9 for long


def is_over(process: psutil.Process) -> bool:
    """A zombie's threads, which hold its sockets and files, may end after it."""
    if not process.is_running():
        return True
    return process.status() == psutil.STATUS_ZOMBIE and process.num_threads() <= 1


def gone_is_fine() -> suppress:
    return suppress(psutil.NoSuchProcess)
