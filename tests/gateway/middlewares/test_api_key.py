from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest

from backends.errors import BackendUnavailable
from gateway.attributes import compile_attribute
from gateway.errors import LoadError, Problem
from gateway.exchange import Identity
from gateway.middlewares.api_key import LONGEST_KEY, ApiKey, ApiKeyOptions
from gateway.telemetry.metrics import Metrics
from tests.gateway.middlewares.passing import ask, context, request, series

ANN = "9f3c1b2a77e04d5e"
BOB = "0d1e2f3a4b5c6d7e"


def digest(key: str) -> str:
    return sha256(key.encode()).hexdigest()


def guard(metrics: Metrics | None = None, **options: Any) -> ApiKey:
    options.setdefault("keys", {"ann": digest(ANN), "bob": digest(BOB).upper()})
    return ApiKey(ApiKeyOptions(**options), context(metrics=metrics))


@pytest.mark.parametrize(("key", "owner"), [(ANN, "ann"), (BOB, "bob")])
async def test_a_known_key_passes_as_its_owner(key: str, owner: str) -> None:
    exchange = request(headers=[("x-api-key", f" {key}\t")])
    assert await ask(guard(), exchange) is None
    assert exchange.identity == Identity(owner, "api_key")
    assert compile_attribute("api_key")(exchange) == owner


async def test_the_field_can_be_another_one() -> None:
    exchange = request(headers=[("APIKEY", ANN)])
    assert await ask(guard(header="ApiKey"), exchange) is None
    assert await ask(guard(), exchange) is not None


async def test_the_field_travels_on() -> None:
    exchange = request(headers=[("X-API-Key", ANN)])
    await ask(guard(), exchange)
    assert exchange.headers.get("x-api-key") == ANN


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("X-API-Key", "")],
        [("X-API-Key", "wrong")],
        [("X-API-Key", digest(ANN))],
        [("X-API-Key", ANN + "x" * LONGEST_KEY)],
        [("X-API-Key", ANN), ("X-API-Key", ANN)],
        [("X-API-Keys", ANN)],
    ],
    ids=["none", "empty", "wrong", "its digest", "long", "twice", "another field"],
)
async def test_everything_else_is_401_with_a_challenge(headers: list[tuple[str, str]]) -> None:
    exchange = request(headers=headers)
    refusal = await ask(guard(), exchange)
    assert isinstance(refusal, Problem)
    assert refusal.status == 401
    assert ("WWW-Authenticate", 'ApiKey realm="gateway"') in refusal.headers
    assert exchange.identity is None
    assert ANN not in refusal.detail


async def test_without_keys_nobody_is_let_in() -> None:
    assert await ask(guard(keys={}), request(headers=[("X-API-Key", ANN)])) is not None


async def test_refusals_are_on_the_metrics() -> None:
    metrics = Metrics()
    middleware = guard(metrics)
    for headers in ([], [("X-API-Key", "x")], [("X-API-Key", ANN)], [("X-API-Key", ANN)] * 2):
        await ask(middleware, request(headers=headers))
    assert series(metrics, "gateway_api_key_refused_total") == {
        ("guard", "missing"): 1,
        ("guard", "repeated"): 1,
        ("guard", "unknown"): 1,
    }


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"keys": {"ann": ANN}}, "'ann' is not a SHA-256 in hex"),
        ({"keys": {"ann": digest("")}}, "'ann' is the SHA-256 of an empty key"),
        ({"keys": {"ann": digest(ANN), "bob": digest(ANN)}}, "'ann' and 'bob' have the same key"),
        ({"keys": {"": digest(ANN)}}, "a key has no name"),
        ({"keys": {}, "header": "X API"}, "'X API' is not a header's name"),
    ],
)
def test_mistakes_are_refused_at_load_without_showing_a_key(
    options: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match=said) as refused:
        ApiKeyOptions(**options)
    assert ANN not in str(refused.value)


def test_the_options_do_not_show_their_digests() -> None:
    assert digest(ANN) not in repr(ApiKeyOptions(keys={"ann": digest(ANN)}))


class Plugin:
    """A plugin with keys: those in `memory`, and those in `kept` once they were looked up."""

    def __init__(self, memory: dict[str, Identity], kept: dict[str, Identity]) -> None:
        self.memory = memory
        self.kept = {sha256(key.encode()).digest(): found for key, found in kept.items()}
        self.away = False

    def known_key(self, key: bytes, digest: bytes) -> Identity | bool:
        return self.memory.get(key.decode(), key != b"shapeless")

    async def find_key(self, digest: bytes) -> Identity | None:
        if self.away:
            raise BackendUnavailable("away")
        return self.kept.get(digest)


async def of_plugin(plugin: object, **options: Any) -> ApiKey:
    found = replace(context(), plugin=lambda name: plugin if name == "auth" else None)
    middleware = ApiKey(ApiKeyOptions(plugin="auth", **options), found)
    await middleware.start()
    return middleware


async def test_keys_of_a_plugin_are_taken_beside_those_of_the_file() -> None:
    near, far = Identity("near", "api_key"), Identity("far", "api_key")
    plugin = Plugin({"a": near}, {"b": far})
    middleware = await of_plugin(plugin, keys={"ann": digest(ANN)})
    for key, owner in (("a", near), ("b", far), (ANN, Identity("ann", "api_key"))):
        exchange = request(headers=[("X-API-Key", key)])
        assert await ask(middleware, exchange) is None
        assert exchange.identity == owner
    for key in ("shapeless", "c"):
        exchange = request(headers=[("X-API-Key", key)])
        refused = await ask(middleware, exchange)
        assert isinstance(refused, Problem)
        assert (refused.status, exchange.identity) == (401, None)


async def test_a_key_of_a_plugin_needs_the_scopes() -> None:
    kept = {name: Identity(name, "api_key", {}, frozenset(name.split())) for name in ("r", "r w")}
    middleware = await of_plugin(Plugin({}, kept), scopes=["r", "w"])
    refused = await ask(middleware, request(headers=[("X-API-Key", "r")]))
    assert isinstance(refused, Problem)
    assert refused.status == 403
    assert await ask(middleware, request(headers=[("X-API-Key", "r w")])) is None


async def test_while_keys_cannot_be_looked_up_it_is_503() -> None:
    plugin = Plugin({"a": Identity("near", "api_key")}, {})
    plugin.away = True
    middleware = await of_plugin(plugin)
    refused = await ask(middleware, request(headers=[("X-API-Key", "b")]))
    assert isinstance(refused, Problem)
    assert refused.status == 503
    assert await ask(middleware, request(headers=[("X-API-Key", "a")])) is None


async def test_a_plugin_that_has_no_keys_or_is_not_there_stops_the_start() -> None:
    for plugin in (None, object()):
        with pytest.raises(LoadError, match="has no API keys"):
            await of_plugin(plugin)


@pytest.mark.parametrize(
    "options",
    [{}, {"scopes": ["r"]}, {"keys": {"ann": digest(ANN)}, "plugin": "auth", "scopes": ["r"]}],
)
def test_options_that_would_let_nobody_in_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="keys"):
        ApiKeyOptions(**options)
