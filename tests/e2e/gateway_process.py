"""`python -m gateway serve` as a child process, watched from outside."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.e2e.rawhttp import DEADLINE, Client, Message, dial, request

ROOT = Path(__file__).resolve().parents[2]
TROUBLE = (
    "Traceback (most recent call last)",
    "never retrieved",
    "never awaited",
    "Exception ignored",
    "ResourceWarning",
)


GIVEN: set[int] = set()
"""Ports that were found free: whoever asked may not listen on them yet."""


def free_port() -> int:
    """Below the ephemeral range, so that no outgoing connection takes it meanwhile."""
    for _ in range(1000):
        port = random.randrange(12_000, 32_000)
        if port in GIVEN:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            GIVEN.add(port)
            return port
    raise AssertionError("no free port")


class GatewayProcess:
    """One gateway serving the configuration `config`, which is written to `folder`."""

    def __init__(self, folder: Path, config: dict[str, Any], *arguments: str) -> None:
        self.folder = folder
        self.config = config
        self.file = folder / "gateway.yaml"
        self.arguments = arguments
        self.more_listeners: list[Any] = []
        self.port = free_port()
        self.admin_port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._seen = 0

    @property
    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self.port

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process

    def write(self, config: dict[str, Any] | None = None) -> None:
        """The file, swapped whole as an editor does."""
        config = dict(config or self.config)
        server = {
            "listen": [f"127.0.0.1:{self.port}", *self.more_listeners],
            "admin": f"127.0.0.1:{self.admin_port}",
            "access_log": str(self.folder / "access.log"),
            **config.get("server", {}),
        }
        config |= {"version": 1, "server": server}
        self.write_text(yaml.safe_dump(config, sort_keys=False))

    def write_text(self, text: str) -> None:
        fresh = self.file.with_suffix(".new")
        fresh.write_text(text)
        fresh.replace(self.file)

    def launch(self) -> None:
        """Start without waiting."""
        self.write()
        command = [sys.executable, "-m", "gateway", "serve", "-c", str(self.file)]
        environment = os.environ | {
            "PYTHONPATH": str(ROOT),
            "PYTHONWARNINGS": "default::ResourceWarning",
            "PYTHONFAULTHANDLER": "1",
        }
        with (
            (self.folder / "stdout").open("ab") as stdout,
            (self.folder / "stderr").open("ab") as stderr,
        ):
            self._process = subprocess.Popen(
                [*command, *self.arguments],
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                env=environment,
                cwd=self.folder,
            )

    def start(self) -> GatewayProcess:
        self.launch()
        deadline = time.monotonic() + DEADLINE
        for port in (self.port, *self.more_ports(), self.admin_port):
            while not accepts(port):
                assert self.process.poll() is None, f"did not start:\n{self.log()}"
                assert time.monotonic() < deadline, f"does not listen:\n{self.log()}"
                time.sleep(0.02)
        return self

    def more_ports(self) -> list[int]:
        """Of further listeners at 127.0.0.1, which are bound one after the other."""
        addresses = [
            each["address"] if isinstance(each, dict) else each for each in self.more_listeners
        ]
        return [int(each[10:]) for each in addresses if each.startswith("127.0.0.1:")]

    def log(self) -> str:
        return (self.folder / "stderr").read_text(errors="replace")

    def stdout(self) -> str:
        return (self.folder / "stdout").read_text(errors="replace")

    def assert_well(self) -> None:
        """Alive, and nothing in the log since last asked that speaks of a bug."""
        assert self.process.poll() is None, f"the gateway died:\n{self.log()}"
        self.assert_clean_log()

    def assert_clean_log(self) -> None:
        log = self.log()
        fresh, self._seen = log[self._seen :], len(log)
        assert not any(word in fresh for word in TROUBLE), fresh

    @contextmanager
    def expecting_a_traceback(self) -> Iterator[None]:
        self.assert_clean_log()
        yield
        self._seen = len(self.log())

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self) -> int:
        return self.process.wait(DEADLINE)

    def stop(self) -> None:
        """By SIGINT, which waits for no idle client to hear of it, and the exit is clean."""
        if self._process is None:
            return
        died = self.process.poll()
        if died is None:
            self.signal(signal.SIGINT)
            try:
                self.wait()
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise AssertionError(f"did not end on SIGINT:\n{self.log()}") from None
        assert self.process.returncode == 0, f"exit {self.process.returncode}:\n{self.log()}"
        self.assert_clean_log()

    def kill(self) -> None:
        if self._process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def admin(self, path: str, method: str = "GET") -> Message:
        client = dial(("127.0.0.1", self.admin_port))
        try:
            length = ["Content-Length: 0"] if method == "POST" else []
            client.send(
                request(method, path, f"127.0.0.1:{self.admin_port}", *length, "Connection: close")
            )
            return client.answer()
        finally:
            client.close()

    def metric(self, name: str) -> float | None:
        """The value of a sample, `name{label="x"}` as the page prints it; None without one."""
        for line in self.admin("/metrics").body.decode().splitlines():
            key, _, value = line.rpartition(" ")
            if key == name:
                return float(value)
        return None

    def connect(self, *, keep: bool = True) -> Client:
        return dial(self.address, keep=keep)

    def memory(self, key: str = "VmRSS") -> int:
        """Bytes: VmRSS now, VmHWM at its highest."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith(key + ":"))
        return int(line.split()[1]) * 1024

    def forget_peak_memory(self) -> None:
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def open_files(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))


def accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def eventually(condition: Any, what: str = "it") -> Any:
    """The first true value of `condition()`, asked until DEADLINE."""
    deadline = time.monotonic() + DEADLINE
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{what} did not happen in time"
        time.sleep(0.02)
    return value
