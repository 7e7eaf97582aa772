"""The example plugin that keeps state does so in the embedded database and in PostgreSQL alike."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.engines.fixtures import postgres, postgres_url
from tests.gateway.serving import serving

__all__ = ["postgres", "postgres_url"]
EXAMPLES = Path(__file__).parents[2] / "config" / "examples"


def table(folder: Path, url: str) -> str:
    """The example's own, with its database elsewhere."""
    shutil.copy(EXAMPLES / "guestbook.py", folder)
    shutil.copytree(EXAMPLES / "guestbook_revisions", folder / "guestbook_revisions")
    text = (EXAMPLES / "guestbook.yaml").read_text()
    said = "${GUESTBOOK_SQL:-sqlite:///data/guestbook.db}"
    assert said in text
    return text[text.index("backends:") :].replace(said, url)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/book.db"
    found: str = request.getfixturevalue("postgres_url")
    return found


async def test_what_was_written_is_there_after_a_restart(tmp_path: Path, url: str) -> None:
    config = table(tmp_path, url)
    async with serving(tmp_path, config) as served:
        for text in (b"first", b"second"):
            head = ("POST /guestbook HTTP/1.1", "Host: a.test", f"Content-Length: {len(text)}")
            answer = await served.ask(*head, body=text)
            assert answer.startswith(b"HTTP/1.1 201 ")
    async with serving(tmp_path, config) as served:
        assert (await served.get(path="/guestbook")).endswith(b'["second", "first"]')
        assert await served.gateway.checks() == {"backends.sql": None}
        page, _ = served.gateway.metrics.render("")
        assert b'gateway_sql_connections{state="in_use"} 0.0' in page


async def test_what_does_not_fit_is_refused(tmp_path: Path, url: str) -> None:
    async with serving(tmp_path, table(tmp_path, url)) as served:
        head = ("POST /guestbook HTTP/1.1", "Host: a.test", "Content-Length: 501")
        answer = await served.ask(*head, body=b"x" * 501)
        assert answer.startswith(b"HTTP/1.1 400 ")
