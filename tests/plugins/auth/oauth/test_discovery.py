"""Metadata that equals behaviour, and userinfo."""

from __future__ import annotations

from tests.plugins.auth.browser import EMAIL
from tests.plugins.auth.oauth.relying import ISSUER, Place, walk

PLACES = [
    "/auth/.well-known/openid-configuration",
    "/auth/.well-known/oauth-authorization-server",
    "/.well-known/oauth-authorization-server/auth",
    "/.well-known/openid-configuration/auth",
]


async def test_the_metadata_is_the_same_at_all_its_places(here: Place) -> None:
    app = await here.app()
    told = [await app.get(path, "") for path in PLACES]
    assert all(each == told[0] for each in told)
    assert told[0][0] == 200


async def test_what_the_metadata_says_is_there(here: Place) -> None:
    ada, app = await here.ada(), await here.app()
    _, said, _ = await app.get(PLACES[0], "")
    assert said["issuer"] == ISSUER
    for name, url in said.items():
        if name.endswith(("_endpoint", "_uri")):
            path = url.removeprefix("http://localhost")
            assert (await app.get(path, ""))[0] in {200, 400, 401, 405}, name
    for grant in said["grant_types_supported"]:
        _, told = await app.post("token", {"grant_type": grant})
        assert told.get("error") != "unsupported_grant_type", grant
    assert (await app.post("token", {"grant_type": "x"}))[1]["error"] == "unsupported_grant_type"
    for endpoint in ("token", "introspection", "revocation"):
        methods = said[f"{endpoint}_endpoint_auth_methods_supported"]
        assert ("none" in methods, "private_key_jwt" in methods) == (endpoint[0] != "i", True)
        algorithms = said[f"{endpoint}_endpoint_auth_signing_alg_values_supported"]
        assert algorithms == ["ES256", "PS256", "RS256", "EdDSA", "Ed25519"]
    for prompt in said["prompt_values_supported"]:
        answer = await app.ask(ada, prompt=prompt)
        assert not (isinstance(answer, dict) and "error" in answer), prompt
    for mode in said["response_modes_supported"]:
        answer = await app.ask(ada, response_mode=mode)
        assert not (isinstance(answer, dict) and "error" in answer), mode
    for scope in said["scopes_supported"]:
        assert scope in (await app.tokens(ada, scope=scope))["scope"]
    for part, told_error in (
        ("request", "request_not_supported"),
        ("request_uri", "request_uri_not_supported"),
    ):
        supported = said[f"{part}_parameter_supported"]
        assert (await app.told(ada, **{part: "x"}))["error"] == told_error or supported
    keys = (await app.get("/auth/jwks.json", ""))[1]["keys"]
    published = {str(key["alg"]) for key in keys}
    assert {"RS256", *published} == set(said["id_token_signing_alg_values_supported"])
    answer = await walk(ada, "/auth/authorize")
    assert not isinstance(answer, dict)
    assert answer.status == 400


async def test_userinfo_tells_what_the_scopes_allow(here: Place) -> None:
    ada, app = await here.ada(), await here.app()
    every = (await app.tokens(ada))["access_token"]
    status, told, _ = await app.get("/auth/userinfo", every)
    assert status == 200
    assert (told["email"], told["email_verified"], told["locale"]) == (EMAIL, False, "en")
    few = (await app.tokens(ada, scope="openid"))["access_token"]
    assert (await app.get("/auth/userinfo", few))[1] == {"sub": told["sub"]}


async def test_userinfo_answers_as_rfc_6750_says(here: Place) -> None:
    """ASVS 5.0 10.1.1."""
    ada, app = await here.ada(), await here.app()
    assert (await app.get("/auth/userinfo", ""))[::2] == (401, 'Bearer realm="auth"')
    no_openid = (await app.tokens(ada, scope="email"))["access_token"]
    id_token = (await app.tokens(ada))["id_token"]
    for token, scheme, status, error in (
        ("x", "Bearer", 401, "invalid_token"),
        (id_token, "Bearer", 401, "invalid_token"),
        (no_openid, "Basic", 401, "invalid_token"),
        (no_openid, "Bearer", 403, "insufficient_scope"),
    ):
        found = await app.get("/auth/userinfo", token, scheme)
        assert found[0] == status
        assert f'error="{error}"' in found[2]
