"""Targets that are processes of their own, to be killed and stopped, and clients that keep asking.

Run as a program this is one of the targets: it answers every GET with its name.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from tests.e2e.gateway_process import accepts, eventually, free_port
from tests.e2e.rawhttp import Client, Closed
from tests.e2e.scripted_upstream import ScriptedUpstream, listening
from tests.e2e.site import Site


class Member:
    """One target. `name` is what it answers."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        root = Path(__file__).resolve().parents[2]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.e2e.fleet", self.name, str(self.port)],
            cwd=root,
            env=os.environ | {"PYTHONPATH": str(root)},
        )
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
            member.start()
        return self

    def __exit__(self, *_: object) -> None:
        for member in self.members:
            member.kill()


class Load:
    """Clients that send one GET after the other while it is entered.

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
        while not self._over.is_set():
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


class Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = sys.argv[1].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


if __name__ == "__main__":
    ThreadingHTTPServer.request_queue_size = 128
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Answering).serve_forever()
