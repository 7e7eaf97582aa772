from __future__ import annotations

import asyncio
import logging
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable
from typing import Any

import pytest
from argon2 import PasswordHasher

from gateway.errors import Problem, Response
from gateway.exchange import Exchange, Identity
from gateway.middlewares.basic_auth import BELIEVED_FOR, BasicAuth, BasicAuthOptions
from gateway.passwords import AT_ONCE, AT_ONCE_OF_A_CLIENT
from gateway.telemetry.metrics import Metrics
from tests.gateway.middlewares.passing import Clock, ask, context, request, series
from tests.gateway.test_passwords import HUNGRY, no_memory

HASHER = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1)
USERS = {"ann": HASHER.hash("secret"), "jürgen": HASHER.hash("пароль:1"), "bob": HASHER.hash("")}

__all__ = ["no_memory"]


class Guards:
    def __init__(self) -> None:
        self.made: list[BasicAuth] = []
        self.metrics = Metrics()
        self.clock = Clock()

    async def __call__(self, **options: Any) -> BasicAuth:
        options.setdefault("users", USERS)
        about = context("door", metrics=self.metrics)
        middleware = BasicAuth(BasicAuthOptions(**options), about, clock=self.clock)
        self.made.append(middleware)
        await middleware.start()
        return middleware

    def refused(self) -> dict[str, float]:
        found = series(self.metrics, "gateway_basic_auth_refused_total")
        return {reason: count for (_, reason), count in found.items() if count}


@pytest.fixture
async def guard() -> AsyncIterator[Guards]:
    guards = Guards()
    yield guards
    for middleware in guards.made:
        await middleware.stop()


def presenting(credentials: str | bytes, *, scheme: str = "Basic ", **about: Any) -> Exchange:
    text = credentials.encode() if isinstance(credentials, str) else credentials
    field = scheme + b64encode(text).decode()
    return request(headers=[("Authorization", field)], **about)


@pytest.mark.parametrize("scheme", ["Basic ", "basic ", "BASIC   "])
async def test_a_right_password_passes_as_its_user(guard: Guards, scheme: str) -> None:
    exchange = presenting("ann:secret", scheme=scheme)
    assert await ask(await guard(), exchange) is None
    assert exchange.identity == Identity("ann", "basic")


@pytest.mark.parametrize("credentials", ["jürgen:пароль:1", "bob:"])
async def test_names_and_passwords_are_utf_8_and_passwords_may_hold_colons(
    guard: Guards, credentials: str
) -> None:
    exchange = presenting(credentials)
    assert await ask(await guard(), exchange) is None
    assert exchange.identity is not None
    assert exchange.identity.subject == credentials.partition(":")[0]


@pytest.mark.parametrize(
    "credentials", ["ann:Secret", "ann:", "ann:secret\n", "bob:secret", "eve:secret", ":", "ann:s:"]
)
async def test_a_wrong_name_or_password_is_401_with_a_challenge(
    guard: Guards, credentials: str
) -> None:
    exchange = presenting(credentials)
    refusal = await ask(await guard(realm="the office"), exchange)
    assert isinstance(refusal, Problem)
    assert refusal.status == 401
    challenge = 'Basic realm="the office", charset="UTF-8"'
    assert ("WWW-Authenticate", challenge) in refusal.headers
    assert exchange.identity is None
    assert guard.refused() == {"wrong": 1}


@pytest.mark.parametrize(
    "fields",
    [
        [],
        ["Bearer YW5uOnNlY3JldA=="],
        ["Basic"],
        ["Basic "],
        ["Basic not base64"],
        ["Basic YW5uOnNlY3JldA"],
        ["Basic YW5u"],
        ["Basic /zo="],
        ["Basic YW5uOnNlY3JldA==, Basic YW5uOnNlY3JldA=="],
        ["Basic YW5uOnNlY3JldA==", "Basic YW5uOnNlY3JldA=="],
    ],
)
async def test_what_is_no_credentials_is_401_at_once(guard: Guards, fields: list[str]) -> None:
    middleware = await guard()
    refusal = middleware.request(request(headers=[("Authorization", field) for field in fields]))
    assert isinstance(refusal, Problem)
    assert refusal.status == 401


async def test_without_users_nobody_is_let_in(guard: Guards) -> None:
    assert await ask(await guard(users={}), presenting("ann:secret")) is not None


async def test_a_name_that_nobody_has_costs_a_hash_too(guard: Guards) -> None:
    middleware = await guard()
    said = middleware.request(presenting("eve:secret"))
    assert isinstance(said, Awaitable)
    await said


async def test_nobody_passes_by_the_password_that_nobodys_hash_stands_for(guard: Guards) -> None:
    middleware = await guard(users={"ann": USERS["ann"]})
    exchange = presenting("eve:secret")
    refusal = await ask(middleware, exchange)
    assert refusal is not None
    assert refusal.status == 401
    assert exchange.identity is None
    assert await ask(middleware, presenting("eve:secret")) is not None


