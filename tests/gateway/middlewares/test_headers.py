from __future__ import annotations

from typing import Any

import pytest

from gateway.exchange import Exchange, Identity
from gateway.middlewares.headers import HeaderEdits, Headers, HeadersOptions
from tests.gateway.middlewares.passing import context, request, send


def editing(**phases: dict[str, Any]) -> Headers:
    edits = {phase: HeaderEdits(**made) for phase, made in phases.items()}
    return Headers(HeadersOptions(**edits), context())


async def edited(exchange: Exchange, **edits: Any) -> list[tuple[str, str]]:
    await send(editing(request=edits), exchange)
    return list(exchange.headers.items())


async def test_set_replaces_every_field_of_that_name() -> None:
    exchange = request(headers=[("x-user", "a"), ("X-USER", "b"), ("X-Other", "c")])
    assert await edited(exchange, set={"X-User": "d"}) == [("X-Other", "c"), ("X-User", "d")]


async def test_add_leaves_what_is_there() -> None:
    exchange = request(headers=[("X-Tag", "a")])
    assert await edited(exchange, add={"X-Tag": "b"}) == [("X-Tag", "a"), ("X-Tag", "b")]


async def test_remove_takes_names_and_prefixes_in_any_case() -> None:
    exchange = request(headers=[(n, "1") for n in ("X-Foo-A", "x-foo-B", "X-Food", "Via")])
    assert await edited(exchange, remove=["VIA", "X-Foo-*"]) == [("X-Food", "1")]


async def test_removal_comes_first_so_that_what_is_set_stays() -> None:
    exchange = request(headers=[("X-Foo", "client's")])
    kept = await edited(exchange, remove=["x-*"], set={"X-Foo": "ours"}, add={"X-Foo": "too"})
    assert kept == [("X-Foo", "ours"), ("X-Foo", "too")]


async def test_values_are_filled_in_from_the_request() -> None:
    exchange = request(identity=Identity("ann", "jwt", claims={"sub": "ann"}))
    assert await edited(exchange, set={"X-User": "${jwt.sub}@${ip}"}) == [
        ("X-User", "ann@192.0.2.1")
    ]


async def test_an_absent_value_never_lets_the_clients_own_through() -> None:
    exchange = request(headers=[("X-User", "admin")])
    assert await edited(exchange, set={"X-User": "${jwt.sub}"}) == [("X-User", "")]


async def test_a_claim_with_a_line_break_does_not_split_the_header() -> None:
    exchange = request(identity=Identity("x", "jwt", claims={"sub": "a\r\nX-Admin: 1"}))
    assert await edited(exchange, set={"X-User": "${jwt.sub}"}) == [("X-User", "")]


@pytest.mark.parametrize("spelling", ["X_User", "x_user", "X.User", "x-user"])
@pytest.mark.parametrize(
    "edits", [{"set": {"X-User": "ann"}}, {"remove": ["X-User"]}, {"remove": ["x-us*"]}]
)
async def test_a_client_cannot_bring_what_is_set_or_removed_in_another_spelling(
    spelling: str, edits: dict[str, Any]
) -> None:
    exchange = request(headers=[(spelling, "admin"), ("X-Used", "1"), (spelling, "root")])
    exchange.lines = [
        line for line in exchange.lines if "remove" not in edits or b"Used" not in line
    ]
    kept = dict(await edited(exchange, **edits))
    assert kept.pop("X-Used", "1") == "1"
    assert kept == edits.get("set", {})


async def test_what_is_added_leaves_other_spellings_too() -> None:
    exchange = request(headers=[("X_Tag", "a")])
    assert await edited(exchange, add={"X-Tag": "b"}) == [("X_Tag", "a"), ("X-Tag", "b")]


async def test_an_answers_fields_are_known_by_their_own_names() -> None:
    middleware = editing(response={"set": {"X-User": "ann"}})
    answer = await send(middleware, request(), headers=[("X_User", "a"), ("X-User", "b")])
    assert list(answer.headers.items()) == [("X_User", "a"), ("X-User", "ann")]


async def test_answers_are_edited_on_their_way_back() -> None:
    middleware = editing(
        response={"set": {"X-Route": "${route}"}, "add": {"Link": "</>"}, "remove": ["Server"]}
    )
    exchange = request()
    answer = await send(middleware, exchange, headers=[("Server", "x"), ("Link", "</a>")])
    assert list(answer.headers.items()) == [("Link", "</a>"), ("X-Route", "users"), ("Link", "</>")]
    assert list(exchange.headers.items()) == []


async def test_without_edits_everything_passes() -> None:
    exchange = request(headers=[("A", "1")])
    answer = await send(editing(), exchange, headers=[("B", "2")])
    assert list(exchange.headers.items()) == [("A", "1")]
    assert list(answer.headers.items()) == [("B", "2")]


@pytest.mark.parametrize(
    "name",
    [
        "Connection",
        "content-length",
        "Keep-Alive",
        "Proxy-Connection",
        "TE",
        "Trailer",
        "Transfer-Encoding",
        "UPGRADE",
        "Transfer_Encoding",
    ],
)
def test_framing_and_connection_fields_belong_to_the_gateway(name: str) -> None:
    shapes: list[Any] = [{"set": {name: "x"}}, {"add": {name: "x"}}, {"remove": [name]}]
    for edits in shapes:
        with pytest.raises(ValueError, match="belongs to the gateway"):
            HeaderEdits(**edits)


@pytest.mark.parametrize(
    "name", ["X-Forwarded-For", "x-forwarded-proto", "X_Forwarded_Host", "X-REQUEST-ID"]
)
def test_what_the_gateway_tells_targets_is_not_told_twice(name: str) -> None:
    shapes: list[Any] = [{"set": {name: "x"}}, {"add": {name: "x"}}, {"remove": [name]}]
    for edits in shapes:
        with pytest.raises(ValueError, match=f"request: {name} belongs to the gateway"):
            HeadersOptions(request=HeaderEdits(**edits))
        HeadersOptions(response=HeaderEdits(**edits))
    HeadersOptions(request=HeaderEdits(set={"X-Forwarded-Prefix": "/api"}, remove=["x-*"]))


@pytest.mark.parametrize("prefix", ["content-*", "content_*", "T*", "conn*", "ho*"])
def test_a_prefix_must_spare_the_gateways_own_fields(prefix: str) -> None:
    with pytest.raises(ValueError, match="which belongs to the gateway"):
        HeaderEdits(remove=[prefix])


@pytest.mark.parametrize("name", ["", "X User", "X:User", "X-A\r\nX-B", "ünï", "*", "a*b*", "x *"])
def test_what_is_no_name_is_refused_at_load(name: str) -> None:
    with pytest.raises(ValueError, match="is not a header's name"):
        HeaderEdits(remove=[name])


def test_a_bad_value_is_refused_at_load_by_its_name() -> None:
    with pytest.raises(ValueError, match=r"'X-User': .*did you mean jwt\.sub"):
        HeaderEdits(set={"X-User": "${jwt:sub}"})


@pytest.mark.parametrize("edits", [{"add": {"Host": "a"}}, {"remove": ["HOST"]}])
def test_a_host_can_be_set_but_neither_added_nor_removed(edits: Any) -> None:
    HeaderEdits(set={"Host": "internal.example"})
    with pytest.raises(ValueError, match="exactly one Host"):
        HeaderEdits(**edits)
