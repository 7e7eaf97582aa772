from __future__ import annotations

from typing import Any

import pytest

from gateway.exchange import Exchange
from gateway.http1.response import ResponseHead
from gateway.middlewares.cors import Cors, CorsOptions
from tests.gateway.middlewares.passing import Fields, ask, context, request, send

APP = "https://app.example.com"


def cors(*origins: str, **options: Any) -> Cors:
    return Cors(CorsOptions(origins=list(origins or [APP]), **options), context())


def asked_by(origin: str, method: str = "GET") -> Exchange:
    return request(method, [("Origin", origin)])


def preflight(origin: str = APP) -> Exchange:
    return request("OPTIONS", [("Origin", origin), ("Access-Control-Request-Method", "PUT")])


def access_control(answer: ResponseHead) -> dict[str, str]:
    return {
        name.lower().removeprefix("access-control-"): value
        for name, value in answer.headers.items()
        if name.lower().startswith("access-control-")
    }


async def test_an_allowed_origin_is_named_in_the_answer() -> None:
    answer = await send(cors(), asked_by(APP))
    assert access_control(answer) == {"allow-origin": APP}


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://app.example.com",
        "https://app.example.com:8443",
        "https://app.example.com.evil.example",
        "HTTPS://APP.EXAMPLE.COM",
        "null",
        "*",
        "",
    ],
)
async def test_any_other_origin_is_never_reflected(origin: str) -> None:
    for exchange in (asked_by(origin), preflight(origin)):
        assert access_control(await send(cors(), exchange)) == {}


async def test_a_request_without_an_origin_gets_no_access_control_fields() -> None:
    answer = await send(cors(), request())
    assert access_control(answer) == {}
    assert answer.headers.getall("vary") == ["Origin"]


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("https://a.example.com", True),
        ("https://a.b-c.example.com", True),
        ("https://example.com", False),
        ("https://.example.com", False),
        ("https://evilexample.com", False),
        ("https://evil.test/.example.com", False),
        ("https://a.example.com.evil.test", False),
        ("https://a..example.com", False),
        ("https://aXexample.com", False),
        ("http://a.example.com", False),
        ("https://a.example.com:81", False),
        ("https://a.example.com\n", False),
    ],
)
async def test_a_wildcard_stands_for_labels_and_nothing_else(origin: str, allowed: bool) -> None:
    middleware = cors("https://*.example.com", "https://*.other.test:8443")
    exchange = request()
    exchange.lines = [b"Origin: " + origin.encode()]
    answer = await send(middleware, exchange)
    assert access_control(answer) == ({"allow-origin": origin} if allowed else {})


async def test_null_is_allowed_only_when_it_is_listed() -> None:
    assert access_control(await send(cors("null"), asked_by("null"))) == {"allow-origin": "null"}


async def test_everyone_is_told_a_star_and_no_vary() -> None:
    answer = await send(cors("*"), asked_by("https://any.test"))
    assert access_control(answer) == {"allow-origin": "*"}
    assert "vary" not in answer.headers


async def test_credentials_and_exposed_headers_are_told_with_the_answer() -> None:
    answer = await send(cors(credentials=True, expose=["X-Total", "Link"]), asked_by(APP))
    assert access_control(answer) == {
        "allow-origin": APP,
        "allow-credentials": "true",
        "expose-headers": "X-Total, Link",
    }


async def test_a_preflight_is_answered_without_the_endpoint() -> None:
    middleware = cors(methods=["PUT", "DELETE"], headers=["X-A", "Content-Type"], max_age=60.5)
    exchange = preflight()
    answer = await send(middleware, exchange)
    assert answer.status == 204
    assert not exchange.reached_endpoint
    assert access_control(answer) == {
        "allow-origin": APP,
        "allow-methods": "PUT, DELETE",
        "allow-headers": "X-A, Content-Type",
        "max-age": "60",
    }
    assert answer.headers.getall("vary") == ["Origin"]


