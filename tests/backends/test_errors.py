"""Whatever an engine does, callers catch one error."""

from __future__ import annotations

import pytest

from backends.errors import BackendError, BackendUnavailable, UnknownScheme


@pytest.mark.parametrize("error", [BackendUnavailable, UnknownScheme])
def test_every_backends_error_is_one(error: type[BackendError]) -> None:
    with pytest.raises(BackendError, match="why"):
        raise error("why")


def test_they_are_told_apart() -> None:
    assert not issubclass(BackendUnavailable, UnknownScheme)
    assert not issubclass(UnknownScheme, BackendUnavailable)
