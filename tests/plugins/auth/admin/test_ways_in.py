"""What a support desk needs daily: a lost factor, an identity that is somebody else's."""

from __future__ import annotations

from plugins.auth.factors.tables import passkeys
from plugins.auth.social.tables import identities
from tests.plugins.auth.accounts.test_operators import signed_in
from tests.plugins.auth.admin.conftest import Desk


async def test_factors_and_identities_are_seen_and_removed(desk: Desk) -> None:
    ada = await desk.people.ada()
    one = f"/users/{ada}"
    times = {"created_at": 1, "used_at": 2, "account_id": ada}
    email = "ada@there.example"
    async with desk.people.sql.write() as connection:
        for name in ("laptop", "phone"):
            key = {"id": name.encode() * 20, "key": b"", "sign_count": 0, "name": name}
            await connection.execute(passkeys.insert().values(**key, **times))
        there = {"issuer": "https://there.example", "subject": "7", "provider": "there"}
        await connection.execute(identities.insert().values(**there, email=email, **times))
    await signed_in(desk.people.sql, ada)
    status, found = await desk.ask("GET", f"{one}/factors")
    assert (status, found["recovery_codes"]) == (200, 0)
    laptop, phone = found["factors"]
    assert {name: value for name, value in laptop.items() if name != "id"} == {
        "kind": "passkey",
        "name": "laptop",
        "created_at": 1,
        "used_at": 2,
    }
    path = f"{one}/factors/{laptop['id']}"
    assert [(await desk.ask("DELETE", path))[0] for _ in range(2)] == [204, 404]
    assert (await desk.ask("GET", f"{one}/factors"))[1]["factors"] == [phone]
    removed = [(await desk.ask("DELETE", f"{one}/factors"))[1] for _ in range(2)]
    assert removed == [{"removed": 1}, {"removed": 0}]
    _, found = await desk.ask("GET", f"{one}/identities")
    (known,) = found["identities"]
    assert known == {"id": known["id"], **there, "email": email, "created_at": 1, "used_at": 2}
    path = f"{one}/identities/{known['id']}"
    assert [(await desk.ask("DELETE", path))[0] for _ in range(2)] == [204, 404]
    _, log = await desk.ask("GET", f"/log?account={ada}&actor=client:{desk.client}")
    told = [(line["event"], line["address"]) for line in log["lines"]]
    assert told == [
        (event, "127.0.0.1")
        for event in ("identity_disconnected", "passkey_removed", "passkey_removed")
    ]
    for method in ("GET", "DELETE"):
        assert (await desk.ask(method, "/users/nobody/factors"))[0] == 404
    assert (await desk.ask("GET", "/users/nobody/identities"))[0] == 404
