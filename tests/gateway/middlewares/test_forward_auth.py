from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.errors import Problem, Response
from gateway.exchange import Exchange
from gateway.middlewares.forward_auth import (
    CONNECTIONS,
    LONGEST_BODY,
    ForwardAuth,
    ForwardAuthOptions,
)
from gateway.telemetry.metrics import Metrics
from tests.gateway.middlewares.authorizer import YES, Service, saying
from tests.gateway.middlewares.passing import Fields, ask, context, request, series


class Guards:
    def __init__(self, service: Service, url: str) -> None:
        self.service = service
        self.url = url
        self.metrics = Metrics()
        self.made: list[ForwardAuth] = []

    async def __call__(self, **options: Any) -> ForwardAuth:
        chosen = ForwardAuthOptions(**{"url": self.url, **options})
        middleware = ForwardAuth(chosen, context("door", metrics=self.metrics))
        self.made.append(middleware)
        await middleware.start()
        return middleware

    def outcomes(self) -> dict[str, float]:
        found = series(self.metrics, "gateway_forward_auth_total")
        return {outcome: count for (_, outcome), count in found.items() if count}


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    service = Service()
    yield service
    await service.stop()


@pytest.fixture
async def guard(service: Service) -> AsyncIterator[Guards]:
    guards = Guards(service, await service.start())
    yield guards
    for middleware in guards.made:
        await middleware.stop()


def incoming(headers: Fields = (), *, query: bytes = b"x=%20", **about: Any) -> Exchange:
    exchange = request(headers=headers, **about)
    exchange.authority = b"API.example.com:8443"
    exchange.scheme = "https"
    exchange.path = b"/users/%61"
    exchange.query = query
    return exchange


def value(response: Response, name: str) -> list[str]:
    return [value for key, value in response.headers if key == name]


@pytest.mark.parametrize("status", ["200 OK", "202 Accepted", "299 Whatever"])
async def test_2xx_lets_the_request_pass(guard: Guards, status: str) -> None:
    guard.service.answer = saying(status, body=b"whatever it says")
    assert await ask(await guard(), incoming()) is None
    assert guard.outcomes() == {"passed": 1}


async def test_the_service_learns_what_is_asked_for_and_by_whom(guard: Guards) -> None:
    await ask(await guard(), incoming(method="DELETE"))
    asked = guard.service.asked()
    assert guard.service.heads[0].startswith(b"GET /verify?rule=1 HTTP/1.1\r\n")
    assert asked["x-forwarded-method"] == ["DELETE"]
    assert asked["x-forwarded-uri"] == ["/users/%61?x=%20"]
    assert asked["x-forwarded-proto"] == ["https"]
    assert asked["x-forwarded-host"] == ["API.example.com:8443"]
    assert asked["x-forwarded-for"] == ["192.0.2.1"]
    assert asked["x-request-id"] == ["r-1"]
    assert asked["host"][0].startswith("127.0.0.1:")


async def test_a_request_without_a_query_has_no_question_mark(guard: Guards) -> None:
    await ask(await guard(), incoming(query=b""))
    assert guard.service.asked()["x-forwarded-uri"] == ["/users/%61"]


async def test_only_the_fields_to_forward_are_shown_and_all_of_them(guard: Guards) -> None:
    fields = [
        ("authorization", "Bearer x"),
        ("Cookie", "a=1"),
        ("COOKIE", "b=é"),
        ("X-Secret", "s"),
        ("Content-Length", "17"),
    ]
    exchange = incoming([])
    exchange.lines = [f"{name}: {text}".encode() for name, text in fields]
    await ask(await guard(), exchange)
    asked = guard.service.asked()
    assert asked["authorization"] == ["Bearer x"]
    assert asked["cookie"] == ["a=1", "b=é"]
    assert not {"x-secret", "content-length"} & set(asked)


async def test_other_fields_are_forwarded_where_that_is_configured(guard: Guards) -> None:
    fields = [("Authorization", "x"), ("X-Key", "k"), ("User-Agent", "curl")]
    await ask(await guard(forward=["x-key", "user-agent"]), incoming(fields))
    asked = guard.service.asked()
    assert "authorization" not in asked
    assert asked["x-key"] == ["k"]
    assert asked["user-agent"] == ["curl"]


@pytest.mark.parametrize("part", ["query", "field"])
async def test_what_cannot_be_shown_byte_for_byte_is_400(guard: Guards, part: str) -> None:
    exchange = incoming(query=b"\xff") if part == "query" else incoming()
    if part == "field":
        exchange.lines = [b"Cookie: \xff"]
    refusal = await ask(await guard(), exchange)
    assert refusal is not None
    assert refusal.status == 400
    assert guard.service.heads == []


