import random

import pytest

from gateway.http1.headers import HeaderLines
from gateway.router import Match, NoMatch, Rule
from tests.gateway.routing.tables import find, router


class Linear:
    """The specification read out loud: every rule is held against the request, the best wins."""

    def __init__(self, rules: list[Rule]) -> None:
        self.rules = rules

    def find(
        self, method: str, host: str, path: str, query: dict[str, str], headers: dict[str, str]
    ) -> tuple[str, tuple[str, ...]] | tuple[int, tuple[str, ...]]:
        best: list[tuple[tuple[object, ...], str, tuple[str, ...]]] = []
        allow: set[str] = set()
        for order, rule in enumerate(self.rules):
            hosts = [_host_rank(name, host) for name in rule.hosts] or [(2, 0)]
            host_rank = min((rank for rank in hosts if rank), default=None)
            caught = _caught(rule.path, path)
            if host_rank is None or caught is None:
                continue
            if not rule.headers.items() <= headers.items():
                continue
            if not rule.query.items() <= query.items():
                continue
            methods = {*rule.methods, *(["HEAD"] if "GET" in rule.methods else [])}
            if methods and method not in methods:
                allow |= methods
                continue
            rank = (
                host_rank,
                _path_rank(rule.path),
                not methods,
                -len(rule.headers),
                -len(rule.query),
                order,
            )
            best.append((rank, rule.id, caught))
        if best:
            return min(best)[1:]
        return (405, tuple(sorted(allow))) if allow else (404, ())


def _host_rank(name: str, host: str) -> tuple[int, int] | None:
    if name.startswith("*"):
        return (1, -len(name)) if host.endswith(name[1:]) else None
    return (0, 0) if name == host else None


def _path_rank(pattern: str) -> tuple[object, ...]:
    segments = pattern.split("/")[1:]
    kinds = [3 if s == "**" else 2 if s == "*" else 1 if s[:1] == "{" else 0 for s in segments]
    return (max(kinds), -len(kinds) if 3 in kinds else 0, kinds)


def _caught(pattern: str, path: str) -> tuple[str, ...] | None:
    wanted, given = pattern.split("/")[1:], path.split("/")[1:]
    caught: list[str] = []
    while wanted and wanted[0] != "**":
        if not given:
            return None
        segment, wish = given.pop(0), wanted.pop(0)
        if wish == "*" or wish.startswith("{"):
            if not segment:
                return None
            caught.append(segment)
        elif wish != segment:
            return None
    if wanted:
        return (*caught, "/".join(given))
    return None if given else tuple(caught)


@pytest.mark.parametrize("seed", range(60))
def test_the_router_agrees_with_the_specification_on_random_tables(seed: int) -> None:
    dice = random.Random(seed)
    rules = [_random_rule(dice, number) for number in range(dice.randrange(1, 40))]
    table, linear = router(*rules), Linear(rules)
    for _ in range(200):
        method = dice.choice(["GET", "HEAD", "POST", "PUT"])
        host = dice.choice(["a.b.c", "b.c", "x.b.c", "c", "d"])
        path = _random_path(dice, ["a", "b", "c", "d"])
        query = {name: dice.choice("12") for name in dice.sample("qr", dice.randrange(3))}
        headers = {name: dice.choice("12") for name in dice.sample("xy", dice.randrange(3))}
        found = table.find(
            method,
            host,
            path.encode(),
            "&".join(f"{name}={value}" for name, value in query.items()).encode(),
            HeaderLines([f"{name}: {value}".encode() for name, value in headers.items()]),
        )
        expected = linear.find(method, host, path, query, headers)
        if isinstance(found, Match):
            told = (found.target, tuple(capture.decode() for capture in found.captures))
        else:
            told = (found.status, found.allow)
        assert told == expected, (method, host, path, query, headers)


@pytest.mark.parametrize("seed", range(20))
def test_spelling_a_path_differently_finds_the_same_route_or_a_bad_request(seed: int) -> None:
    dice = random.Random(seed)
    rules = [_random_rule(dice, number) for number in range(20)]
    table = router(*rules)
    for _ in range(200):
        path = _random_path(dice, ["a", "b", "c", "d"])
        spelled = "".join(_misspelled(dice, character) for character in path)
        plain = find(table, path, "PUT")
        other = find(table, spelled, "PUT")
        if isinstance(plain, Match):
            assert isinstance(other, Match) or other.status == 400
            assert isinstance(other, NoMatch) or other.target == plain.target
        else:
            assert other == plain


def _misspelled(dice: random.Random, character: str) -> str:
    if dice.random() < 0.7:
        return character
    return "//" if character == "/" else f"%{ord(character):02{dice.choice('xX')}}"


def _random_rule(dice: random.Random, number: int) -> Rule:
    path = _random_path(dice, ["a", "b", "c", "{x}", "*"])
    if dice.random() < 0.3:
        path = path.rstrip("/") + "/**"
    names = iter("klmnop")
    path = "/".join(f"{{{next(names)}}}" if part == "{x}" else part for part in path.split("/"))
    return Rule(
        id=f"r{number}",
        path=path,
        methods=dice.sample(["GET", "POST", "HEAD"], dice.choice([0, 0, 1, 2])),
        hosts=dice.sample(["a.b.c", "*.b.c", "*.c", "b.c"], dice.choice([0, 0, 0, 1, 2])),
        headers={name: dice.choice("12") for name in dice.sample("xy", dice.choice([0, 0, 1, 2]))},
        query={name: dice.choice("12") for name in dice.sample("qr", dice.choice([0, 0, 1, 2]))},
        guards=frozenset(dice.sample(["jwt", "limit"], dice.randrange(3))),
    )


def _random_path(dice: random.Random, segments: list[str]) -> str:
    parts = [dice.choice(segments) for _ in range(dice.randrange(5))]
    return "/" + "/".join(parts) + ("/" if parts and dice.random() < 0.2 else "")
