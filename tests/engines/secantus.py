"""MongoDB's wire protocol with change streams, by SecantusDB on WiredTiger: MongoDB itself is in no
registry.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from tests.engines.engine import HOST, ServerProcess
from tests.missing_engine import missing


class Secantus(ServerProcess):
    """A replica set of one. durable: every acknowledged write is on the disk. kept: changes that
    streams can go back; all when None. standalone: without change streams. auth: knows users.
    """

    def __init__(
        self,
        folder: Path,
        *,
        kept: int | None = None,
        standalone: bool = False,
        auth: bool = False,
        durable: bool = True,
    ) -> None:
        super().__init__(folder)
        self.kept = kept
        self._standalone = standalone
        self.auth = auth
        self._durable = durable

    @property
    def url(self) -> str:
        return self.url_of("db")

    def url_of(self, database: str) -> str:
        return f"mongodb://{HOST}:{self.port}/{database}"

    def command(self) -> list[str]:
        if find_spec("secantus") is None:
            missing("secantusdb is not installed")
        data = str(self.folder / "data")
        words = ["--host", HOST, "--port", str(self.port), "--storage-path", data]
        words += ["--cache-size", "64M", *["--sync-on-commit"] * self._durable]
        if self.kept is not None:
            words += ["--oplog-max-entries", str(self.kept)]
        words += ["--standalone"] * self._standalone + ["--auth"] * self.auth
        return [sys.executable, "-m", "secantus", *words]

    def answers(self) -> bool:
        client = MongoClient[dict[str, object]](HOST, self.port, serverSelectionTimeoutMS=300)
        with client:
            try:
                return bool(client.admin.command("hello")["ok"])
            except PyMongoError:
                return False
