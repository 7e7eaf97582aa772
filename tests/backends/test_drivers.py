"""A driver is found by its scheme and imported when asked for; it says how to get what it lacks."""

from __future__ import annotations

import sys

import pytest

from backends.drivers import Driver, Drivers
from backends.errors import BackendError, UnknownScheme

HERE: Drivers[str] = Drivers(
    "fruit",
    {
        "apple": Driver("tests.backends.test_drivers:opened"),
        "pear": Driver("a_library_nobody_has:opened", extra="pear"),
        "plum": Driver("backends.nowhere:opened", extra="plum"),
    },
)


def opened(url: str) -> str:
    return f"opened {url}"


def test_the_scheme_picks_the_driver() -> None:
    assert HERE.open("apple://tree") == "opened apple://tree"


@pytest.mark.parametrize(
    ("url", "said"), [("fig://u:hush@x", "no driver for fig://"), ("x", "not a URL")]
)
def test_another_scheme_is_an_error_that_names_the_known_and_no_secret(url: str, said: str) -> None:
    with pytest.raises(UnknownScheme, match=said) as raised:
        HERE.open(url)
    assert "apple://, pear://" in str(raised.value)
    assert "hush" not in str(raised.value)


def test_a_missing_library_names_its_extra() -> None:
    with pytest.raises(BackendError, match=r"needs pip install 'ait-gateway\[pear\]'"):
        HERE.open("pear://tree")


def test_a_driver_of_ours_that_is_not_there_is_a_bug_and_is_told_as_one() -> None:
    with pytest.raises(ModuleNotFoundError):
        HERE.open("plum://tree")


def test_nothing_is_imported_before_it_is_asked_for() -> None:
    assert dict(HERE).keys() == {"apple", "pear", "plum"}
    assert "a_library_nobody_has" not in sys.modules
