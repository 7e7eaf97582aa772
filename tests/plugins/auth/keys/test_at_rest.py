"""What is encrypted at rest opens with its key and for its context alone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from plugins.auth.keys.at_rest import AtRest, SealedOtherwise, kept_in

KEY = "k" * 40


def test_it_opens_again_and_is_never_the_same_twice() -> None:
    rest = AtRest(KEY)
    first, second = rest.seal(b"secret", b"ada"), rest.seal(b"secret", b"ada")
    assert first != second
    assert b"secret" not in first
    assert AtRest(KEY).open(first, b"ada") == b"secret"


def test_another_key_another_context_or_a_changed_byte_open_nothing() -> None:
    sealed = AtRest(KEY).seal(b"secret", b"ada")
    changed = sealed[:-1] + bytes([sealed[-1] ^ 1])
    for rest, what, context in [
        (AtRest("o" * 40), sealed, b"ada"),
        (AtRest(KEY), sealed, b"bob"),
        (AtRest(KEY), changed, b"ada"),
        (AtRest(KEY), b"", b"ada"),
    ]:
        with pytest.raises(SealedOtherwise):
            rest.open(what, context)


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 32"):
        AtRest("short")


def test_processes_that_start_together_have_one_file_of_their_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "data" / "auth.key"
    with ThreadPoolExecutor(8) as threads:
        found = set(threads.map(lambda _: kept_in(path), range(16)))
    assert len(found) == 1
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["auth.key"]
    path.chmod(0o644)
    with pytest.raises(ValueError, match="chmod 600"):
        kept_in(path)
