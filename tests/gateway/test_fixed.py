"""Routes that answer by themselves: respond and redirect."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.gateway.serving import Served, serving

CONFIG = """
middlewares: {stamp: {use: headers, response: {set: {X-Stamp: "1"}}}}
routes:
- {id: ping, match: {path: /ping}, respond: {status: 200, body: "pong é"}}
- {id: html, match: {path: /html}, respond: {body: "<p>", headers: {CONTENT-type: t/html, X-A: b}}}
- {id: gone, match: {path: /gone}, respond: {status: 410}}
- {id: none, match: {path: /none}, respond: {status: 204}}
- {id: stamped, match: {path: /stamped}, middlewares: [stamp], respond: {status: 201, body: x}}
- {id: moved, match: {path: "/old/{name}/**"}, redirect: {to: "https://b.test/{name}/{2}"}}
- {id: query, match: {path: /query}, redirect: {to: "/new?a=1", status: 302}}
"""


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(tmp_path, CONFIG) as served:
        yield served


def parts(answer: bytes) -> tuple[int, dict[str, str], bytes]:
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    headers = [line.partition(": ")[::2] for line in lines]
    assert len({name.lower() for name, _ in headers}) == len(headers)
    return int(status.split()[1]), dict(headers), body


async def test_a_body_is_plain_text_in_utf_8(served: Served) -> None:
    status, headers, body = parts(await served.get(path="/ping"))
    assert (status, body) == (200, "pong é".encode())
    assert headers["Content-Type"] == "text/plain; charset=utf-8"
    assert headers["Content-Length"] == "7"
    assert {"Date", "X-Request-ID"} <= headers.keys()


async def test_unless_the_route_says_what_it_is(served: Served) -> None:
    _, headers, _ = parts(await served.get(path="/html"))
    assert headers["CONTENT-type"] == "t/html"
    assert headers["X-A"] == "b"
    assert "Content-Type" not in headers


async def test_an_answer_without_a_body_has_no_type(served: Served) -> None:
    status, headers, body = parts(await served.get(path="/gone"))
    assert (status, body, headers["Content-Length"]) == (410, b"", "0")
    assert "Content-Type" not in headers


async def test_204_has_no_length_either(served: Served) -> None:
    status, headers, body = parts(await served.get(path="/none"))
    assert (status, body) == (204, b"")
    assert "Content-Length" not in headers


async def test_head_has_the_length_and_no_body(served: Served) -> None:
    status, headers, body = parts(await served.ask("HEAD /ping HTTP/1.1", "Host: a"))
    assert (status, body, headers["Content-Length"]) == (200, b"", "7")


async def test_a_response_phase_passes_over_it_and_leaves_no_trace(served: Served) -> None:
    for _ in range(2):
        status, headers, body = parts(await served.get(path="/stamped"))
        assert (status, headers["X-Stamp"], body) == (201, "1", b"x")


@pytest.mark.parametrize(
    ("path", "status", "place"),
    [
        ("/old/users/1/2", 308, "https://b.test/users/1/2"),
        ("/old/users/1?q=%20&x", 308, "https://b.test/users/1?q=%20&x"),
        ("/old/u%0d%0aX:y/1", 308, "https://b.test/u%0d%0aX:y/1"),
        ("/query", 302, "/new?a=1"),
        ("/query?b=2", 302, "/new?a=1"),
    ],
)
async def test_a_redirect_takes_path_and_query_along(
    served: Served, path: str, status: int, place: str
) -> None:
    found, headers, body = parts(await served.get(path=path))
    assert (found, headers["Location"], body) == (status, place, b"")
