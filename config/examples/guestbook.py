"""A plugin that keeps what people write, in whatever database the table names."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import sqlalchemy as sa
from aiohttp import web

from gateway import Migrations, NoOptions, Plugin

LONGEST = 500
entries = sa.table("guestbook_entries", sa.column("id"), sa.column("text"))


class Guestbook(Plugin[NoOptions]):
    """`POST /` with a text, `GET /` for the latest ones."""

    needs = ("sql",)
    migrations = Migrations("guestbook", Path(__file__).parent / "guestbook_revisions")

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        return [web.get("/", self.read), web.post("/", self.write)]

    async def read(self, _: web.Request) -> web.Response:
        latest = sa.select(entries.c.text).order_by(entries.c.id.desc()).limit(20)
        async with self.context.backends.sql.read() as connection:
            found = await connection.execute(latest)
            return web.json_response([row.text for row in found])

    async def write(self, request: web.Request) -> web.Response:
        text = (await request.text()).strip()
        if not 0 < len(text) <= LONGEST:
            return web.json_response({"detail": f"1 to {LONGEST} characters"}, status=400)
        async with self.context.backends.sql.write() as connection:
            await connection.execute(sa.insert(entries).values(text=text))
        return web.Response(status=201)
