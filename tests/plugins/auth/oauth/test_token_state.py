"""Introspection and revocation, for a client's own tokens, on every worker."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import time
from functools import partial
from typing import Any

import sqlalchemy as sa

from backends.sql import Sql
from gateway.seat import Subscribers
from plugins.auth.oauth.authentication import NONE
from plugins.auth.oauth.clients import Clients
from plugins.auth.oauth.revoked import LEEWAY, MOMENT, Revoked
from plugins.auth.oauth.tables import revoked
from plugins.auth.pruning import Pruning
from tests.gateway.serving import until
from tests.plugins.auth.oauth.test_client_credentials import GRANT, Asker, asker, basic
from tests.plugins.auth.people import Clock

__all__ = ["asker"]


async def ask(asker: Asker, path: str, token: str, other: bool = False) -> tuple[int, Any]:
    form, headers = {"token": token}, {"Authorization": basic(asker.basic)}
    if other:
        form["client_id"], form["client_secret"] = asker.post
        headers = {}
    async with asker.session.post(asker.root + path, data=form, headers=headers) as answer:
        text = await answer.text()
        return answer.status, json.loads(text) if text else None


async def issued(asker: Asker) -> str:
    _, told, _ = await asker.token(GRANT, Authorization=basic(asker.basic))
    token: str = told["access_token"]
    return token


async def test_a_revoked_token_opens_nothing_any_more(asker: Asker) -> None:
    token, kept = await issued(asker), await issued(asker)
    status, told = await ask(asker, "/auth/introspect", token)
    assert (status, told["active"], told["client_id"]) == (200, True, asker.basic[0])
    assert (await asker.get("/api", Authorization=f"Bearer {token}"))[0] == 204
    assert await ask(asker, "/auth/revoke", token) == (200, None)
    assert (await asker.get("/api", Authorization=f"Bearer {token}"))[0] == 401
    assert await ask(asker, "/auth/introspect", token) == (200, {"active": False})
    assert await ask(asker, "/auth/revoke", token) == (200, None)
    assert (await asker.get("/api", Authorization=f"Bearer {kept}"))[0] == 204


async def test_tokens_of_others_and_what_is_no_token_are_not_active(asker: Asker) -> None:
    token = await issued(asker)
    assert await ask(asker, "/auth/introspect", token, other=True) == (200, {"active": False})
    assert await ask(asker, "/auth/revoke", token, other=True) == (200, None)
    header, claims, signature = token.split(".")
    for words in ({"alg": "none"}, {"alg": "HS256"}, {"typ": "JWT"}, {"crit": ["exp"]}):
        changed = {**json.loads(base64.urlsafe_b64decode(header + "==")), **words}
        forged = base64.urlsafe_b64encode(json.dumps(changed).encode()).rstrip(b"=").decode()
        for end in (signature, ""):
            found = await ask(asker, "/auth/introspect", f"{forged}.{claims}.{end}")
            assert found == (200, {"active": False})
    for text in ("x", "a.b.c", "ñ", token + "A" * 9000):
        assert await ask(asker, "/auth/introspect", text) == (200, {"active": False})
    assert (await ask(asker, "/auth/introspect", token))[1]["active"]
    assert (await ask(asker, "/auth/introspect", ""))[1]["error"] == "invalid_request"


async def test_strangers_may_ask_nothing(asker: Asker) -> None:
    for path in ("/auth/introspect", "/auth/revoke"):
        async with asker.session.post(asker.root + path, data={"token": "x"}) as answer:
            assert answer.status == 401
            assert (await answer.json())["error"] == "invalid_client"


async def test_other_hosts_and_later_starts_know_it_from_the_table(sql: Sql) -> None:
    here, there = Revoked(sql, Subscribers(), 900), Revoked(sql, Subscribers(), 900)
    await here.start()
    await there.start()
    claims = {"jti": "one", "client_id": "c", "exp": time.time() + 60}
    task = asyncio.create_task(there.run())
    await asyncio.gather(*(here.add(claims) for _ in range(20)))
    for _ in range(100):
        if not there.has(claims):
            await asyncio.sleep(0.01)
    assert there.has(claims)
    task.cancel()
    later = Revoked(sql, Subscribers(), 900)
    await later.start()
    assert later.has(claims)
    assert not later.has({"jti": "two"})


async def test_tokens_of_an_ended_session_or_grant_end_on_every_host(sql: Sql) -> None:
    here, there = Revoked(sql, Subscribers(), 900), Revoked(sql, Subscribers(), 900)
    tasks = [asyncio.create_task(each.run()) for each in (here, there)]
    session, grant, other = {"sid": "s1"}, {"sid": "s2", "grant_id": "g1"}, {"grant_id": "s1"}
    own, exchanged = {"sub": "c1", "client_id": "c1"}, {"sub": "c1", "client_id": "c2"}
    of_a_person = {"sub": "ada", "client_id": "c1", "grant_id": "g2"}
    async with sql.write() as connection:
        await here.sessions(connection, ["s1", "s3"])
        await here.grants(connection, ["g1"])
        await here.grants(connection, [])
        await here.client(connection, "c1")
    async with asyncio.timeout(5):
        for claims in (session, grant, {"sid": "s3"}, own, exchanged):
            for each in (here, there):
                await until(partial(each.has, claims))
    assert not any(map(there.has, (other, of_a_person, {"sub": "c2", "client_id": "c2"})))
    for task in tasks:
        task.cancel()


async def test_tokens_that_a_client_had_so_far_end_and_later_ones_do_not(sql: Sql) -> None:
    clock = Clock()
    here, there = (Revoked(sql, Subscribers(), 900, clock) for _ in range(2))

    def token(client: str = "c1", **more: str) -> dict[str, Any]:
        return {"sub": client, "client_id": client, "exp": int(clock()) + 900, **more}

    for _ in range(2):  # the client is another service account's next, which goes as well
        before, of_a_person, other = token(), token(grant_id="g1"), token("c2")
        async with sql.write() as connection:
            await here.client_so_far(connection, "c1")
        clock.ahead += MOMENT
        meanwhile = token()
        clock.ahead += 1
        for each in (here, there):
            await each.read()
            assert each.has(before)
            assert each.has({**before, "client_id": "c2"})
            assert each.has(meanwhile)
            assert not any(map(each.has, (of_a_person, other, token())))


async def test_a_token_that_was_good_a_moment_ago_is_not_once_it_is_taken_back(sql: Sql) -> None:
    host = Subscribers()
    here, beside, there = (Revoked(sql, each, 900) for each in (host, host, Subscribers()))
    ends = [await each.start() for each in (here, beside, there)]
    expires = int(time.time()) + 900
    token = {"jti": "t1", "sid": "s1", "grant_id": "g1", "client_id": "c1", "exp": expires}
    others = [{**token, "jti": f"t{n}"} for n in range(2, 4)]
    assert not any(
        each.has(claims) for each in (here, beside, there) for claims in (token, *others)
    )
    await here.add(token)
    await until(partial(beside.has, token))
    await there.read()
    for each in (here, beside, there):
        assert each.has(token)
        assert not any(map(each.has, others))
    async with sql.write() as connection:
        await here.sessions(connection, ["s1"])
    for each in (here, beside, there):
        await each.read()
        assert all(map(each.has, others))
    for end in ends:
        end()


async def test_a_session_whose_end_was_not_written_goes_on(sql: Sql) -> None:
    known = Revoked(sql, Subscribers(), 900)
    with contextlib.suppress(ZeroDivisionError):
        async with sql.write() as connection:
            await known.sessions(connection, ["s1"])
            _ = 1 / 0
    await known.read()
    assert not known.has({"sid": "s1"})


async def test_an_introspector_sees_tokens_of_others_and_revokes_none(
    asker: Asker, sql: Sql
) -> None:
    token = await issued(asker)
    made, secret = await Clients(sql).create("api", ["read"], introspector=True)
    asker.post = (made.id, secret)
    sent = {"token": token}
    who = {"Authorization": basic(asker.post)}
    for path, active in (("introspect", True), ("revoke", None), ("introspect", True)):
        url = f"{asker.root}/auth/{path}"
        async with asker.session.post(url, data=sent, headers=who) as answer:
            assert answer.status == 200
            assert active is None or (await answer.json())["active"] is active


async def test_a_public_client_revokes_and_does_not_introspect(asker: Asker, sql: Sql) -> None:
    made, secret = await Clients(sql).create("app", [], NONE, redirect_uris=["com.example:/cb"])
    assert secret == ""
    for path, status in (("introspect", 401), ("revoke", 200)):
        url, sent = f"{asker.root}/auth/{path}", {"token": "x", "client_id": made.id}
        async with asker.session.post(url, data=sent) as answer:
            assert answer.status == status


async def test_what_has_expired_is_pruned(sql: Sql) -> None:
    known, now = Revoked(sql, Subscribers(), 900), int(time.time())
    await known.add({"jti": "one", "client_id": "c", "exp": now + 60})
    await Pruning(sql, lambda: now + 59 + LEEWAY).prune()
    count = sa.select(sa.func.count()).select_from(revoked)
    async with sql.read() as connection:
        assert (await connection.execute(count)).scalar() == 1
    await Pruning(sql, lambda: now + 61 + LEEWAY).prune()
    async with sql.read() as connection:
        assert (await connection.execute(count)).scalar() == 0