async def test_named_fields_of_the_answer_travel_on(guard: Guards) -> None:
    guard.service.answer = saying(
        "200 OK", "x-user: ann", "X-Groups: a", "X-Groups: b", "X-Other: o", "X-Name: J\xfcrgen"
    )
    exchange = incoming([("Accept", "*/*")])
    assert await ask(await guard(copy=["X-User", "x-groups", "X-Name"]), exchange) is None
    assert exchange.lines == [
        b"Accept: */*",
        b"X-User: ann",
        b"x-groups: a",
        b"x-groups: b",
        b"X-Name: J\xfcrgen",
    ]


SPELLINGS = ["X-Auth-User", "x-auth-user", "X_Auth_User", "X.Auth.User", "x-auth_USER"]


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("answers", [True, False])
async def test_a_client_cannot_bring_a_field_that_only_the_service_may_set(
    guard: Guards, spelling: str, answers: bool
) -> None:
    guard.service.answer = YES if answers else saying("500 Oops")
    exchange = incoming([("X-Auth-Users", "1"), (spelling, "admin"), (spelling, "root")])
    middleware = await guard(copy=["X-Auth-User"], on_error="open")
    assert await ask(middleware, exchange) is None
    assert exchange.lines == [b"X-Auth-Users: 1"]


async def test_nor_can_a_trusted_proxys_client(guard: Guards) -> None:
    guard.service.answer = saying("200 OK", "X-Forwarded-User: ann")
    exchange = incoming()
    exchange.forwarded = [b"X-Forwarded-User: root", b"X-Forwarded-For: 192.0.2.7"]
    assert await ask(await guard(copy=["X-Forwarded-User"]), exchange) is None
    assert exchange.forwarded == [b"X-Forwarded-For: 192.0.2.7"]
    assert exchange.lines == [b"X-Forwarded-User: ann"]


async def test_a_field_can_be_shown_and_replaced(guard: Guards) -> None:
    guard.service.answer = saying("200 OK", "Authorization: Bearer inner")
    exchange = incoming([("Authorization", "Bearer outer")])
    assert await ask(await guard(copy=["Authorization"]), exchange) is None
    assert guard.service.asked()["authorization"] == ["Bearer outer"]
    assert exchange.lines == [b"Authorization: Bearer inner"]


@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden", "302 Found", "307 T"])
async def test_a_refusal_is_handed_on_to_the_client(guard: Guards, status: str) -> None:
    guard.service.answer = saying(
        status,
        "content-type: text/html",
        "www-authenticate: Bearer",
        "location: /login?to=x",
        "Set-Cookie: a=1; Path=/",
        "Set-Cookie: b=2",
        "Cache-Control: no-store",
        "X-Powered-By: secret sauce",
        body=b"<p>no",
    )
    refusal = await ask(await guard(), incoming())
    assert refusal is not None
    assert refusal.status == int(status[:3])
    assert refusal.render("r-1") == b"<p>no"
    assert value(refusal, "WWW-Authenticate") == ["Bearer"]
    assert value(refusal, "Location") == ["/login?to=x"]
    assert value(refusal, "Set-Cookie") == ["a=1; Path=/", "b=2"]
    assert value(refusal, "Cache-Control") == ["no-store"]
    assert value(refusal, "Content-Type") == ["text/html"]
    assert len(refusal.headers) == 6
    assert len(guard.service.heads) == 1
    assert guard.outcomes() == {"refused": 1}


async def test_cookies_of_one_clients_refusal_are_not_kept(guard: Guards) -> None:
    middleware = await guard()
    guard.service.answer = saying("401 No", "Set-Cookie: session=1; Path=/")
    await ask(middleware, incoming())
    await ask(middleware, incoming())
    assert b"session" not in b"".join(guard.service.heads)


async def test_a_body_is_passed_on_in_the_coding_it_came_in(guard: Guards) -> None:
    guard.service.answer = saying("403 No", "Content-Encoding: gzip", body=b"not really gzip")
    refusal = await ask(await guard(), incoming())
    assert refusal is not None
    assert refusal.render("") == b"not really gzip"
    assert value(refusal, "Content-Encoding") == ["gzip"]


async def test_a_refusal_with_a_huge_body_is_a_problem_in_its_place(guard: Guards) -> None:
    fields = ["Content-Type: text/html", "Content-Encoding: br", "WWW-Authenticate: Bearer"]
    guard.service.answer = saying("401 No", *fields, body=b"x" * (LONGEST_BODY + 1))
    refusal = await ask(await guard(), incoming())
    assert isinstance(refusal, Problem)
    assert refusal.status == 401
    assert value(refusal, "Content-Type") == ["application/problem+json"]
    assert value(refusal, "WWW-Authenticate") == ["Bearer"]
    assert value(refusal, "Content-Encoding") == []


