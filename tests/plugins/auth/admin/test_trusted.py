"""Apps and devices that somebody trusts, seen and ended by operators."""

from __future__ import annotations

import time

from plugins.auth.audit.tables import events
from plugins.auth.factors.tables import devices
from plugins.auth.oauth.clients import Clients
from plugins.auth.oauth.tables import consents, grants
from tests.plugins.auth.accounts.test_operators import rows
from tests.plugins.auth.admin.conftest import Desk


async def test_apps_and_devices_are_seen_and_ended(desk: Desk) -> None:
    sql, ada = desk.people.sql, await desk.people.ada()
    one, now = f"/users/{ada}", int(time.time())
    shop, _ = await Clients(sql).create("Shop", redirect_uris=["https://shop.example/cb"])
    mine = {"account_id": ada, "client_id": shop.id}
    grant = {"id": "g", "session_id": "", "offline": True, "auth_time": 1, "amr": "", "acr": ""}
    times = {"rotated_at": 1, "created_at": 2, "ends_at": now + 60, "expires_at": now + 60}
    async with sql.write() as connection:
        agreed = consents.insert().values(**mine, scopes="openid", at=1)
        await connection.execute(agreed)
        given = grants.insert().values(**mine, **grant, **times, jkt="", scopes="email")
        await connection.execute(given)
        for number in (1, 2):
            row = {"hash": bytes([number]) * 32, "id": f"d{number}", "account_id": ada}
            seen = {"created_at": 1, "used_at": number, "expires_at": now + 60}
            adding = devices.insert().values(**row, **seen, address="192.0.2.1", agent="Firefox")
            await connection.execute(adding)
    _, found = await desk.ask("GET", f"{one}/apps")
    app = {"client_id": shop.id, "name": "Shop", "scopes": ["email", "openid"], "at": 2}
    assert found == {"apps": [app]}
    _, found = await desk.ask("GET", f"{one}/devices")
    assert [each["id"] for each in found["devices"]] == ["d2", "d1"]
    assert set(found["devices"][0]) == {"id", "created_at", "used_at", "address", "agent"}
    for path in (f"{one}/apps/{shop.id}", f"{one}/devices/d1"):
        assert [(await desk.ask("DELETE", path))[0] for _ in range(2)] == [204, 404]
    assert (await desk.ask("GET", f"{one}/apps"))[1] == {"apps": []}
    assert [row.id for row in await rows(sql, devices)] == ["d2"]
    assert await rows(sql, grants) == []
    ended = [(row.event, row.account_id) for row in await rows(sql, events) if row.actor]
    assert ended == [("consent_taken_back", ada), ("device_forgotten", ada)]
    for what in ("apps", "devices"):
        assert (await desk.ask("GET", f"/users/nobody/{what}"))[0] == 404
