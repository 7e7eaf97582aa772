from __future__ import annotations

from tests.engines.fixtures import postgres, postgres_url

__all__ = ["postgres", "postgres_url"]
