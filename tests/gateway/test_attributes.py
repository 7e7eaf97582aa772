from __future__ import annotations

import re
from typing import Any

import pytest

from gateway.attributes import compile_attribute, compile_template
from gateway.exchange import Exchange, Identity
from tests.gateway.middlewares.passing import Destination, request


def bearer(**claims: Any) -> Exchange:
    return request(identity=Identity("ann", "jwt", claims=claims))


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("ip", "192.0.2.1"),
        ("route", "users"),
        ("method", "GET"),
        ("host", "api.example.com"),
        ("request_id", "r-1"),
        ("header:x-user", "ann"),
        ("header:X-User", "ann"),
        ("param.id", "42"),
    ],
)
def test_an_attribute_reads_what_it_names(expression: str, value: str) -> None:
    route = Destination(caught={"id": "42"})
    exchange = request(headers=[("X-User", "ann"), ("X-User", "bob")], route=route)
    assert compile_attribute(expression)(exchange) == value


@pytest.mark.parametrize("expression", ["header:x-user", "jwt.sub", "api_key", "param.id"])
def test_what_a_request_does_not_have_is_none(expression: str) -> None:
    assert compile_attribute(expression)(request()) is None


@pytest.mark.parametrize("expression", ["ip", "host", "request_id", "header:x-user", "param.id"])
def test_an_empty_value_counts_as_absent(expression: str) -> None:
    exchange = request(headers=[("X-User", "")], route=Destination(caught={"id": ""}), ip="")
    exchange.host = exchange.request_id = ""
    assert compile_attribute(expression)(exchange) is None


def test_api_key_is_the_name_of_a_verified_key_only() -> None:
    api_key = compile_attribute("api_key")
    assert api_key(request(identity=Identity("billing", "api_key"))) == "billing"
    assert api_key(request(identity=Identity("ann", "jwt"))) is None
    assert api_key(request(identity=Identity("", "api_key"))) is None


@pytest.mark.parametrize(
    ("path", "claims", "value"),
    [
        ("sub", {"sub": "ann"}, "ann"),
        ("sub", {"sub": ""}, None),
        ("org.id", {"org": {"id": 7}}, "7"),
        ("org.id", {"org": {"id": 1.5}}, "1.5"),
        ("org.id", {"org": "flat"}, None),
        ("org.id", {}, None),
        ("admin", {"admin": True}, "true"),
        ("admin", {"admin": False}, "false"),
        ("roles", {"roles": ["a", "b"]}, None),
        ("org", {"org": {"id": 7}}, None),
        ("https://example.com/tenant", {"https://example.com/tenant": "acme"}, "acme"),
    ],
)
def test_a_claim_is_found_by_name_or_dotted_path(
    path: str, claims: dict[str, Any], value: str | None
) -> None:
    assert compile_attribute(f"jwt.{path}")(bearer(**claims)) == value


def test_claims_of_another_kind_of_identity_are_not_the_tokens() -> None:
    exchange = request(identity=Identity("billing", "api_key", claims={"sub": "ann"}))
    assert compile_attribute("jwt.sub")(exchange) is None


@pytest.mark.parametrize(
    ("expression", "cure"),
    [
        ("methd", "did you mean method?"),
        ("jwt:sub", "did you mean jwt.sub?"),
        ("jwt", "did you mean jwt.name?"),
        ("header.x-user", "did you mean header:x-user?"),
        ("hedaer:x-user", "did you mean header:x-user?"),
        ("parm.id", "did you mean param.id?"),
        ("header:", "did you mean header:name?"),
        ("nonsense", "known are ip, route, method, host"),
        ("", "known are ip"),
        ("header:x user", "is not a header's name"),
        ("jwt.a..b", "a claim's name is missing"),
    ],
)
def test_an_unknown_attribute_is_refused_with_a_cure(expression: str, cure: str) -> None:
    with pytest.raises(ValueError, match=re.escape(cure)):
        compile_attribute(expression)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("constant $5 {x}", "constant $5 {x}"),
        ("", ""),
        ("${jwt.tenant}", "acme"),
        ("tenant-${jwt.tenant}", "tenant-acme"),
        ("${jwt.tenant}/${ip} on ${route}!", "acme/192.0.2.1 on users!"),
        ("[${jwt.nothing}]", "[]"),
        ("${header:x-none}${jwt.none}", ""),
    ],
)
def test_a_template_is_filled_in(text: str, value: str) -> None:
    assert compile_template(text)(bearer(tenant="acme")) == value


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        ("a\r\nX-Admin: 1", "a%0D%0AX-Admin: 1"),
        ("a\nb\rc\0d\x7f", "a%0Ab%0Dc%00d%7F"),
        ("tab\tok", "tab\tok"),
        ("100%", "100%"),
        ("café", "café"),
        ("日", "%E6%97%A5"),
        ("\ud800", "%ED%A0%80"),
    ],
)
@pytest.mark.parametrize("text", ["${jwt.tenant}", "${jwt.tenant}${header:x}"])
def test_what_no_header_may_hold_is_percent_encoded(text: str, claim: str, value: str) -> None:
    made = compile_template(text)(bearer(tenant=claim))
    assert made == value
    made.encode("latin-1")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("${jwt.sub", "without its }"),
        ("${ipp}", "did you mean ip?"),
        ("${}", "unknown attribute ''"),
        ("a\r\nb", "line break"),
        ("日", "no header may hold"),
    ],
)
def test_a_bad_template_is_refused_at_load(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        compile_template(text)
