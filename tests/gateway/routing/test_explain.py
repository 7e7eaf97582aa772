from gateway.http1.headers import HeaderLines
from gateway.router import Explanation, Match, NoMatch, Router, Rule
from tests.gateway.routing.tables import NOTHING, find, paths, router


def explain(table: Router[str], path: bytes, method: str = "GET") -> Explanation[str]:
    return table.explain(method, "example.com", path, b"", NOTHING)


class TestExplain:
    TABLE = router(
        Rule("all", "/**"),
        Rule("later", "/a", headers={"x-version": "2"}),
        Rule("posts", "/a", methods=["POST"]),
        Rule("plain", "/a"),
        Rule("again", "/a"),
        Rule("query", "/a", query={"v": "2"}),
        Rule("host", "/{x}", hosts=["example.com"], methods=["PUT"]),
        Rule("elsewhere", "/b"),
    )

    def test_every_rule_that_takes_the_path_has_its_verdict_in_order(self) -> None:
        told = explain(self.TABLE, b"/a")
        assert told.outcome == Match("plain")
        assert [(said.rule.id, said.host, said.verdict) for said in told.considered] == [
            ("host", "example.com", "method GET not in PUT"),
            ("posts", "", "method GET not in POST"),
            ("later", "", "header x-version is not 2"),
            ("query", "", "query v is not 2"),
            ("plain", "", "chosen"),
            ("again", "", "less specific: later in the file"),
            ("all", "", "less specific: path /**"),
        ]

    def test_it_says_what_was_less_specific(self) -> None:
        told = self.TABLE.explain(
            "POST", "example.com", b"/a", b"v=2", HeaderLines([b"X-Version: 2"])
        )
        assert told.outcome == Match("posts")
        assert [said.verdict for said in told.considered] == [
            "method POST not in PUT",
            "chosen",
            "less specific: no methods",
            "less specific: no methods",
            "less specific: no methods",
            "less specific: no methods",
            "less specific: path /**",
        ]
        told = self.TABLE.explain(
            "GET", "example.com", b"/a", b"v=2", HeaderLines([b"X-Version: 2"])
        )
        assert [said.verdict for said in told.considered][2:5] == [
            "chosen",
            "less specific: fewer headers",
            "less specific: fewer headers",
        ]
        told = self.TABLE.explain("GET", "example.com", b"/a", b"v=2", NOTHING)
        assert [said.verdict for said in told.considered][3:5] == [
            "chosen",
            "less specific: fewer query parameters",
        ]

    def test_hosts_are_compared_too(self) -> None:
        table = router(
            Rule("exact", "/**", hosts=["api.example.com"]),
            Rule("wild", "/a", hosts=["*.example.com"]),
            Rule("none", "/a"),
        )
        told = table.explain("GET", "api.example.com", b"/a", b"", NOTHING)
        assert [(said.host, said.verdict) for said in told.considered] == [
            ("api.example.com", "chosen"),
            ("*.example.com", "less specific: host *.example.com"),
            ("", "less specific: no host"),
        ]

    def test_an_ambiguous_path_is_told_with_its_other_reading(self) -> None:
        table = router(
            Rule("all", "/**"), Rule("admin", "/admin/**", guards=frozenset({"jwt", "audit"}))
        )
        told = explain(table, b"/admin%2Fx")
        assert isinstance(told.outcome, NoMatch)
        assert told.outcome.status == 400
        assert told.note == (
            "an upstream may read the path as /admin/x, which is route admin, guarded by audit, jwt"
        )

    def test_what_cannot_be_read_has_only_its_outcome(self) -> None:
        table = paths("/**")
        assert explain(table, b"/..").considered == ()
        bad = table.explain("GET", "example.com", b"/a", b"#", NOTHING)
        assert (bad.outcome, bad.considered) == (find(table, "/a", query=b"#"), ())

    def test_a_path_nobody_serves_has_considered_nobody(self) -> None:
        assert explain(paths("/a"), b"/b") == Explanation(NoMatch(404))
