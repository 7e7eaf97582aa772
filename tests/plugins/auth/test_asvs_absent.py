"""OWASP ASVS 5.0: items that forbid what is not there, or bind what is made at random."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable
from pathlib import Path

import msgspec
import pyotp
import pytest

import plugins.auth
from plugins.auth.accounts.tables import accounts
from plugins.auth.device import devices
from plugins.auth.factors import totp
from plugins.auth.social.options import ProviderOptions
from plugins.auth.tables import metadata

HERE = Path(plugins.auth.__file__).parent
TEMPLATES = sorted((HERE / "pages" / "templates").glob("*.html"))
ROUTE = re.compile(r'web\.(?:get|post|put|delete)\(\s*"([^"]+)"|from_anywhere\(\s*"([^"]+)"')


def inputs() -> set[tuple[str, str]]:
    """Name and type of each field that somebody can type into."""
    found = set()
    for path in TEMPLATES:
        for tag in re.findall(r"<(?:input|textarea|select)\b[^>]*>", path.read_text()):
            kind = re.search(r'type="(\w+)"', tag)
            name = re.search(r'name="([\w.]+)"', tag)
            if name and (kind is None or kind[1] != "hidden"):
                found.add((name[1], kind[1] if kind else "text"))
    return found


KNOWN_TO_OTHERS = re.compile(r"hint|question|answer|birth|maiden|pet|reminder")


def test_6_4_2_no_question_is_asked_that_others_can_answer() -> None:
    names = {name for name, _ in inputs()}
    assert {"email", "password", "code"} <= names
    assert not {each for each in names | {*accounts.columns.keys()} if KNOWN_TO_OTHERS.search(each)}


def test_6_6_1_nothing_goes_by_telephone_or_is_pushed() -> None:
    """ASVS 5.0 6.6.4."""
    assert not {kind for _, kind in inputs()} & {"tel"}
    columns = {each.name for table in metadata.tables.values() for each in table.columns}
    assert not {each for each in columns if re.search("phone|sms|push_|endpoint", each)}


def test_6_8_3_no_identity_comes_by_saml() -> None:
    for kind in ("saml", "saml2", "ldap"):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({"kind": kind, "client_id": "a"}, ProviderOptions)


def test_10_5_5_no_logout_token_of_a_provider_is_taken() -> None:
    paths = {
        one or other
        for path in HERE.rglob("*.py")
        for one, other in ROUTE.findall(path.read_text())
    }
    assert {"/login", "/token", "/login/with/{provider}/callback"} <= paths
    assert not {each for each in paths if re.search("backchannel|saml|frontchannel", each)}


@pytest.mark.parametrize("drawn", [totp._new_code, devices._new_user_code, pyotp.random_base32])
def test_6_5_3_codes_and_seeds_are_not_of_a_generator_that_can_be_foretold(
    drawn: Callable[[], str],
) -> None:
    random.seed(1)
    first = drawn()
    random.seed(1)
    assert drawn() != first


def test_6_5_4_codes_have_more_than_twenty_bits() -> None:
    assert math.log2(len(set(totp.ALPHABET))) * 8 > 39
    assert re.fullmatch(f"[{totp.ALPHABET}]{{4}}-[{totp.ALPHABET}]{{4}}", totp._new_code())
    assert math.log2(len(set(devices.LETTERS))) * devices.LENGTH > 34
    assert re.fullmatch(f"[{devices.LETTERS}]{{{devices.LENGTH}}}", devices._new_user_code())
