"""Three nodes of Kafka, each a broker and a controller, that can be killed one by one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.engines.engine import HOST, Engine
from tests.engines.kafka import Kafka


class Member(Kafka):
    """Of a cluster whose controllers are `voters`."""

    voters = ""

    def __init__(self, folder: Path, number: int) -> None:
        super().__init__(folder)
        self.number = number

    @property
    def voter(self) -> str:
        return f"{self.number}@{HOST}:{self._controller}"

    def _settings(self) -> str:
        alone = super()._settings()
        return alone.replace("node.id=1\n", f"node.id={self.number}\n").replace(
            f"controller.quorum.voters=1@{HOST}:{self._controller}",
            f"controller.quorum.voters={self.voters}",
        )


class KafkaCluster(Engine):
    """A killed one's partitions have another leader after a second or two."""

    def __init__(self, folder: Path) -> None:
        self.members = [Member(folder / str(number), number) for number in (1, 2, 3)]
        voters = ",".join(member.voter for member in self.members)
        for member in self.members:
            member.voters = voters

    @property
    def url(self) -> str:
        return "kafka://" + ",".join(f"{HOST}:{member.port}" for member in self.members)

    def start(self) -> None:
        self._each("start")

    def stop(self) -> None:
        self._each("stop")

    def kill(self) -> None:
        self._each("kill")

    def pause(self) -> None:
        self._each("pause")

    def resume(self) -> None:
        self._each("resume")

    def _each(self, what: str) -> None:
        """At once: the first would wait for the others."""
        with ThreadPoolExecutor(len(self.members)) as pool:
            for done in [pool.submit(getattr(member, what)) for member in self.members]:
                done.result()