@pytest.mark.parametrize("status", ["304 Not Modified", "400 Bad", "404 Not Found", "429 Slow"])
@pytest.mark.parametrize("on_error", ["open", "closed"])
async def test_what_is_no_answer_to_the_question_is_502(
    guard: Guards, status: str, on_error: str
) -> None:
    guard.service.answer = saying(status)
    refusal = await ask(await guard(on_error=on_error), incoming())
    assert isinstance(refusal, Problem)
    assert refusal.status == 502
    assert guard.outcomes() == {"failed": 1}


@pytest.mark.parametrize(
    "answer",
    [
        saying("200 OK", "X-User: a\x01b"),
        saying("200 OK", "X-User: a\x7fb"),
        saying("401 No", "Location: /\x02"),
    ],
)
async def test_a_field_that_is_none_never_travels_on(guard: Guards, answer: bytes) -> None:
    guard.service.answer = answer
    exchange = incoming()
    refusal = await ask(await guard(copy=["X-User"]), exchange)
    assert refusal is not None
    assert refusal.status in (502, 503)
    assert exchange.lines == []


GARBAGE = [
    saying("500 Oops"),
    saying("503 Busy"),
    b"SSH-2.0-OpenSSH\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX-User: a\0b\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX-Pad: " + b"x" * 20_000 + b"\r\nContent-Length: 0\r\n\r\n",
]


@pytest.mark.parametrize("answer", GARBAGE, ids=["500", "503", "ssh", "length", "nul", "huge"])
@pytest.mark.parametrize("on_error", ["closed", "open"])
async def test_a_service_that_fails_refuses_or_lets_pass_as_configured(
    guard: Guards, answer: bytes, on_error: str
) -> None:
    guard.service.answer = answer
    refusal = await ask(await guard(on_error=on_error, timeout=5.0), incoming())
    if on_error == "open":
        assert refusal is None
    else:
        assert isinstance(refusal, Problem)
        assert refusal.status == 503
        assert value(refusal, "Retry-After") == ["1"]
    assert guard.outcomes() == {"failed": 1}


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"]
)
async def test_an_answer_that_is_not_whole_in_time_is_none(guard: Guards, answer: bytes) -> None:
    guard.service.answer = answer
    refusal = await ask(await guard(timeout=0.1), incoming())
    assert refusal is not None
    assert refusal.status == 503


async def test_a_service_that_is_not_there_is_503(guard: Guards) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/"
        refusal = await ask(await guard(url=url), incoming())
    assert refusal is not None
    assert refusal.status == 503


async def test_an_outage_is_logged_once_and_says_nothing_of_the_request(
    guard: Guards, caplog: pytest.LogCaptureFixture
) -> None:
    middleware = await guard()
    with caplog.at_level(logging.WARNING):
        for answer in (saying("500 X"), saying("404 X"), YES, saying("500 X")):
            guard.service.answer = answer
            await ask(middleware, incoming([("Authorization", "Bearer hush")]))
    assert [record.name for record in caplog.records] == ["gateway.door"] * 2
    assert "hush" not in caplog.text


async def test_connections_are_kept_and_only_so_many(guard: Guards) -> None:
    middleware = await guard()
    for _ in range(5):
        await ask(middleware, incoming())
    assert guard.service.connections == 1
    guard.service.may_answer.clear()
    asking = [asyncio.create_task(ask(middleware, incoming())) for _ in range(CONNECTIONS + 20)]
    await guard.service.heard(5 + CONNECTIONS)
    guard.service.may_answer.set()
    assert set(await asyncio.gather(*asking)) == {None}
    assert guard.service.most_open == CONNECTIONS


async def test_a_client_that_leaves_ends_its_question(guard: Guards) -> None:
    middleware = await guard()
    guard.service.may_answer.clear()
    asking = asyncio.create_task(ask(middleware, incoming()))
    await guard.service.heard(1)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    guard.service.may_answer.set()
    assert await ask(middleware, incoming()) is None


async def test_a_guard_that_never_started_stops() -> None:
    await ForwardAuth(ForwardAuthOptions(url="http://127.0.0.1/"), context()).stop()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"url": "auth:8080"}, "http"),
        ({"url": "/verify"}, "http"),
        ({"url": "ftp://auth/"}, "http"),
        ({"url": "http://u:hush@auth/"}, "without user"),
        ({"url": "http://auth/#hush"}, "without user and fragment"),
        ({"url": "http://[hush/"}, "http"),
        ({"copy": ["X User"]}, "copy: 'X User' is not a header's name"),
        ({"copy": ["Content-Length"]}, "copy: Content-Length belongs to the gateway"),
        ({"copy": ["x-forwarded-for"]}, "copy: x-forwarded-for belongs to the gateway"),
        ({"forward": ["Host"]}, "forward: Host belongs to the gateway"),
        ({"forward": ["X-Forwarded-User"]}, "forward: X-Forwarded-User belongs to the gateway"),
    ],
)
def test_mistakes_are_refused_at_load(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said) as refused:
        ForwardAuthOptions(**{"url": "http://auth:8080/", **options})
    assert "hush" not in str(refused.value)
