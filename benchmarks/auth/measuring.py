"""What each endpoint costs, and what a flood of log-ins does to others."""

from __future__ import annotations

import asyncio
import itertools
import re
import time
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from hashlib import sha256
from typing import NamedTuple
from urllib.parse import urlencode

import orjson
from argon2 import PasswordHasher

from benchmarks.auth.place import CALLBACK, EMAIL, PASSWORD, Place
from benchmarks.auth.talking import Answer, Next, Tally, driven, get, once, post
from benchmarks.harness.cost import cpu_seconds, yielding_seconds
from benchmarks.harness.processes import Cores, pinned
from plugins.auth.accounts.options import AccountOptions

SECONDS = 4.0
FLOOD = 48
VERIFIER = "v" * 43
CHALLENGE = urlsafe_b64encode(sha256(VERIFIER.encode()).digest()).decode()[:43]


class Row(NamedTuple):
    """rate: a second of the gateway's core. seen: a second of the clock. target: of `rate`."""

    name: str
    rate: float
    seen: float
    target: str


async def measured(place: Place) -> AsyncIterator[Row]:
    field = place.client.field
    ask = post("/auth/token", b"grant_type=client_credentials", field)
    yield await _rate(place, "client_credentials", [_same(ask)] * 16, "600")
    token = orjson.loads((await once(place.port, ask)).body)["access_token"]
    look = post("/auth/introspect", urlencode({"token": token}).encode(), field)
    yield await _rate(place, "introspection", [_same(look)] * 16, "2,000")
    yield await _rate(place, "refresh", [await _refreshing(place) for _ in range(8)], "400")
    csrf, cookie = await _form(place)
    fields = {"csrf": csrf, "email": EMAIL, "password": PASSWORD, "continue": ""}
    login = [_same(post("/auth/login", urlencode(fields).encode(), cookie))] * 8
    for row in await _log_ins(place, login):
        yield row


async def flooded(place: Place) -> tuple[Tally, Tally]:
    """Latencies of an unrelated proxied route: alone, and under a flood of log-ins from many
    addresses to accounts that are not there."""
    csrf, cookie = await _form(place)
    number = itertools.count()

    def wrong(_: Answer | None) -> bytes:
        n = next(number)
        fields = {"csrf": csrf, "email": f"u{n}@example.org", "password": "wrong"}
        address = f"X-Forwarded-For: 10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}"
        return post("/auth/login", urlencode(fields).encode(), cookie, address)

    probe: list[Next] = [_same(get("/up"))]
    await driven(place.port, probe, 1.0, 0.002)
    alone = await driven(place.port, probe, SECONDS, 0.002)
    flood = asyncio.create_task(driven(place.port, [wrong] * FLOOD, SECONDS + 1.5))
    await asyncio.sleep(1.0)
    under = await driven(place.port, probe, SECONDS, 0.002)
    tally = await flood
    if set(tally.statuses) - {401, 503}:
        raise RuntimeError(f"a flood was answered {dict(tally.statuses)}")
    return alone, under


async def _log_ins(place: Place, nexts: list[Next]) -> tuple[Row, Row]:
    """All of it, and what is not the threads of Argon2, which give way to the event loop."""
    alone = _argon2()
    await driven(place.port, nexts, 1.0)
    before = cpu_seconds(place.leader), yielding_seconds(place.leader)
    tally = await driven(place.port, nexts, SECONDS)
    spent = cpu_seconds(place.leader) - before[0]
    rest = spent - yielding_seconds(place.leader) + before[1]
    alone = (alone + _argon2()) / 2
    if set(tally.statuses) != {303}:
        raise RuntimeError(f"log-ins were answered {dict(tally.statuses)}")
    seen = tally.count / tally.seconds
    whole = Row("log-ins", tally.count / spent, seen, f"{alone:.0f} (Argon2 alone)")
    return whole, Row("  but for Argon2", tally.count / rest, seen, "")


async def _rate(place: Place, name: str, nexts: list[Next], target: str) -> Row:
    """Warmed up before."""
    await driven(place.port, nexts, 1.0)
    before = cpu_seconds(place.leader)
    tally = await driven(place.port, nexts, SECONDS)
    spent = cpu_seconds(place.leader) - before
    if set(tally.statuses) != {200}:
        raise RuntimeError(f"{name} was answered {dict(tally.statuses)}")
    return Row(name, tally.count / spent, tally.count / tally.seconds, target)


def _same(request: bytes) -> Next:
    return lambda _: request


async def _refreshing(place: Place) -> Next:
    """Somebody has logged in to the app, which takes a new refresh token each time."""
    csrf, cookie = await _form(place)
    fields = {"csrf": csrf, "email": EMAIL, "password": PASSWORD}
    entered = await once(place.port, post("/auth/login", urlencode(fields).encode(), cookie))
    session = re.search(rb"\r\nSet-Cookie: (auth=[^;]+)", entered.head, re.IGNORECASE)
    wishes = {
        "client_id": place.app.id,
        "redirect_uri": CALLBACK,
        "response_type": "code",
        "scope": "openid offline_access",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    }
    if session is None:
        raise RuntimeError(f"a log-in was answered {entered.status}")
    path = f"/auth/authorize?{urlencode(wishes)}"
    led = await once(place.port, get(path, f"Cookie: {session[1].decode()}"))
    code = re.search(rb"[?&]code=([^&\s]+)", led.head)
    if code is None:
        raise RuntimeError(f"a wish for a code was answered {led.status}: {led.head!r}")
    redeeming = {
        "grant_type": "authorization_code",
        "code": code[1].decode(),
        "redirect_uri": CALLBACK,
        "code_verifier": VERIFIER,
    }
    body = urlencode(redeeming).encode()
    held = [await once(place.port, post("/auth/token", body, place.app.field))]

    def following(answer: Answer | None) -> bytes:
        held[0] = answer or held[0]
        token = orjson.loads(held[0].body)["refresh_token"]
        form = {"grant_type": "refresh_token", "refresh_token": token}
        return post("/auth/token", urlencode(form).encode(), place.app.field)

    return following


async def _form(place: Place) -> tuple[str, str]:
    """The hidden field, and the field of the cookie that it goes with."""
    page = await once(place.port, get("/auth/login"))
    found = re.search(rb'name="csrf" value="([^"]+)"', page.body)
    cookie = re.search(rb"\r\nSet-Cookie: ([^;]+)", page.head, re.IGNORECASE)
    if found is None or cookie is None:
        raise RuntimeError("no form to log in by")
    return found[1].decode(), f"Cookie: {cookie[1].decode()}"


def _argon2() -> float:
    """Checks a second of the core that the gateway has."""
    options, rounds = AccountOptions(), 20
    hasher = PasswordHasher(options.hash_passes, options.hash_memory, 1)
    with pinned(Cores.of_this_machine().proxy):
        encoded, began = hasher.hash(PASSWORD), time.process_time()
        for _ in range(rounds):
            hasher.verify(encoded, PASSWORD)
        return rounds / (time.process_time() - began)