async def test_a_preflight_tells_credentials_and_no_exposed_headers() -> None:
    middleware = cors(credentials=True, methods=[], expose=["X-Total"])
    assert access_control(await send(middleware, preflight())) == {
        "allow-origin": APP,
        "allow-credentials": "true",
        "max-age": "600",
    }


async def test_a_refused_preflight_is_204_too_and_does_not_reach_the_endpoint() -> None:
    exchange = preflight("https://evil.example")
    answer = await send(cors(), exchange)
    assert answer.status == 204
    assert not exchange.reached_endpoint
    assert access_control(answer) == {}


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("OPTIONS", [("Origin", APP)]),
        ("OPTIONS", [("Access-Control-Request-Method", "PUT")]),
        ("GET", [("Origin", APP), ("Access-Control-Request-Method", "PUT")]),
    ],
)
async def test_what_is_no_preflight_goes_on(method: str, headers: Fields) -> None:
    assert await ask(cors(), request(method, headers)) is None


async def test_what_the_upstream_says_of_cors_is_replaced() -> None:
    upstream = [
        ("Access-Control-Allow-Origin", "*"),
        ("ACCESS-CONTROL-ALLOW-ORIGIN", "https://evil.example"),
        ("Access-Control-Allow-Credentials", "true"),
        ("access-control-future", "1"),
        ("X-Other", "stays"),
    ]
    answer = await send(cors(), asked_by(APP), headers=upstream)
    assert access_control(answer) == {"allow-origin": APP}
    assert len(answer.headers.getall("access-control-allow-origin")) == 1
    assert answer.headers.get("x-other") == "stays"
    assert access_control(await send(cors(), request(), headers=upstream)) == {}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([], ["Origin"]),
        (["Accept-Encoding"], ["Accept-Encoding", "Origin"]),
        (["Accept-Encoding, ORIGIN"], ["Accept-Encoding, ORIGIN"]),
        (["Accept-Encoding", "Origin"], ["Accept-Encoding", "Origin"]),
        (["X-Origin"], ["X-Origin", "Origin"]),
        (["*"], ["*"]),
    ],
)
async def test_vary_names_the_origin_once(before: list[str], after: list[str]) -> None:
    answer = await send(cors(), request(), headers=[("Vary", value) for value in before])
    assert answer.headers.getall("vary") == after


async def test_a_request_whose_origin_is_taken_away_is_still_marked() -> None:
    middleware, exchange = cors(), asked_by(APP)
    middleware.request(exchange)
    exchange.headers.remove("Origin")
    exchange.answer = answer = ResponseHead()
    answer.lines = []
    middleware.response(exchange)
    assert access_control(answer) == {"allow-origin": APP}


@pytest.mark.parametrize("where", ["origins", "methods", "headers", "expose"])
def test_a_star_with_credentials_is_refused_at_load(where: str) -> None:
    options: dict[str, Any] = {"origins": [APP], where: ["*"]}
    with pytest.raises(ValueError, match="exclude each other"):
        CorsOptions(**options, credentials=True)


@pytest.mark.parametrize(
    "origin",
    [
        "app.example.com",
        "https://app.example.com/",
        "https://App.example.com",
        "https://*",
        "https://a.*.example.com",
        "https://*.*.example.com",
        "https://a.com:port",
        "",
    ],
)
def test_what_is_no_origin_is_refused_at_load(origin: str) -> None:
    with pytest.raises(ValueError, match="is not an origin"):
        CorsOptions(origins=[origin])


@pytest.mark.parametrize("origin", ["http://[::1]:3000", "http://localhost", "app://x", "null"])
async def test_origins_of_every_kind_can_be_listed(origin: str) -> None:
    assert access_control(await send(cors(origin), asked_by(origin))) == {"allow-origin": origin}


def test_a_name_that_would_split_a_header_is_refused_at_load() -> None:
    with pytest.raises(ValueError, match="neither a method nor a header"):
        CorsOptions(origins=[APP], headers=["X-A\r\nX-B: 1"])


def test_routes_can_tell_that_preflights_are_answered() -> None:
    assert Cors.answers_preflight
