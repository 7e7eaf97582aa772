"""What is said of a client is checked in one way, whoever says it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from plugins.auth.registration.members import BadUri, Members, OperatorsMembers, Rules


async def offered(algorithm: str) -> bool:
    return algorithm == "RS256"


RULES = Rules("http://localhost/auth", offered)
ELSEWHERE = Rules("https://id.example.org/auth", offered)
HERE = {"backchannel_logout_uri": "http://127.0.0.1:1/"}
KEYS_HERE = {"jwks_uri": "http://localhost:1/keys"}


async def checked(rules: Rules = RULES, **said: Any) -> dict[str, Any]:
    return await rules.checked(msgspec.convert(said, OperatorsMembers))


async def test_what_is_left_out_is_not_said_and_what_is_empty_is_to_be_none() -> None:
    said = {"contacts": [], "organisation": "", "software_id": None}
    assert await checked(**said) == dict.fromkeys(said)
    said = {"dpop_bound_access_tokens": False, "id_token_signed_response_alg": "RS256"}
    assert await checked(**said) == said
    assert "organisation" not in await RULES.checked(Members(software_id="x"))


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ({"client_uri": "javascript:alert(1)"}, msgspec.ValidationError),
        ({"software_id": "x" * 2001}, msgspec.ValidationError),
        ({"contacts": ["x"] * 21}, msgspec.ValidationError),
        ({"organisation": "Acme"}, msgspec.ValidationError),
        ({"id_token_signed_response_alg": "HS256"}, msgspec.ValidationError),
        ({"id_token_signed_response_alg": "EdDSA"}, ValueError),
        ({"post_logout_redirect_uris": ["javascript:alert(1)"]}, BadUri),
        ({"post_logout_redirect_uris": ["http://shop.example/"]}, BadUri),
        ({"backchannel_logout_uri": "http://10.0.0.1/"}, ValueError),
        ({"backchannel_logout_uri": "com.example.app:/"}, msgspec.ValidationError),
        ({"backchannel_logout_uri": "https://shop.example/#x"}, ValueError),
        ({"jwks_uri": "http://10.0.0.1/"}, ValueError),
        ({"jwks_uri": "file:///etc/passwd"}, msgspec.ValidationError),
        ({"jwks": "x"}, msgspec.ValidationError),
        ({"token_endpoint_auth_signing_alg": "HS256"}, msgspec.ValidationError),
        ({"token_endpoint_auth_signing_alg": "none"}, msgspec.ValidationError),
    ],
)
async def test_what_is_not_in_order_is_refused(said: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        await checked(**said)


async def test_addresses_of_this_machine_are_for_servers_on_it() -> None:
    for said in (HERE, KEYS_HERE):
        assert await checked(**said) == said
        with pytest.raises(ValueError, match="this machine"):
            await checked(ELSEWHERE, **said)
