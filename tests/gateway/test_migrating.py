"""A plugin's tables are made before it starts, and `ait-gateway migrate` makes or shows them."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.__main__ import main
from gateway.errors import GatewayError
from tests.gateway.serving import serving

PLUGIN = """
from pathlib import Path

import sqlalchemy as sa
from aiohttp import web

from gateway import Migrations, Plugin


class Notes(Plugin):
    needs = ("sql",)
    migrations = Migrations("notes", Path(__file__).parent / "revisions")

    async def start(self):
        async with self.context.backends.sql.write() as connection:
            await connection.execute(sa.text("INSERT INTO notes VALUES ('kept')"))

    def routes(self):
        return [web.get("/", self.count)]

    async def count(self, request):
        async with self.context.backends.sql.read() as connection:
            found = await connection.execute(sa.text("SELECT count(*) FROM notes"))
            return web.Response(text=f"notes: {found.scalar_one()}")
"""
REVISION = """
import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade():
    op.create_table("notes", sa.Column("text", sa.Text, nullable=%s))
"""
CONFIG = """
backends: {sql: "sqlite:///%s/notes.db"}
plugins: {notes: {use: "./notes.py"}, again: {use: "./notes.py"}}
routes:
- {id: notes, match: {path: /}, plugin: notes}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "notes.py").write_text(PLUGIN)
    (tmp_path / "revisions").mkdir()
    (tmp_path / "revisions" / "0001.py").write_text(REVISION % "False")
    return tmp_path


@pytest.fixture
def file(folder: Path) -> str:
    path = folder / "gateway.yaml"
    path.write_text("version: 1" + CONFIG % folder)
    return str(path)


async def test_the_tables_are_there_when_the_plugin_starts(folder: Path) -> None:
    async with serving(folder, CONFIG % folder) as served:
        assert (await served.get()).endswith(b"notes: 2")
        assert await served.gateway.checks() == {"backends.sql": None}
    async with serving(folder, CONFIG % folder) as served:
        assert (await served.get()).endswith(b"notes: 4")


async def test_a_revision_that_fails_stops_the_start_and_is_named(folder: Path) -> None:
    (folder / "revisions" / "0001.py").write_text(REVISION % "nowhere")
    with pytest.raises(GatewayError, match=r"notes failed to start.*revision 0001 of notes failed"):
        async with serving(folder, CONFIG % folder):
            pass


def test_migrate_shows_what_is_pending_and_carries_it_out_once(
    file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["migrate", "-c", file, "--check"]) == 1
    assert main(["migrate", "-c", file]) == 0
    assert main(["migrate", "-c", file, "--check"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[:2] == ["notes: 0001 is pending", "notes: 0001 carried out"]
    assert said[2] == "the tables are as the plugins want them"


def test_migrate_says_which_engine_does_not_do_it(
    folder: Path, file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "notes.db").write_bytes(b"this is no database, whatever its name says" * 100)
    assert main(["migrate", "-c", file]) == 2
    assert "backends.sql: " in capsys.readouterr().err
