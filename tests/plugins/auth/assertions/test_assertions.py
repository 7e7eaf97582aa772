"""An assertion is for this server, of now, signed by the client's key, and used once."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import jwt
import pytest
import sqlalchemy as sa

from backends.sql import Sql
from plugins.auth.assertions.assertions import LEEWAY, LONGEST, Assertions
from plugins.auth.assertions.client_keys import ClientKeys
from plugins.auth.dpop.proof import ALGORITHMS
from plugins.auth.leaving.reach import Reach
from plugins.auth.oauth.errors import OAuthError
from plugins.auth.once.tables import used
from tests.plugins.auth.assertions.asserting import Asserting, client_of
from tests.plugins.auth.oauth.relying import ISSUER

HOLDER = Asserting()
CLIENT = client_of(HOLDER)
GENERIC = "the client is not authenticated"


def made(sql: Sql) -> Assertions:
    return Assertions(sql, ISSUER, ClientKeys(Reach((), here=False)))


async def why(known: Assertions, text: str, client: Any = CLIENT) -> str:
    """What the client is told."""
    with pytest.raises(OAuthError) as raised:
        await known.check(client, text)
    assert (raised.value.code, raised.value.status) == ("invalid_client", 401)
    return raised.value.description


async def test_one_gets_through_of_many_who_send_the_same_at_once(sql: Sql) -> None:
    text = HOLDER.assertion(CLIENT.id)
    processes = [made(sql), made(sql)]
    calls = [processes[n % 2].check(CLIENT, text) for n in range(20)]
    found = await asyncio.gather(*calls, return_exceptions=True)
    assert found.count(None) == 1
    refused = [each for each in found if isinstance(each, OAuthError)]
    assert {each.description for each in refused} == {"the assertion was used before"}
    assert len(refused) == 19


class TestOnOneDatabase:
    @pytest.fixture
    def sql_url(self, sqlite_url: str) -> str:
        return sqlite_url

    @pytest.mark.parametrize("algorithm", ALGORITHMS)
    async def test_each_algorithm_has_its_keys(self, sql: Sql, algorithm: str) -> None:
        known, holder = made(sql), Asserting(algorithm)
        await known.check(client_of(holder), holder.assertion(CLIENT.id))
        pinned = client_of(holder, token_endpoint_auth_signing_alg=algorithm)
        await known.check(pinned, holder.assertion(CLIENT.id))
        other = "PS256" if algorithm == "RS256" else "RS256"
        pinned = client_of(holder, token_endpoint_auth_signing_alg=other)
        assert await why(known, holder.assertion(CLIENT.id), pinned) == GENERIC

    async def test_claims_that_may_be(self, sql: Sql) -> None:
        known, now = made(sql), int(time.time())
        for claims in (
            {"aud": [ISSUER]},
            {"iat": None},
            {"iat": now + LEEWAY - 10, "nbf": now + LEEWAY - 10},
            {"exp": now - LEEWAY + 10},
            {"exp": now + LONGEST},
            {"exp": now + 60.5},
            {"jti": "x" * 256},
        ):
            await known.check(CLIENT, HOLDER.assertion(CLIENT.id, **claims))
        for typ in ("JWT", "client-authentication+jwt", ""):
            await known.check(CLIENT, HOLDER.assertion(CLIENT.id, {"typ": typ}))
        await known.check(CLIENT, HOLDER.assertion(CLIENT.id, {"kid": None}))

    async def test_who_holds_the_key_is_told_what_is_wrong(self, sql: Sql) -> None:
        known, now = made(sql), int(time.time())
        for claims, told in (
            ({"aud": f"{ISSUER}/token"}, "aud"),
            ({"aud": [f"{ISSUER}/token", ISSUER]}, "aud"),
            ({"aud": [ISSUER, "https://evil.example"]}, "aud"),
            ({"aud": [ISSUER, ISSUER]}, "aud"),
            ({"aud": []}, "aud"),
            ({"aud": f"{ISSUER}/"}, "aud"),
            ({"aud": None}, "aud"),
            ({"exp": now - LEEWAY - 10}, "expired"),
            ({"exp": True}, "expired"),
            ({"exp": now + LONGEST + LEEWAY + 60}, "at most 300 seconds"),
            ({"iat": now + LEEWAY + 60}, "clock"),
            ({"nbf": now + LEEWAY + 60}, "clock"),
            ({"jti": None}, "jti"),
            ({"jti": ""}, "jti"),
            ({"jti": "x" * 257}, "jti"),
            ({"jti": "a\nb"}, "jti"),
            ({"jti": "\ud800"}, "jti"),
        ):
            assert told in await why(known, HOLDER.assertion(CLIENT.id, **claims)), claims

    @pytest.mark.parametrize("claim", ["iss", "sub"])
    async def test_who_speaks_of_another_client_learns_nothing(self, sql: Sql, claim: str) -> None:
        text = HOLDER.assertion(CLIENT.id, **{claim: "d" * 32})
        assert await why(made(sql), text) == GENERIC

    async def test_it_is_remembered_until_no_clock_of_ours_takes_it(self, sql: Sql) -> None:
        ends = int(time.time()) + 60
        await made(sql).check(CLIENT, HOLDER.assertion(CLIENT.id, exp=ends))
        async with sql.read() as connection:
            until = (await connection.execute(sa.select(used.c.expires_at))).scalar_one()
        assert until == ends + LEEWAY + LEEWAY  # one host may be late, another one early

    async def test_who_does_not_hold_it_learns_nothing(self, sql: Sql) -> None:
        known, other = made(sql), Asserting()
        good = HOLDER.assertion(CLIENT.id)
        head, body, signature = good.split(".")
        claims = jwt.decode(good, options={"verify_signature": False})
        public = HOLDER.jwk["x"].ljust(64, "A")
        for text in (
            other.assertion(CLIENT.id),
            other.assertion(CLIENT.id, exp=0),
            HOLDER.assertion(CLIENT.id, {"kid": "two"}),
            HOLDER.assertion(CLIENT.id, {"jwk": other.jwk, "kid": "two"}),
            HOLDER.assertion(CLIENT.id, {"crit": ["b64"], "b64": True}),
            HOLDER.assertion(CLIENT.id, {"crit": ["exp"]}),
            HOLDER.assertion(CLIENT.id, {"typ": "at+jwt"}),
            HOLDER.assertion(CLIENT.id, {"typ": "dpop+jwt"}),
            HOLDER.assertion(CLIENT.id, {"typ": 1}),
            HOLDER.assertion(CLIENT.id, exp=None),
            HOLDER.assertion(CLIENT.id, exp="9999999999"),
            HOLDER.assertion(CLIENT.id, iat="x"),
            HOLDER.assertion("d" * 32),
            HOLDER.assertion(CLIENT.id, sub="d" * 32),
            HOLDER.assertion(CLIENT.id, x="x" * 8192),
            jwt.encode(claims, None, "none"),
            jwt.encode(claims, public, "HS256", headers={"kid": "one"}),
            f"{head}.{body}.",
            f"{head}.{body}.{signature[:-2]}AA",
        ):
            assert await why(known, text) == GENERIC, text
        await known.check(CLIENT, good)

    async def test_a_key_that_another_client_holds_is_another(self, sql: Sql) -> None:
        known, other = made(sql), Asserting()
        theirs = client_of(other, "d" * 32)
        await known.check(theirs, other.assertion(theirs.id, jti="same"))
        await known.check(CLIENT, HOLDER.assertion(CLIENT.id, jti="same"))
        assert await why(known, other.assertion(CLIENT.id)) == GENERIC

    async def test_a_key_that_was_replaced_is_good_no_more(self, sql: Sql) -> None:
        known, new = made(sql), Asserting()
        await known.check(CLIENT, HOLDER.assertion(CLIENT.id))
        await known.check(client_of(new), new.assertion(CLIENT.id))
        assert await why(known, HOLDER.assertion(CLIENT.id), client_of(new)) == GENERIC
