from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.plugins.auth.browser import Place, place
from tests.plugins.auth.social.scripted import CLIENT, SECRET, Scripted

Opening = Callable[..., Awaitable[Place]]


@pytest.fixture
async def scripted() -> AsyncIterator[Scripted]:
    issuer = Scripted()
    await issuer.start()
    yield issuer
    await issuer.stop()


@pytest.fixture
async def opening(
    tmp_path: Path, sqlite_url: str, scripted: Scripted, capsys: pytest.CaptureFixture[str]
) -> AsyncIterator[Opening]:
    """A gateway on SQLite, whose provider `there` is the scripted one, of some kind."""
    async with AsyncExitStack() as stack:

        async def opened(
            kind: str = "oidc", more: str = "", names: tuple[str, ...] = ("there",), **options: str
        ) -> Place:
            provider = {
                "kind": kind,
                "issuer": scripted.url,
                "client_id": CLIENT,
                "client_secret": SECRET,
                **options,
            }
            said = f", providers: {json.dumps(dict.fromkeys(names, provider))}{more}"
            return await stack.enter_async_context(place(tmp_path, sqlite_url, capsys, said))

        yield opened
