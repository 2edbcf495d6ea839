"""Who does the work of a build: this process, and where there is much to do as many others as there are cores."""

import gc
import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from itertools import repeat
from typing import TypeVar

from ops.runbook.render import Renderer

T = TypeVar("T")
R = TypeVar("R")
Act = Callable[[Renderer, T], R]
"""What is done with a renderer for one job; like the job and its result it can travel to another process."""

PRELOADED = ["ops.runbook.reading"]
"""Loaded once for all processes of a crew."""

_renderers: list[Renderer] = []
"""The one renderer of a process that was begun by another: what it has said once it need not put together again."""


class Crew:
    """The processes of one build; ``renderer`` is that of this process."""

    def __init__(self, languages: tuple[str, ...]) -> None:
        self.renderer = Renderer(languages)
        self._pool: ProcessPoolExecutor | None = None

    @classmethod
    @contextmanager
    def of(cls, languages: tuple[str, ...]) -> "Iterator[Crew]":
        """Yield the crew of a site in *languages*; afterwards no process of it is left, and what is not yet begun is not done."""
        crew = cls(languages)
        try:
            yield crew
        finally:
            if crew._pool:
                crew._pool.shutdown(cancel_futures=True)

    def call(self) -> None:
        """Have other processes help from now on; they take half a second to begin."""
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(PRELOADED)
        self._pool = ProcessPoolExecutor(
            len(os.sched_getaffinity(0)), context, initializer=_begin, initargs=(self.renderer.words.languages,)
        )
        self._pool.submit(gc.isenabled)  # they begin with their first job

    def each(self, act: Act[T, R], jobs: Iterable[T]) -> Iterable[R]:
        """Return what *act* makes of each of *jobs*, in their order; where others help they begin with the first one."""
        if self._pool:
            return self._pool.map(_do, repeat(act), jobs)
        return [act(self.renderer, job) for job in jobs]


def _begin(languages: tuple[str, ...]) -> None:
    gc.disable()
    _renderers.append(Renderer(languages))


def _do(act: Act[T, R], job: T) -> R:
    return act(_renderers[0], job)


@contextmanager
def uncollected() -> Iterator[None]:
    """Look for no unused cycles of objects: a build keeps millions of objects and makes few cycles, and it ends soon."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()
