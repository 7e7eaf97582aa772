"""Operations as pymongo takes them, without what runs code in the server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pymongo import DeleteMany, DeleteOne, InsertOne, ReplaceOne, UpdateMany, UpdateOne

from backends.documents import Delete, Document, Insert, Operation, Replace, Update
from backends.documents.mongodb_errors import DUPLICATE
from backends.errors import Refused

CODE = frozenset({"$where", "$function", "$accumulator"})
DEEPEST = 100


def operation_of(operation: Operation) -> Any:
    match operation:
        case Insert(document):
            return InsertOne(dict(document))
        case Replace(document):
            return ReplaceOne({"_id": {"$eq": key_of(document)}}, document, upsert=True)
        case Update(where, change, many, upsert):
            way = UpdateMany if many else UpdateOne
            return way(checked(where), change_of(change), upsert=upsert)
        case Delete(where, many):
            return (DeleteMany if many else DeleteOne)(checked(where))


def key_of(document: Document) -> Any:
    if "_id" not in document:
        raise Refused("documents: what replaces needs its _id")
    return document["_id"]


def change_of(change: Document) -> Document:
    if not change or not all(name.startswith("$") for name in change):
        raise Refused("documents: a change is made of $set, $unset and the like")
    return checked(change)


def checked(where: Document) -> Document:
    """Without what runs code in the server, however deep. Raises Refused."""
    waiting: list[tuple[Any, int]] = [(where, 1)]
    while waiting:
        each, depth = waiting.pop()
        if depth > DEEPEST:
            raise Refused(f"documents: more than {DEEPEST} deep")
        if isinstance(each, Mapping):
            if CODE.intersection(each):
                raise Refused("documents: $where, $function and $accumulator are not for use")
            waiting += [(value, depth + 1) for value in each.values()]
        elif isinstance(each, list | tuple):
            waiting += [(value, depth + 1) for value in each]
    return where


def kind_of(code: int) -> Literal["conflict", "refused"]:
    return "conflict" if code == DUPLICATE else "refused"
