"""Folds a route's middlewares into flat tuples of phases, once, at load time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gateway.exchange import Exchange
from gateway.middleware import AnyMiddleware, Middleware

Phase = Callable[[Exchange], Any]
Phases = tuple[Phase, ...]


class Step:
    """A request phase, and what is unwound when it is the one that answers."""

    __slots__ = ("done", "request", "response")

    def __init__(self, request: Phase, response: Phases, done: Phases) -> None:
        self.request = request
        self.response = response
        self.done = done


class Chain:
    """Requests flow down `steps`; answers flow up `response`, then `done`.

    Both are already in reverse order and hold only phases that a middleware overrides.
    transforms: some answers' bodies will be changed.
    """

    __slots__ = ("done", "names", "response", "steps", "transforms")

    def __init__(
        self,
        names: tuple[str, ...] = (),
        steps: tuple[Step, ...] = (),
        response: Phases = (),
        done: Phases = (),
        transforms: bool = False,
    ) -> None:
        self.names = names
        self.steps = steps
        self.response = response
        self.done = done
        self.transforms = transforms


def fold(middlewares: Sequence[tuple[str, AnyMiddleware]]) -> Chain:
    """The chain of `(name, middleware)` pairs, first one outermost."""
    steps: list[Step] = []
    response: Phases = ()
    done: Phases = ()
    for _, middleware in middlewares:
        kind = type(middleware)
        if kind.response is not Middleware.response:
            response = (middleware.response, *response)
        if kind.done is not Middleware.done:
            done = (middleware.done, *done)
        if kind.request is not Middleware.request:
            steps.append(Step(middleware.request, response, done))
    return Chain(
        tuple(name for name, _ in middlewares),
        tuple(steps),
        response,
        done,
        any(middleware.transforms_answer for _, middleware in middlewares),
    )
