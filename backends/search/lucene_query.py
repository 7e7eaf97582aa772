"""A query as Elasticsearch and OpenSearch take it, and their answer as a page.

A document there: `id`, its own once more, to sort by; `t`, folded words by field, indexed and not
kept; `f`, values by field, to filter, sort and count by; `s`, what is given back, as it was put.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from backends.search.cursors import read, written
from backends.search.highlights import highlight
from backends.search.index import Entry, Index, given_back
from backends.search.query import (
    COUNTED,
    And,
    Bucket,
    Eq,
    Exists,
    Filter,
    Hit,
    In,
    Not,
    Or,
    Page,
    Query,
    Range,
    value_of,
)
from backends.search.words import Clause, clauses, folded

Json = dict[str, Any]
TYPES = {"keyword": "keyword", "number": "double", "date": "long", "bool": "boolean"}
EXPANDED = 1000
NOTHING: Json = {"match_none": {}}


def mapping(index: Index, *, filled: bool) -> Json:
    words = {"type": "text", "analyzer": "whitespace"}
    return {
        "dynamic": False,
        "_meta": {"fields": index.digest(), "filled": filled},
        "_source": {"excludes": ["t"]},
        "properties": {
            "id": {"type": "keyword"},
            "t": {"properties": dict.fromkeys(index.named("text"), words)},
            "f": {
                "properties": {
                    name: {"type": TYPES[index.fields[name].kind]}
                    for name in index.named("keyword", "number", "date", "bool")
                }
            },
            "s": {"type": "object", "enabled": False},
        },
    }


def source(entry: Entry) -> Json:
    return {
        "id": entry.id,
        "t": {name: folded(text) for name, text in entry.text.items()},
        "f": {**entry.plain, **entry.many},
        "s": entry.stored,
    }


def asked(index: Index, query: Query) -> Json:
    """Raises Refused for a cursor that is not of this query."""
    listed = clauses(query.text)
    by_score = any(clause.wanted for clause in listed) and not query.sort
    sort: list[Json] = [
        {f"f.{name}": {"order": "desc" if down else "asc", "missing": "_last"}}
        for name, down in query.sort
    ]
    if by_score:
        sort.append({"_score": "desc"})
    sort.append({"id": "asc"})
    body: Json = {
        "query": {
            "bool": {
                "must": [_clause(index, clause) for clause in listed if clause.wanted],
                "must_not": [_clause(index, clause) for clause in listed if not clause.wanted],
                "filter": [] if query.where is None else [condition(index, query.where)],
            }
        },
        "size": query.limit,
        "sort": sort,
        "track_total_hits": COUNTED + 1,
        "_source": _wanted(query),
    }
    if query.facets:
        body["aggs"] = {
            name: {
                "terms": {
                    "field": f"f.{name}",
                    "size": most,
                    "order": [{"_count": "desc"}, {"_key": "asc"}],
                }
            }
            for name, most in query.facets.items()
        }
    if (after := read(query, len(sort))) is not None:
        body["search_after"] = after
    return body


def page(index: Index, query: Query, answer: Json) -> Page:
    listed = clauses(query.text)
    found = answer["hits"]
    hits = [_hit(index, query, listed, each) for each in found["hits"]]
    total = found["total"]["value"]
    last = found["hits"][-1]["sort"] if len(hits) == query.limit and total > query.limit else None
    return Page(
        hits,
        min(total, COUNTED),
        total <= COUNTED and found["total"]["relation"] == "eq",
        {
            name: [
                Bucket(_bucket(index, name, each["key"]), each["doc_count"])
                for each in answer["aggregations"][name]["buckets"]
            ]
            for name in query.facets
        },
        None if last is None else written(query, last),
    )


def condition(index: Index, where: Filter) -> Json:  # noqa: PLR0911 - one a kind
    match where:
        case And(filters):
            return {"bool": {"filter": [condition(index, one) for one in filters]}}
        case Or(()) | Or([]):
            return NOTHING
        case Or(filters):
            any_of = [condition(index, one) for one in filters]
            return {"bool": {"should": any_of, "minimum_should_match": 1}}
        case Not(inner):
            return {"bool": {"must_not": [condition(index, inner)]}}
        case Eq(name, value):
            return {"term": {f"f.{name}": {"value": value_of(index, name, value)}}}
        case In(name, values):
            return {"terms": {f"f.{name}": [value_of(index, name, value) for value in values]}}
        case Range(name):
            bounds = where.bounds()
            if not bounds:
                return {"exists": {"field": f"f.{name}"}}
            listed = {bound: value_of(index, name, value) for bound, value in bounds.items()}
            return {"range": {f"f.{name}": listed}}
        case Exists(name):
            return {"exists": {"field": f"f.{name}"}}


def _clause(index: Index, clause: Clause) -> Json:
    """In the field where it counts most. Nothing is analysed but by spaces: words come folded."""
    fields = index.named("text")
    if not fields:
        return NOTHING
    weights = ((f"t.{name}", index.fields[name].weight) for name in fields)
    return {"dis_max": {"queries": list(_in_fields(clause, weights))}}


def _in_fields(clause: Clause, fields: Iterable[tuple[str, float]]) -> Iterable[Json]:
    said = " ".join(clause.words)
    for name, boost in fields:
        if len(clause.words) == 1:
            way = "prefix" if clause.prefix else "term"
            yield {way: {name: {"value": said, "boost": boost}}}
        elif clause.prefix:
            phrase = {"query": said, "boost": boost, "max_expansions": EXPANDED}
            yield {"match_phrase_prefix": {name: phrase}}
        else:
            yield {"match_phrase": {name: {"query": said, "boost": boost}}}


def _wanted(query: Query) -> Json | bool:
    if query.fields is None:
        return {"includes": ["s"]}
    names = [f"s.{name}" for name in {*query.fields, *query.highlights}]
    return {"includes": names} if names else False


def _hit(index: Index, query: Query, listed: list[Clause], each: Json) -> Hit:
    found = each.get("_source", {}).get("s", {})
    pieces = {name: highlight(found[name], listed) for name in query.highlights if name in found}
    if query.fields is not None:
        found = {name: found[name] for name in query.fields if name in found}
    return Hit(each["_id"], each["_score"], given_back(index, found), pieces)


def _bucket(index: Index, name: str, key: Any) -> str | float | bool:
    return bool(key) if index.fields[name].kind == "bool" else key
