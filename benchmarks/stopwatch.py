"""CPU time of named steps of a program that runs on one thread: each step without the steps inside it."""

import functools
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock


class Stopwatch:
    """Seconds of CPU time per step; what no step claims is `REST`. Steps inside an opaque step count as that step."""

    REST = "everything else"

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.inside = [self.REST]
        self.opaque = 0
        self.last = time.thread_time()

    def note(self) -> None:
        """Give the time since the last call to the step that is under way."""
        now = time.thread_time()
        self.seconds[self.inside[-1]] += now - self.last
        self.last = now

    @contextmanager
    def step(self, name: str, opaque: bool = False) -> Iterator[None]:
        """Time of the block belongs to `name`."""
        if self.opaque:
            yield
            return
        self.note()
        self.inside.append(name)
        self.opaque += opaque
        try:
            yield
        finally:
            self.note()
            self.opaque -= opaque
            self.inside.pop()

    def timed(self, function: Callable[..., Any], name: str, opaque: bool = False) -> Callable[..., Any]:
        """`function` as a step."""

        @functools.wraps(function)
        def measured(*given: Any, **named: Any) -> Any:
            with self.step(name, opaque):
                return function(*given, **named)

        return measured

    def timed_items(self, function: Callable[..., Iterator[Any]], name: str) -> Callable[..., Iterator[Any]]:
        """A function that gives an iterator, of which each item is a step."""

        @functools.wraps(function)
        def measured(*given: Any, **named: Any) -> Iterator[Any]:
            items, end = function(*given, **named), object()
            while True:
                with self.step(name):
                    item = next(items, end)
                if item is end:
                    return
                yield item

        return measured

    @contextmanager
    def watch(
        self,
        functions: list[tuple[Any, str, str]],
        iterators: list[tuple[Any, str, str]],
        opaque: list[tuple[Any, str, str]],
    ) -> Iterator[None]:
        """Measure attributes, each (owner, attribute, step), while the block runs."""
        with ExitStack() as stack:
            for owner, attribute, name in functions:
                stack.enter_context(mock.patch.object(owner, attribute, self.timed(getattr(owner, attribute), name)))
            for owner, attribute, name in opaque:
                whole = self.timed(getattr(owner, attribute), name, opaque=True)
                stack.enter_context(mock.patch.object(owner, attribute, whole))
            for owner, attribute, name in iterators:
                items = self.timed_items(getattr(owner, attribute), name)
                stack.enter_context(mock.patch.object(owner, attribute, items))
            self.last = time.thread_time()
            yield
            self.note()
