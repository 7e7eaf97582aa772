"""MongoDB's wire protocol, by mongo-java-server on a file: MongoDB itself is in no registry."""

from __future__ import annotations

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from tests.engines.engine import HOST, ServerProcess
from tests.engines.installed import installed
from tests.engines.java import java


class MongoDB(ServerProcess):
    """Has no change streams, transactions or users."""

    @property
    def url(self) -> str:
        return self.url_of("db")

    def url_of(self, database: str) -> str:
        return f"mongodb://{HOST}:{self.port}/{database}"

    def command(self) -> list[str]:
        place = installed("mongodb")
        file = str(self.folder / "data.mv")
        return java(f"{place}/classes:{place}/*", "DurableMongo", file, HOST, str(self.port))

    def answers(self) -> bool:
        with MongoClient[dict[str, object]](
            HOST, self.port, serverSelectionTimeoutMS=200
        ) as client:
            try:
                return bool(client.admin.command("ping")["ok"])
            except PyMongoError:
                return False
