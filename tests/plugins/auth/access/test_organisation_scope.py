"""The scope that names an organisation."""

from __future__ import annotations

from plugins.auth.access.organisation_scope import remembered, scope_of


def test_consent_to_other_organisations_is_remembered_while_there_is_room() -> None:
    few, many = [frozenset(scope_of(f"{each:032x}") for each in range(n)) for n in (9, 40)]
    new = (scope_of("f" * 32), "openid")
    assert remembered(few, new) == few | set(new)
    assert remembered(many | {"email"}, new) == {"email", *new}
