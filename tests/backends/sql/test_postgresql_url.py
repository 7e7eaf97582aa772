"""How PostgreSQL is reached: login, TLS, socket, several hosts, PgBouncer's way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import sqlalchemy as sa

from backends.errors import BackendError, BackendUnavailable, Refused
from backends.sql import DRIVERS, Sql
from backends.sql.migrations import migrate
from tests.backends.sql.writing import REVISIONS
from tests.e2e.certificates import Authority
from tests.engines.postgres import Postgres
from tests.engines.unprivileged import own

SSL_REQUEST = (8).to_bytes(4) + (80877103).to_bytes(4)


async def said(url: str) -> BackendError | None:
    sql = DRIVERS.open(url)
    try:
        await sql.check()
    except BackendError as error:
        return error
    finally:
        await sql.close()
    return None


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://",
        "postgresql://host",
        "postgresql:///db",
        "postgresql://host/db?socket=/run/postgresql",
        "postgresql://user:hush@host/db?pool=0",
        "postgresql://user:hush@host/db?pool=hush",
        "postgresql://user:hush@host/db?timeout=hush",
        "postgresql://user:hush@host/db?statements=-1",
        "postgresql://user:hush@host/db?sslmode=hush",
        "postgresql://user:hush@ho st:x/db",
    ],
)
def test_what_cannot_be_meant_is_refused(url: str) -> None:
    with pytest.raises(BackendError, match="sql: ") as raised:
        DRIVERS.open(url)
    assert "hush" not in str(raised.value)


async def test_a_wrong_login_is_refused_and_not_told(postgres_url: str) -> None:
    error = await said(postgres_url.replace("password", "hush"))
    assert isinstance(error, Refused)
    assert "hush" not in str(error)


async def test_an_unknown_database_is_refused(postgres_url: str) -> None:
    error = await said(postgres_url + "_not")
    assert isinstance(error, Refused)
    assert "does not exist" in str(error)


async def test_tls_that_the_server_has_not_is_refused(postgres_url: str) -> None:
    error = await said(postgres_url + "?tls=true")
    assert isinstance(error, Refused)
    assert "no TLS to offer" in str(error)


class TestWithoutPreparedStatementsKept:
    @pytest.fixture
    async def sql(self, postgres_url: str) -> AsyncIterator[Sql]:
        sql = DRIVERS.open(postgres_url + "?statements=0&pool=2")
        yield sql
        await sql.close()

    async def test_all_goes_as_well(self, sql: Sql) -> None:
        await migrate(sql, "writing", REVISIONS)
        rows = [("ada", number) for number in range(3)]
        table = sa.table("written", sa.column("name"), sa.column("number"))
        for name, number in rows:
            async with sql.write() as connection:
                await connection.execute(table.insert().values(name=name, number=number))
        async with sql.read() as view:
            assert [tuple(row) for row in await view.execute(sa.select(table))] == rows

    async def test_the_server_keeps_none(self, sql: Sql) -> None:
        async with sql.read() as view:
            for number in range(5):
                await view.exec_driver_sql(f"SELECT {number}")
            kept = await view.exec_driver_sql("SELECT count(*) FROM pg_prepared_statements")
            assert kept.scalar_one() <= 2


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
async def secure(authority: Authority, postgres: Postgres, postgres_url: str) -> AsyncIterator[str]:
    """A URL of the real server behind TLS as PostgreSQL begins it (the wheel's build has none)."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            assert await reader.readexactly(8) == SSL_REQUEST
            writer.write(b"S")
            await writer.start_tls(context)
            there = await asyncio.open_connection("127.0.0.1", postgres.port)
            await asyncio.wait(
                [
                    asyncio.create_task(relay(reader, there[1])),
                    asyncio.create_task(relay(there[0], writer)),
                ]
            )
        except (OSError, asyncio.IncompleteReadError):
            pass  # a client that trusts us not
        finally:
            writer.close()

    context = authority.serving("localhost")
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    yield f"postgresql://user:password@localhost:{port}/{postgres_url.rpartition('/')[2]}"
    server.close()
    await server.wait_closed()


async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
    writer.close()


@pytest.fixture(scope="module")
def on_a_socket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with TemporaryDirectory(prefix="socket-") as folder:
        own(Path(folder))
        setting = f"unix_socket_directories={folder}"
        with Postgres(tmp_path_factory.mktemp("socket"), setting) as engine:
            yield Path(folder) / f".s.PGSQL.{engine.port}"


class TestOverTls:
    async def test_a_certificate_of_its_authority_is_trusted(
        self, secure: str, authority: Authority
    ) -> None:
        assert await said(f"{secure}?tls_ca={authority.ca}") is None

    async def test_another_is_not(self, secure: str, authority: Authority) -> None:
        elsewhere = secure.replace("localhost", "127.0.0.1")
        for wrong in (f"{secure}?tls=true", f"{elsewhere}?tls_ca={authority.ca}"):
            error = await said(wrong)
            assert isinstance(error, Refused)
            assert "not trusted" in str(error)

    async def test_a_file_that_is_not_there_is_told(self, secure: str) -> None:
        assert "tls_ca" in str(await said(f"{secure}?tls_ca=/nowhere.pem"))


async def test_a_socket_is_a_way_too(on_a_socket: Path) -> None:
    assert await said(f"postgresql://user:password@/db?socket={on_a_socket}") is None
    error = await said("postgresql://user:password@/db?socket=/nowhere")
    assert isinstance(error, BackendUnavailable)


async def test_of_several_hosts_one_that_takes_writes_is_used(
    postgres: Postgres, postgres_url: str
) -> None:
    database = postgres_url.rpartition("/")[2]
    one = f"127.0.0.1:{postgres.port}"
    assert await said(f"postgresql://user:password@127.0.0.1:9,{one}/{database}") is None
    standby = f"ALTER DATABASE {database} SET default_transaction_read_only = on"
    await asyncio.to_thread(postgres.execute, standby)
    error = await said(f"postgresql://user:password@{one},127.0.0.1:9/{database}")
    assert isinstance(error, BackendUnavailable)
