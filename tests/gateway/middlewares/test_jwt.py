import json
import logging
import time

import pytest

from gateway.exchange import Exchange
from tests.gateway.jose.signing import (
    ISSUER,
    Signer,
    encoded,
    eventually,
    good_claims,
    jwks,
    signer,
)
from tests.gateway.middlewares.jwt_guard import (
    BARE_CHALLENGE,
    ONE,
    ask,
    at_once,
    bearer,
    challenge,
    count,
    error,
)


async def test_a_good_token_passes_and_says_who_it_is(by_file):
    guard = await by_file(issuer=ISSUER, audience="api", scopes=["read"], roles=["admin"])
    token = ONE.token(scope="read write", roles=["admin", "staff"])
    answer, identity = await ask(guard, bearer(token))
    assert answer is None
    assert (identity.subject, identity.kind) == ("ada", "jwt")
    assert identity.scopes == {"read", "write"}
    assert identity.roles == {"admin", "staff"}
    assert identity.claims["aud"] == "api"


@pytest.mark.parametrize("cnf", [{"jkt": "abc"}, {"x5t#S256": "abc"}])
async def test_a_token_that_is_bound_to_a_key_is_no_bearer_token(by_file, cnf, metrics):
    guard, token = await by_file(), ONE.token(cnf=cnf)
    for _ in range(2):
        status, told = error(at_once(guard, bearer(token)))
        assert status == 401
        assert told.startswith('error="invalid_token"')
    assert count(metrics, "gateway_jwt_refused_total", reason="bound") == 2


async def test_the_second_request_of_a_token_is_answered_from_memory(by_file):
    guard = await by_file()
    _, first = await ask(guard, bearer(ONE.token()))
    token = bearer(ONE.token())
    (_, first), (_, second) = await ask(guard, token), await ask(guard, token)
    assert first is second


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "bEaReR"])
async def test_the_scheme_is_read_in_any_case(by_file, scheme):
    guard = await by_file()
    assert at_once(guard, f"{scheme}  {ONE.token()}") is None


@pytest.mark.parametrize("name", [b"authorization", b"AUTHORIZATION", b"aUTHORIZATIOn"])
async def test_the_field_is_found_in_any_case_and_however_it_is_spaced(by_file, name):
    guard = await by_file()
    line = name + b":\tBearer " + ONE.token().encode() + b" "
    exchange = Exchange()
    exchange.lines = [line]
    assert guard.request(exchange) is None
    exchange.lines = [line, b"Authorization: Bearer x"]
    assert guard.request(exchange).status == 400


@pytest.mark.parametrize("fields", [[], ["Basic YTpi"], ["Bearer"], [""], ["Bearertoken"]])
async def test_without_a_bearer_token_the_challenge_names_no_error(by_file, fields, metrics):
    answer = at_once(await by_file(), *fields)
    assert (answer.status, challenge(answer)) == (401, BARE_CHALLENGE)
    assert count(metrics, "gateway_jwt_refused_total", reason="missing") == 1


async def test_two_authorization_fields_are_refused_even_when_both_are_good(by_file):
    guard = await by_file()
    token = bearer(ONE.token())
    assert at_once(guard, token) is None
    status, words = error(at_once(guard, token, token))
    assert status == 400
    assert words.startswith('error="invalid_request"')


@pytest.mark.parametrize(
    ("fault", "words", "reason"),
    [
        ({"exp": 1}, "The token has expired", "expired"),
        ({"nbf": 2**33}, "The token is not valid yet", "immature"),
        ({"aud": "other"}, "The token is not meant for this service", "audience"),
        ({"iss": "https://other"}, "The token is not meant for this service", "issuer"),
        ({"header": {"typ": "logout+jwt"}}, "The token is not valid", "malformed"),
        ({"header": {"crit": ["exp"], "exp": 1}}, "The token is not valid", "malformed"),
    ],
)
async def test_a_bad_token_is_told_its_kind_of_fault_and_no_more(
    by_file, metrics, fault, words, reason
):
    guard = await by_file(issuer=ISSUER, audience="api")
    token = ONE.token(**fault)
    answer, identity = await ask(guard, bearer(token))
    assert error(answer) == (401, f'error="invalid_token", error_description="{words}"')
    assert answer.detail == words
    assert identity is None
    assert count(metrics, "gateway_jwt_refused_total", reason=reason) == 1
    assert token not in answer.render("id").decode() + challenge(answer)


@pytest.mark.parametrize(
    "token", ["a.b.c", "x" * 100_000, "é.é.é", f"{encoded({'alg': 'none'})}.e30."]
)
async def test_what_is_no_token_is_refused(by_file, token):
    status, words = error(at_once(await by_file(), bearer(token)))
    assert status == 401
    assert words.startswith('error="invalid_token"')


