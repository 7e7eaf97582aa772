"""Nothing secret is in a log, a figure or a row: one whole run, and all it left behind."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pyotp
import pytest
import sqlalchemy as sa

import tests.plugins.auth.test_tables  # noqa: F401 - which imports all tables
from backends.sql import Sql
from gateway.app import Gateway, configuration
from plugins.auth.oauth.clients import CODE, DEVICE, REFRESH
from plugins.auth.registration.tokens import RegistrationTokens
from plugins.auth.tables import metadata
from tests.plugins.auth.browser import EMAIL, Browser
from tests.plugins.auth.oauth.relying import CALLBACK, CONFIG, VERIFIER, App, Place
from tests.plugins.auth.people import PASSWORD

OTHER = "copper-meadow-51-saddle"
LINK = re.compile(r"token=([\w-]{43})")
KINDS = ("access_token", "refresh_token", "id_token")


@pytest.fixture
def sql_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture
async def gateway(tmp_path: Path, sql_url: str) -> AsyncIterator[Gateway]:
    path = tmp_path / "gateway.yaml"
    own = f'{{listen: ["unix:{tmp_path}/gw"], admin: null, access_log: "{tmp_path}/access.log"}}'
    config = CONFIG.format(sql=sql_url, options="", guard="")
    path.write_text(f"version: 1\nserver: {own}\n{config}")
    made = Gateway(path, configuration(path))
    await made.start()
    yield made
    await made.stop(grace=0.0)


async def of_a_person(ada: Browser) -> set[str]:
    """An app, recovery codes and an API key."""
    form = await ada.get("/auth/account/totp")
    (secret,) = re.findall(r'id="secret">(\w+)<', form.text)
    code = pyotp.TOTP(secret).at(int(time.time()) - 30)
    shown = await ada.post("/auth/account/totp", {**form.hidden(), "code": code})
    codes = re.findall(r"<li>(\w{4}-\w{4})</li>", shown.text)
    key = await ada.submit("/auth/account/keys/new", name="laptop", days="7")
    return {secret, *codes, *re.findall(r'id="key">(\S+)<', key.text)}


async def of_a_client(shop: App, ada: Browser) -> set[str]:
    """Codes and tokens, used and used again."""
    code = await shop.code(ada)
    _, tokens = await shop.redeem(code)
    _, again = await shop.refresh(tokens["refresh_token"])
    for path in ("introspect", "revoke"):
        await shop.post(path, {"token": again["access_token"]})
    await shop.refresh(tokens["refresh_token"])
    await shop.redeem(code)
    _, begun = await shop.post("device_authorization", {})
    _, pushed = await shop.post("par", shop.wishes())
    kept = {each[name] for each in (tokens, again) for name in KINDS}
    last = {pushed["request_uri"][-43:], begun["device_code"], begun["user_code"]}
    return {shop.secret, code, *kept, *last}


async def of_a_registration(here: Place, sql: Sql, root: str) -> set[str]:
    initial = await RegistrationTokens(sql).initial([])
    headers, body = {"Authorization": f"Bearer {initial}"}, {"redirect_uris": [CALLBACK]}
    url = f"{root}/auth/clients"
    async with here.session.post(url, json=body, headers=headers) as answer:
        made = await answer.json()
    return {initial, made["client_secret"], made["registration_access_token"]}


async def of_letters(ada: Browser, printed: pytest.CaptureFixture[str]) -> set[str]:
    await ada.submit("/auth/forgot", email=EMAIL)
    mailed = ""
    while "Choose a new password" not in mailed:
        await ada.get("/auth/login")
        mailed += printed.readouterr().out
    link = f"/auth/reset?token={LINK.findall(mailed)[-1]}"
    assert (await ada.submit(link, "/auth/reset", password=OTHER)).status == 200
    return set(LINK.findall(mailed))


async def test_a_whole_run_leaves_no_secret(
    gateway: Gateway,
    tmp_path: Path,
    sql: Sql,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    (address,) = await gateway.listening.start(["127.0.0.1:0"])
    here = Place(int(address.rpartition(":")[2]), sql)
    ada = await here.ada()
    await here.browser().log_in(password=OTHER)
    shop = await here.app(grants=[CODE, REFRESH, DEVICE])
    secrets = {PASSWORD, OTHER, VERIFIER, *await of_a_person(ada), *await of_a_client(shop, ada)}
    secrets |= await of_a_registration(here, sql, shop.root) | await of_letters(ada, capsys)
    secrets |= {each.value for one in here.browsers for each in one.session.cookie_jar}
    assert len(secrets) > 30
    left = {"log": caplog.text, "figures": gateway.metrics.render("")[0].decode()}
    async with sql.read() as connection:
        for table in metadata.sorted_tables:
            left[table.name] = repr((await connection.execute(sa.select(table))).all())
    await here.close()
    await gateway.stop(grace=0.0)
    left["access log"] = (tmp_path / "access.log").read_text()
    assert left["access log"].count("\n") > 30
    assert "gateway_auth_logins_total" in left["figures"]
    for place, text in left.items():
        assert not [each for each in secrets if each in text], place
