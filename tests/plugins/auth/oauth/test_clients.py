"""What a client is registered as."""

from __future__ import annotations

from typing import Any

import pytest

from backends.sql import Sql
from plugins.auth.oauth.authentication import NONE
from plugins.auth.oauth.clients import Clients

CB = ["https://app.example.org/cb"]


async def test_a_client_is_found_as_it_was_registered(sql: Sql) -> None:
    known = Clients(sql)
    made, secret = await known.create(
        "app",
        ["openid", "read"],
        NONE,
        redirect_uris=[*CB, "http://127.0.0.1/cb"],
        first_party=True,
        introspector=True,
        audience="https://api.example.org",
        metadata={"logo_uri": "https://app.example.org/logo.png"},
    )
    assert (made.public, secret) == (True, "")
    assert made.grants == {"authorization_code", "refresh_token"}
    assert await known.get(made.id) == made
    assert await known.get("0" * 32) is None
    assert await known.get("\0") is None


async def test_what_is_left_out_is_the_least_that_works(sql: Sql) -> None:
    known = Clients(sql)
    machine, secret = await known.create("machine")
    assert (machine.grants, machine.scopes) == ({"client_credentials"}, ())
    assert len(secret) == 43
    web, _ = await known.create("web", redirect_uris=CB)
    assert web.scopes == ("openid", "profile", "email", "offline_access")
    assert not web.first_party


@pytest.mark.parametrize(
    "wrong",
    [
        {"method": "private_key_jwt"},
        {"grants": ["implicit"]},
        {"grants": ["authorization_code"]},
        {"grants": ["client_credentials"], "redirect_uris": CB},
        {"grants": ["refresh_token", "client_credentials"]},
        {"method": NONE},
        {"redirect_uris": ["http://app.example.org/cb"]},
        {"redirect_uris": [f"https://app.example.org/{n}" for n in range(21)]},
        {"scopes": ['a"b']},
        {"scopes": ["x" * 100] * 11 + [f"{n:0100}" for n in range(11)]},
        {"name": ""},
    ],
)
async def test_what_makes_no_sense_is_refused(sql: Sql, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        await Clients(sql).create(**{"name": "x", **wrong})
