from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest

from gateway.config import ConfigErrors, load
from gateway.config.nodes import Mapping, Scalar, Sequence, plain
from gateway.config.problems import Problems
from gateway.config.source import parse
from gateway.config.substitution import Substitution
from tests.gateway.config.files import MINIMAL, mistakes, written

ENVIRONMENT = {"PORT": "8080", "SECRET": "hunter2", "YES": "true"}


def tree(text: str | bytes) -> Mapping:
    problems = Problems("file")
    content = text if isinstance(text, bytes) else text.encode()
    root = parse(content, Substitution(ENVIRONMENT, Path()), problems)
    problems.raise_if_any()
    return root


def refused(text: str | bytes) -> list[str]:
    with pytest.raises(ConfigErrors) as caught:
        tree(text)
    return [str(problem).removeprefix("file:") for problem in caught.value.errors]


def test_every_key_and_value_knows_its_line_and_column() -> None:
    root = tree("a:\n  b: [1,\n      x]\n")
    inner = root.entries["a"]
    assert isinstance(inner, Mapping)
    listed = inner.entries["b"]
    assert isinstance(listed, Sequence)
    places = [root, root.keys["a"], inner, inner.keys["b"], listed, *listed.items]
    assert [(place.line, place.column) for place in places] == [
        (1, 1),
        (1, 1),
        (2, 3),
        (2, 3),
        (2, 6),
        (2, 7),
        (3, 7),
    ]


def test_scalars_follow_yaml_1_2() -> None:
    text = """
    strings: [on, no, yes, 12:30, 2024-01-01, 1_000, 0x10, "1", 'true', "", 1.2.3, -, +, .]
    others: [true, False, ~, null, 12, -3, +4, 007, 1.5, .5, 1e3, -1.5E-2]
    nothing:
    """
    root = plain(tree(text))
    assert all(isinstance(each, str) for each in root["strings"])
    assert root["others"] == [True, False, None, None, 12, -3, 4, 7, 1.5, 0.5, 1000.0, -0.015]
    assert root["nothing"] is None


def test_a_number_of_any_length_is_read() -> None:
    assert plain(tree(f"n: {'9' * 5000}")) == {"n": float("inf")}


def test_a_value_that_is_all_substituted_has_the_type_of_its_text() -> None:
    root = tree('a: ${PORT}\nb: "${YES}"\nc: "${NONE:-}"\nd: p${PORT}\ne: $${PORT}')
    assert plain(root) == {"a": 8080, "b": True, "c": None, "d": "p8080", "e": "${PORT}"}
    text = root.entries["a"]
    assert isinstance(text, Scalar)
    assert text.text == "8080"


def test_every_unset_variable_of_a_file_is_reported_at_once() -> None:
    assert refused("a: ${NOPE}\nb:\n  - x\n  - ${NADA}") == [
        "1:4: a: the environment variable NOPE is not set",
        "4:5: b[1]: the environment variable NADA is not set",
    ]


def test_an_unset_variable_is_not_also_a_wrong_type(tmp_path: Path) -> None:
    assert mistakes(tmp_path, 'version: 1\nserver: {workers: "${N}", listen: ["${L}"]}') == [
        "2:19: server.workers: the environment variable N is not set",
        "2:36: server.listen[0]: the environment variable L is not set",
    ]


def test_an_anchor_may_be_used_again() -> None:
    root = tree("a: &x {b: [1]}\nc: *x\n&k d: *k")
    assert plain(root) == {"a": {"b": [1]}, "c": {"b": [1]}, "d": "d"}


@pytest.mark.parametrize("text", ["a: *nowhere", "a: &x [*x]", "a: &x {b: *x}"])
def test_an_alias_needs_an_anchor_that_is_complete(text: str) -> None:
    assert "there is no anchor" in refused(text)[0]


def test_a_bomb_of_aliases_is_refused_before_it_goes_off() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    assert "more than 2000000 values" in refused("\n".join(lines))[0]


def test_a_deep_file_is_refused_before_it_overflows() -> None:
    assert refused("a: " + "[" * 100) == ["1:67: nested deeper than 64 levels"]
    [said] = refused("a: " + "[" * 100_000)
    assert said.endswith(": nested deeper than 64 levels")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "1:1: the file is empty"),
        ("# nothing\n", "1:1: the file is empty"),
        ("- a", "1:1: expected a mapping of sections such as routes:"),
        ("a: 1\n---\nb: 1", "2:1: a second document: a file holds one"),
        ("a: 1\n\tb: 2", "2:1: a tab: YAML is indented with spaces"),
        ("a:\n\tb: 1", "2:1: a tab: YAML is indented with spaces"),
        (b"a: 1\nb\xc3: \xff", "2:2: this byte is not UTF-8"),
        ("a: 1\nb: \x07", "2:4: control characters are not allowed (#x0007)"),
        ("é: 1\nb: \x07", "2:4: control characters are not allowed (#x0007)"),
        ("{a: ${PORT}}", '1:6: inside {..} and [..] a value with ${..} has to be in "quotes"'),
        ("a: [1", "2:1: not YAML: did not find expected ',' or ']' while parsing a flow sequence"),
        ("[a]: 1", "1:1: a key has to be a plain string"),
        ("{a: 1}: 1", "1:1: a key has to be a plain string"),
        ("!!str a: 1", "1:1: tags are not allowed ('tag:yaml.org,2002:str')"),
        ("a: !!python/name:os.system x", "1:4: a: tags are not allowed"),
        ("a: !x [1]", "1:4: a: tags are not allowed ('!x')"),
    ],
)
def test_what_is_no_configuration_is_refused_where_it_is(text: str | bytes, message: str) -> None:
    assert refused(text)[0].startswith(message)


def test_duplicate_keys_are_refused_all_of_them() -> None:
    assert refused("a: 1\nb: {c: 1, c: 2}\na: 3") == [
        "2:11: b.c: duplicate key 'c', first on line 2",
        "3:1: a: duplicate key 'a', first on line 1",
    ]


def test_a_key_that_yaml_reads_as_something_else_has_to_be_quoted() -> None:
    assert refused("1: a\ntrue: b\n'2': c") == [
        "1:1: a key has to be a string: write '1' in quotes",
        "2:1: a key has to be a string: write 'true' in quotes",
    ]


def test_a_byte_order_mark_is_passed_over() -> None:
    assert plain(tree(b"\xef\xbb\xbfa: 1")) == {"a": 1}


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigErrors, match="cannot be read: No such file"):
        load(tmp_path / "nowhere.yaml")


def test_a_pipe_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigErrors, match="is not a regular file"):
        load(tmp_path / "pipe")


def test_a_huge_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "huge.yaml"
    path.write_bytes(b"#" * (16 * 1024 * 1024 + 1))
    with pytest.raises(ConfigErrors, match="larger than 16 MiB"):
        load(path)


def test_reading_leaves_the_garbage_collector_as_it_was(tmp_path: Path) -> None:
    path = written(tmp_path, "version: 1")
    gc.disable()
    try:
        load(path)
        assert not gc.isenabled()
    finally:
        gc.enable()
    load(path)
    assert gc.isenabled()


def test_ten_thousand_routes_are_read_in_one_go(tmp_path: Path) -> None:
    routes = "".join(
        f'  - {{id: r{n}, match: {{path: "/r{n}/**"}}, upstream: users, strip_prefix: /r{n}}}\n'
        for n in range(10_000)
    )
    config = load(written(tmp_path, f"{MINIMAL}routes:\n{routes}")).config
    assert len(config.routes) == 10_000
    assert config.routes[-1].match.path == "/r9999/**"
