"""What the contracts of documents have in common."""

from __future__ import annotations

from contextlib import aclosing
from itertools import count
from typing import Any
from uuid import uuid4

import pytest

from backends.documents import (
    Document,
    Documents,
)

names = count()


class Contract:
    """Fixtures to give: `documents`, the driver, and `other`, another to the same engine."""

    @pytest.fixture
    def place(self) -> str:
        return f"conformance_{uuid4().hex[:8]}_{next(names)}"

    async def all(self, documents: Documents, place: str, **how: Any) -> list[Document]:
        async with aclosing(documents.find(place, **how)) as batches:
            return [each async for batch in batches for each in batch]