@pytest.mark.parametrize("algorithm", ["ES256", "RS256", "EdDSA", "PS256", "HS256"])
async def test_each_algorithm_works_with_keys_in_a_file(guarded, tmp_path, algorithm):
    by = signer(algorithm)
    (tmp_path / "keys.json").write_text(json.dumps(jwks(by)))
    guard = await guarded(jwks="keys.json", algorithms=[algorithm])
    assert at_once(guard, bearer(by.token())) is None
    answer, _ = await ask(guard, bearer(Signer(algorithm).token()))
    assert answer.status == 401


async def test_a_secret_verifies_hs256(guarded):
    by = signer("HS256", None)
    guard = await guarded(secret=by.private, algorithms=["HS256"])
    assert at_once(guard, bearer(by.token())) is None
    assert at_once(guard, bearer(signer("HS256").token())).status == 401
    named = by.raw({"alg": "HS256", "kid": "whatever"}, good_claims())
    assert at_once(guard, bearer(named)) is None


async def test_every_scope_is_required(by_file):
    """ASVS 5.0 10.3.2."""
    guard = await by_file(scopes=["read", "write"])
    status, words = error(at_once(guard, bearer(ONE.token(scope="read"))))
    assert status == 403
    assert 'error="insufficient_scope"' in words
    assert words.endswith('scope="read write"')


async def test_every_role_is_required(by_file):
    guard = await by_file(roles=["admin", "staff"])
    status, words = error(at_once(guard, bearer(ONE.token(roles=["admin"]))))
    assert status == 403
    assert 'error="insufficient_scope"' in words
    assert "scope=" not in words
    assert at_once(guard, bearer(ONE.token(roles=["admin", "staff"]))) is None


async def test_a_log_in_is_as_strong_and_as_fresh_as_is_required(by_file, metrics):
    """ASVS 5.0 10.3.4."""
    guard = await by_file(acr=["aal2", "aal3"], max_age=600.0)
    now = int(time.time())
    good = bearer(ONE.token(acr="aal2", auth_time=now - 500))
    for _ in range(2):
        assert at_once(guard, good) is None
    wrong = [{"acr": "aal1"}, {"acr": None}, {"acr": ["aal2"]}, {"auth_time": now - 601}]
    wrong += [{"auth_time": None}, {"auth_time": str(now)}]
    for claims in wrong:
        token = ONE.token(**{"acr": "aal2", "auth_time": now, **claims})
        status, words = error(at_once(guard, bearer(token)))
        assert status == 401
        assert words.startswith('error="insufficient_user_authentication"')
        assert words.endswith('acr_values="aal2 aal3", max_age="600"')
    assert count(metrics, "gateway_jwt_refused_total", reason="strength") == len(wrong)


async def test_a_token_in_memory_is_no_fresher_than_its_log_in(by_file):
    guard = await by_file(max_age=600.0)
    token = bearer(ONE.token(auth_time=int(time.time()) - 598))
    assert at_once(guard, token) is None
    await eventually(lambda: at_once(guard, token) is not None)
    assert "insufficient_user_authentication" in challenge(at_once(guard, token))


async def test_a_token_in_memory_ends_when_it_expires(by_file):
    guard = await by_file()
    token = bearer(ONE.token(exp=int(time.time()) + 2))
    assert at_once(guard, token) is None
    await eventually(lambda: at_once(guard, token) is not None)
    assert "expired" in challenge(at_once(guard, token))


async def test_memory_of_tokens_is_bounded_and_the_forgotten_are_verified_again(guarded):
    by = signer("HS256", None)
    guard = await guarded(secret=by.private, algorithms=["HS256"])
    tokens = [bearer(by.token(jti=str(number))) for number in range(5001)]
    assert all(at_once(guard, token) is None for token in tokens)
    assert at_once(guard, tokens[0]) is None
    assert at_once(guard, tokens[0]) is None


async def test_no_secret_and_no_token_is_logged(guarded, caplog):
    caplog.set_level(logging.DEBUG)
    by = signer("HS256", None)
    guard = await guarded(secret=by.private, algorithms=["HS256"])
    token = by.token(exp=1)
    assert at_once(guard, bearer(token)).status == 401
    assert by.private not in caplog.text
    assert token not in caplog.text


async def test_a_refusal_may_be_changed_without_changing_the_next(by_file):
    guard = await by_file()
    at_once(guard).headers.clear()
    assert challenge(at_once(guard)) == BARE_CHALLENGE
