from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import pytest

from gateway.config.decode import decode
from gateway.config.problems import FAILED, Problems
from gateway.config.source import parse
from gateway.config.substitution import Substitution
from gateway.config.units import Duration, Rate, RateOf, Ratio, Size

ENVIRONMENT = {"NUMBER": "12", "WORD": "hunter2", "NULL": "null", "FAST": "fast", "REPR": "a\\b'c"}


class Inner(msgspec.Struct, frozen=True):
    name: str
    size: Size = 1024


class Pair(msgspec.Struct, frozen=True):
    """Refuses itself when the two are equal."""

    left: str = ""
    right: str = ""

    def __post_init__(self) -> None:
        if self.left == self.right:
            raise ValueError(f"left is right: {self.left!r}")


class Options(msgspec.Struct, frozen=True):
    text: str = ""
    flag: bool = False
    count: Annotated[int, msgspec.Meta(ge=1, le=10)] = 1
    share: Annotated[float, msgspec.Meta(gt=0, lt=1)] = 0.5
    wait: Duration = 1.0
    maybe: Duration | None = None
    positive: Annotated[Duration, msgspec.Meta(gt=0)] = 1.0
    size: Size = 0
    ratio: Ratio = 0
    rate: RateOf | None = None
    mode: Literal["fast", "slow"] = "fast"
    level: Literal[1, 2] = 1
    either: str | Inner = ""
    number_or_text: int | str = 0
    words: Annotated[list[str], msgspec.Meta(min_length=1, max_length=2)] = msgspec.field(
        default_factory=lambda: ["x"]
    )
    one_or_more: Annotated[str, msgspec.Meta(min_length=1)] | list[str] = "x"
    pair: tuple[str, ...] = ()
    unique: set[str] = set()
    frozen: frozenset[int] = frozenset()
    code: Annotated[str, msgspec.Meta(pattern="^[a-z]+$", min_length=2, max_length=3)] = "abc"
    inner: Inner | None = None
    table: dict[str, Inner] = {}
    anything: Any = None
    nothing: None = None
    both: Pair | None = None
    renamed: str = msgspec.field(default="", name="re-named")


class Tree(msgspec.Struct, frozen=True):
    name: str
    children: list[Tree] = []


def attempt(text: str, kind: type[Any] = Options) -> tuple[Any, list[str]]:
    problems = Problems("file")
    root = parse(text.encode(), Substitution(ENVIRONMENT, Path()), problems)
    value = decode(root, kind, None, problems)
    return value, [str(problem).removeprefix("file:") for problem in problems.found]


def good(text: str, kind: type[Any] = Options) -> Any:
    value, problems = attempt(text, kind)
    assert problems == []
    return value


def bad(text: str, kind: type[Any] = Options) -> list[str]:
    return attempt(text, kind)[1]


def test_what_is_not_given_has_its_default() -> None:
    assert good("{}") == Options()


def test_every_kind_of_value_is_decoded() -> None:
    options = good(
        """
        text: hello
        flag: true
        count: 3
        share: 0.25
        wait: 500ms
        maybe: 1m
        size: 64KiB
        ratio: 20%
        rate: 30/s
        mode: slow
        level: 2
        either: {name: x, size: 5}
        number_or_text: 7
        words: [a, b]
        pair: [c]
        unique: [d, d]
        frozen: [1]
        code: ab
        inner: {name: y}
        table: {k: {name: z}}
        anything: {list: [1, null, {a: b}]}
        nothing: null
        both: {left: l}
        re-named: n
        """
    )
    assert options == Options(
        text="hello",
        flag=True,
        count=3,
        share=0.25,
        wait=0.5,
        maybe=60.0,
        size=65536,
        ratio=0.2,
        rate=Rate(30, 1.0),
        mode="slow",
        level=2,
        either=Inner(name="x", size=5),
        number_or_text=7,
        words=["a", "b"],
        pair=("c",),
        unique={"d"},
        frozen=frozenset([1]),
        code="ab",
        inner=Inner(name="y"),
        table={"k": Inner(name="z")},
        anything={"list": [1, None, {"a": "b"}]},
        both=Pair(left="l"),
        renamed="n",
    )


