"""Elasticsearch and OpenSearch: one node, no passwords."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import ClassVar
from urllib.request import urlopen

from tests.engines.engine import HOST, ServerProcess, free_port
from tests.engines.installed import installed
from tests.engines.java import SMALL, java_home
from tests.engines.unprivileged import own, unprivileged


class SearchNode(ServerProcess):
    """Has the modules of the distribution for integration tests: those that analyse languages,
    script, or delete by query are not among them.
    """

    PATIENCE: ClassVar = 90.0
    product: ClassVar[str]
    more_settings: ClassVar[str] = ""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._among_nodes = free_port()

    @property
    def url(self) -> str:
        return f"{self.product}://{HOST}:{self.port}"

    def command(self) -> list[str]:
        return [*unprivileged(), "bash", str(self._home / "bin" / self.product)]

    @property
    def _home(self) -> Path:
        return installed(self.product)

    @property
    def _config(self) -> Path:
        return self.folder / "config"

    @property
    def _temporary(self) -> Path:
        return self.folder / "tmp"

    def start(self) -> None:
        if not self._config.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            own(self.folder)
            self._configure()
        super().start()

    def _configure(self) -> None:
        shutil.copytree(self._home / "config", self._config)
        self._temporary.mkdir()
        for folder in (self._config, self._temporary):
            own(folder)
        options = (*SMALL, f"-Djava.io.tmpdir={self._temporary}")
        (self._config / "jvm.options").write_text("\n".join(options))
        (self._config / f"{self.product}.yml").write_text(
            f"discovery.type: single-node\nnetwork.host: {HOST}\nhttp.port: {self.port}\n"
            f"transport.port: {self._among_nodes}\n"
            f"path: {{data: {self.folder / 'data'}, logs: {self.folder / 'logs'}}}\n"
            "node.store.allow_mmap: false\n"
            "cluster.routing.allocation.disk.threshold_enabled: false\n" + self.more_settings
        )

    def answers(self) -> bool:
        health = f"http://{HOST}:{self.port}/_cluster/health?wait_for_status=yellow&timeout=5s"
        with urlopen(health, timeout=10.0) as answer:
            return bool(answer.status == 200)


class Elasticsearch(SearchNode):
    product: ClassVar = "elasticsearch"
    more_settings: ClassVar = "xpack.security.enabled: false\n"

    def environment(self) -> dict[str, str]:
        return {
            "ES_PATH_CONF": str(self._config),
            "ES_TMPDIR": str(self._temporary),
            "ES_JAVA_HOME": java_home(),
            "CLI_JAVA_OPTS": " ".join(SMALL),
        }


class OpenSearch(SearchNode):
    product: ClassVar = "opensearch"

    def environment(self) -> dict[str, str]:
        return {
            "OPENSEARCH_PATH_CONF": str(self._config),
            "OPENSEARCH_TMPDIR": str(self._temporary),
            "OPENSEARCH_JAVA_HOME": java_home(),
        }
