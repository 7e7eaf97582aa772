"""MinIO, as any S3."""

from __future__ import annotations

from urllib.request import urlopen

from tests.engines.engine import HOST, ServerProcess, free_port
from tests.engines.installed import installed

ACCESS_KEY, SECRET_KEY = "engine", "engine-secret"


class Minio(ServerProcess):
    """One disk, no bucket yet."""

    @property
    def endpoint(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def url(self) -> str:
        return self.url_of("bucket")

    def url_of(self, bucket: str) -> str:
        return (
            f"s3://{bucket}?endpoint={self.endpoint}"
            f"&access_key={ACCESS_KEY}&secret_key={SECRET_KEY}"
        )

    def command(self) -> list[str]:
        console = f"{HOST}:{free_port()}"
        return [
            *(str(installed("minio/minio")), "server", str(self.folder / "data"), "--quiet"),
            *("--address", f"{HOST}:{self.port}", "--console-address", console),
        ]

    def environment(self) -> dict[str, str]:
        return {
            "MINIO_ROOT_USER": ACCESS_KEY,
            "MINIO_ROOT_PASSWORD": SECRET_KEY,
            "MINIO_BROWSER": "off",
            "MINIO_UPDATE": "off",
        }

    def answers(self) -> bool:
        with urlopen(f"{self.endpoint}/minio/health/cluster", timeout=5.0) as answer:
            return bool(answer.status == 200)