def test_quantities_take_bare_numbers_where_the_unit_is_plain() -> None:
    assert good("{size: 512, ratio: 0.2}") == Options(size=512, ratio=0.2)
    assert bad("wait: 30") == [
        "1:7: wait: expected a duration such as 500ms, 30s, 5m or 1h, got 30"
    ]
    assert bad("size: 1.5") == ["1:7: size: expected a whole number, got 1.5"]


def test_a_quantity_is_a_scalar_on_which_yaml_has_no_say() -> None:
    assert bad("{wait: [1s], size: {}, ratio: true, rate: ~}")[:3] == [
        "1:8: wait: expected a quantity, got a list",
        "1:20: size: expected a quantity, got a mapping",
        "1:31: ratio: expected a share such as 20% or 0.2, got true",
    ]


def test_a_quantity_may_be_anywhere_a_scalar_may() -> None:
    class Loose(msgspec.Struct):
        either: Duration | list[str] = 1.0
        named: Annotated[str, msgspec.Meta(description="a name")] | dict[str, str] = ""

    assert good("{either: 2s, named: x}", Loose) == Loose(2.0, "x")
    assert good("{either: [a], named: {a: b}}", Loose) == Loose(["a"], {"a": "b"})


def test_an_optional_value_may_be_null() -> None:
    assert good("{maybe: null, inner: ~}") == Options()


def test_all_mistakes_are_reported_each_at_its_place() -> None:
    assert bad(
        """
text: 5
flag: "true"
count: x
share: []
wait: soon
maybe: 5 min
mode: fats
level: 3
either: [1]
words: nope
inner: {size: 1, nmae: x}
table: {k: 1, l: {name: 2}}
unknwon: 1
nothing: x
number_or_text: {}
"""
    ) == [
        "2:7: text: expected a string: put 5 in quotes",
        "3:7: flag: expected true or false, got 'true'",
        "4:8: count: expected a whole number, got 'x'",
        "5:8: share: expected a number, got a list",
        "6:7: wait: expected a duration such as 500ms, 30s, 5m or 1h, got 'soon'",
        "7:8: maybe: expected a duration such as 500ms, 30s, 5m or 1h, got '5 min'",
        "8:7: mode: expected one of fast, slow, got 'fats', did you mean 'fast'?",
        "9:8: level: expected one of 1, 2, got 3",
        "10:9: either: expected a string, got a list",
        "11:8: words: expected a list, got 'nope'",
        "12:18: inner.nmae: unknown key 'nmae', did you mean 'name'?",
        "12:8: inner: the key 'name' is missing",
        "13:12: table.k: expected a mapping, got 1",
        "13:25: table.l.name: expected a string: put 2 in quotes",
        "14:1: unknwon: unknown key 'unknwon'; known: positive, size, ratio, rate, one_or_more, "
        "pair, unique, frozen, code, anything, both, re-named",
        "15:10: nothing: expected nothing, got 'x'",
        "16:17: number_or_text: expected a string, got a mapping",
    ]


def test_limits_are_kept() -> None:
    assert bad(
        """
count: 0
share: 1
positive: 0s
size: 0
ratio: 1.5
code: A
words: []
one_or_more: ""
"""
    ) == [
        "2:8: count: must be at least 1",
        "3:8: share: must be less than 1",
        "4:11: positive: must be more than 0",
        "6:8: ratio: must be at most 1",
        "7:7: code: must have a length of at least 2",
        "8:8: words: must not be empty",
        "9:14: one_or_more: must not be empty",
    ]
    assert bad("{count: 11, share: 0, code: abcd, words: [a, b, c]}") == [
        "1:9: count: must be at most 10",
        "1:20: share: must be more than 0",
        "1:29: code: must have a length of at most 3",
        "1:42: words: must have a length of at most 2",
    ]
    assert bad("code: A1") == ["1:7: code: must match ^[a-z]+$"]
    assert bad("size: -1") == ["1:7: size: must be at least 0"]


