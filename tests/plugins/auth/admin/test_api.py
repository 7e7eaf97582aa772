"""The admin API through a real gateway."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import time
from typing import Any

import aiohttp

from backends.sql import Sql
from plugins.auth.accounts.tables import sessions
from plugins.auth.admin.gate import SCOPE
from plugins.auth.audit.reading import Wanted, page
from plugins.auth.oauth.authentication import PRIVATE_KEY_JWT
from plugins.auth.oauth.clients import Clients
from tests.plugins.auth.accounts.test_operators import signed_in
from tests.plugins.auth.admin.conftest import Desk
from tests.plugins.auth.assertions.asserting import Asserting


async def test_users_are_invited_found_changed_and_deleted(desk: Desk, sql: Sql) -> None:
    status, eve = await desk.ask("POST", "/users", {"email": "eve@example.org", "name": "Eve"})
    assert (status, eve["email"], eve["roles"]) == (201, "eve@example.org", [])
    assert (await desk.ask("POST", "/users", {"email": "Eve@example.org"}))[0] == 409
    assert await desk.ask("GET", f"/users/{eve['id']}") == (200, eve)
    assert (await desk.ask("GET", "/users?q=EVE"))[1] == {"users": [eve], "next": None}
    assert (await desk.ask("GET", "/users?q=nobody"))[1] == {"users": [], "next": None}
    one = f"/users/{eve['id']}"
    status, changed = await desk.ask("PATCH", one, {"name": "E.", "roles": ["admin"]})
    assert (status, changed["name"], changed["roles"]) == (200, "E.", ["admin"])
    assert (await desk.ask("PATCH", one, {"disabled": True}))[0] == 409
    await desk.admin()
    assert (await desk.ask("PATCH", one, {"disabled": True}))[1]["disabled"]
    assert (await desk.ask("POST", f"{one}/password-reset"))[0] == 204
    assert (await desk.ask("POST", f"{one}/unlock"))[0] == 204
    assert (await desk.ask("DELETE", one))[0] == 204
    for method, path in (("GET", one), ("DELETE", one), ("POST", f"{one}/password-reset")):
        assert (await desk.ask(method, path))[0] == 404
    lines = await page(sql, Wanted(actor=f"client:{desk.client}"), None, 20)
    assert [line.event for line in lines][::-1] == [
        "user_invited",
        "user_updated",
        "user_disabled",
        "password_reset_required",
        "user_unlocked",
        "user_deleted",
    ]
    assert {line.account for line in lines} == {eve["id"]}


async def test_pages_of_users_have_each_once(desk: Desk) -> None:
    for n in range(5):
        await desk.ask("POST", "/users", {"email": f"u{n}@example.org"})
    seen: list[str] = []
    path = "/users?limit=2"
    while True:
        _, found = await desk.ask("GET", path)
        seen += [user["id"] for user in found["users"]]
        if found["next"] is None:
            break
        path = f"/users?limit=2&cursor={found['next']}"
    assert len(seen) == len(set(seen)) == 5


async def test_sessions_are_seen_and_end(desk: Desk, sql: Sql) -> None:
    """ASVS 5.0 7.4.5."""
    ada = await desk.people.ada()
    for number in (1, 2, 3):
        await signed_in(sql, ada, number)
    place = f"/users/{ada}/sessions"
    assert [each["id"] for each in (await desk.ask("GET", place))[1]["sessions"]] == []
    await signed_in_now(sql)
    assert len((await desk.ask("GET", place))[1]["sessions"]) == 3
    assert (await desk.ask("DELETE", f"{place}/s1"))[0] == 204
    assert (await desk.ask("DELETE", f"{place}/s1"))[0] == 404
    assert await desk.ask("DELETE", place) == (200, {"ended": 2})


async def signed_in_now(sql: Sql) -> None:
    """So that the sessions of the table are not idle for fifty years."""
    async with sql.write() as connection:
        await connection.execute(sessions.update().values(seen_at=int(time.time())))


async def test_clients_are_registered_changed_and_deleted(desk: Desk) -> None:
    new = {"client_name": "reports", "scopes": ["read"]}
    status, made = await desk.ask("POST", "/clients", new)
    assert (status, made["client"]["grant_types"]) == (201, ["client_credentials"])
    assert len(made["client_secret"]) == 43
    one = f"/clients/{made['client']['client_id']}"
    assert await desk.ask("GET", one) == (200, made["client"])
    status, changed = await desk.ask("PATCH", one, {"scopes": ["read", "write"]})
    assert (status, changed["scopes"]) == (200, ["read", "write"])
    assert (await desk.ask("PATCH", one, {"grant_types": ["authorization_code"]}))[0] == 400
    status, other = await desk.ask("POST", f"{one}/secret")
    assert (status, other["client_secret"] != made["client_secret"]) == (200, True)
    assert await token(desk, one, made["client_secret"]) == 401
    assert await token(desk, one, other["client_secret"]) == 200
    ids = [each["client_id"] for each in (await desk.ask("GET", "/clients"))[1]["clients"]]
    assert set(ids) == {made["client"]["client_id"], desk.client}
    assert (await desk.ask("DELETE", one))[0] == 204
    assert await token(desk, one, other["client_secret"]) == 401
    assert (await desk.ask("GET", one))[0] == 404


async def test_a_client_goes_from_a_secret_to_keys_and_back(desk: Desk) -> None:
    status, made = await desk.ask("POST", "/clients", {"client_name": "reports"})
    one = f"/clients/{made['client']['client_id']}"
    by_key: dict[str, Any] = {"token_endpoint_auth_method": PRIVATE_KEY_JWT}
    assert (await desk.ask("PATCH", one, by_key))[0] == 400
    by_key["jwks"] = Asserting().jwks
    status, told = await desk.ask("PATCH", one, by_key)
    assert (status, told["token_endpoint_auth_method"]) == (200, PRIVATE_KEY_JWT)
    assert await token(desk, one, made["client_secret"]) == 401
    assert (await desk.ask("PATCH", one, {"token_endpoint_auth_method": "none"}))[0] == 400
    back = {"token_endpoint_auth_method": "client_secret_basic", "jwks": None}
    assert (await desk.ask("PATCH", one, back))[0] == 200
    assert await token(desk, one, made["client_secret"]) == 401
    status, other = await desk.ask("POST", f"{one}/secret")
    assert await token(desk, one, other["client_secret"]) == 200


async def token(desk: Desk, one: str, secret: str) -> int:
    login = aiohttp.encode_basic_auth(one.rpartition("/")[2], secret)
    form, headers = {"grant_type": "client_credentials"}, {"Authorization": login}
    async with desk.session.post(f"{desk.root}/token", data=form, headers=headers) as answer:
        return answer.status


async def good(desk: Desk, token: str, introspector: str) -> tuple[bool, bool]:
    """At a route with the middleware `jwt`, and to an introspector."""
    who = {"Authorization": f"Bearer {token}"}
    async with desk.session.get(desk.root.removesuffix("auth") + "guarded", headers=who) as answer:
        let_in = answer.status == 200
    url, who = f"{desk.root}/introspect", {"Authorization": introspector}
    async with desk.session.post(url, data={"token": token}, headers=who) as answer:
        return let_in, (await answer.json())["active"]


async def test_tokens_of_a_client_end_with_it_or_its_service_account_and_rest_while_disabled(
    desk: Desk,
) -> None:
    made, secret = await Clients(desk.people.sql).create("api", introspector=True)
    introspector = aiohttp.encode_basic_auth(made.id, secret)
    token, client = await desk.token_of("read")
    other, robots = await desk.token_of("read")
    for each in (token, other):
        assert await good(desk, each, introspector) == (True, True)

    async def becomes(token: str, *, wanted: bool) -> None:
        async with asyncio.timeout(20):
            while await good(desk, token, introspector) != (wanted, wanted):
                pass

    _, robot = await desk.ask("POST", "/service-accounts", {"name": "a", "client_id": client})
    _, second = await desk.ask("POST", "/service-accounts", {"name": "b", "client_id": robots})
    for disabled in (True, False):
        changed = {"disabled": disabled}
        await desk.ask("PATCH", f"/service-accounts/{robot['id']}", changed)
        await becomes(token, wanted=not disabled)
    assert (await desk.ask("DELETE", f"/service-accounts/{second['id']}"))[0] == 204
    await becomes(other, wanted=False)
    assert (await good(desk, token, introspector)) == (True, True)
    assert (await desk.ask("DELETE", f"/clients/{client}"))[0] == 204
    await becomes(token, wanted=False)


async def test_a_public_client_and_one_with_a_key_have_no_secret(desk: Desk) -> None:
    new = {
        "client_name": "app",
        "token_endpoint_auth_method": "none",
        "redirect_uris": ["https://app.example/cb"],
    }
    status, made = await desk.ask("POST", "/clients", new)
    assert (status, made["client_secret"]) == (201, None)
    assert (await desk.ask("POST", f"/clients/{made['client']['client_id']}/secret"))[0] == 400
    path, acme = f"/clients/{made['client']['client_id']}", "a" * 32
    jwks = Asserting().jwks
    by_key = {**new, "token_endpoint_auth_method": PRIVATE_KEY_JWT}
    assert (await desk.ask("POST", "/clients", by_key))[0] == 400
    status, held = await desk.ask("POST", "/clients", {**by_key, "jwks": jwks})
    assert (status, held["client_secret"], held["client"]["metadata"]) == (
        201,
        None,
        {"jwks": jwks},
    )
    one = f"/clients/{held['client']['client_id']}"
    status, told = await desk.ask("POST", f"{one}/secret")
    assert (status, "private_key_jwt has no secret" in told["detail"]) == (400, True)
    assert (await desk.ask("PATCH", one, {"jwks": None}))[0] == 400
    moved = {"jwks": None, "jwks_uri": "https://app.example/keys"}
    status, told = await desk.ask("PATCH", one, moved)
    assert (status, told["metadata"]) == (200, {"jwks_uri": "https://app.example/keys"})
    for named, kept in ((acme, {"organisation": acme}), ("", {})):
        assert (await desk.ask("PATCH", path, {"organisation": named}))[1]["metadata"] == kept
    _, made = await desk.ask("POST", "/clients", {**new, "organisation": acme})
    assert made["client"]["metadata"] == {"organisation": acme}
    assert (await desk.ask("PATCH", path, {"organisation": "Acme"}))[0] == 400


async def test_what_a_client_asks_for_is_given_and_changed(desk: Desk) -> None:
    members = {
        "id_token_signed_response_alg": "RS256",
        "post_logout_redirect_uris": ["https://app.example/bye"],
        "backchannel_logout_uri": "https://app.example/out",
        "backchannel_logout_session_required": True,
        "dpop_bound_access_tokens": True,
        "require_pushed_authorization_requests": True,
    }
    new = {"client_name": "app", "redirect_uris": ["https://app.example/cb"], **members}
    status, made = await desk.ask("POST", "/clients", new)
    assert (status, made["client"]["metadata"]) == (201, members)
    path = f"/clients/{made['client']['client_id']}"
    change = {"post_logout_redirect_uris": [], "dpop_bound_access_tokens": False}
    status, changed = await desk.ask("PATCH", path, change | {"backchannel_logout_uri": None})
    assert status == 200
    assert changed["metadata"] == {
        "id_token_signed_response_alg": "RS256",
        "backchannel_logout_session_required": True,
        "dpop_bound_access_tokens": False,
        "require_pushed_authorization_requests": True,
    }
    for wrong in (
        {"id_token_signed_response_alg": "HS256"},
        {"id_token_signed_response_alg": "EdDSA"},
        {"post_logout_redirect_uris": ["http://app.example/bye"]},
        {"backchannel_logout_uri": "http://10.0.0.1/"},
        {"client_uri": "javascript:alert(1)"},
        {"colour": "red"},
    ):
        assert (await desk.ask("PATCH", path, wrong))[0] == 400, wrong
        assert (await desk.ask("POST", "/clients", {**new, **wrong}))[0] == 400, wrong
    assert (await desk.ask("GET", path))[1] == changed


async def test_keys_are_seen_and_rotated(desk: Desk, sql: Sql) -> None:
    _, before = await desk.ask("GET", "/keys")
    assert [key["signs"] for key in before["keys"]] == [True]
    status, made = await desk.ask("POST", "/keys/rotate")
    assert (status, made["signs"]) == (201, False)
    _, after = await desk.ask("GET", "/keys")
    assert [key["kid"] for key in after["keys"]] == [before["keys"][0]["kid"], made["kid"]]
    assert set(after["keys"][0]) == {"kid", "algorithm", "signs_at", "signs"}
    (line,) = await page(sql, Wanted(event="keys_rotated"), None, 5)
    assert (line.actor, line.details["kid"]) == (f"client:{desk.client}", made["kid"])


async def test_the_log_is_read_and_taken_away(desk: Desk) -> None:
    for n in range(3):
        await desk.ask("POST", "/users", {"email": f"u{n}@example.org"})
    _, first = await desk.ask("GET", "/log?event=user_invited&limit=2")
    _, second = await desk.ask("GET", f"/log?event=user_invited&limit=2&cursor={first['next']}")
    assert (len(first["lines"]), len(second["lines"]), second["next"]) == (2, 1, None)
    status, text = await desk.ask("GET", "/log/export?event=user_invited")
    assert status == 200
    lines = [json.loads(line) for line in text.splitlines()]
    assert lines == [*first["lines"], *second["lines"]][::-1]
    _, text = await desk.ask("GET", "/log/export?format=csv")
    events = [row["event"] for row in csv.DictReader(io.StringIO(text))]
    assert events.count("user_invited") == 3
    assert events.count("log_exported") == 2


BAD: list[tuple[str, str, object, int]] = [
    ("GET", "/roles?cursor=%00", None, 400),
    ("POST", "/groups", {"name": "staff", "description": "a\0b"}, 400),
    ("GET", "/users?limit=0", None, 400),
    ("GET", "/users?limit=201", None, 400),
    ("GET", "/users?colour=red", None, 400),
    ("GET", "/users?q=a&q=b", None, 400),
    ("GET", "/users?cursor=x", None, 400),
    ("GET", "/log?since=yesterday", None, 400),
    ("GET", "/log/export?format=xml", None, 400),
    ("GET", f"/users/{'x' * 101}", None, 404),
    ("GET", "/users/%C3%B1", None, 404),
    ("POST", "/users", {}, 400),
    ("POST", "/users", {"email": 5}, 400),
    ("POST", "/users", {"email": "nothing"}, 400),
    ("POST", "/users", {"email": "a@example.org", "admin": True}, 400),
    ("POST", "/users", {"email": "a@example.org", "roles": ["nothing"]}, 404),
    ("POST", "/users", {"email": "a@example.org", "name": "n" * 70000}, 413),
    ("POST", "/clients", {"client_name": "x", "scopes": ['a"b']}, 400),
    ("POST", "/clients", {"client_name": "x", "grant_types": ["none"]}, 400),
    ("POST", "/clients", {"client_name": "x", "redirect_uris": ["http://a.example/"]}, 400),
    ("PATCH", "/users/none", {"name": "x"}, 404),
    ("PATCH", "/users/none", {}, 400),
]


async def test_what_cannot_be_taken_is_a_problem(desk: Desk) -> None:
    for method, path, body, status in BAD:
        found, problem = await desk.ask(method, path, body)
        assert (found, problem["status"]) == (status, status), (method, path, body)
        assert set(problem) == {"type", "title", "status", "detail", "request_id"}


async def test_a_body_is_json(desk: Desk) -> None:
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    assert (await desk.ask("POST", "/users", {"email": "a@b.example"}, headers=kind))[0] == 415
    headers = {"Authorization": f"Bearer {desk.token}", "Content-Type": "application/json"}
    for bad in (b"{", b'{"x":' * 5000):
        async with desk.session.post(
            f"{desk.root}/admin/users", data=bad, headers=headers
        ) as answer:
            assert answer.status == 400


async def test_only_admins_and_programs_with_the_scope_may_call(desk: Desk) -> None:
    async with desk.session.get(f"{desk.root}/admin/users") as answer:
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="auth"'
    plain, _ = await desk.token_of("read")
    assert (await desk.ask("GET", "/users", token=plain))[0] == 403
    for bad in ("x", "a.b.c", desk.token[:-4] + "AAAA"):
        assert (await desk.ask("GET", "/users", token=bad))[0] == 401
    async with desk.session.get(f"{desk.root}/admin/users?access_token={desk.token}") as answer:
        assert answer.status == 401
    twice = [("Authorization", f"Bearer {desk.token}")] * 2
    async with desk.session.get(f"{desk.root}/admin/users", headers=twice) as answer:
        assert answer.status == 400
    assert (await desk.ask("GET", "/users"))[0] == 200


async def test_a_token_is_good_only_while_its_subject_may(desk: Desk) -> None:
    token, other = await desk.token_of(SCOPE)
    assert (await desk.ask("GET", "/users", token=token))[0] == 200
    assert (await desk.ask("PATCH", f"/clients/{other}", {"scopes": ["read"]}))[0] == 200
    assert (await desk.ask("GET", "/users", token=token))[0] == 403
