"""A gateway of several workers, and clients that keep asking it."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path
from typing import Any, Self

from tests.e2e.fleet import PAUSE
from tests.e2e.gateway_process import GatewayProcess, eventually
from tests.e2e.rawhttp import DEADLINE, Client, Closed
from tests.e2e.site import Site

HOST = "crew.test"
PLUGIN = Path(__file__).with_name("worker_plugin.py")


class CrewSite(Site):
    """`workers` workers with the plugin of worker_plugin.py behind `/crew`."""

    def __init__(self, folder: Path, workers: int, *arguments: str) -> None:
        super().__init__(folder, *arguments)
        shutil.copy(PLUGIN, folder / "crew.py")
        self.server |= {"workers": workers, "drain": "20s"}
        self.plugins["crew"] = {"use": "./crew.py:Crew"}
        self.route("crew", "/crew/**", plugin="crew", strip_prefix="/crew")
        self.route("pong", "/pong", respond={"status": 200, "body": "old"})

    def launch(self) -> None:
        """Start without waiting for anything."""
        self._gateway = GatewayProcess(self.folder, self.config(), *self.arguments)
        self._gateway.launch()

    def answer_with(self, body: str) -> None:
        """Write a file whose `/pong` says something else."""
        self.routes = [route for route in self.routes if route["id"] != "pong"]
        self.route("pong", "/pong", respond={"status": 200, "body": body})
        self.gateway.write(self.config())

    def all_up(self) -> CrewSite:
        eventually(lambda: len(self.everybody()) == self.server["workers"], "all workers serving")
        return self

    def ask(self, target: str) -> dict[str, Any]:
        """On a connection of its own, so of a worker that chance picks."""
        client = self.gateway.connect()
        try:
            found: dict[str, Any] = client.get(f"/crew{target}", HOST).json()
            return found
        finally:
            client.close()

    def everybody(self) -> dict[int, dict[str, Any]]:
        """What the workers say of themselves, by their numbers; whoever chance has met."""
        met = [self.ask("/who") for _ in range(12 * int(self.server["workers"]))]
        return {each["worker"]: each for each in met}

    def pids(self) -> dict[int, int]:
        """The processes of all workers, by their numbers."""
        found: dict[int, int] = {}

        def complete() -> bool:
            found.update({number: each["pid"] for number, each in self.everybody().items()})
            return len(found) == self.server["workers"]

        eventually(complete, "meeting every worker")
        return found

    def client_of(self, pid: int) -> Client:
        """A kept connection that this worker serves."""

        def meet() -> Client | None:
            client = self.connect()
            if client.get("/crew/who", HOST).json()["pid"] == pid:
                return client
            client.close()
            return None

        client: Client = eventually(meet, "meeting that worker")
        return client


def gone(pid: int) -> bool:
    """Whether there is no such process, or only what its parent has to fetch."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return True
    return status.rpartition(")")[2].split()[0] == "Z"


def alive(pids: list[int]) -> list[int]:
    return [pid for pid in pids if not gone(pid)]


class Load:
    """Clients on kept connections that ask until told to stop, and note each failure.

    They pause between two requests, and leave the machine to the processes that start meanwhile.

    One whose answer says `Connection: close`, as a draining worker's do, connects again, and so
    does one whose idle connection was closed before it sent anything of its next request.
    """

    def __init__(self, site: Site, target: str = "/pong", clients: int = 6) -> None:
        self.failed: list[object] = []
        self.answered = [0] * clients
        self.bodies: set[bytes] = set()
        self._site = site
        self._target = target
        self._enough = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(number,)) for number in range(clients)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        self.goes_on()
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        for thread in self._threads:
            thread.join(DEADLINE)

    def goes_on(self) -> None:
        """Wait until every client has got another two answers."""
        before = list(self.answered)
        eventually(
            lambda: (
                self.failed
                or all(now >= then + 2 for now, then in zip(self.answered, before, strict=True))
            ),
            "more answers",
        )

    def _run(self, number: int) -> None:
        client = self._site.gateway.connect()
        while not self._enough.wait(PAUSE):
            try:
                seen = client.get(self._target, HOST)
            except (Closed, OSError) as error:
                self.failed.append(error)
                client.close()
                client = self._site.gateway.connect()
                continue
            if seen.status != 200 or not seen.complete:
                self.failed.append(seen)
            self.bodies.add(seen.body)
            self.answered[number] += 1
            if (seen.value("Connection") or b"").lower() == b"close":
                client.close()
                client = self._site.gateway.connect()
        client.close()
