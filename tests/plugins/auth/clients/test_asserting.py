"""npm's openid-client with a key and no secret."""

from __future__ import annotations

from typing import Any

import pytest

from backends.sql import Sql
from plugins.auth.registration.tokens import RegistrationTokens
from tests.plugins.auth.assertions.asserting import Asserting
from tests.plugins.auth.clients.node import script
from tests.plugins.auth.oauth.conftest import here
from tests.plugins.auth.oauth.relying import ISSUER, Place

__all__ = ["here"]


@pytest.fixture
def sql_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.mark.parametrize("algorithm", ["ES256", "Ed25519"])
async def test_it_says_who_it_is_wherever_clients_do(here: Place, sql: Sql, algorithm: str) -> None:
    holder = Asserting(algorithm)
    told = {
        "issuer": ISSUER,
        "reached": f"http://127.0.0.1:{here.port}",
        "algorithm": algorithm,
        "jwk": {**holder.private, "kid": holder.kid},
        "jwks": holder.jwks,
        "initial": await RegistrationTokens(sql).initial([]),
    }
    async with script("asserting.mjs", told) as program:
        result: dict[str, Any] = await program.said()
    assert "client_secret" not in result["registered"]
    assert result["registered"]["jwks"] == holder.jwks
    assert result["kind"].lower() == "bearer"
    assert result["before"]["active"]
    assert result["before"]["client_id"] == result["client_id"]
    assert result["after"] == {"active": False}
    assert result["parameters"] == ["client_id", "request_uri"]