def test_a_number_has_to_be_finite() -> None:
    assert bad("share: 1e999") == ["1:8: share: expected a number, got 1e999"]


def test_a_list_of_broken_items_is_not_called_empty_too() -> None:
    assert bad("words: [1]") == ["1:9: words[0]: expected a string: put 1 in quotes"]


def test_what_is_left_is_decoded_beside_a_mistake() -> None:
    options, problems = attempt("{words: [a, 1], count: x, table: {k: 1}, text: t}")
    assert len(problems) == 3
    assert options == Options(words=["a"], text="t")


def test_a_struct_without_what_it_needs_fails() -> None:
    value, problems = attempt("size: 5", Inner)
    assert value is FAILED
    assert problems == ["1:1: the key 'name' is missing"]
    assert attempt("name: 5", Inner)[0] is FAILED


def test_what_a_struct_says_of_itself_is_reported_where_it_stands() -> None:
    assert bad("text: t\nboth: {left: a, right: a}") == ["2:7: both: left is right: 'a'"]


def test_a_struct_is_not_blamed_for_a_field_that_has_a_mistake_already() -> None:
    assert bad("both: {left: 5}") == ["1:14: both.left: expected a string: put 5 in quotes"]


def test_a_substituted_value_is_taken_as_the_text_or_the_number_it_is() -> None:
    options = good(
        'text: ${NUMBER}\ncount: "${NUMBER:-2}"\nnumber_or_text: ${NUMBER}\nwords: ["${NUMBER}"]'
        "\nmode: ${FAST}\nmaybe: ${NULL}\neither: ${NULL}".replace("${NUMBER:-2}", "${UNSET:-2}")
    )
    assert options.text == "12"
    assert options.count == 2
    assert options.number_or_text == 12
    assert options.words == ["12"]
    assert options.mode == "fast"
    assert options.maybe is None
    assert options.either == "null"


@pytest.mark.parametrize(
    "text",
    [
        "flag: ${WORD}",
        "count: ${WORD}",
        "wait: ${WORD}",
        "mode: ${WORD}",
        "code: ${WORD}",
        "inner: ${WORD}",
        "both: {left: '${WORD}', right: '${WORD}'}",
        "both: {left: 'x${WORD}', right: 'x${WORD}'}",
        'words: ["${WORD}", 1]',
    ],
)
def test_a_substituted_value_is_never_shown(text: str) -> None:
    messages = bad(text)
    assert messages
    assert not any("hunter2" in message for message in messages)


def test_a_substituted_value_is_not_shown_in_its_escaped_form_either() -> None:
    assert bad("both: {left: '${REPR}', right: '${REPR}'}") == ['1:7: both: left is right: "***"']


def test_a_password_in_a_url_is_not_shown() -> None:
    assert bad("mode: http://user:hunter2@host/") == [
        "1:7: mode: expected one of fast, slow, got 'http://***@host/'"
    ]


def test_a_long_value_is_shown_in_part() -> None:
    (message,) = bad(f"count: {'x' * 1000}")
    assert len(message) < 120


def test_a_struct_may_hold_itself() -> None:
    assert good("{name: a, children: [{name: b}]}", Tree) == Tree(
        name="a", children=[Tree(name="b")]
    )
    assert bad("{name: a, children: [{name: b, children: [{}]}]}", Tree) == [
        "1:43: children[0].children[0]: the key 'name' is missing"
    ]


def test_plain_structs_that_say_nothing_of_unknown_keys_are_decoded_too() -> None:
    class Loose(msgspec.Struct):
        first: str
        second: int = 2

    assert good("first: x", Loose) == Loose("x")
    assert bad("{first: x, thrid: 1}", Loose) == ["1:12: thrid: unknown key 'thrid'; known: second"]


def test_a_type_that_no_file_can_hold_is_the_programmers_mistake() -> None:
    class Odd(msgspec.Struct):
        raw: bytes = b""

    class Numbered(msgspec.Struct):
        by_number: dict[int, str] = {}

    for kind in (Odd, Numbered, Odd):
        with pytest.raises(TypeError, match="a configuration cannot hold"):
            attempt("{}", kind)
