"""Kafka: one node that is broker and controller."""

from __future__ import annotations

import socket
import struct
import subprocess
from pathlib import Path
from typing import ClassVar

from tests.engines.engine import HOST, ServerProcess, free_port
from tests.engines.installed import installed
from tests.engines.java import java

CLUSTER = "MkU3OEVBNTcwNTJENDM2Qg"  # any id will do
API_VERSIONS = struct.pack(">ihhih", 10, 18, 0, 7, -1)  # length, request, version, id, no name


class Kafka(ServerProcess):
    """Topics are made when they are first written to, with one partition."""

    PATIENCE: ClassVar = 60.0

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._controller = free_port()

    @property
    def url(self) -> str:
        return f"kafka://{HOST}:{self.port}"

    def command(self) -> list[str]:
        return self._java("kafka.Kafka", str(self._properties))

    def start(self) -> None:
        if not self._properties.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            self._properties.write_text(self._settings())
            done = subprocess.run(
                self._java(
                    *("kafka.tools.StorageTool", "format"),
                    *("-t", CLUSTER, "-c", str(self._properties), *self.users()),
                ),
                capture_output=True,
                text=True,
            )
            assert done.returncode == 0, done.stdout + done.stderr
        super().start()

    def answers(self) -> bool:
        with socket.create_connection((HOST, self.port), timeout=5.0) as sock:
            sock.sendall(API_VERSIONS)
            answer = sock.recv(10)
            return len(answer) == 10 and answer[8:] == b"\0\0"  # no error

    def users(self) -> tuple[str, ...]:
        """How it is formatted with those it knows from the start."""
        return ()

    def listeners(self) -> dict[str, str]:
        """By protocol, for clients."""
        return {"PLAINTEXT": f"{HOST}:{self.port}"}

    @property
    def _properties(self) -> Path:
        return self.folder / "server.properties"

    def _java(self, *words: str) -> list[str]:
        return java(f"{installed('kafka')}/*", *words)

    def _settings(self) -> str:
        controller = f"{HOST}:{self._controller}"
        protocols = ",".join(f"{name}:{name}" for name in self.listeners())
        listeners = ",".join(f"{name}://{place}" for name, place in self.listeners().items())
        return (
            f"process.roles=broker,controller\nnode.id=1\nlog.dirs={self.folder / 'data'}\n"
            f"listeners={listeners},CONTROLLER://{controller}\n"
            f"advertised.listeners={listeners}\n"
            "controller.listener.names=CONTROLLER\n"
            f"listener.security.protocol.map=CONTROLLER:PLAINTEXT,{protocols}\n"
            f"controller.quorum.voters=1@{controller}\n"
            # One node is all there is, and no test waits for others to join.
            "offsets.topic.replication.factor=1\noffsets.topic.num.partitions=1\n"
            "transaction.state.log.replication.factor=1\ntransaction.state.log.min.isr=1\n"
            "share.coordinator.state.topic.replication.factor=1\n"
            "share.coordinator.state.topic.min.isr=1\n"
            "group.initial.rebalance.delay.ms=0\n"
            # What is beyond its bounds is soon forgotten: after five minutes unless said otherwise,
            # of which the first begin 30 s after the start.
            "log.retention.check.interval.ms=200\nlog.initial.task.delay.ms=200\n"
            # A killed one may join again when its session has ended: 9 s unless said otherwise.
            "broker.session.timeout.ms=1500\nbroker.heartbeat.interval.ms=300\n"
        )
