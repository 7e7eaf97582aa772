from __future__ import annotations

import pytest

from gateway.http1.body import BadBody, ChunkedBody
from gateway.http1.fields import REMEMBERED
from gateway.http1.namesakes import Namesakes
from gateway.http1.request import RequestHead


def left(namesakes: Namesakes, *lines: bytes) -> list[bytes]:
    request = RequestHead()
    request.lines = list(lines)
    namesakes.drop(request)
    return request.lines


@pytest.mark.parametrize("name", [b"X-User", b"x_user", b"X.USER", b"x-User"])
def test_a_field_goes_in_every_spelling_that_cgi_takes_for_it(name: bytes) -> None:
    namesakes = Namesakes(["X-User"])
    for _ in range(2):
        assert left(namesakes, name + b": a", b"X-Users: b", name + b":c") == [b"X-Users: b"]


def test_a_prefix_takes_every_spelling_too() -> None:
    lines = [b"X_Internal_Id: 1", b"x-internal-: 2", b"X-Internals: 3"]
    assert left(Namesakes([], ["x-internal-"]), *lines) == [b"X-Internals: 3"]


def test_without_names_nothing_goes() -> None:
    assert left(Namesakes([]), b"X-User: a") == [b"X-User: a"]


def test_what_a_trusted_proxy_passed_on_goes_but_for_what_the_gateway_extends() -> None:
    request = RequestHead()
    request.lines = []
    own = [b"X-Forwarded-For: 192.0.2.7", b"X-Forwarded-Proto: https", b"X-Forwarded-Host: a"]
    request.forwarded = [b"X-Forwarded-User: root", *own, b"X_Forwarded_For: 1"]
    Namesakes(["x-forwarded-user"], ["x-forwarded-"]).drop(request)
    assert request.forwarded == own


@pytest.mark.parametrize("name", [b"X-User", b"x_user", b"X-Internal-Id"])
def test_no_trailer_brings_it_later(name: bytes) -> None:
    body = ChunkedBody()
    request = RequestHead()
    request.lines, request.unwelcome = [], body.unwelcome
    Namesakes(["X-User"], ["x-internal-"]).drop(request)
    Namesakes([]).drop(request)
    body.feed(b"0\r\nX-Users: 1\r\n")
    with pytest.raises(BadBody, match="takes away"):
        body.feed(name + b": root\r\n\r\n")


def test_the_memory_of_harmless_names_is_bounded() -> None:
    namesakes = Namesakes(["X-User"])
    for number in range(REMEMBERED + 2):
        line = b"X-%d: 1" % number
        assert left(namesakes, line, b"X_User: 2") == [line]
    assert len(namesakes._harmless) <= REMEMBERED
    long = b"X-" + b"a" * 100 + b": 1"
    assert left(namesakes, long) == [long]
