"""What is exchanged is never worth more than what it was exchanged for."""

from __future__ import annotations

from typing import Any

import jwt

from plugins.auth.exchange.exchange import ACCESS_TOKEN, DEEPEST
from plugins.auth.oauth.authentication import POST
from plugins.auth.oauth.clients import CREDENTIALS, EXCHANGE
from tests.plugins.auth.dpop.holder import Holder
from tests.plugins.auth.oauth.conftest import here
from tests.plugins.auth.oauth.relying import ISSUER, App, Place
from tests.plugins.auth.patience import until

__all__ = ["here"]


async def backend(here: Place, *scopes: str, audience: str = "") -> App:
    values: Any = {"redirect_uris": [], "grants": [CREDENTIALS, EXCHANGE]}
    return await here.app(scopes=scopes or ["email", "read"], audience=audience, **values)


async def exchange(app: App, token: str, **more: str) -> tuple[int, Any]:
    sent = {
        "grant_type": EXCHANGE,
        "subject_token": token,
        "subject_token_type": ACCESS_TOKEN,
        **more,
    }
    return await app.post("token", {name: value for name, value in sent.items() if value})


def claims_of(told: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = jwt.decode(told["access_token"], options={"verify_signature": False})
    return found


async def test_a_backend_acts_for_a_person_with_less(here: Place) -> None:
    ada, app, api = await here.ada(), await here.app(), await backend(here, audience="orders")
    token = (await app.tokens(ada))["access_token"]
    status, told = await exchange(api, token)
    assert (status, told["issued_token_type"], told["scope"]) == (200, ACCESS_TOKEN, "email")
    assert "refresh_token" not in told
    before, after = claims_of({"access_token": token}), claims_of(told)
    for name in ("sub", "sid", "grant_id", "auth_time", "acr", "amr"):
        assert after[name] == before[name]
    assert (after["aud"], after["client_id"]) == ("orders", api.client.id)
    assert after["act"] == {"sub": api.client.id, "client_id": api.client.id}
    assert after["exp"] <= before["exp"]
    status, back = await exchange(api, token, audience=ISSUER)
    assert (status, claims_of(back)["aud"]) == (200, ISSUER)
    await ada.submit("/auth/logout")
    for each in (token, told["access_token"]):
        await until(lambda each=each: over(api, each))  # type: ignore[misc]  # bound here


async def over(api: App, token: str) -> bool:
    return (await exchange(api, token))[1].get("error") == "invalid_request"


async def test_who_acted_before_stays_within(here: Place) -> None:
    ada, app = await here.ada(), await here.app()
    first, second = await backend(here), await backend(here)
    _, robot = await second.post("token", {"grant_type": CREDENTIALS})
    told = (await exchange(first, (await app.tokens(ada))["access_token"]))[1]
    more = {"actor_token": robot["access_token"], "actor_token_type": ACCESS_TOKEN}
    told = (await exchange(second, told["access_token"], **more))[1]
    acted = claims_of(told)["act"]
    assert (acted["sub"], acted["act"]["sub"]) == (second.client.id, first.client.id)
    for _ in range(DEEPEST - 2):
        status, told = await exchange(first, told["access_token"])
        assert status == 200
    assert (await exchange(first, told["access_token"]))[1]["error"] == "invalid_request"


async def test_nothing_is_won_by_it(here: Place) -> None:
    ada, app, api = await here.ada(), await here.app(), await backend(here)
    tokens = await app.tokens(ada)
    token = tokens["access_token"]
    wrong = [
        ({"scope": "read"}, "invalid_scope"),
        ({"scope": "openid"}, "invalid_scope"),
        ({"audience": "https://other.example"}, "invalid_target"),
        ({"resource": "https://other.example"}, "invalid_target"),
        ({"subject_token": tokens["id_token"]}, "invalid_request"),
        ({"subject_token": tokens["refresh_token"]}, "invalid_request"),
        ({"subject_token": token[:-8] + "AAAAAAAA"}, "invalid_request"),
        ({"subject_token": ""}, "invalid_request"),
        ({"subject_token_type": ""}, "invalid_request"),
        ({"subject_token_type": "urn:ietf:params:oauth:token-type:jwt"}, "invalid_request"),
        ({"actor_token": token}, "invalid_request"),
        ({"actor_token_type": ACCESS_TOKEN}, "invalid_request"),
        ({"requested_token_type": "urn:x"}, "invalid_request"),
    ]
    for more, error in wrong:
        status, told = await exchange(api, token, **more)
        assert (status, told["error"]) == (400, error), more
    assert (await exchange(app, token))[1]["error"] == "unauthorized_client"


async def test_what_is_bound_to_a_key_is_exchanged_with_a_proof(here: Place) -> None:
    values: Any = {"redirect_uris": [], "grants": [CREDENTIALS, EXCHANGE], "method": POST}
    client, secret = await here.clients.create("api", ["read"], **values)
    url, holder = f"http://127.0.0.1:{here.port}/auth/token", Holder()

    async def ask(proof: bool, **sent: str) -> Any:
        headers = {"DPoP": holder.proof("POST", f"{ISSUER}/token")} if proof else {}
        form = {"client_id": client.id, "client_secret": secret, **sent}
        async with here.session.post(url, data=form, headers=headers) as answer:
            return await answer.json()

    bound = await ask(True, grant_type=CREDENTIALS)
    sent = {
        "grant_type": EXCHANGE,
        "subject_token": bound["access_token"],
        "subject_token_type": ACCESS_TOKEN,
    }
    assert (await ask(False, **sent))["error"] == "invalid_request"
    assert (await ask(True, **sent))["token_type"] == "DPoP"
