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


@pytest.mark.parametrize("claim", ["ann", "100%", "a b", "café", "cafÃ©", "caf%C3%A9", "日", "😀"])
@pytest.mark.parametrize("text", ["${jwt.tenant}", "é${jwt.tenant}${header:x}"])
def test_a_value_is_sent_as_utf_8_so_that_no_two_look_alike(text: str, claim: str) -> None:
    made = compile_template(text)(bearer(tenant=claim))
    whole = text.replace("${jwt.tenant}", claim).replace("${header:x}", "")
    assert made.encode("latin-1") == whole.encode()


def test_another_header_goes_on_as_the_bytes_that_came() -> None:
    exchange = request(headers=[("X", "café".encode().decode("latin-1")), ("Y", "\xe9\x85\t-")])
    assert compile_template("${header:x}")(exchange).encode("latin-1") == "café".encode()
    assert compile_template("é-${header:y}")(exchange).encode("latin-1") == b"\xc3\xa9-\xe9\x85\t-"


@pytest.mark.parametrize(
    "claim", ["a\r\nX-Admin: 1", "a\n", "\ra", "a\0", "\x7f", "a\tb", "a\x85", " a", "a ", "\ud800"]
)
@pytest.mark.parametrize("text", ["[${jwt.tenant}]", "[${jwt.tenant}${header:x}]"])
def test_a_value_that_no_header_may_hold_counts_as_absent(text: str, claim: str) -> None:
    assert compile_template(text)(bearer(tenant=claim)) == "[]"


def test_so_does_a_header_with_a_control_character() -> None:
    exchange = request()
    exchange.lines.append(b"X: a\x01b")
    assert compile_template("[${header:x}]")(exchange) == "[]"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("${jwt.sub", "without its }"),
        ("${ipp}", "did you mean ip?"),
        ("${}", "unknown attribute ''"),
        ("a\r\nb", "line break"),
        ("a\x7f", "no header may hold"),
    ],
)
def test_a_bad_template_is_refused_at_load(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        compile_template(text)
