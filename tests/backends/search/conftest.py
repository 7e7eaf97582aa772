from tests.engines.fixtures import (
    elasticsearch,
    opensearch,
    session_folder,
)

__all__ = ["elasticsearch", "opensearch", "session_folder"]
