"""Letters leave through another plugin of the file when it offers to send them."""

from __future__ import annotations

import asyncio
import json
from email.message import EmailMessage
from pathlib import Path

import pytest

from plugins.auth.mail.letters import written
from plugins.auth.mail.through import through
from tests.gateway.serving import serving
from tests.plugins.auth.browser import EMAIL, Browser

SAMPLE = """
import json
from gateway import Plugin

class Api:
    def __init__(self, folder):
        self.file = folder / "mails.jsonl"
        self.refusals = 1

    async def send_email(self, to, subject, text, html=None):
        if self.refusals:
            self.refusals -= 1
            raise ConnectionRefusedError
        with self.file.open("a") as mails:
            mails.write(json.dumps({"to": to, "subject": subject, "text": text}) + "\\n")

class Post(Plugin):
    def offers(self):
        return getattr(self, "api", None)

    async def start(self):
        self.api = Api(self.context.folder)
"""


def lines(mails: Path) -> list[dict[str, str]]:
    if not mails.exists():
        return []
    return [json.loads(line) for line in mails.read_text().splitlines()]


async def test_a_letter_goes_through_the_plugin_and_one_that_it_refuses_waits(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "post.py").write_text(SAMPLE)
    config = f"""
backends: {{sql: "sqlite:///{tmp_path}/auth.db"}}
plugins:
  notification: {{use: "./post.py:Post"}}
  auth: {{use: auth, issuer: "http://localhost/auth"}}
routes:
  - {{id: auth, match: {{path: /auth/**}}, plugin: auth, strip_prefix: /auth}}
"""
    mails = tmp_path / "mails.jsonl"
    async with serving(tmp_path, config) as served:
        ada = Browser(served.port)
        await ada.register()
        await ada.submit("/auth/forgot", email=EMAIL)
        async with asyncio.timeout(30):
            while True:
                if found := lines(mails):
                    break
                await asyncio.sleep(0.05)
        (mail,) = found
        assert mail["to"] == EMAIL
        assert mail["subject"] == "Choose a new password"
        assert "http://localhost/auth/reset?token=" in mail["text"]
        await ada.session.close()
    assert "--- mail to" not in capsys.readouterr().out


@pytest.mark.parametrize("offered", [None, object()])
async def test_without_such_a_plugin_it_goes_as_it_did(offered: object) -> None:
    sent: list[EmailMessage] = []

    async def otherwise(message: EmailMessage) -> None:
        sent.append(message)

    letter = written("password", "en", "https://x.y/z", EMAIL, "id@example.org", place="P")
    await through(lambda: offered, otherwise)(letter)
    assert sent == [letter]
