"""URLs of engines: what they say, what they must not say, and that no message repeats a secret."""

from __future__ import annotations

import msgspec
import pytest

from backends.address import Address, Host, Tls, seconds, size
from backends.errors import BackendError


class Options(msgspec.Struct, forbid_unknown_fields=True):
    pool: int = 5
    fast: bool = False


def parse(url: str, **options: object) -> Address:
    return Address.parse("sql", url, port=5432, **options)  # type: ignore[arg-type]  # a test's freedom


def test_a_url_is_read_whole() -> None:
    address = parse("postgresql://me:p%40ss@db1,db2:6543,[::1]:7/the%20db?pool=9&fast=true")
    assert address.hosts == (Host("db1", 5432), Host("db2", 6543), Host("::1", 7))
    assert (address.username, address.password, address.path) == ("me", "p@ss", "the db")
    assert address.options(Options) == Options(pool=9, fast=True)
    assert address.tls is None


def test_no_message_tells_the_login_or_the_options() -> None:
    address = parse("postgresql://me:hush@db/x?fast=secret")
    assert "hush" not in repr(address) + str(address)
    with pytest.raises(BackendError) as raised:
        address.options(Options)
    assert "secret" not in str(raised.value)
    assert "fast" in str(raised.value)


def test_an_unknown_option_is_an_error_that_names_the_known() -> None:
    with pytest.raises(BackendError, match=r"no option pol; there are pool, fast, tls"):
        parse("postgresql://db?pol=1").options(Options)


def test_what_may_be_of_a_password_is_not_named() -> None:
    with pytest.raises(BackendError, match="no option of such a name; there are pool") as raised:
        parse("postgresql://me?hunter2=x@db/").options(Options)
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize("url", ["postgresql://db:port/", "postgresql://[::1/", "x://db:99999/"])
def test_what_is_no_url_is_an_error(url: str) -> None:
    with pytest.raises(BackendError, match="sql: this is not a well-formed URL"):
        parse(url)


def test_tls_is_asked_for_by_an_option_or_by_the_scheme() -> None:
    assert parse("a://db?tls=true").tls == Tls()
    assert parse("a://db?tls_ca=/ca.pem").tls == Tls(ca="/ca.pem")
    assert parse("as://db", secure=("as",)).tls == Tls()
    assert parse("a://db?tls=false").tls is None


@pytest.mark.parametrize(
    "url", ["a://db?tls=perhaps", "a://db?tls=false&tls_ca=x", "as://db?tls=false"]
)
def test_tls_is_never_dropped_by_mistake(url: str) -> None:
    with pytest.raises(BackendError, match="tls is true or false"):
        parse(url, secure=("as",))


def test_a_pem_file_that_is_not_there_is_an_error_without_a_trace() -> None:
    with pytest.raises(BackendError, match="is not a PEM file to use"):
        Tls(ca="/nowhere.pem").context()


def test_durations_and_sizes_have_units() -> None:
    assert [seconds(text) for text in ("100ms", "2s", "1.5m", "1d")] == [0.1, 2, 90, 86400]
    assert [size(text) for text in ("7", "2KiB", "3MiB")] == [7, 2048, 3 << 20]
    with pytest.raises(ValueError, match="expected a duration"):
        seconds("5")
    with pytest.raises(ValueError, match="expected a size"):
        size("5 apples")
