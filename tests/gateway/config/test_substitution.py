from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway.config.substitution import Substitution


@pytest.fixture
def substitute(tmp_path: Path) -> Substitution:
    return Substitution({"NAME": "value", "EMPTY": "", "N1_": "one"}, tmp_path)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("${NAME}", "value"),
        ("a ${NAME} and ${N1_}", "a value and one"),
        ("${EMPTY}", ""),
        ("${UNSET:-default}", "default"),
        ("${UNSET:-}", ""),
        ("${EMPTY:-default}", "default"),
        ("${NAME:-default}", "value"),
        ("$NAME", "$NAME"),
        ("${NAME", "${NAME"),
    ],
)
def test_a_variable_gives_way_to_its_value(
    substitute: Substitution, text: str, result: str
) -> None:
    assert substitute(text)[0] == result


@pytest.mark.parametrize(
    "text", ["${jwt.sub}", "${header:x-user}", "${request_id}", "${ip}", "${name}", "${}"]
)
def test_what_middlewares_fill_in_passes_untouched(substitute: Substitution, text: str) -> None:
    assert substitute(text) == (text, (), False)


def test_two_dollars_make_a_literal_brace(substitute: Substitution) -> None:
    assert substitute("$${NAME} ${NAME}") == ("${NAME} value", ("value",), False)
    assert substitute("$${NAME}") == ("${NAME}", (), False)


def test_what_was_substituted_is_remembered_as_secret(substitute: Substitution) -> None:
    assert substitute("a-${NAME}") == ("a-value", ("value",), False)
    assert substitute("${NAME}") == ("value", ("value",), True)
    assert substitute.secrets == {"value", "a-value"}


def test_an_unset_variable_is_named(substitute: Substitution) -> None:
    with pytest.raises(ValueError, match="the environment variable UNSET is not set"):
        substitute("${UNSET}")


def test_defaults_do_not_nest(substitute: Substitution) -> None:
    with pytest.raises(ValueError, match="the default of A cannot hold another"):
        substitute("${A:-${B}}")


@pytest.mark.parametrize("content", ["secret", "secret\n", "secret\r\n"])
def test_a_file_gives_its_text_without_the_last_newline(
    substitute: Substitution, tmp_path: Path, content: str
) -> None:
    (tmp_path / "token").write_text(content)
    assert substitute("${file:token}")[0] == "secret"
    assert substitute(f"<${{file:{tmp_path}/token}}>")[0] == "<secret>"


def test_only_one_newline_is_taken(substitute: Substitution, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("a\n\n")
    assert substitute("${file:token}")[0] == "a\n"


def test_a_file_that_is_not_there_is_named(substitute: Substitution, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there is no file /"):
        substitute("${file:nowhere}")
    with pytest.raises(ValueError, match="there is no file"):
        substitute("${file:}")


@pytest.mark.parametrize(
    ("content", "words"), [(b"\xff", "not UTF-8"), (b"x" * (1024 * 1024 + 1), "larger than 1 MiB")]
)
def test_a_file_that_is_no_short_text_is_refused(
    substitute: Substitution, tmp_path: Path, content: bytes, words: str
) -> None:
    (tmp_path / "token").write_bytes(content)
    with pytest.raises(ValueError, match=words):
        substitute("${file:token}")


def test_a_pipe_is_not_waited_for(substitute: Substitution, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="there is no file"):
        substitute("${file:pipe}")


def test_a_path_that_no_file_can_have_is_a_mistake_too(substitute: Substitution) -> None:
    with pytest.raises(ValueError, match="there is no file"):
        substitute("${file:" + "x" * 300 + "}")
    with pytest.raises(ValueError, match="there is no file"):
        substitute("${file:a\0b}")