async def test_what_was_right_is_believed_for_a_minute(guard: Guards) -> None:
    middleware = await guard()
    assert await ask(middleware, presenting("ann:secret")) is None
    exchange = presenting("ann:secret")
    assert middleware.request(exchange) is None
    assert exchange.identity == Identity("ann", "basic")
    guard.clock.advance(BELIEVED_FOR)
    said = middleware.request(presenting("ann:secret"))
    assert isinstance(said, Awaitable)
    assert await said is None


async def test_another_password_is_not_believed(guard: Guards) -> None:
    middleware = await guard()
    await ask(middleware, presenting("ann:secret"))
    refusal = await ask(middleware, presenting("ann:guess"))
    assert refusal is not None
    assert middleware.request(presenting("ann:secret")) is None


async def test_many_who_ask_with_one_password_wait_for_one_hash(guard: Guards) -> None:
    middleware = await guard()
    exchanges = [presenting("ann:secret") for _ in range(AT_ONCE * 2)]
    assert set(await asyncio.gather(*(ask(middleware, each) for each in exchanges))) == {None}
    assert all(each.identity is not None for each in exchanges)


async def test_one_who_leaves_takes_nothing_from_the_others(guard: Guards) -> None:
    middleware = await guard()
    tasks = [asyncio.create_task(ask(middleware, presenting("ann:secret"))) for _ in range(3)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    assert await asyncio.gather(*tasks[1:]) == [None, None]


async def verdicts(*said: Any) -> list[Response | None]:
    return [await each if isinstance(each, Awaitable) else each for each in said]


async def test_one_address_that_guesses_cannot_keep_others_out(guard: Guards) -> None:
    middleware = await guard()
    guesses = [presenting(f"ann:{n}", ip="192.0.2.66") for n in range(AT_ONCE_OF_A_CLIENT + 3)]
    guessed = [middleware.request(each) for each in guesses]
    assert await ask(middleware, presenting("ann:secret")) is None
    answers = await verdicts(*guessed)
    statuses = [answer.status for answer in answers if answer is not None]
    assert statuses == [401] * AT_ONCE_OF_A_CLIENT + [429] * 3
    assert ("Retry-After", "1") in answers[-1].headers if answers[-1] else False
    assert guard.refused() == {"wrong": AT_ONCE_OF_A_CLIENT, "crowding": 3}


async def test_more_than_can_be_verified_is_503_and_who_is_believed_passes(guard: Guards) -> None:
    middleware = await guard()
    await ask(middleware, presenting("ann:secret"))
    guesses = [presenting(f"ann:{n}", ip=f"192.0.2.{n}") for n in range(AT_ONCE)]
    guessed = [middleware.request(each) for each in guesses]
    refusal = middleware.request(presenting("bob:", ip="198.51.100.1"))
    assert isinstance(refusal, Problem)
    assert refusal.status == 503
    assert ("Retry-After", "1") in refusal.headers
    assert middleware.request(presenting("ann:secret")) is None
    await verdicts(*guessed)
    assert await ask(middleware, presenting("bob:", ip="198.51.100.1")) is None


async def test_a_hash_that_cannot_be_computed_is_503_and_in_the_log(
    guard: Guards, caplog: pytest.LogCaptureFixture, request: pytest.FixtureRequest
) -> None:
    middleware = await guard(users={"ann": HUNGRY.decode()})
    request.getfixturevalue("no_memory")
    with caplog.at_level(logging.ERROR):
        refusal = await ask(middleware, presenting("ann:secret"))
    assert refusal is not None
    assert refusal.status == 503
    assert [record.name for record in caplog.records] == ["gateway.door"]
    assert "secret" not in caplog.text
    assert guard.refused() == {"failed": 1}


async def test_a_guard_that_stops_answers_503_to_those_who_still_wait(guard: Guards) -> None:
    middleware = await guard()
    guesses = [presenting(f"ann:{n}", ip=f"192.0.2.{n}") for n in range(AT_ONCE)]
    guessed = [middleware.request(each) for each in guesses]
    await middleware.stop()
    statuses = {answer.status for answer in await verdicts(*guessed) if answer is not None}
    assert statuses == {401, 503}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"users": {"ann": "secret"}}, "'ann': not an Argon2id hash"),
        ({"users": {"a:b": USERS["ann"]}}, "no user name"),
        ({"users": {"": USERS["ann"]}}, "no user name"),
        ({"users": {"a\n": USERS["ann"]}}, "no user name"),
    ],
)
def test_mistakes_are_refused_at_load_without_showing_a_password(
    options: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match=said) as refused:
        BasicAuthOptions(**options)
    assert "secret" not in str(refused.value)


def test_the_options_do_not_show_their_hashes() -> None:
    assert USERS["ann"] not in repr(BasicAuthOptions(users=USERS))
