"""Long random conversations, cut into random segments, mean what they mean in one piece."""

from __future__ import annotations

import random
import socket
import threading
from collections.abc import Callable

import pytest

from tests.e2e.rawhttp import Client, Message, Wire, request
from tests.e2e.scripted_upstream import ScriptedUpstream, UpstreamConnection
from tests.e2e.site import Site

ANSWERS = ("length", "chunked", "trailers", "empty", "hinted", "continued", "204", "304")


@pytest.fixture(scope="module")
def site(new_site: Site) -> Site:
    new_site.pools(30)
    new_site.route("pong", "/pong", respond={"status": 200, "body": "pong"})
    return new_site.start()


def chunks(chance: random.Random, body: bytes) -> bytes:
    parts = []
    while body:
        size = chance.randint(1, len(body))
        extension = chance.choice([b"", b"", b";a=b"])
        parts.append(b"%x%s\r\n%s\r\n" % (size, extension, body[:size]))
        body = body[size:]
    return b"".join(parts) + b"0\r\n"


def send_in_pieces(chance: random.Random, wire: Wire, data: bytes) -> None:
    wire.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while data:
        size = chance.choice([1, 2, 7, 40, 300, 5000, len(data)])
        wire.send(data[:size])
        data = data[size:]


def body_for(target: bytes) -> bytes:
    """What the upstream says to a request for `/<kind>/<number>/<size>`."""
    _, _, number, size = target.split(b"/")
    return (number + b".") * int(size)


def answer_to(chance: random.Random, seen: Message) -> bytes:
    kind, body = seen.target.split(b"/")[1].decode(), body_for(seen.target)
    plain = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
    whole = b"" if seen.start.startswith(b"HEAD") else body
    if kind == "204":
        return b"HTTP/1.1 204 No Content\r\n\r\n"
    if kind == "304":
        return b"HTTP/1.1 304 Not Modified\r\nContent-Length: %d\r\n\r\n" % len(body)
    if kind in ("chunked", "trailers"):
        trailer = b"X-Sum: 1\r\n" if kind == "trailers" else b""
        coded = b"" if seen.start.startswith(b"HEAD") else chunks(chance, body) + trailer + b"\r\n"
        return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + coded
    if kind == "hinted":
        return b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + plain + whole
    if kind == "continued":
        return b"HTTP/1.1 100 Continue\r\n\r\n" + plain + whole
    return b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" if kind == "empty" else plain + whole


def speaking(seed: int) -> Callable[[UpstreamConnection], None]:
    def script(connection: UpstreamConnection) -> None:
        chance = random.Random(seed)
        while True:
            seen = connection.read_request()
            sent = seen.value("X-Body")
            assert seen.body == (sent or b"") * 3, "the body is not the one sent"
            send_in_pieces(chance, connection, answer_to(chance, seen))

    return script


def asked(chance: random.Random, upstream: ScriptedUpstream, number: int) -> tuple[str, str, bytes]:
    """(method, target, raw request) of a random request."""
    method = chance.choice(["GET", "GET", "HEAD", "POST", "PUT"])
    target = f"/{chance.choice(ANSWERS)}/{number}/{chance.choice([0, 1, 10, 3000])}"
    if chance.random() < 0.15:
        return "GET", "/pong", request("GET", "/pong", "any.test")
    if method not in ("POST", "PUT"):
        return method, target, request(method, target, upstream.host)
    tag = f"{number}-" * chance.choice([1, 5, 500])
    lines, body = [f"X-Body: {tag}"], tag.encode() * 3
    if chance.random() < 0.5:
        return method, target, request(method, target, upstream.host, *lines, body=body)
    lines.append("Transfer-Encoding: chunked")
    head = request(method, target, upstream.host, *lines)
    return method, target, head + chunks(chance, body) + b"\r\n"


def assert_answered(client: Client, method: str, target: str) -> None:
    seen = client.answer(method)
    kind = target.split("/")[1]
    if kind == "hinted":
        assert seen.status == 103
        seen = client.answer(method)
    assert seen.complete
    assert seen.status == (int(kind) if kind in ("204", "304") else 200), target
    if target == "/pong":
        assert seen.body == b"pong"
    elif method == "HEAD" or kind in ("204", "304", "empty"):
        assert seen.body == b""
    else:
        assert seen.body == body_for(target.encode()), target
    assert seen.trailers == ([b"X-Sum: 1"] if kind == "trailers" and method != "HEAD" else [])


def converse(client: Client, upstream: ScriptedUpstream, seed: int) -> None:
    chance = random.Random(seed)
    for turn in range(40):
        batch = [asked(chance, upstream, seed * 1000 + turn) for _ in range(chance.randint(1, 6))]
        send_in_pieces(chance, client, b"".join(raw for _, _, raw in batch))
        for method, target, _ in batch:
            assert_answered(client, method, target)


@pytest.mark.parametrize("seed", range(8))
def test_a_conversation_in_pieces_is_understood(
    client: Client, upstream: ScriptedUpstream, seed: int
) -> None:
    upstream.script = speaking(seed)
    converse(client, upstream, seed)
    assert len(upstream.connections) == 1


def test_conversations_side_by_side_do_not_mix(
    connect: Callable[[], Client], upstream: ScriptedUpstream
) -> None:
    upstream.script = speaking(99)
    failed: list[BaseException] = []

    def run(seed: int) -> None:
        try:
            converse(connect(), upstream, seed)
        except BaseException as error:  # noqa: BLE001 - shown by the test
            failed.append(error)

    threads = [threading.Thread(target=run, args=(100 + number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
