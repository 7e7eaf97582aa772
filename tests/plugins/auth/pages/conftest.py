from __future__ import annotations

from tests.plugins.auth.access.conftest import desk

__all__ = ["desk"]
