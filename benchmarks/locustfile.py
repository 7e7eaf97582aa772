"""People at `make run`'s gateway: they log in, read, write, upload and subscribe.

    locust -f benchmarks/locustfile.py --headless -u 20 -r 5 -t 60s    # a summary at the end
    locust -f benchmarks/locustfile.py                                 # a page on port 8089

Everybody comes from one address, and the demo's table lets an address ask 50 times a second: about
100 users. What it refuses beyond that is a failure here.
"""

from __future__ import annotations

import http.client
import itertools
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import websocket
from locust import FastHttpUser, between, task

NUMBERS = itertools.count(1)
DOCUMENT = os.urandom(256 * 1024)
EVENTS = 3
MESSAGES = 5
PATIENCE = 10.0


def fail(answer: Any, why: str) -> None:
    """This request is counted as one that failed."""
    answer.failure(why)


class Person(FastHttpUser):
    """One user of the demo, with a token and a limit of his own."""

    host = os.environ.get("GATEWAY_URL", "http://localhost:4003")
    wait_time = between(0.5, 2)
    network_timeout = PATIENCE

    def on_start(self) -> None:
        self.name = f"user-{next(NUMBERS)}"
        self.log_in()

    @task(1)
    def log_in(self) -> None:
        with self.rest("POST", f"/demo/token?sub={self.name}", name="log in") as answer:
            token = (answer.js or {}).get("access_token", "")
            if not token:
                fail(answer, "no token")
        self.token = {"Authorization": f"Bearer {token}"}

    @task(10)
    def read(self) -> None:
        path = "/private/notes?page=1"
        with self.rest("GET", path, headers=self.token, name="read, signed in") as answer:
            if (answer.js or {}).get("path") != "/notes?page=1":
                fail(answer, "not what the upstream says")

    @task(5)
    def look(self) -> None:
        self.client.get("/api/products?x=1", name="read, anonymous")

    @task(3)
    def write(self) -> None:
        note = {"title": "a note", "text": "of some length " * 20}
        with self.rest(
            "POST", "/private/notes", json=note, headers=self.token, name="write"
        ) as answer:
            if (answer.js or {}).get("method") != "POST":
                fail(answer, "not what the upstream says")

    @task(1)
    def upload(self) -> None:
        with self.rest(
            "PUT", "/private/documents/1", data=DOCUMENT, headers=self.token, name="upload"
        ) as answer:
            if (answer.js or {}).get("body_bytes") != len(DOCUMENT):
                fail(answer, "not every byte arrived")

    @task(1)
    def subscribe(self) -> None:
        """A few server-sent events, one a second; the time is that until the first."""
        where = urlsplit(str(self.host))
        connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=PATIENCE)
        try:
            with self.timed("GET", "subscribe, events"):
                connection.request("GET", "/api/sse")
                answer = connection.getresponse()
                self.hear(answer)
            for _ in range(EVENTS - 1):
                self.hear(answer)
        finally:
            connection.close()

    def hear(self, answer: http.client.HTTPResponse) -> None:
        while not (line := answer.readline()).startswith(b"data:"):
            if not line:
                raise ConnectionError("the events ended")

    @task(1)
    def talk(self) -> None:
        """Each message is there and back."""
        url = f"ws{str(self.host).removeprefix('http')}/api/ws"
        socket = websocket.create_connection(url, timeout=PATIENCE)
        try:
            for number in range(MESSAGES):
                with self.timed("WS", "subscribe, message"):
                    socket.send(f"message {number}")
                    if socket.recv() != f"message {number}":
                        raise ValueError("another message came back")
        finally:
            socket.close()

    @contextmanager
    def timed(self, kind: str, name: str) -> Iterator[None]:
        """What locust's own client does not speak, in the same statistics."""
        began = time.perf_counter()
        error: Exception | None = None
        try:
            yield
        except Exception as raised:
            error = raised
            raise
        finally:
            self.environment.events.request.fire(
                request_type=kind,
                name=name,
                response_time=(time.perf_counter() - began) * 1e3,
                response_length=0,
                exception=error,
                context={},
            )
