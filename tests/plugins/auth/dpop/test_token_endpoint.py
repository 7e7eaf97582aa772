"""Tokens for the holder of a key, through a real gateway."""

from __future__ import annotations

import json

import jwt

from backends.sql import Sql
from plugins.auth.dpop.proof import ALGORITHMS, read
from plugins.auth.oauth.clients import Clients
from tests.plugins.auth.dpop.holder import Holder
from tests.plugins.auth.oauth.test_client_credentials import GRANT, ISSUER, Asker, asker, basic

__all__ = ["asker"]
PLACE = f"{ISSUER}/token"


async def test_tokens_are_bound_to_the_key_that_was_proved(asker: Asker) -> None:
    holder, who = Holder(), basic(asker.basic)
    proof = holder.proof("POST", PLACE)
    status, told, _ = await asker.token(GRANT, Authorization=who, DPoP=proof)
    assert (status, told["token_type"]) == (200, "DPoP")
    claims = jwt.decode(told["access_token"], options={"verify_signature": False})
    assert claims["cnf"] == {"jkt": read(proof).jkt}
    for scheme in ("Bearer", "DPoP"):
        field = f"{scheme} {told['access_token']}"
        assert (await asker.get("/api", Authorization=field))[0] == 401
    form = {"token": told["access_token"]}
    url, headers = asker.root + "/auth/introspect", {"Authorization": who}
    async with asker.session.post(url, data=form, headers=headers) as answer:
        found = await answer.json()
    assert (found["active"], found["token_type"], found["cnf"]) == (True, "DPoP", claims["cnf"])
    status, told, _ = await asker.token(GRANT, Authorization=who, DPoP=proof)
    assert (status, told["error"]) == (400, "invalid_dpop_proof")


async def test_a_client_registered_for_proofs_gets_no_bearer_tokens(asker: Asker, sql: Sql) -> None:
    client, secret = await Clients(sql).create(
        "careful", ["read"], metadata={"dpop_bound_access_tokens": True}
    )
    who = basic((client.id, secret))
    status, told, _ = await asker.token(GRANT, Authorization=who)
    assert (status, told["error"]) == (400, "invalid_dpop_proof")
    proof = Holder().proof("POST", PLACE)
    assert (await asker.token(GRANT, Authorization=who, DPoP=proof))[0] == 200


async def test_the_metadata_has_the_algorithms(asker: Asker) -> None:
    _, text = await asker.get("/auth/.well-known/oauth-authorization-server")
    assert json.loads(text)["dpop_signing_alg_values_supported"] == list(ALGORITHMS)
