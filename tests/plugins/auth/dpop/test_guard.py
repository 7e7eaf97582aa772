"""Tokens bound to a key at a route that the `jwt` middleware guards (RFC 9449 section 7)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from backends.sql import Sql
from tests.plugins.auth.dpop.holder import Holder
from tests.plugins.auth.oauth.relying import ISSUER, App, Place, place

API, ORIGIN = "https://api.example.org/api", "https://api.example.org"


@pytest.fixture
async def here(tmp_path: Path, sql: Sql, sql_url: str) -> AsyncIterator[Place]:
    async with place(tmp_path, sql, sql_url, guard=f', dpop: "{ORIGIN}"') as found:
        yield found


def form_of(app: App) -> dict[str, str]:
    return {
        "grant_type": "client_credentials",
        "client_id": app.client.id,
        "client_secret": app.secret,
    }


async def bound(app: App, holder: Holder | None) -> str:
    """A client's own token."""
    headers = {"DPoP": holder.proof("POST", f"{ISSUER}/token")} if holder else {}
    url = f"{app.root}/auth/token"
    async with app.place.session.post(url, data=form_of(app), headers=headers) as answer:
        told = await answer.json()
    return str(told["access_token"])


async def ask(app: App, field: str, *proofs: str, path: str = "/api") -> tuple[int, list[str]]:
    headers = [("Authorization", field), *(("DPoP", each) for each in proofs)]
    async with app.place.session.get(app.root + path, headers=headers) as answer:
        return answer.status, answer.headers.getall("WWW-Authenticate", [])


async def app_of(here: Place) -> App:
    return await here.app(
        redirect_uris=[], grants=["client_credentials"], method="client_secret_post"
    )


async def test_a_token_is_taken_with_a_proof_for_the_request_once(here: Place) -> None:
    app, one = await app_of(here), Holder()
    token = await bound(app, one)
    used = one.proof("GET", API, token=token)
    assert (await ask(app, f"DPoP {token}", used, path="/api?q=1"))[0] == 204
    status, challenges = await ask(app, f"DPoP {token}", used)
    assert status == 401
    assert challenges[0].startswith('DPoP realm="gateway", algs="ES256 ')
    assert 'error="invalid_dpop_proof"' in challenges[0]
    proof = one.proof("GET", API, token=token)
    found = await asyncio.gather(*(ask(app, f"dpop {token}", proof) for _ in range(5)))
    assert sorted(status for status, _ in found) == [204, 401, 401, 401, 401]


async def test_nothing_else_is(here: Place) -> None:
    app, one, other = await app_of(here), Holder(), Holder()
    token, plain = await bound(app, one), await bound(app, None)
    assert (await ask(app, f"Bearer {plain}"))[0] == 204

    def proof(holder: Holder = one, url: str = API, method: str = "GET", of: str = token) -> str:
        return holder.proof(method, url, token=of)

    for field, proofs in (
        (f"DPoP {token}", ()),
        (f"Bearer {token}", ()),
        (f"Bearer {token}", (proof(),)),
        (f"DPoP {plain}", (proof(of=plain),)),
        (f"DPoP {token}", (proof(), proof())),
        (f"DPoP {token}", (proof(other),)),
        (f"DPoP {token}", (proof(of=plain),)),
        (f"DPoP {token}", (proof(of=""),)),
        (f"DPoP {token}", (proof(method="POST"),)),
        (f"DPoP {token}", (proof(url="https://evil.example/api"),)),
        (f"DPoP {token}", (proof(url=f"{API}/more"),)),
        (f"DPoP {token}", (f"{app.root}/api",)),
        ("DPoP", (proof(),)),
    ):
        assert (await ask(app, field, *proofs))[0] == 401, (field[:8], proofs)
    status, challenges = await ask(app, "Basic YTpi")
    assert status == 401
    assert [each.split(" ")[0] for each in challenges] == ["Bearer", "DPoP"]


async def test_a_proof_has_our_nonce_where_that_is_asked_for(
    tmp_path: Path, sql: Sql, sql_url: str
) -> None:
    options, guard = ", dpop: {nonce: true}", f', dpop: "{ORIGIN}"'
    async with place(tmp_path, sql, sql_url, options, guard) as here:
        app, one = await app_of(here), Holder()
        url, form = f"{app.root}/auth/token", form_of(app)
        first = {"DPoP": one.proof("POST", f"{ISSUER}/token")}
        async with here.session.post(url, data=form, headers=first) as answer:
            nonce = answer.headers["DPoP-Nonce"]
        again = {"DPoP": one.proof("POST", f"{ISSUER}/token", nonce=nonce)}
        async with here.session.post(url, data=form, headers=again) as answer:
            token = (await answer.json())["access_token"]
        sent = {"Authorization": f"DPoP {token}", "DPoP": one.proof("GET", API, token=token)}
        async with here.session.get(f"{app.root}/api", headers=sent) as answer:
            assert answer.status == 401
            assert 'error="use_dpop_nonce"' in answer.headers["WWW-Authenticate"]
            nonce = answer.headers["DPoP-Nonce"]
        proof = one.proof("GET", API, token=token, nonce=nonce)
        assert (await ask(app, f"DPoP {token}", proof))[0] == 204


async def test_a_token_that_was_taken_back_is_refused_with_the_best_of_proofs(here: Place) -> None:
    app, one = await app_of(here), Holder()
    token = await bound(app, one)
    form = {"token": token, "client_id": app.client.id, "client_secret": app.secret}
    async with here.session.post(f"{app.root}/auth/revoke", data=form) as answer:
        assert answer.status == 200
    proof = one.proof("GET", API, token=token)
    status, challenges = await ask(app, f"DPoP {token}", proof)
    assert (status, 'error="invalid_token"' in challenges[0]) == (401, True)
