"""The numbers of log-ins, tokens, letters and locks, from a real gateway."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.plugins.auth.browser import EMAIL, Place, place
from tests.plugins.auth.patience import until


async def numbers(here: Place) -> dict[str, float]:
    page, _ = here.served.gateway.metrics.render("")
    lines = [line for line in page.decode().splitlines() if line.startswith("gateway_auth_")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


async def test_what_people_do_is_counted(
    tmp_path: Path, sqlite_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with place(tmp_path, sqlite_url, capsys, ", accounts: {account_failures: 2}") as here:
        ada = here.browser()
        await ada.register()
        await here.link("Confirm your e-mail address")
        await ada.log_in()
        for _ in range(3):
            await here.browser().log_in(password="wrong")
        await ada.submit("/auth/logout")
        form = {"grant_type": "client_credentials"}
        await ada.post("/auth/token", form)

        async def both_letters_are_sent() -> bool:
            sent = 'gateway_auth_mails_total{outcome="sent",plugin="auth"}'
            return (await numbers(here)).get(sent) == 2

        await until(both_letters_are_sent)
        found = await numbers(here)
        logins = 'gateway_auth_logins_total{method="%s",outcome="%s",plugin="auth"}'
        assert found[logins % ("pwd", "logged_in")] == 1
        assert found[logins % ("first", "wrong")] == 2
        assert found[logins % ("first", "locked_out")] == 1
        assert found['gateway_auth_lock_outs_total{plugin="auth"}'] == 1
        assert found['gateway_auth_sessions_ended_total{plugin="auth"}'] == 1
        assert found['gateway_auth_hash_wait_seconds_count{plugin="auth"}'] >= 4
        assert found['gateway_auth_hash_queue_depth{plugin="auth"}'] == 0
        assert found['gateway_auth_outbox_letters{plugin="auth"}'] == 0
        tokens = [name for name in found if name.startswith("gateway_auth_token_requests_total")]
        assert any('outcome="invalid_client"' in name for name in tokens)
        assert all(EMAIL not in name for name in found)
