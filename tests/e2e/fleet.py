"""Targets that are processes, to be killed and stopped, and clients that keep asking."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any, Self

from tests.e2e.gateway_process import accepts, eventually, free_port
from tests.e2e.rawhttp import Client, Closed
from tests.e2e.scripted_upstream import ScriptedUpstream, listening
from tests.e2e.site import Site

PROGRAM = Path(__file__).with_name("fleet_member.py")
PAUSE = 0.003
"""Seconds between two requests of a client: the machine is there for the others, too."""


class Member:
    """One target. `name` is what it answers."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def launch(self) -> None:
        command = [sys.executable, "-I", str(PROGRAM), self.name, str(self.port)]
        self._process = subprocess.Popen(command)

    def start(self) -> None:
        self.launch()
        self.is_up()

    def is_up(self) -> None:
        eventually(lambda: accepts(self.port), f"the start of {self.name}")

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


class Fleet:
    """Members that run as long as it is entered."""

    def __init__(self, size: int) -> None:
        self.members = [Member(f"member{at}") for at in range(size)]

    @property
    def targets(self) -> list[dict[str, Any]]:
        return [{"url": member.url} for member in self.members]

    def __enter__(self) -> Self:
        for member in self.members:
            member.launch()
        for member in self.members:
            member.is_up()
        return self

    def __exit__(self, *_: object) -> None:
        for member in self.members:
            member.kill()


class Load:
    """Clients that send one GET after the other while it is entered, a moment apart.

    `bodies` counts the 200s by body, `errors` has everything else.
    """

    def __init__(self, site: Site, host: str, clients: int = 6) -> None:
        self.bodies: Counter[bytes] = Counter()
        self.errors: list[str] = []
        self._site = site
        self._host = host
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(clients)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def more(self, count: int = 300) -> None:
        """Wait for so many more answers, however slowly they come."""
        until = self._answers() + count
        while (seen := self._answers()) < until:
            eventually(lambda seen=seen: self._answers() > seen, "the load")

    def _answers(self) -> int:
        return self.bodies.total() + len(self.errors)

    def _ask(self) -> None:
        client: Client | None = None
        while not self._over.wait(PAUSE):
            client = client or self._site.gateway.connect(keep=False)
            try:
                answer = client.get("/", self._host)
            except (Closed, OSError) as error:
                self.errors.append(repr(error))
                client.close()
                client = None
                continue
            if answer.status == 200 and answer.complete:
                self.bodies[answer.body] += 1
            else:
                self.errors.append(f"{answer.start!r} {answer.body!r}")
        if client is not None:
            client.close()


def group(site: Site, name: str, count: int, **options: Any) -> list[ScriptedUpstream]:
    """Scripted upstreams that are the targets of one upstream, behind the host `<name>.test`."""
    members = [ScriptedUpstream(listening()) for _ in range(count)]
    for at, member in enumerate(members):
        site.scripted[f"{name}{at}"] = member
    urls = [f"http://127.0.0.1:{member.listener.getsockname()[1]}" for member in members]
    site.upstreams[name] = {"targets": [{"url": url} for url in urls], **options}
    site.route(name, hosts=[f"{name}.test"], upstream=name)
    return members


def urls(site: Site, name: str) -> list[str]:
    return [target["url"] for target in site.upstreams[name]["targets"]]


def healthy(site: Site, name: str) -> list[float | None]:
    """What the metric says of each target."""
    return [
        site.gateway.metric(f'gateway_upstream_healthy{{target="{url}",upstream="{name}"}}')
        for url in urls(site, name)
    ]
